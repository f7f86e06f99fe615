"""The environment `vm-macvtap`: a virtual machine whose card hangs on the host's interface without a bridge in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING

from netbench.environments import abilities, injection, lab, wire
from netbench.environments import parent as own
from netbench.environments.base import BuiltEnvironment, Option, Parent, Site, Unavailable
from netbench.environments.guests import macvtap, virtual_machine
from netbench.environments.guests import network as guest_network
from netbench.environments.guests.virtual_machine import Machine, VirtualMachine
from netbench.environments.injection import Injection
from netbench.environments.netns import Network, enter
from netbench.environments.options import resolve
from netbench.errors import UsageError

if TYPE_CHECKING:
    from netbench.result.plan import OptionValue

_CARDS = {"virtio": ("virtio-net-pci", "virtio_net"), "e1000e": ("e1000e", "e1000e"), "igb": ("igb", "igb")}
_DEAF = (
    "The macvtap link lets in only the groups that its host knows of, and nobody tells it which ones the guest has joined "
    "(allmulticast=no). On the host: ip link set macvtap0 allmulticast on"
)


class VmMacvtapEnvironment:
    """`wire0` — veth — `eth0` of the host, the parent (tapped), and on it `macvtap0`, the cable of the guest's card."""

    name = "vm-macvtap"
    description = "the probe in a virtual machine, on a macvtap link of the host's interface"
    options = (
        Option("card", "virtio", "the guest's card", choices=tuple(_CARDS)),
        Option("allmulticast", True, "the host lets all groups through to the guest; off is what hypervisors do by default"),
        Option("bcqueuelen", 0, "packets in the parent's multicast queue; 0: the kernel's default", minimum=0, maximum=2**32 - 1),
        Option("address", "", "with -i: IPv4 address of the guest, ADDRESS/LENGTH; empty: it has none"),
        *guest_network.GUEST_OPTIONS,
        *injection.OPTIONS,
    )

    def available(self) -> Unavailable | None:
        """None when it can be built here; reads only."""
        if not lab.has_capabilities():
            return Unavailable("A macvtap's device file can only be opened by root.", "run as root (sudo)")
        return virtual_machine.missing() or abilities.missing("namespaces", "veth", "macvtap")

    @contextmanager
    def setup(self, options: dict[str, OptionValue], parent: Parent | None = None) -> Iterator[BuiltEnvironment]:
        """Build it; everything is undone on exit.

        Raises:
            UsageError: an option that it does not have, or a value that does not fit.
            CannotRunError: the system refused, or the guest did not boot.
        """
        chosen = resolve(self.name, self.options, options)
        drops = Injection.of(chosen)
        address = _address(str(chosen["address"]), parent)
        with Network(self.name) as network:
            if parent is None:
                with self._in_lab(network, chosen, drops) as built:
                    yield built
            else:
                own.refuse_injection(self.name, parent, drops, at_probe=False)
                with self._on(network, parent, chosen, address) as built:
                    yield built

    @contextmanager
    def _in_lab(self, network: Network, chosen: dict[str, OptionValue], drops: Injection) -> Iterator[BuiltEnvironment]:
        laid = wire.lay(network, drops)
        counters = laid.injected_counters
        if drops.at_probe:
            counters = (drops.drop_at_ingress(network, laid.host, laid.tap.interface),)
        with self._guest(network, (*enter(laid.host),), laid.tap.interface, laid.host, chosen, guest_network.MAC) as guest:
            probe = guest_network.address(guest, network, laid.sender)
            built = _built(network, guest, probe, chosen)
            yield replace(
                built,
                sender=laid.sender,
                tap=laid.tap,
                parent_interface=laid.tap.interface,
                next_hop=guest_network.MAC,
                injected=drops.sentence,
                injected_counters=counters,
                remarks=(*abilities.remarks(), *built.remarks),
            )

    @contextmanager
    def _on(
        self, network: Network, parent: Parent, chosen: dict[str, OptionValue], address: IPv4Interface | None
    ) -> Iterator[BuiltEnvironment]:
        """The link moves into a namespace of its own, and goes with it: the parent stays as it is."""
        namespace = network.namespace("host")
        with self._guest(network, (), parent.interface, namespace, chosen, None) as guest:
            guest_network.bring_up(guest, guest_network.INTERFACE, address)
            probe = guest.site("probe", guest_network.INTERFACE, str(address.ip) if address else "")
            built = _built(network, guest, probe, chosen)
            yield replace(built, sender=parent.sender, tap=own.tap(parent), parent_interface=parent.interface)

    @contextmanager
    def _guest(
        self,
        network: Network,
        within: tuple[str, ...],
        parent: str,
        namespace: str,
        chosen: dict[str, OptionValue],
        mac: str | None,
    ) -> Iterator[VirtualMachine]:
        """A guest on a macvtap of a parent; without a MAC address of ours the kernel chooses one, as the segment is not ours."""
        queue = ("bcqueuelen", str(chosen["bcqueuelen"])) if chosen["bcqueuelen"] else ()
        found = macvtap.add(network, within, parent, namespace, mac, ("mode", "bridge", *queue), bool(chosen["allmulticast"]))
        model, module = _CARDS[str(chosen["card"])]
        with macvtap.opened(namespace) as descriptor:
            machine = Machine(
                name=self.name,
                namespace=namespace,
                place=network.name_of("probe"),
                devices=("-netdev", f"tap,id=net0,fd={descriptor}", "-device", f"{model},netdev=net0,mac={found}"),
                modules=(module,),
                cpus=int(chosen["cpus"]),
                memory_mb=int(chosen["memory_mb"]),
                boot_s=float(chosen["boot_s"]),
                descriptors=(descriptor,),
            )
            with VirtualMachine(machine) as guest:
                yield guest


def _built(network: Network, guest: VirtualMachine, probe: Site, chosen: dict[str, OptionValue]) -> BuiltEnvironment:
    return BuiltEnvironment(
        sender=None,
        tap=None,
        receivers=(probe,),
        unicast_destination=probe.address or None,
        multicast_unsupported=None if chosen["allmulticast"] else _DEAF,
        built_by=tuple(network.commands),
        remarks=guest_network.remarks(chosen, guest),
    )


def _address(text: str, parent: Parent | None) -> IPv4Interface | None:
    """The guest's address on the user's own network.

    Raises:
        UsageError: it is no address with a length, or the lab's own addresses are used.
    """
    if not text:
        return None
    if parent is None:
        raise UsageError(f"address={text}: the embedded lab has addresses of its own.", "leave it out, or name an interface: -i IF")
    try:
        given = IPv4Interface(text)
    except ValueError:
        given = None
    if given is None or "/" not in text:
        raise UsageError(f"address={text} is no IPv4 address with its length.", "for example address=192.0.2.77/24")
    return given
