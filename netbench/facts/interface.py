"""One interface: what kind it is, what it hangs on, and what stands between the wire and the stack."""

from __future__ import annotations

import functools
import os
import socket
from dataclasses import asdict
from typing import Any

from netbench.facts import ioctls, network_mode
from netbench.facts.device_models import machine
from netbench.facts.interfaces import interfaces_here
from netbench.facts.links import SYSFS, Listing, check_sysfs_is_ours, info_data
from netbench.facts.reading import Answer, Unreadable, collect, read_number, read_text

_PARAVIRTUAL_DRIVERS = {
    "virtio_net": "virtio",
    "vmxnet3": "vmxnet3",
    "hv_netvsc": "hyperv",
    "vif": "xen",
    "ena": "ena",
    "gve": "gve",
}
# Kinds without hardware: their driver's name is their kind.
_SOFTWARE_DRIVERS = frozenset(
    {"veth", "macvlan", "macvtap", "bridge", "tun", "ipvlan", "dummy", "bonding", "ifb", "802.1Q VLAN Support"}
)


def read(name: str) -> Answer:
    """Subject `interface`; there is one of that name."""
    listing = Listing()
    link = functools.partial(listing.find, name)
    answer = collect(
        {
            "index": lambda: socket.if_nametoindex(name),
            "kind": lambda: kind_of(listing.find_or_nothing(name), _driver_name(name)),
            "network_mode": lambda: network_mode.read(name, machine(), interfaces_here(listing)),
            "driver": lambda: asdict(ioctls.driver(name)),
            "mac": lambda: _mac(name),
            "mtu_bytes": lambda: _whole(link(), "mtu"),
            "state": lambda: str(link().get("operstate", "unknown")).lower(),
            "flags": lambda: [str(flag) for flag in link().get("flags", [])],
            "parent": lambda: parent_of(link()),
            "bridge": lambda: bridge_of(link(), listing.find),
            "macvlan": lambda: macvlan_of(link()),
            "speed_mbps": lambda: _speed(name),
            "queues": lambda: _queues(name),
            "offloads": lambda: asdict(ioctls.offloads(name)),
            "coalescing": lambda: asdict(ioctls.coalescing(name)),
            "rings": lambda: asdict(ioctls.rings(name)),
        }
    )
    values = {"name": name, **answer.values}
    return Answer({"interface": values}, {f"interface.{key}": reason for key, reason in answer.absent.items()})


def kind_of(link: dict[str, Any], driver: str) -> str:
    """Kind of an interface: the kernel's own word (veth, macvlan, bridge…), `loopback`, a paravirtual NIC's, else `physical`.

    Args:
        link: what `ip` printed about it; empty when ip is missing.
        driver: name of its driver; empty when it does not tell.

    Raises:
        Unreadable: neither tells.
    """
    info = link.get("linkinfo")
    if isinstance(info, dict) and isinstance(info.get("info_kind"), str):
        return str(info["info_kind"])
    if link.get("link_type") == "loopback":
        return "loopback"
    if driver in _PARAVIRTUAL_DRIVERS:
        return _PARAVIRTUAL_DRIVERS[driver]
    if driver in _SOFTWARE_DRIVERS:
        return driver
    if driver:
        return "physical"
    raise Unreadable("neither ip nor the driver tells what kind of interface this is")


def parent_of(link: dict[str, Any]) -> dict[str, Any] | None:
    """What the interface hangs on, or a veth's other end: its name, or only an index when it is in another namespace."""
    if isinstance(link.get("link"), str):
        return {"name": link["link"], "index": None, "other_namespace": False}
    if isinstance(link.get("link_index"), int):
        return {"name": None, "index": link["link_index"], "other_namespace": "link_netnsid" in link}
    return None


def macvlan_of(link: dict[str, Any]) -> dict[str, Any] | None:
    """Mode, and length of the broadcast queue: what this interface asks for, and what the parent has in force; None: no macvlan."""
    info = link.get("linkinfo")
    if not isinstance(info, dict) or info.get("info_kind") not in ("macvlan", "macvtap"):
        return None
    data = info_data(link)
    return {"mode": data.get("mode"), "bc_queue_len": data.get("bcqueuelen"), "bc_queue_len_used": data.get("usedbcqueuelen")}


def bridge_of(link: dict[str, Any], find: Any) -> dict[str, Any] | None:
    """Multicast settings of the bridge that this interface is, or is a port of; None: no bridge is near."""
    info = link.get("linkinfo")
    if isinstance(info, dict) and info.get("info_kind") == "bridge":
        bridge = link
    elif isinstance(info, dict) and info.get("info_slave_kind") == "bridge" and isinstance(link.get("master"), str):
        bridge = find(link["master"])
    else:
        return None
    data = info_data(bridge)
    return {
        "name": bridge["ifname"],
        "snooping": _switch(data, "mcast_snooping"),
        "querier": _switch(data, "mcast_querier"),
        "igmp_version": data.get("mcast_igmp_version"),
    }


def _driver_name(name: str) -> str:
    try:
        return ioctls.driver(name).name
    except Unreadable:
        return ""


def _mac(name: str) -> str:
    address = ioctls.hardware_address(name)
    if address is None:
        raise Unreadable(f"{name} has no hardware address")
    return address


def _speed(name: str) -> int:
    check_sysfs_is_ours()
    speed = read_number(f"{SYSFS}/{name}/speed")
    if speed <= 0:
        raise Unreadable("the driver knows no speed")
    return speed


def _queues(name: str) -> dict[str, Any]:
    check_sysfs_is_ours()
    try:
        queues = sorted(os.listdir(f"{SYSFS}/{name}/queues"))
    except OSError as error:
        raise Unreadable(f"{SYSFS}/{name}/queues: {error.strerror}") from error
    receiving = [queue for queue in queues if queue.startswith("rx-")]
    masks = [read_text(f"{SYSFS}/{name}/queues/{queue}/rps_cpus").strip() for queue in receiving]
    return {"rx": len(receiving), "tx": len(queues) - len(receiving), "rps_masks": masks}


def _whole(link: dict[str, Any], key: str) -> int:
    if not isinstance(link.get(key), int):
        raise Unreadable(f"ip printed no {key}")
    return int(link[key])


def _switch(data: dict[str, Any], key: str) -> bool | None:
    return bool(data[key]) if isinstance(data.get(key), int) else None
