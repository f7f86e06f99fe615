"""The environment `docker-host`: the probe in a container that shares the network of its host (docker run --network host)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netbench.environments import abilities, injection, wire
from netbench.environments.base import BuiltEnvironment, Parent, Unavailable
from netbench.environments.containers import container as docker_container
from netbench.environments.containers import engine as docker_engine
from netbench.environments.containers import ground as docker_ground
from netbench.environments.containers import image as docker_image
from netbench.environments.injection import Injection
from netbench.environments.netns import Network
from netbench.environments.options import resolve

if TYPE_CHECKING:
    from netbench.result.plan import OptionValue


class DockerHostEnvironment:
    """`wire0` — veth — the daemon's network, where the tap is, and a container without a network of its own."""

    name = "docker-host"
    description = "the probe in a container that shares its host's network (docker run --network host)"
    options = (*docker_image.OPTIONS, *docker_container.OPTIONS, *injection.OPTIONS)

    def available(self) -> Unavailable | None:
        """None when it can be built here; reads only."""
        return docker_engine.unavailable()

    @contextmanager
    def setup(self, options: dict[str, OptionValue], parent: Parent | None = None) -> Iterator[BuiltEnvironment]:
        """Build it; everything is undone on exit.

        Raises:
            UsageError: an option that it does not have, or a value that does not fit.
            CannotRunError: the daemon or the system refused.
        """
        chosen = resolve(self.name, self.options, options)
        drops = Injection.of(chosen)
        with docker_engine.connect() as engine, Network(self.name) as network:
            ground = docker_ground.lay(network, engine, drops, parent)
            image = docker_image.prepare(network, engine, chosen)
            name = docker_container.name_of(network, chosen)
            wanted = docker_container.Wanted(name, float(chosen["cpus"]), "host")
            container = docker_container.start(network, engine, image, wanted)
            counters = ground.injected_counters
            if drops.at_probe:
                counters = (drops.drop_in_shared(network, ground.tap.enter, ground.tap.interface),)
            yield BuiltEnvironment(
                sender=ground.sender,
                tap=ground.tap,
                receivers=(
                    docker_container.probe(
                        engine, image, container, "probe", ground.tap.interface, ground.tap.address, ground.tap.place
                    ),
                ),
                unicast_destination=ground.tap.address or None,
                next_hop=wire.HOST_MAC if ground.embedded else None,
                built_by=tuple(network.commands),
                injected=drops.sentence,
                injected_counters=counters,
                remarks=(*abilities.remarks(), image.remark, docker_container.capabilities()[1]),
            )
