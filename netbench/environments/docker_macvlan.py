"""The environment `docker-macvlan`: containers with macvlan interfaces on the host's, on request with one for management too."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from netbench.environments import abilities, injection
from netbench.environments.base import BuiltEnvironment, Option, Parent, Unavailable
from netbench.environments.containers import addresses as docker_addresses
from netbench.environments.containers import container as docker_container
from netbench.environments.containers import engine as docker_engine
from netbench.environments.containers import ground as docker_ground
from netbench.environments.containers import image as docker_image
from netbench.environments.containers import network as docker_network
from netbench.environments.injection import Injection
from netbench.environments.netns import Network
from netbench.environments.options import resolve
from netbench.errors import UsageError

if TYPE_CHECKING:
    from netbench.environments.base import Site
    from netbench.environments.containers.addresses import Addressing
    from netbench.environments.containers.container import Connection, Container
    from netbench.environments.containers.engine import Engine
    from netbench.environments.containers.ground import Ground
    from netbench.environments.containers.image import Image
    from netbench.result.plan import OptionValue

_APART = "Over macvlan the container and its host do not reach each other; who needs both takes a second network (management=yes)."
_MANAGED = "Management traffic has a bridge network of its own: the host reaches the probe at {}."
_FOREIGN = (
    "The probe's address {} is not of your network, so that no address of it is taken. A router that ignores joins from other "
    "subnets needs one that is free: address=…"
)


class DockerMacvlanEnvironment:
    """`wire0` — veth, the parent in the daemon's network (tapped) — macvlan interfaces of the containers."""

    name = "docker-macvlan"
    description = "each probe in a container with a macvlan interface on the host's (docker network create --driver macvlan)"
    options = (
        Option("receivers", 1, "probes, each in a container of its own", minimum=1, maximum=16),
        *docker_addresses.OPTIONS,
        Option("management", False, "the containers are on a second network as well, a bridge, by which their host reaches them"),
        Option("bcqueuelen", 0, "packets in the parent's multicast queue; 0: the kernel's default", minimum=0, maximum=2**32 - 1),
        Option("mode", "bridge", "macvlan mode", choices=("bridge", "vepa", "private", "passthru")),
        *docker_image.OPTIONS,
        *docker_container.OPTIONS,
        *injection.OPTIONS,
    )

    def available(self) -> Unavailable | None:
        """None when it can be built here; reads only."""
        return docker_engine.unavailable("macvlan")

    @contextmanager
    def setup(self, options: dict[str, OptionValue], parent: Parent | None = None) -> Iterator[BuiltEnvironment]:
        """Build it; everything is undone on exit.

        Raises:
            UsageError: an option that it does not have, or a value that does not fit.
            CannotRunError: the daemon or the system refused.
        """
        chosen = resolve(self.name, self.options, options)
        drops = Injection.of(chosen)
        request = docker_addresses.Request.of(chosen)
        _check_mode(str(chosen["mode"]), int(chosen["receivers"]), parent)
        with docker_engine.connect() as engine, Network(self.name) as network:
            ground = docker_ground.lay(network, engine, drops, parent, request.lab_subnet)
            addressing = docker_addresses.decide(request, ground, int(chosen["receivers"]))
            image = docker_image.prepare(network, engine, chosen)
            networks: tuple[str, ...] = (_feed(network, engine, ground, addressing, str(chosen["mode"])),)
            networks += (_management(network, engine, ground),) if chosen["management"] else ()
            probes = [
                _probe(network, engine, ground, image, chosen, number, networks, address)
                for number, address in enumerate(addressing.fixed)
            ]
            receivers = tuple(site for site, _ in probes)
            ends: list[dict[str, Connection]] = [container.connections for _, container in probes]
            counters = ground.injected_counters
            if drops.at_probe:
                counters = tuple(drops.drop_at_input(network, site.place, site.interface) for site in receivers)
            remarks = [*abilities.remarks(), image.remark, docker_container.capabilities()[1], _APART]
            remarks += [_MANAGED.format(", ".join(end[other].address for end in ends)) for other in networks[1:]]
            remarks += [_FOREIGN.format(receivers[0].address)] if addressing.foreign else []
            yield BuiltEnvironment(
                sender=ground.sender,
                tap=ground.tap,
                receivers=receivers,
                unicast_destination=None if addressing.foreign else receivers[0].address,
                parent_interface=ground.tap.interface,
                next_hop=ends[0][networks[0]].mac if ground.embedded else None,
                built_by=tuple(network.commands),
                injected=drops.sentence,
                injected_counters=counters,
                remarks=tuple(remarks),
            )


def _feed(network: Network, engine: Engine, ground: Ground, addressing: Addressing, mode: str) -> str:
    """The network that is measured."""
    wanted = docker_network.Wanted(
        role="feed",
        driver="macvlan",
        options={"parent": ground.tap.interface, "macvlan_mode": mode},
        subnet=addressing.subnet,
        gateway=addressing.gateway,
        ip_range=addressing.ip_range,
        aux_address=addressing.aux_address,
    )
    return docker_network.create(network, engine, wanted)


def _probe(
    network: Network,
    engine: Engine,
    ground: Ground,
    image: Image,
    chosen: dict[str, OptionValue],
    number: int,
    networks: tuple[str, ...],
    address: str,
) -> tuple[Site, Container]:
    """One probe in its container."""
    role = docker_container.role_of(number)
    name = docker_container.name_of(network, chosen, number)
    wanted = docker_container.Wanted(name, float(chosen["cpus"]), networks[0], address, further=networks[1:])
    container = docker_container.start(network, engine, image, wanted)
    end = container.connections[networks[0]]
    place = docker_container.enter(network, engine, container, role)
    interface = docker_network.interface_of(place, end.mac)
    network.groups_route(place, interface)
    if chosen["bcqueuelen"]:
        queue = ("type", "macvlan", "bcqueuelen", str(chosen["bcqueuelen"]))
        network.ip(place, "link", "set", "dev", interface, *queue)
    ground.tell_sender(network, end.address, end.mac)
    return docker_container.probe(engine, image, container, role, interface, end.address, place), container


def _management(network: Network, engine: Engine, ground: Ground) -> str:
    """A bridge network beside the one that is measured.

    Where a container is on several networks, the engine takes the router of the one whose name comes first: this one's is second.
    """
    subnet = docker_ground.unused(ground.occupied)
    options = {"com.docker.network.bridge.name": f"nb{network.token}m"}
    return docker_network.create(network, engine, docker_network.Wanted("management", "bridge", options, subnet, subnet[1]))


def _check_mode(mode: str, count: int, parent: Parent | None) -> None:
    """Passthru takes the whole parent.

    Raises:
        UsageError: something is left that needs it.
    """
    if mode != "passthru":
        return
    if count > 1:
        raise UsageError(
            f"mode=passthru gives the parent to one macvlan alone, and {count} receivers were asked for.",
            "leave receivers out, or choose mode=bridge",
        )
    if parent is not None:
        raise UsageError(
            f"mode=passthru takes all traffic from {parent.interface}: this host would lose it.",
            "choose mode=bridge, vepa or private",
        )
