"""How a guest hangs on the wire: the options of all guests, the tap device and bridge on the host, its addresses inside."""

from __future__ import annotations

from ipaddress import IPv4Interface
from typing import TYPE_CHECKING

from netbench.environments import wire
from netbench.environments.base import Option, Site
from netbench.environments.guests.virtual_machine import VirtualMachine, accelerator
from netbench.environments.netns import Network
from netbench.errors import CannotRunError

if TYPE_CHECKING:
    from netbench.result.plan import OptionValue

GUEST_OPTIONS = (
    Option("cpus", 2, "processors of the guest", minimum=1, maximum=64),
    Option("memory_mb", 768, "main memory of the guest, MiB", minimum=256),
    Option("boot_s", 120, "seconds that the guest may take until it takes commands", minimum=1),
)
ADDRESS = "198.18.77.11"
MAC = "02:00:00:77:00:0b"
INTERFACE = "eth0"  # of a guest that has one card

_BRIDGE, _BRIDGE_MAC = "br0", "02:00:00:77:02:01"
_TAP = "tap0"
_CARRIER_S = 10


def bridged_tap(network: Network, host: str) -> str:
    """Make a bridge of the host's interface and a tap device, as hypervisors do; returns the tap device's name.

    Without snooping, it passes every group on.
    """
    network.ip(host, "link", "add", _BRIDGE, "address", _BRIDGE_MAC, "type", "bridge", "mcast_snooping", "0")
    network.ip(host, "tuntap", "add", _TAP, "mode", "tap")
    for port in (_TAP, wire.HOST_INTERFACE):
        network.ip(host, "link", "set", port, "master", _BRIDGE)
    for interface in (_TAP, _BRIDGE):
        network.ip(host, "link", "set", interface, "up")
    return _TAP


def tap_card(model: str, tap: str, mac: str = MAC) -> tuple[str, ...]:
    """QEMU's arguments for a card on a tap device.

    Args:
        model: as `-device` calls it, with options if need be.
        tap: name of the tap device.
        mac: the card's.
    """
    netdev = f"tap,id=net0,ifname={tap},script=no,downscript=no"
    return ("-netdev", netdev, "-device", f"{model},netdev=net0,mac={mac}")


def address(guest: VirtualMachine, network: Network, sender: Site, interface: str = INTERFACE, mac: str = MAC) -> Site:
    """Give a guest its address on the wire, with its neighbours told on both sides; returns the probe's site.

    Raises:
        CannotRunError: the guest has no such interface, or its link does not come up.
    """
    network.neighbour(sender.place, sender.interface, ADDRESS, mac)
    neighbour = f"ip neighbour replace {wire.SENDER_ADDRESS} lladdr {wire.SENDER_MAC} nud permanent dev {interface}"
    bring_up(guest, interface, IPv4Interface(f"{ADDRESS}/{wire.PREFIX_LENGTH}"), neighbour)
    return guest.site("probe", interface, ADDRESS)


def bring_up(guest: VirtualMachine, interface: str, address: IPv4Interface | None, *more: str) -> None:
    """Bring an interface of the guest up, with an address or without, and wait for its link: some drivers need seconds to find it.

    Args:
        guest: that stands.
        interface: in the guest.
        address: None: it gets none.
        more: lines of shell that come last.

    Raises:
        CannotRunError: there is no such interface, or its link does not come up.
    """
    carrier = f"/sys/class/net/{interface}/carrier"
    told = guest.shell(
        f"ip address add {address} dev {interface}" if address else ":",
        f"ip link set {interface} up",
        f"ip route add 224.0.0.0/4 dev {interface}",
        *more,
        f"for i in $(seq {10 * _CARRIER_S}); do [ $(cat {carrier}) = 1 ] && echo link && exit; sleep 0.1; done",
    )
    if "link" not in told:
        raise CannotRunError(f"In the guest of {guest.machine.name}, {interface} has no link after {_CARRIER_S} s.")


def remarks(options: dict[str, OptionValue], guest: VirtualMachine) -> tuple[str, ...]:
    """What a reader of the report should know about a guest."""
    emulated = "an emulated processor (QEMU's TCG), much slower than this host's" if accelerator() == "tcg" else "KVM"
    size = f"{options['cpus']} CPUs and {options['memory_mb']} MiB"
    return (
        f"The guest has {size} on {emulated}; its kernel is {guest.image.version}.",
        f"The guest is QEMU's: {guest.command_line}",
    )
