"""Everything that is known of a place: one subject a file, put together here. Reads only.

The answer is one nested dict of plain values; `absent` in it maps the dotted key of what is missing to the reason:

    kernel, os_release, c_library, machine, irqbalance_running, clock_daemons      host.py
    hypervisor, container, user_namespace, capabilities          virtualisation.py
    isolation                                                    isolation.py
    cloud                                                        cloud.py
    engines                                                      engines.py
    permitted                                                    privileges.py
    clock, cpu                                                   clocks.py
    limits                                                       limits.py
    sysctls                                                      sysctls.py
    firewall                                                     firewall.py
    multicast                                                    multicast.py
    pci                                                          devices.py       every NIC of the machine
    iommu                                                        iommu.py
    interfaces                                                   interfaces.py    of this network stack; when none was asked for
    interface                                                    interface.py     when one was asked for
    interrupts                                                   interrupts.py    when one was asked for
    timestamps                                                   timestamps.py    when one was asked for

A new subject is a file with `read() -> Answer` (or `read(interface)`), and a line below.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from netbench.facts import (
    clocks,
    cloud,
    devices,
    engines,
    firewall,
    host,
    interface,
    interfaces,
    interrupts,
    iommu,
    isolation,
    limits,
    multicast,
    privileges,
    sysctls,
    timestamps,
    virtualisation,
)
from netbench.facts.reading import Answer
from netbench.protocol import StreamSpec

__all__ = ["read"]

_OF_PLACE: tuple[Callable[[], Answer], ...] = (
    host.read,
    virtualisation.read,
    isolation.read,
    cloud.read,
    engines.read,
    privileges.read,
    clocks.read,
    limits.read,
    devices.read,
    iommu.read,
)
_OF_INTERFACE: tuple[Callable[[str], Answer], ...] = (interface.read, interrupts.read, timestamps.read)


def read(interface: str | None, streams: tuple[StreamSpec, ...] = ()) -> dict[str, Any]:
    """Facts of this place, and of one of its interfaces.

    Args:
        interface: name of an interface here; None: none.
        streams: what a probe would receive here: what the firewall and the routes do to it is told.
    """
    answers = [source() for source in _OF_PLACE]
    if interface is not None and interface not in {name for _, name in socket.if_nameindex()}:
        # Nothing is read by a name that the kernel does not know: it would become part of a path.
        reason = f"there is no interface {interface!r} here"
        answers.append(Answer({}, dict.fromkeys(("interface", "interrupts", "timestamps", "sysctls.interface"), reason)))
        interface = None
    answers += [sysctls.read(interface), firewall.read(interface, streams), multicast.read(interface, streams)]
    if interface is None:
        answers.append(interfaces.read())
    else:
        answers += [source(interface) for source in _OF_INTERFACE]
    values: dict[str, Any] = {}
    absent: dict[str, str] = {}
    for answer in answers:
        values.update(answer.values)
        absent.update(answer.absent)
    return {**values, "absent": absent}
