"""The environment `macvlan`: each probe has an interface of its own on the host's, as Docker's macvlan networks make them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Interface
from typing import TYPE_CHECKING

from netbench.environments import abilities, injection, wire
from netbench.environments import parent as own
from netbench.environments.base import BuiltEnvironment, Option, Parent, Site, Unavailable
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
        Option("address", "", "with -i: IPv4 address of the first probe, ADDRESS/LENGTH, further ones count up; empty: none"),
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
            CannotRunError: the system refused.
        """
        chosen = resolve(self.name, self.options, options)
        drops = Injection.of(chosen)
        mode, count = str(chosen["mode"]), int(chosen["receivers"])
        if mode == "passthru" and count > 1:
            raise UsageError(
                f"mode=passthru gives the parent to one macvlan alone, and {count} receivers were asked for.",
                "leave receivers out, or choose mode=bridge",
            )
        addresses = _addresses(str(chosen["address"]), count, parent)
        queue = ("bcqueuelen", str(chosen["bcqueuelen"])) if chosen["bcqueuelen"] else ()
        if parent is not None:
            with Network(self.name) as network:
                yield _on(network, parent, mode, queue, addresses, drops)
            return
        with Network(self.name) as network:
            laid = wire.lay(network, drops)
            receivers = tuple(self._probe(network, laid, number, mode, queue) for number in range(count))
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

    def _probe(self, network: Network, laid: Wire, number: int, mode: str, queue: tuple[str, ...]) -> Site:
        """Make one probe's namespace with its macvlan."""
        role = _role(number)
        namespace = network.namespace(role)
        address, mac = f"198.18.77.{_FIRST_HOST_NUMBER + number}", _mac(number, mode)
        own_mac = () if mode == "passthru" else ("address", mac)
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


def _role(number: int) -> str:
    """Names of probes: `probe`, `probe-2`, `probe-3`."""
    return "probe" if number == 0 else f"probe-{number + 1}"


def _addresses(first: str, count: int, parent: Parent | None) -> list[IPv4Interface | None]:
    """One for each probe, counted up; none where none was given: groups are joined by interface.

    Raises:
        UsageError: it is no address with a length, the subnet has too few, or the lab's own addresses are used.
    """
    if not first:
        return [None] * count
    if parent is None:
        raise UsageError(
            f"address={first}: the embedded lab has addresses of its own.", "leave it out, or name an interface: -i IF"
        )
    try:
        given = IPv4Interface(first)
    except ValueError:
        given = None
    if given is None or "/" not in first:
        raise UsageError(f"address={first} is no IPv4 address with its length.", "for example address=192.0.2.77/24")
    addresses = [IPv4Interface((int(given) + number, given.network.prefixlen)) for number in range(count)]
    if any(address not in given.network for address in addresses):
        raise UsageError(
            f"address={first}: {count} addresses from there on leave {given.network}.", "start lower, or take fewer receivers"
        )
    return list(addresses)


def _on(
    network: Network,
    parent: Parent,
    mode: str,
    queue: tuple[str, ...],
    addresses: list[IPv4Interface | None],
    drops: Injection,
) -> BuiltEnvironment:
    """Probes on an interface of the user's own: it gets a macvlan for each, which goes with its namespace, and nothing else.

    Raises:
        UsageError: passthru, or loss on the wire.
        CannotRunError: the system refused.
    """
    if mode == "passthru":
        raise UsageError(
            f"mode=passthru takes all traffic from {parent.interface}: this host would lose it.",
            "choose mode=bridge, vepa or private",
        )
    own.refuse_injection(network.environment, parent, drops, at_probe=True)
    receivers = tuple(_probe_on(network, parent, _role(number), mode, queue, address) for number, address in enumerate(addresses))
    counters = tuple(drops.drop_at_input(network, probe.place, probe.interface) for probe in receivers) if drops.at_probe else ()
    return BuiltEnvironment(
        sender=parent.sender,
        tap=own.tap(parent),
        receivers=receivers,
        unicast_destination=receivers[0].address or None,
        parent_interface=parent.interface,
        built_by=tuple(network.commands),
        injected=drops.sentence,
        injected_counters=counters,
    )


def _probe_on(
    network: Network, parent: Parent, role: str, mode: str, queue: tuple[str, ...], address: IPv4Interface | None
) -> Site:
    """One probe's namespace, with a macvlan on the parent; its MAC address is the kernel's choice, as the segment is not ours."""
    namespace = network.namespace(role)
    network.run(
        *("ip", "link", "add", "link", parent.interface, "name", _INTERFACE, "netns", namespace),
        *("type", "macvlan", "mode", mode, *queue),
    )
    for name in ("all", _INTERFACE):  # the feed comes from other networks, and there may be no route, nor an address
        network.setting(namespace, f"net/ipv4/conf/{name}/rp_filter", "0")
    if address is not None:
        network.ip(namespace, "address", "add", str(address), "dev", _INTERFACE)
    network.ip(namespace, "link", "set", _INTERFACE, "up")
    network.groups_route(namespace, _INTERFACE)
    return site(role, namespace, _INTERFACE, str(address.ip) if address else "")
