"""What a place is, in one sentence made of its facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_HYPERVISORS = {
    "kvm": "KVM",
    "qemu": "QEMU",
    "vmware": "VMware",
    "virtualbox": "VirtualBox",
    "xen": "Xen",
    "hyperv": "Hyper-V",
    "bochs": "Bochs",
    "parallels": "Parallels",
    "bhyve": "bhyve",
}
_ENGINES = {"docker": "Docker", "podman": "Podman", "kubernetes": "Kubernetes", "lxc": "LXC", "containerd": "containerd"}


def place_sentence(facts: Mapping[str, Any]) -> str:
    """The sentence; what is not known is left out."""
    about = [_machine(facts), *_software(facts), *_size(facts)]
    return ", ".join(part for part in about if part)


def _machine(facts: Mapping[str, Any]) -> str:
    engine = _get(facts, "container", "engine")
    hypervisor = _get(facts, "hypervisor", "name")
    provider = _get(facts, "cloud", "provider")
    if _get(facts, "isolation", "docker_desktop"):
        around = "the virtual machine of Docker Desktop"
    elif _get(facts, "isolation", "wsl"):
        around = "the virtual machine of WSL"
    elif hypervisor in (None, "none"):
        around = "a bare machine" if hypervisor == "none" else "a machine that does not tell its hypervisor"
    elif hypervisor == "unknown":
        around = "a virtual machine of a hypervisor that does not tell its name"
    else:
        around = f"a {_HYPERVISORS.get(str(hypervisor), str(hypervisor))} guest"
    if provider not in (None, "none"):
        around += f" of {provider}"
    if engine in (None, "none"):
        in_user_namespace = ", in a user namespace of its own" if _get(facts, "user_namespace", "own") else ""
        return around[0].upper() + around[1:] + in_user_namespace
    kind = "rootless " if _get(facts, "isolation", "rootless") else ""
    sandbox = (
        " (sysbox)" if _get(facts, "isolation", "enhanced_isolation") else " (gVisor)" if _get(facts, "isolation", "gvisor") else ""
    )
    named = f"{kind}{_ENGINES.get(str(engine), str(engine))} container{sandbox}"
    return f"{named[0].upper()}{named[1:]} on {around}"


def _software(facts: Mapping[str, Any]) -> list[str]:
    release, kernel = _get(facts, "os_release", "pretty_name"), _get(facts, "kernel", "release")
    docker = _get(facts, "engines", "docker", "version")
    told = [str(release) if release else "", f"kernel {kernel}" if kernel else "", f"Docker {docker}" if docker else ""]
    return [part for part in told if part]


def _size(facts: Mapping[str, Any]) -> list[str]:
    cores, memory = _get(facts, "machine", "logical_cores"), _get(facts, "machine", "memory_total_bytes")
    told = []
    if isinstance(cores, int):
        told.append(f"{cores} core{'s' if cores != 1 else ''}")
    if isinstance(memory, int):
        told.append(f"{memory / (1 << 30):.1f} GiB")
    return told


def _get(facts: Mapping[str, Any], *path: str) -> Any:
    value: Any = facts
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
