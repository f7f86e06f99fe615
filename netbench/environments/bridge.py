"""The environment `bridge`: the probe sits behind a bridge with address translation, as container engines make it by default."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netbench.environments import abilities, injection, wire
from netbench.environments.base import BuiltEnvironment, Option, Parent, Site, Unavailable, refuse
from netbench.environments.injection import Injection
from netbench.environments.netns import Network, site
from netbench.environments.options import port_range, resolve

if TYPE_CHECKING:
    from netbench.result.plan import OptionValue

_BRIDGE, _BRIDGE_ADDRESS = "br0", "172.31.77.1"
_PORT = "port0"  # the host's end of the probe's cable, a port of the bridge
_INTERFACE, _ADDRESS, _SUBNET, _PREFIX_LENGTH = "eth0", "172.31.77.2", "172.31.77.0/24", 24
_BRIDGE_MAC, _MAC = "02:00:00:77:01:01", "02:00:00:77:01:02"


class BridgeEnvironment:
    """`wire0` — veth — `eth0` of the host (tapped); the host translates addresses and forwards to `br0`, where the probe hangs."""

    name = "bridge"
    description = "the probe behind a bridge with NAT and published ports, as in Docker's default network"
    options = (Option("ports", "5000-5999", "published UDP and TCP ports, FIRST-LAST"), *injection.OPTIONS)

    def available(self) -> Unavailable | None:
        """None when it can be built here; reads only."""
        return abilities.missing("namespaces", "veth", "bridge", "nat", "forwarding")

    @contextmanager
    def setup(self, options: dict[str, OptionValue], parent: Parent | None = None) -> Iterator[BuiltEnvironment]:
        """Build it; everything is undone on exit.

        Raises:
            UsageError: an option that it does not have, or a value that does not fit.
            CannotRunError: the system refused, or it cannot be built on an interface of the user's own.
        """
        refuse(self.name, parent)  # its translation would be the host's own, and forwarding turned on
        chosen = resolve(self.name, self.options, options)
        drops = Injection.of(chosen)
        published = port_range("ports", chosen["ports"])
        with Network(self.name) as network:
            laid = wire.lay(network, drops)
            probe = _probe(network, laid.host)
            _translate(network, laid.host, published)
            counters = laid.injected_counters
            if drops.at_probe:
                counters = (drops.drop_at_input(network, probe.place, probe.interface),)
            yield BuiltEnvironment(
                sender=laid.sender,
                tap=laid.tap,
                receivers=(probe,),
                unicast_destination=wire.HOST_ADDRESS,
                unicast_ports=published,
                router_hops=1,
                multicast_unsupported=(
                    "Address translation forwards published ports only: no one routes groups into the bridge, and the probe's own "
                    "joins (IGMP) end at the bridge."
                ),
                next_hop=wire.HOST_MAC,
                built_by=tuple(network.commands),
                injected=drops.sentence,
                injected_counters=counters,
                remarks=abilities.remarks(),
            )


def _probe(network: Network, host: str) -> Site:
    """Make the bridge and the probe's namespace on it."""
    probe = network.namespace("probe")
    network.ip(host, "link", "add", _BRIDGE, "address", _BRIDGE_MAC, "type", "bridge")
    network.address(host, _BRIDGE, f"{_BRIDGE_ADDRESS}/{_PREFIX_LENGTH}")
    network.ip(host, "link", "add", _PORT, "type", "veth", "peer", "name", _INTERFACE, "address", _MAC, "netns", probe)
    network.address(probe, _INTERFACE, f"{_ADDRESS}/{_PREFIX_LENGTH}")
    network.ip(probe, "route", "add", "default", "via", _BRIDGE_ADDRESS)
    network.ip(host, "link", "set", _PORT, "up")
    network.ip(host, "link", "set", _PORT, "master", _BRIDGE)  # last: with both ends up the port forwards at once
    network.neighbour(host, _BRIDGE, _ADDRESS, _MAC)
    network.neighbour(probe, _INTERFACE, _BRIDGE_ADDRESS, _BRIDGE_MAC)
    network.groups_route(probe, _INTERFACE)
    return site("probe", probe, _INTERFACE, _ADDRESS)


def _translate(network: Network, host: str, published: tuple[int, int]) -> None:
    """Forward published ports to the probe, and let the probe out under the host's address."""
    first, last = published
    network.setting(host, "net/ipv4/ip_forward", "1")
    steps = (
        "add table ip netbench",
        "add chain ip netbench prerouting { type nat hook prerouting priority -100; }",
        f"add rule ip netbench prerouting iifname {wire.HOST_INTERFACE} meta l4proto {{ tcp, udp }} "
        f"th dport {first}-{last} dnat to {_ADDRESS}",
        "add chain ip netbench postrouting { type nat hook postrouting priority 100; }",
        f"add rule ip netbench postrouting ip saddr {_SUBNET} oifname {wire.HOST_INTERFACE} masquerade",
    )
    network.inside(host, "nft", "; ".join(steps))
