"""The environment `vm-virtio`: the probe in a virtual machine with the paravirtual card that hypervisors give by default."""

from __future__ import annotations

from netbench.environments.guests.bridged import BridgedGuest


class VmVirtioEnvironment(BridgedGuest):
    """A guest of QEMU with a virtio-net card on a bridge of the host."""

    name = "vm-virtio"
    description = "the probe in a virtual machine, behind a paravirtual card (virtio-net) on a bridge"
    card = "virtio-net-pci"
    modules = ("virtio_net",)
