"""How an interface is connected: its network mode, that of what it hangs on, and what gave them away.

Modes with a device: `physical`, `passthrough` (a whole NIC lent to this guest), `vf` (an SR-IOV virtual function), `virtio`,
`paravirtual` (VMware's, Hyper-V's, Xen's or a cloud's own device), `emulated` (an imitation of a card). Modes without: `loopback`,
and the kernel's own words: veth, macvlan, macvtap, ipvlan, bridge, bond, vlan, tun… Names of interfaces decide nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from netbench.facts.device_models import Machine, paravirtual_of_driver
from netbench.facts.pci import device_below, device_of_address, linked_name, text_or_none
from netbench.facts.reading import Unreadable

_DEPTH_LIMIT = 4  # a VLAN on a bond of virtual functions is three
# Kinds by what sysfs has for them, where `ip` does not tell.
_MARKS = (("bridge", "bridge"), ("bonding", "bond"), ("tun_flags", "tun"), ("macvtap", "macvtap"))
_KIND_OF_DRIVER = {"802.1Q VLAN Support": "vlan", "bonding": "bond"}
_LOOPBACK = "772"  # ARPHRD_LOOPBACK
_STACKED = frozenset({"veth", "macvlan", "macvtap", "ipvlan", "ipvtap", "bridge", "bond", "team", "vlan", "tun", "dummy", "ifb"})


@dataclass(frozen=True)
class Interfaces:
    """The interfaces of a network stack, as far as each source knows them.

    Attributes:
        link: what `ip` printed about an interface; empty when it did not.
        members: names of the interfaces that have this one as their master.
        driver: name and bus address that the driver tells; empty when it does not.
        in_sysfs: whether sysfs shows this network stack.
    """

    link: Callable[[str], dict[str, Any]]
    members: Callable[[str], list[str]]
    driver: Callable[[str], tuple[str, str]]
    in_sysfs: bool


def read(name: str, here: Machine, interfaces: Interfaces, depth: int = 0) -> dict[str, Any]:
    """Network mode of an interface.

    Returns:
        `name`, `mode`, `by` (who makes the device, when it is not its maker), `evidence`, `driver`, `native_drivers` (None: no
        guest, or no device), `device` (PCI identity), `sriov` and `master` (bridge, bond… that it is a part of), or None, and
        `parents`: the same of each interface that it hangs on in this network stack (of a bridge: without the ports of
        containers and guests).

    Raises:
        Unreadable: nothing tells what it is.
    """
    driver, bus = interfaces.driver(name)
    directory = f"{here.root}/class/net/{name}" if interfaces.in_sysfs else ""
    if directory and not driver:
        driver = linked_name(f"{directory}/device/driver") or ""
    kind = _software_kind(interfaces.link(name), directory, driver)
    mode: dict[str, Any] = {"name": name, "driver": driver or None, "native_drivers": None, "device": None, "sriov": None}
    if kind is not None:
        mode |= {"mode": kind, "by": None, "evidence": _software_evidence(kind, interfaces.link(name))}
    else:
        mode |= _hardware(directory, driver, bus, here)
    parents = [] if depth >= _DEPTH_LIMIT else [parent for parent in _below(name, directory, interfaces) if parent != name]
    found = [_parent(parent, here, interfaces, depth) for parent in parents]
    mode["parents"] = [parent for parent in found if kind != "bridge" or parent["mode"] not in ("veth", "tun")]
    mode["master"] = interfaces.link(name).get("master") or (linked_name(f"{directory}/master") if directory else None)
    if mode["sriov"] is not None:
        mode["sriov"] = {**mode["sriov"], **_settings_of_function(mode["sriov"], interfaces)}
    return mode


def _parent(name: str, here: Machine, interfaces: Interfaces, depth: int) -> dict[str, Any]:
    try:
        return read(name, here, interfaces, depth + 1)
    except Unreadable as reason:
        return {"name": name, "mode": None, "evidence": str(reason), "parents": []}


def _software_kind(link: dict[str, Any], directory: str, driver: str) -> str | None:
    """The kernel's word for an interface without a device; None: it has one, or nothing tells."""
    info = link.get("linkinfo")
    if isinstance(info, dict) and isinstance(info.get("info_kind"), str):
        return str(info["info_kind"])
    if link.get("link_type") == "loopback" or (directory and text_or_none(f"{directory}/type") == _LOOPBACK):
        return "loopback"
    if directory and os.path.exists(f"{directory}/device"):
        return None
    for mark, kind in _MARKS if directory else ():
        if os.path.exists(f"{directory}/{mark}"):
            return kind
    kind = _KIND_OF_DRIVER.get(driver, driver)
    if kind in _STACKED:
        return kind
    uevent = (text_or_none(f"{directory}/uevent") or "") if directory else ""
    types = [line.partition("=")[2] for line in uevent.splitlines() if line.startswith("DEVTYPE=")]
    return types[0] if types and types[0] in _STACKED | {"vxlan", "geneve"} else None


