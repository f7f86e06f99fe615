"""Settings of the network stack that decide whether packets reach a probe."""

from __future__ import annotations

import functools

from netbench.facts.reading import Answer, Unreadable, collect, read_number

_MACHINE = (
    "net.core.rmem_max",
    "net.core.rmem_default",
    "net.core.wmem_max",
    "net.core.netdev_max_backlog",
    "net.core.netdev_budget",
    "net.ipv4.igmp_max_memberships",
    "net.ipv4.igmp_max_msf",
    "net.ipv4.conf.all.force_igmp_version",
    "net.ipv4.conf.all.rp_filter",
)
_OF_INTERFACE = ("force_igmp_version", "rp_filter")


def read(interface: str | None) -> Answer:
    """Subject `sysctls`: name -> number. Those of the interface are `<name>` below `interface`, whatever it is called."""
    machine = collect({name: functools.partial(_read, name.replace(".", "/")) for name in _MACHINE})
    values: dict[str, object] = dict(machine.values)
    absent = {f"sysctls.{name}": reason for name, reason in machine.absent.items()}
    if interface is not None:
        own = collect({name: functools.partial(_read, f"net/ipv4/conf/{interface}/{name}") for name in _OF_INTERFACE})
        values["interface"] = own.values
        absent.update({f"sysctls.interface.{name}": reason for name, reason in own.absent.items()})
    return Answer({"sysctls": values}, absent)


def _read(path: str) -> int:
    try:
        return read_number(f"/proc/sys/{path}")
    except Unreadable as reason:
        if path.startswith("net/core/"):
            raise Unreadable(f"{reason}; many kernels show it only in the machine's first network namespace") from reason
        raise
