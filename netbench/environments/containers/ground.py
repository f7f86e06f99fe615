"""The ground that Docker's environments stand on: the lab's wire, led into the daemon's network, or an interface of the user's own.

The daemon's network is not ours. What is added to it is one end of a cable with a name and a subnet that nobody has there, and it
goes when the sender's namespace goes. Several such grounds stand side by side.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network
from typing import Any

from netbench.environments import parent as own
from netbench.environments import wire
from netbench.environments.base import Parent, Site
from netbench.environments.containers import engine as docker_engine
from netbench.environments.containers.engine import Engine
from netbench.environments.injection import Injection
from netbench.environments.netns import Network, run, site
from netbench.errors import CannotRunError, UsageError

_LAB = IPv4Network("198.18.0.0/15")  # for benchmarks (RFC 2544, appendix C.2.2)
_FIRST_SUBNET = 80  # below it are those of the labs in namespaces
_PREFIX_LENGTH = 24
_SENDER, _HOST = 1, 254  # Docker gives its containers the numbers from 2 on, and does not ask who is there


@dataclass(frozen=True)
class Ground:
    """Where containers are connected to the outside.

    Attributes:
        sender: the site `wire`, or whoever sends on the user's own network; None: nobody.
        tap: the site at the interface that leads outside, in the daemon's network.
        host: the daemon's network, named in the lab; None on an interface of the user's own.
        subnet: of the wire; on an interface of the user's own, the interface's, or one that nobody uses when it has no address.
        injected_counters: commands that show what the wire drops on purpose.
        occupied: subnets that the daemon's network and its container networks have.
    """

    sender: Site | None
    tap: Site
    host: str | None
    subnet: IPv4Network
    injected_counters: tuple[tuple[str, ...], ...]
    occupied: tuple[IPv4Network, ...]

    @property
    def embedded(self) -> bool:
        """Whether the sender is the lab's own, so that neighbours can be told."""
        return self.host is not None

    def tell_sender(self, network: Network, address: str, mac: str) -> None:
        """Tell the lab's sender a neighbour for good."""
        if self.host is not None and self.sender is not None:
            network.neighbour(self.sender.place, self.sender.interface, address, mac)


def lay(network: Network, engine: Engine, drops: Injection, parent: Parent | None, wanted: IPv4Network | None = None) -> Ground:
    """Lead the wire into the daemon's network; or take the user's own interface, when the daemon has it too.

    Args:
        network: under construction.
        engine: whose network.
        drops: what is dropped on the wire.
        parent: the user's own interface.
        wanted: the subnet of the wire, where an address of it was asked for.

    Raises:
        CannotRunError: the interface is not the daemon's, or the subnet is in use.
        UsageError: loss was asked for that would be put into the user's own network.
    """
    if parent is not None:
        return _on(network, engine, drops, parent)
    host = network.attach("daemon", engine.process)
    occupied = _occupied(engine, host)
    subnet = _checked(wanted, occupied) if wanted is not None else unused(occupied)
    interface = f"nb{network.token}h"
    sender_address, host_address = str(subnet[_SENDER]), str(subnet[_HOST])
    sender = network.namespace("wire")
    counters = wire.cable(network, sender, host, drops, interface)
    no_ipv6 = f"/proc/sys/net/ipv6/conf/{interface}/disable_ipv6"
    network.inside(host, "sh", "-c", f"[ ! -w {no_ipv6} ] || echo 1 > {no_ipv6}")
    network.address(sender, wire.SENDER_INTERFACE, f"{sender_address}/{_PREFIX_LENGTH}")
    network.address(host, interface, f"{host_address}/{_PREFIX_LENGTH}")
    network.neighbour(sender, wire.SENDER_INTERFACE, host_address, wire.HOST_MAC)
    network.neighbour(host, interface, sender_address, wire.SENDER_MAC)
    network.groups_route(sender, wire.SENDER_INTERFACE)
    return Ground(
        sender=site("wire", sender, wire.SENDER_INTERFACE, sender_address),
        tap=site("tap", host, interface, host_address),
        host=host,
        subnet=subnet,
        injected_counters=counters,
        occupied=(*occupied, subnet),
    )


def unused(occupied: Iterable[IPv4Network]) -> IPv4Network:
    """A subnet of the benchmark range that nobody has there.

    Raises:
        CannotRunError: all are taken.
    """
    taken = tuple(occupied)
    subnets = list(_LAB.subnets(new_prefix=_PREFIX_LENGTH))[_FIRST_SUBNET:]
    first = secrets.randbelow(len(subnets))  # two runs that begin at once do not choose the same
    for subnet in (*subnets[first:], *subnets[:first]):
        if not any(subnet.overlaps(other) for other in taken):
            return subnet
    raise CannotRunError(
        f"No subnet of {_LAB} is free in the daemon's network.",
        "see who has them: ip route; docker network ls; docker network prune",
    )


def _on(network: Network, engine: Engine, drops: Injection, parent: Parent) -> Ground:
    docker_engine.check_parent(engine, parent)
    own.refuse_injection(network.environment, parent, drops, at_probe=network.environment != "docker-host")
    occupied = _occupied(engine, None)
    addresses = _asked(None, "address", "show", "dev", parent.interface)
    links = [
        IPv4Interface(f"{entry['local']}/{entry['prefixlen']}")
        for link in addresses
        for entry in link.get("addr_info", ())
        if entry.get("family") == "inet" and entry["local"] == parent.address
    ]
    return Ground(
        sender=parent.sender,
        tap=own.tap(parent),
        host=None,
        subnet=links[0].network if links else unused(occupied),
        injected_counters=(),
        occupied=occupied,
    )


def _checked(wanted: IPv4Network, occupied: Iterable[IPv4Network]) -> IPv4Network:
    clash = next((other for other in occupied if wanted.overlaps(other)), None)
    if not wanted.subnet_of(_LAB):
        raise UsageError(
            f"An address of the lab is one of {_LAB}, and {wanted} is not.", f"for example address={_LAB[_FIRST_SUBNET * 256 + 50]}"
        )
    if clash is not None:
        raise CannotRunError(
            f"{wanted} cannot be the lab's subnet: {clash} is in use in the daemon's network.", "choose another address"
        )
    return wanted


def _occupied(engine: Engine, host: str | None) -> tuple[IPv4Network, ...]:
    """What the daemon's network routes, and what its container networks were given."""
    routed = [str(route["dst"]) for route in _asked(host, "route", "show", "table", "all") if "." in str(route["dst"])]
    with docker_engine.told("The networks of the Docker daemon could not be listed"):
        given = [str(pool.get("Subnet", "")) for net in engine.api.networks() for pool in (net["IPAM"].get("Config") or ())]
    return tuple(IPv4Network(text, strict=False) for text in (*routed, *given) if "." in text)


def _asked(host: str | None, *question: str) -> list[dict[str, Any]]:
    where = ("-n", host) if host is not None else ()
    answer: list[dict[str, Any]] = json.loads(run(("ip", "-4", "-j", *where, *question), "Reading the daemon's network failed"))
    return answer
