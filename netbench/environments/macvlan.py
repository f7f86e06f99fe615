"""The environment `macvlan`: each probe has an interface of its own on the host's, as Docker's macvlan networks make them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netbench.environments import abilities, injection, wire
from netbench.environments.base import BuiltEnvironment, Option, Parent, Site, Unavailable, refuse
from netbench.environments.injection import Injection
from netbench.environments.netns import Network, site
from netbench.environments.options import resolve
from netbench.errors import UsageError

if TYPE_CHECKING:
    from netbench.environments.wire import Wire
    from netbench.result.plan import OptionValue

_INTERFACE = "macvlan0"
_FIRST_HOST_NUMBER = 11  # the probes are 198.18.77.11, .12 …


class MacvlanEnvironment:
    """`wire0` — veth — `eth0` of the host, the parent (tapped), and on it one macvlan for each probe's namespace."""

    name = "macvlan"
    description = "each probe has a macvlan interface on the host's, as in a Docker macvlan network"
    options = (
        Option("receivers", 1, "probes, each in a namespace of its own", minimum=1, maximum=16),
        Option("bcqueuelen", 0, "packets in the parent's multicast queue; 0: the kernel's default", minimum=0, maximum=2**32 - 1),
        Option("mode", "bridge", "macvlan mode", choices=("bridge", "vepa", "private", "passthru")),
        *injection.OPTIONS,
    )

    def available(self) -> Unavailable | None:
        """None when it can be built here; reads only."""
        return abilities.missing("namespaces", "veth", "macvlan")

    @contextmanager
    def setup(self, options: dict[str, OptionValue], parent: Parent | None = None) -> Iterator[BuiltEnvironment]:
        """Build it; everything is undone on exit.

        Raises:
            UsageError: an option that it does not have, or a value that does not fit.
            CannotRunError: the system refused, or it cannot be built on an interface of the user's own.
        """
        refuse(self.name, parent)
        chosen = resolve(self.name, self.options, options)
        drops = Injection.of(chosen)
        mode, count = str(chosen["mode"]), int(chosen["receivers"])
        if mode == "passthru" and count > 1:
            raise UsageError(
                f"mode=passthru gives the parent to one macvlan alone, and {count} receivers were asked for.",
                "leave receivers out, or choose mode=bridge",
            )
        with Network(self.name) as network:
            laid = wire.lay(network, drops)
            receivers = tuple(self._probe(network, laid, number, mode, int(chosen["bcqueuelen"])) for number in range(count))
            counters = laid.injected_counters
            if drops.at_probe:
                counters = tuple(drops.drop_at_input(network, probe.place, probe.interface) for probe in receivers)
            yield BuiltEnvironment(
                sender=laid.sender,
                tap=laid.tap,
                receivers=receivers,
                unicast_destination=receivers[0].address,
                parent_interface=laid.tap.interface,
                next_hop=_mac(0, mode),
                built_by=tuple(network.commands),
                injected=drops.sentence,
                injected_counters=counters,
                remarks=abilities.remarks(),
            )

    def _probe(self, network: Network, laid: Wire, number: int, mode: str, queue_packets: int) -> Site:
        """Make one probe's namespace with its macvlan."""
        role = "probe" if number == 0 else f"probe-{number + 1}"
        namespace = network.namespace(role)
        address, mac = f"198.18.77.{_FIRST_HOST_NUMBER + number}", _mac(number, mode)
        own_mac = () if mode == "passthru" else ("address", mac)
        queue = ("bcqueuelen", str(queue_packets)) if queue_packets else ()
        network.ip(
            laid.host,
            *("link", "add", "link", laid.tap.interface, "name", _INTERFACE, *own_mac, "netns", namespace),
            *("type", "macvlan", "mode", mode, *queue),
        )
        network.address(namespace, _INTERFACE, f"{address}/{wire.PREFIX_LENGTH}")
        network.neighbour(namespace, _INTERFACE, wire.SENDER_ADDRESS, wire.SENDER_MAC)
        network.neighbour(laid.sender.place, laid.sender.interface, address, mac)
        network.groups_route(namespace, _INTERFACE)
        return site(role, namespace, _INTERFACE, address)


def _mac(number: int, mode: str) -> str:
    """A probe's MAC address: its own, or in passthru mode the parent's, which the kernel gives it."""
    return wire.HOST_MAC if mode == "passthru" else f"02:00:00:77:00:{_FIRST_HOST_NUMBER + number:02x}"
