"""Everything that is known of a place: one subject a file, put together here. Reads only.

The answer is one nested dict of plain values; `absent` in it maps the dotted key of what is missing to the reason:

    kernel, os_release, machine, irqbalance_running              host.py
    hypervisor, container, user_namespace, capabilities          virtualisation.py
    clock, cpu                                                   clocks.py
    sysctls                                                      sysctls.py
    pci                                                          devices.py       every NIC of the machine
    iommu                                                        iommu.py
    interfaces                                                   interfaces.py    of this network stack; when none was asked for
    interface                                                    interface.py     when one was asked for
    timestamps                                                   timestamps.py    when one was asked for

A new subject is a file with `read() -> Answer` (or `read(interface)`), and a line below.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from netbench.facts import clocks, devices, host, interface, interfaces, iommu, sysctls, timestamps, virtualisation
from netbench.facts.reading import Answer

__all__ = ["read"]

_OF_PLACE: tuple[Callable[[], Answer], ...] = (host.read, virtualisation.read, clocks.read, devices.read, iommu.read)
_OF_INTERFACE: tuple[Callable[[str], Answer], ...] = (interface.read, timestamps.read)


def read(interface: str | None) -> dict[str, Any]:
    """Facts of this place, and of one of its interfaces.

    Args:
        interface: name of an interface here; None: none.
    """
    answers = [source() for source in _OF_PLACE]
    if interface is not None and interface not in {name for _, name in socket.if_nameindex()}:
        # Nothing is read by a name that the kernel does not know: it would become part of a path.
        reason = f"there is no interface {interface!r} here"
        answers.append(Answer({}, dict.fromkeys(("interface", "timestamps", "sysctls.interface"), reason)))
        interface = None
    answers.append(sysctls.read(interface))
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
