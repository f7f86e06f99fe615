"""The wire that every embedded environment starts with: a sender's namespace, a cable, and the host's namespace behind it."""

from __future__ import annotations

from dataclasses import dataclass

from netbench.environments.base import Site
from netbench.environments.injection import Injection
from netbench.environments.netns import Network, site

# 198.18.0.0/15 is set aside for benchmarks (RFC 2544, appendix C.2.2). MAC addresses are chosen here, locally administered, so that
# neighbours can be told before anything is asked, and the commands can be typed again as they stand.
PREFIX_LENGTH = 24
SENDER_ADDRESS = "198.18.77.1"
SENDER_MAC = "02:00:00:77:00:01"
SENDER_INTERFACE = "wire0"
HOST_ADDRESS = "198.18.77.2"
HOST_MAC = "02:00:00:77:00:02"
HOST_INTERFACE = "eth0"


@dataclass(frozen=True)
class Wire:
    """What stands when the wire is laid.

    Attributes:
        sender: the site `wire`.
        tap: the site `tap`: the host's interface, which sees every packet of the environment.
        host: the host's namespace.
        injected_counters: commands that show what the wire drops on purpose.
    """

    sender: Site
    tap: Site
    host: str
    injected_counters: tuple[tuple[str, ...], ...]


def lay(network: Network, injection: Injection) -> Wire:
    """Build sender, cable and host."""
    sender = network.namespace("wire")
    host = network.namespace("host")
    counters = cable(network, sender, host, injection)
    network.address(sender, SENDER_INTERFACE, f"{SENDER_ADDRESS}/{PREFIX_LENGTH}")
    network.address(host, HOST_INTERFACE, f"{HOST_ADDRESS}/{PREFIX_LENGTH}")
    network.neighbour(sender, SENDER_INTERFACE, HOST_ADDRESS, HOST_MAC)
    network.neighbour(host, HOST_INTERFACE, SENDER_ADDRESS, SENDER_MAC)
    network.groups_route(sender, SENDER_INTERFACE)
    network.groups_route(host, HOST_INTERFACE)
    return Wire(
        sender=site("wire", sender, SENDER_INTERFACE, SENDER_ADDRESS),
        tap=site("tap", host, HOST_INTERFACE, HOST_ADDRESS),
        host=host,
        injected_counters=counters,
    )


def cable(
    network: Network, sender: str, host: str, injection: Injection, interface: str = HOST_INTERFACE
) -> tuple[tuple[str, ...], ...]:
    """Lay the cable from the sender to the host, where its end is called `interface`. Returns the commands that show its own drops.

    It is one veth pair; or, when packets shall be lost on the wire, two with a lossy middle piece between them.
    """
    near = ("link", "add", SENDER_INTERFACE, "address", SENDER_MAC, "type", "veth", "peer", "name")
    far_end = (interface, "address", HOST_MAC, "netns", host)
    if not injection.at_sender:
        network.ip(sender, *near, *far_end)
        return ()
    line = network.namespace("line")
    network.ip(sender, *near, "near0", "netns", line)
    network.ip(line, "link", "add", "far0", "type", "veth", "peer", "name", *far_end)
    network.ip(line, "link", "set", "near0", "up")
    network.ip(line, "link", "set", "far0", "up")
    return (injection.drop_between(network, line, "near0", "far0"),)
