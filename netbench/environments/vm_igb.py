"""The environment `vm-igb`: the probe in a virtual machine with an emulated card of Intel's that has virtual functions."""

from __future__ import annotations

import subprocess
from functools import cache

from netbench.environments.base import Unavailable
from netbench.environments.guests.bridged import BridgedGuest
from netbench.environments.guests.kernel import find_program
from netbench.environments.guests.virtual_machine import QEMU

_SECONDS = 20.0


class VmIgbEnvironment(BridgedGuest):
    """A guest of QEMU with an emulated Intel 82576 on a bridge of the host."""

    name = "vm-igb"
    description = "the probe in a virtual machine, behind an emulated Intel card (igb) on a bridge"
    card = "igb"
    modules: tuple[str, ...] = ("igb",)

    def available(self) -> Unavailable | None:
        """None when it can be built here; reads only."""
        return super().available() or missing_device(self.card)


@cache
def missing_device(model: str) -> Unavailable | None:
    """Why QEMU cannot give a guest this device, or None; asks QEMU, whatever its version."""
    qemu = find_program(QEMU) or QEMU
    asked = (qemu, "-device", f"{model},help")
    try:
        told = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False).stdout
        if told.startswith(f"{model} options"):  # its exit status is 0 in any case
            return None
        version = subprocess.run((qemu, "--version"), capture_output=True, text=True, timeout=_SECONDS, check=False).stdout
    except (OSError, subprocess.TimeoutExpired) as error:
        return Unavailable(f"{qemu} does not tell whether it has the device {model}: {error}", f"{qemu} -device {model},help")
    return Unavailable(
        f"This QEMU has no device {model} ({version.partition(chr(10))[0]}); it came with version 8.",
        "install a newer one; on Debian 12, with its backports among apt's sources: "
        "apt-get install -t bookworm-backports qemu-system-x86",
    )
