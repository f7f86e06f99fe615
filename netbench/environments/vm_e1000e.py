"""The environment `vm-e1000e`: the probe in a virtual machine with an emulated card of Intel's."""

from __future__ import annotations

from netbench.environments.guests.bridged import BridgedGuest


class VmE1000eEnvironment(BridgedGuest):
    """A guest of QEMU with an emulated Intel 82574L on a bridge of the host."""

    name = "vm-e1000e"
    description = "the probe in a virtual machine, behind an emulated Intel card (e1000e) on a bridge"
    card = "e1000e"
    modules = ("e1000e",)
