"""A container for a probe: made with the fewest capabilities that work, entered by `docker exec`, removed whatever happened."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netbench.environments.base import Option, Site
from netbench.environments.containers.engine import LABEL, Engine, changing, told
from netbench.environments.containers.image import Image, binds
from netbench.environments.netns import Network
from netbench.environments.ownership import owner
from netbench.errors import CannotRunError

if TYPE_CHECKING:
    from netbench.result.plan import OptionValue

OPTIONS = (
    Option("cpus", 0.0, "CPU time that the container may use, in CPUs, as docker run --cpus; 0: no limit", minimum=0),
    Option("name", "", "what the (first) container is called; empty: a name that nobody has"),
)
_WAITS = "import signal; signal.pause()"  # the container's first process; agents are started beside it
_WANTED_BUFFER_BYTES = 64 << 20  # of a receiving socket; beyond net.core.rmem_max it takes CAP_NET_ADMIN


@dataclass(frozen=True)
class Wanted:
    """A container to be made.

    Attributes:
        name: of the container.
        cpus: CPU time that it may use; 0: no limit.
        network: of the engine, `host` or the name of one.
        address: in this network; "": the engine chooses.
        ports: UDP ports that are published, as (address here, port).
        further: other networks that it is connected to as well.
    """

    name: str
    cpus: float
    network: str
    address: str = ""
    ports: tuple[tuple[str, int], ...] = ()
    further: tuple[str, ...] = ()


@dataclass(frozen=True)
class Connection:
    """A container's end in a network of the engine.

    Attributes:
        address: IPv4.
        mac: its MAC address.
        gateway: of the network, or "".
    """

    address: str
    mac: str
    gateway: str


@dataclass(frozen=True)
class Container:
    """A container that runs.

    Attributes:
        name: of the container.
        process: its first one, as this host counts.
        connections: network -> its end there; empty in host mode.
    """

    name: str
    process: int
    connections: dict[str, Connection] = field(default_factory=dict)


def capabilities() -> tuple[tuple[str, ...], str]:
    """The fewest capabilities with which every capture works, and a sentence for the report."""
    most = int(Path("/proc/sys/net/core/rmem_max").read_text(encoding="ascii"))
    needed = "NET_RAW for captures (ring, pcap; sockets need none)"
    if most >= _WANTED_BUFFER_BYTES:
        return ("NET_RAW",), f"Of all capabilities the container has {needed}. No --privileged."
    limit = f"net.core.rmem_max is {most} bytes here, and bigger socket buffers take it; with sysctl -w it could be left out"
    return ("NET_RAW", "NET_ADMIN"), f"Of all capabilities the container has {needed} and NET_ADMIN ({limit}). No --privileged."


def start(network: Network, engine: Engine, image: Image, wanted: Wanted) -> Container:
    """Make a container and start it; it is removed when the network is taken down.

    Raises:
        CannotRunError: the daemon refused.
    """
    network.undo(_remove, engine, wanted.name)
    given, _ = capabilities()
    settings: dict[str, Any] = {
        "mounts": binds(image.mounts),
        "network_mode": wanted.network,
        "cap_drop": ["ALL"],
        "cap_add": list(given),
        "security_opt": ["no-new-privileges"],
        "read_only": True,
        "port_bindings": {f"{port}/udp": (address, port) for address, port in wanted.ports} or None,
        "nano_cpus": round(wanted.cpus * 1e9) or None,
    }
    endpoint = {"ipv4_address": wanted.address} if wanted.address else {}
    with changing(f"The container {wanted.name} could not be made"):
        api = engine.api
        networks = api.create_networking_config({wanted.network: api.create_endpoint_config(**endpoint)})
        api.create_container(
            image.name,
            name=wanted.name,
            entrypoint=[image.python[0]],
            command=["-c", _WAITS],
            user="0",  # the image's own user would have no capability at all
            environment=dict(image.environment),
            labels=engine.labels,
            ports=[(port, "udp") for _, port in wanted.ports],
            host_config=api.create_host_config(**settings),
            networking_config=None if wanted.network == "host" else networks,
            healthcheck={"test": ["NONE"]},
        )
        for other in wanted.further:
            api.connect_container_to_network(wanted.name, other)
        api.start(wanted.name)
        about = api.inspect_container(wanted.name)
    if not about["State"]["Running"]:
        with told(f"The container {wanted.name} ended at once, and its log cannot be read"):
            lines = api.logs(wanted.name).decode(errors="replace").strip().splitlines()
        status, said = about["State"]["ExitCode"], lines[-1] if lines else "it said nothing"
        raise CannotRunError(
            f"The container {wanted.name} ended at once (status {status}): {said}.",
            "try another image, or this Python in it: python=mounted",
        )
    attached = {} if wanted.network == "host" else about["NetworkSettings"]["Networks"]
    started = Container(
        wanted.name,
        int(about["State"]["Pid"]),
        {net: Connection(end["IPAddress"], end["MacAddress"], end["Gateway"]) for net, end in attached.items()},
    )
    _type(network, engine, image, wanted, started, given)
    return started


def enter(network: Network, engine: Engine, container: Container, role: str) -> str:
    """Name the network namespace of a container, so that what it lacks the capability for can be done from outside."""
    inspect = shlex.join([*engine.client, "inspect", "-f", "{{.State.Pid}}", container.name])
    return network.attach(role, container.process, f"$({inspect})")


def probe(engine: Engine, image: Image, container: Container, role: str, interface: str, address: str, place: str) -> Site:
    """The site of a probe in a container."""
    return Site(
        name=role,
        interface=interface,
        address=address,
        enter=(*engine.client, "exec", "-i", container.name),
        place=place,
        python=image.python,
    )


def role_of(number: int) -> str:
    """`probe`, `probe-2`, …, from 0."""
    return "probe" if number == 0 else f"probe-{number + 1}"


def name_of(network: Network, chosen: dict[str, OptionValue], number: int = 0) -> str:
    """What the container of a probe is called."""
    if not chosen["name"]:
        return network.name_of(role_of(number))
    return str(chosen["name"]) if number == 0 else f"{chosen['name']}-{number + 1}"


def _type(network: Network, engine: Engine, image: Image, wanted: Wanted, started: Container, given: Sequence[str]) -> None:
    """Keep the commands that make the same container, with the addresses that the engine chose."""
    own = started.connections.get(wanted.network)
    words = [*engine.client, "create", "--name", wanted.name, "--label", f"{LABEL}={owner()}", "--network", wanted.network]
    words += ["--ip", own.address] if own else []
    words += ["--mac-address", own.mac] if own and engine.chooses_mac else []
    words += ["--user", "0", "--read-only", "--cap-drop", "ALL", *(word for name in given for word in ("--cap-add", name))]
    words += ["--security-opt", "no-new-privileges", "--no-healthcheck"]
    words += ["--cpus", str(wanted.cpus)] if wanted.cpus else []
    words += [word for name, value in image.environment for word in ("--env", f"{name}={value}")]
    words += [word for source, target in image.mounts for word in ("--volume", f"{source}:{target}:ro")]
    words += [word for address, port in wanted.ports for word in ("--publish", f"{address}:{port}:{port}/udp")]
    network.commands.append(shlex.join([*words, "--entrypoint", image.python[0], image.name, "-c", _WAITS]))
    for other in wanted.further:
        network.commands.append(shlex.join([*engine.client, "network", "connect", other, wanted.name]))
    network.commands.append(shlex.join([*engine.client, "start", wanted.name]))


def _remove(engine: Engine, name: str) -> None:
    """Remove a container of ours, if it is there: somebody else's may have the name that was asked for."""
    import docker.errors

    with told(f"Removing the container {name} failed"), suppress(docker.errors.NotFound):
        about = engine.api.inspect_container(name)
        if (about["Config"]["Labels"] or {}).get(LABEL) == owner():
            engine.api.remove_container(name, force=True, v=True)
