"""The environment `vm-sriov`: the probe on a virtual function of a card, made by the card's own driver in a guest.

The card is QEMU's igb behind an emulated IOMMU, so the virtual functions are PCI devices with groups of their own, as they are on
a real host; `vm-igb` measures the same card as a whole. Tried: unicast to the function's address and the groups that it has joined
arrive; a group that it has not joined does not.
"""

from __future__ import annotations

from collections.abc import Sequence

from netbench.environments.base import Site
from netbench.environments.guests import network as guest_network
from netbench.environments.guests.virtual_machine import VirtualMachine
from netbench.environments.netns import Network
from netbench.environments.vm_igb import VmIgbEnvironment
from netbench.errors import CannotRunError

FUNCTIONS = 2
PARENT = "eth0"  # in the guest: the physical function

_PARENT_MAC = "02:00:00:77:00:0a"
_OTHER_MAC = "02:00:00:77:03:{:02x}"  # of the functions that no probe uses
_WAIT_S = 10
MOST_GROUPS = 29  # igbvf's message to the parent has room for 30 addresses, and 224.0.0.1 is always one of them


class VmSriovEnvironment(VmIgbEnvironment):
    """A guest of QEMU with an emulated Intel 82576 whose first virtual function is the probe's."""

    name = "vm-sriov"
    description = "the probe on an SR-IOV virtual function (igbvf) of an emulated Intel card"
    modules: tuple[str, ...] = ("igb", "igbvf")
    kernel_arguments = ("intel_iommu=on",)
    remarks = (
        f"A virtual function of igb hears at most {MOST_GROUPS} groups at once: its driver has no room to tell the card of more, "
        "which can be joined without an error and do not arrive.",
    )

    def devices(self, tap: str) -> tuple[str, ...]:
        """QEMU's arguments for the guest's card, behind an IOMMU, at a port of its own: functions are PCI Express devices."""
        port = "pcie-root-port,id=port0,bus=pcie.0,chassis=1"
        card = guest_network.tap_card(f"{self.card},bus=port0", tap, _PARENT_MAC)
        return ("-device", "intel-iommu,intremap=off", "-device", port, *card)

    def probe(self, guest: VirtualMachine, network: Network, sender: Site) -> Site:
        """Make the card's virtual functions and set up the first one; returns the probe's site.

        Raises:
            CannotRunError: no functions could be made, or the first one has no link.
        """
        interface = make_functions(guest, (guest_network.MAC, *(_OTHER_MAC.format(number) for number in range(1, FUNCTIONS))))
        return guest_network.address(guest, network, sender, interface)


def make_functions(guest: VirtualMachine, macs: Sequence[str]) -> str:
    """Make one virtual function for each address; returns the name of the first one's interface.

    The parent has its link before: a function's driver finds it in reset otherwise. Addresses are set before the drivers start,
    which read them once.

    Raises:
        CannotRunError: the guest's kernel refused, or the first function got no interface.
    """
    device = f"/sys/class/net/{PARENT}/device"
    first = f"{device}/virtfn0/net"
    tries = f"for i in $(seq {10 * _WAIT_S}); do"
    told = guest.shell(
        f"ip link set {PARENT} up",
        f"{tries} [ $(cat /sys/class/net/{PARENT}/carrier) = 1 ] && break; sleep 0.1; done",
        f"echo 0 > {device}/sriov_drivers_autoprobe",
        f"echo {len(macs)} > {device}/sriov_numvfs",
        *(f"ip link set {PARENT} vf {number} mac {mac}" for number, mac in enumerate(macs)),
        f"echo 1 > {device}/sriov_drivers_autoprobe",
        *(f"basename $(readlink {device}/virtfn{number}) > /sys/bus/pci/drivers_probe" for number in range(len(macs))),
        f"{tries} [ -d {first} ] && ls {first} && break; sleep 0.1; done",
    ).split()
    if not told:
        raise CannotRunError(f"In the guest of {guest.machine.name}, the virtual function has no interface after {_WAIT_S} s.")
    return told[0]