def _software_evidence(kind: str, link: dict[str, Any]) -> str:
    data = link.get("linkinfo", {}).get("info_data") if isinstance(link.get("linkinfo"), dict) else None
    mode = data.get("mode") if isinstance(data, dict) else None
    number = data.get("id") if isinstance(data, dict) and kind == "vlan" else None
    detail = f" in mode {mode}" if isinstance(mode, str) else f" {number}" if number is not None else ""
    return f"the kernel says {kind}{detail}: an interface without a device of its own"


def _hardware(directory: str, driver: str, bus: str, here: Machine) -> dict[str, Any]:
    device = device_below(f"{directory}/device") if directory and os.path.exists(f"{directory}/device") else None
    device = device or device_of_address(bus, here.root)
    if device is not None and not (device.is_network or paravirtual_of_driver(driver)):
        device = None  # the PCI device is a controller of USB or the like, and the NIC hangs on that
    native = here.native_drivers
    if device is not None:
        return {**here.describe(device), "device": device.told(), "native_drivers": native}
    own = paravirtual_of_driver(driver)
    where = f" at {bus}" if bus else ""
    if own is not None:
        return {"mode": own[0], "by": own[1], "evidence": f"driver {driver}{where}, no PCI device", "native_drivers": native}
    if not driver:
        raise Unreadable("neither the kernel's kind, nor a device, nor the driver tells what this interface is")
    if here.hypervisor == "none":
        evidence = f"driver {driver}{where}, no PCI device, no sign of a hypervisor"
        return {"mode": "physical", "by": None, "evidence": evidence, "native_drivers": native}
    evidence = f"driver {driver}{where}, no PCI device, in a guest (hypervisor {here.hypervisor}): no driver of a virtual NIC"
    return {"mode": "passthrough", "by": None, "evidence": evidence, "native_drivers": native}


def _below(name: str, directory: str, interfaces: Interfaces) -> list[str]:
    """Names of the interfaces that this one hangs on or joins; a veth's other end is none."""
    link = interfaces.link(name)
    info = link.get("linkinfo")
    kind = info.get("info_kind") if isinstance(info, dict) else None
    found = [str(link["link"])] if isinstance(link.get("link"), str) and kind != "veth" else []
    found += interfaces.members(name)
    if directory:
        with suppress(OSError):
            found += [entry.removeprefix("lower_") for entry in sorted(os.listdir(directory)) if entry.startswith("lower_")]
    return list(dict.fromkeys(found))


def _settings_of_function(sriov: dict[str, Any], interfaces: Interfaces) -> dict[str, Any]:
    """What the parent allows a virtual function (`trust`, `spoof_check`), where the parent is in this network stack."""
    parent = sriov.get("parent")
    for name in parent["interfaces"] if isinstance(parent, dict) else ():
        for function in interfaces.link(name).get("vfinfo_list", []):
            if isinstance(function, dict) and function.get("vf") == sriov.get("index"):
                return {"trust": function.get("trust"), "spoof_check": function.get("spoofchk")}
    return {}
