"""Guests whose card hangs on a bridge of the host: what vm-virtio, vm-e1000e and their like have in common."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netbench.environments import abilities, injection, wire
from netbench.environments.base import BuiltEnvironment, Parent, Site, Unavailable
from netbench.environments.guests import network as guest_network
from netbench.environments.guests import virtual_machine
from netbench.environments.guests.virtual_machine import Machine, VirtualMachine
from netbench.environments.injection import Injection
from netbench.environments.netns import Network
from netbench.environments.options import resolve
from netbench.errors import CannotRunError

if TYPE_CHECKING:
    from netbench.result.plan import OptionValue


class BridgedGuest:
    """`wire0` — veth — `eth0` of the host (tapped), a port of `br0`; its other port `tap0` is the cable of the guest's card.

    A subclass names its card, and overrides `devices` and `probe` where it has more to do.
    """

    name: str
    description: str
    card: str  # as `-device` calls it
    modules: tuple[str, ...]  # of the guest's kernel
    chipset = "q35"
    kernel_arguments: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()  # what a reader of the report should know about this card
    options = (*guest_network.GUEST_OPTIONS, *injection.OPTIONS)

    def available(self) -> Unavailable | None:
        """None when it can be built here; reads only."""
        return virtual_machine.missing() or abilities.missing("namespaces", "veth", "bridge", "tap")

    def devices(self, tap: str) -> tuple[str, ...]:
        """QEMU's arguments for the guest's card on a tap device."""
        return guest_network.tap_card(self.card, tap)

    def probe(self, guest: VirtualMachine, network: Network, sender: Site) -> Site:
        """Set the card up in the guest that stands, and return the probe's site."""
        return guest_network.address(guest, network, sender)

    @contextmanager
    def setup(self, options: dict[str, OptionValue], parent: Parent | None = None) -> Iterator[BuiltEnvironment]:
        """Build it; everything is undone on exit.

        Raises:
            UsageError: an option that it does not have, or a value that does not fit.
            CannotRunError: the system refused, the guest did not boot, or an interface of the user's own was asked for.
        """
        if parent is not None:
            raise CannotRunError(
                f"{self.name} hangs on a bridge, and {parent.interface} will not be made a port of one: this host would lose it.",
                "-e vm-macvtap, which needs no bridge, or leave out -i",
            )
        chosen = resolve(self.name, self.options, options)
        drops = Injection.of(chosen)
        with Network(self.name) as network:
            laid = wire.lay(network, drops)
            tap = guest_network.bridged_tap(network, laid.host)
            counters = laid.injected_counters
            if drops.at_probe:
                counters = (drops.drop_at_ingress(network, laid.host, laid.tap.interface),)
            machine = Machine(
                name=self.name,
                namespace=laid.host,
                place=network.name_of("probe"),
                devices=self.devices(tap),
                modules=self.modules,
                cpus=int(chosen["cpus"]),
                memory_mb=int(chosen["memory_mb"]),
                kernel_arguments=self.kernel_arguments,
                chipset=self.chipset,
                boot_s=float(chosen["boot_s"]),
            )
            with VirtualMachine(machine) as guest:
                probe = self.probe(guest, network, laid.sender)
                yield BuiltEnvironment(
                    sender=laid.sender,
                    tap=laid.tap,
                    receivers=(probe,),
                    unicast_destination=probe.address,
                    next_hop=guest_network.MAC,
                    built_by=tuple(network.commands),
                    injected=drops.sentence,
                    injected_counters=counters,
                    remarks=(*abilities.remarks(), *guest_network.remarks(chosen, guest), *self.remarks),
                )
