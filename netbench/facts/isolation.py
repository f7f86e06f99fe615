"""What stands between a probe and the network beyond a namespace: a virtual machine, a user without rights, a filter of calls."""

from __future__ import annotations

import platform
from typing import Any

from netbench.facts.reading import Answer, collect, read_text

_SANDBOX_KERNEL = "4.4.0"  # what gVisor says whatever it runs on


def read() -> Answer:
    """Subject `isolation`."""
    return collect({"isolation": _isolation})


def judge_isolation(kernel: str, uid_map: str, mountinfo: str, version: str = "") -> dict[str, Any]:
    """Which of these isolations is there, and the sign of each.

    Args:
        kernel: its release.
        uid_map: text of /proc/self/uid_map.
        mountinfo: text of /proc/self/mountinfo.
        version: text of /proc/version.

    Returns:
        `docker_desktop`, `wsl`, `gvisor`, `enhanced_isolation` (sysbox), `rootless`, each a bool; `evidence`: name -> sign.
    """
    mapped = [line.split() for line in uid_map.splitlines() if len(line.split()) == 3]
    inside_root = next((line for line in mapped if line[0] == "0"), None)
    signs: dict[str, str] = {}
    if "linuxkit" in kernel:
        signs["docker_desktop"] = f"the kernel is {kernel}: that of Docker Desktop's virtual machine"
    if "microsoft" in kernel.lower():
        signs["wsl"] = f"the kernel is {kernel}: that of the Windows Subsystem for Linux"
    if kernel == _SANDBOX_KERNEL and "gvisor" in version.lower():
        signs["gvisor"] = "/proc/version is that of gVisor"
    sysbox = next((line.split()[4] for line in mountinfo.splitlines() if " - fuse sysboxfs " in line), None)
    if sysbox is not None:
        signs["enhanced_isolation"] = f"sysboxfs is mounted on {sysbox}"
    # One id for root alone and a range for the others: how rootlesskit and podman map their user (subuid(5)).
    if sysbox is None and inside_root is not None and inside_root[1] != "0" and inside_root[2] == "1":
        signs["rootless"] = f"root here is user {inside_root[1]} of the host, an id mapped by itself (/proc/self/uid_map)"
    names = ("docker_desktop", "wsl", "gvisor", "enhanced_isolation", "rootless")
    return {**{name: name in signs for name in names}, "evidence": signs}


def _isolation() -> dict[str, Any]:
    return judge_isolation(
        platform.release(), read_text("/proc/self/uid_map"), read_text("/proc/self/mountinfo"), read_text("/proc/version")
    )
