"""The environment `docker-bridge`: the probe in a container behind a bridge network, reached by published ports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netbench.environments import abilities, injection, wire
from netbench.environments.base import BuiltEnvironment, Option, Parent, Unavailable
from netbench.environments.containers import container as docker_container
from netbench.environments.containers import engine as docker_engine
from netbench.environments.containers import ground as docker_ground
from netbench.environments.containers import image as docker_image
from netbench.environments.containers import network as docker_network
from netbench.environments.injection import Injection
from netbench.environments.netns import Network
from netbench.environments.options import port_range, resolve
from netbench.errors import CannotRunError

if TYPE_CHECKING:
    from netbench.result.plan import OptionValue

_UNSUPPORTED = (
    "Docker's bridge networks forward published ports only: no one routes groups into the bridge, and the container's own "
    "joins (IGMP) end at the bridge."
)


class DockerBridgeEnvironment:
    """`wire0` — veth — the daemon's network (tapped), which translates addresses, its bridge, and a container on it."""

    name = "docker-bridge"
    description = "the probe in a container behind a bridge network, with published UDP ports (docker run --publish)"
    options = (
        Option("ports", "6000-6063", "published UDP ports, FIRST-LAST; the daemon starts a process that holds the port for each"),
        *docker_image.OPTIONS,
        *docker_container.OPTIONS,
        *injection.OPTIONS,
    )

    def available(self) -> Unavailable | None:
        """None when it can be built here; reads only."""
        return docker_engine.unavailable("bridge")

    @contextmanager
    def setup(self, options: dict[str, OptionValue], parent: Parent | None = None) -> Iterator[BuiltEnvironment]:
        """Build it; everything is undone on exit.

        Raises:
            UsageError: an option that it does not have, or a value that does not fit.
            CannotRunError: the daemon or the system refused, or the user's own interface has no address to publish at.
        """
        chosen = resolve(self.name, self.options, options)
        drops = Injection.of(chosen)
        first, last = port_range("ports", chosen["ports"])
        with docker_engine.connect() as engine, Network(self.name) as network:
            ground = docker_ground.lay(network, engine, drops, parent)
            if not ground.tap.address:
                raise CannotRunError(
                    f"{ground.tap.interface} has no IPv4 address, at which ports of a container could be published.",
                    "give it one, or leave out -e docker-bridge",
                )
            image = docker_image.prepare(network, engine, chosen)
            subnet = docker_ground.unused(ground.occupied)
            bridge = f"nb{network.token}b"
            given = docker_network.Wanted("inside", "bridge", {"com.docker.network.bridge.name": bridge}, subnet, subnet[1])
            inside = docker_network.create(network, engine, given)
            wanted = docker_container.Wanted(
                name=docker_container.name_of(network, chosen),
                cpus=float(chosen["cpus"]),
                network=inside,
                ports=tuple((ground.tap.address, port) for port in range(first, last + 1)),
            )
            container = docker_container.start(network, engine, image, wanted)
            end = container.connections[inside]
            place = docker_container.enter(network, engine, container, "probe")
            interface = docker_network.interface_of(place, end.mac)
            network.groups_route(place, interface)
            if ground.host is not None:
                network.neighbour(ground.host, bridge, end.address, end.mac)
            counters = ground.injected_counters
            if drops.at_probe:
                counters = (drops.drop_at_input(network, place, interface),)
            yield BuiltEnvironment(
                sender=ground.sender,
                tap=ground.tap,
                receivers=(docker_container.probe(engine, image, container, "probe", interface, end.address, place),),
                unicast_destination=ground.tap.address,
                unicast_ports=(first, last),
                router_hops=1,
                multicast_unsupported=_UNSUPPORTED,
                next_hop=wire.HOST_MAC if ground.embedded else None,
                built_by=tuple(network.commands),
                injected=drops.sentence,
                injected_counters=counters,
                remarks=(*abilities.remarks(), image.remark, docker_container.capabilities()[1]),
            )
