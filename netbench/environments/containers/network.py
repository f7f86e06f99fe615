"""Networks of the container engine: made for one environment, removed with it."""

from __future__ import annotations

import json
import shlex
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from netbench.environments.containers.engine import LABEL, Engine, changing, told
from netbench.environments.netns import Network, run
from netbench.environments.ownership import owner
from netbench.errors import CannotRunError


@dataclass(frozen=True)
class Wanted:
    """A network to be made.

    Attributes:
        role: last part of its name.
        driver: `bridge` or `macvlan`.
        options: of the driver.
        subnet: that its containers have addresses of.
        gateway: for its containers; None: the engine's choice.
        ip_range: part of the subnet that the engine gives addresses of; None: all of it.
        aux_address: that the engine leaves to others; None: none.
    """

    role: str
    driver: str
    options: dict[str, str]
    subnet: IPv4Network
    gateway: IPv4Address | None = None
    ip_range: IPv4Network | None = None
    aux_address: IPv4Address | None = None


def create(network: Network, engine: Engine, wanted: Wanted) -> str:
    """Make it and return its name; it is removed when the lab's network is taken down.

    Raises:
        CannotRunError: the daemon refused.
    """
    from docker.types import IPAMConfig, IPAMPool

    name = network.name_of(wanted.role)
    network.undo(_remove, engine, name)
    words = [*engine.client, "network", "create", "--driver", wanted.driver, "--subnet", str(wanted.subnet)]
    pool: dict[str, Any] = {"subnet": str(wanted.subnet)}
    if wanted.gateway is not None:
        pool["gateway"] = str(wanted.gateway)
        words += ["--gateway", str(wanted.gateway)]
    if wanted.ip_range is not None:
        pool["iprange"] = str(wanted.ip_range)
        words += ["--ip-range", str(wanted.ip_range)]
    if wanted.aux_address is not None:
        pool["aux_addresses"] = {"taken": str(wanted.aux_address)}
        words += ["--aux-address", f"taken={wanted.aux_address}"]
    words += [word for key, value in wanted.options.items() for word in ("--opt", f"{key}={value}")]
    words += ["--label", f"{LABEL}={owner()}", name]
    with changing(f"The {wanted.driver} network of {network.environment} could not be made"):
        engine.api.create_network(
            name,
            driver=wanted.driver,
            options=wanted.options,
            ipam=IPAMConfig(pool_configs=[IPAMPool(**pool)]),
            labels=engine.labels,
        )
    network.commands.append(shlex.join(words))
    return name


def interface_of(namespace: str, mac: str) -> str:
    """The interface of a MAC address in a container: the engine numbers them as it likes.

    Raises:
        CannotRunError: there is none.
    """
    links: list[dict[str, Any]] = json.loads(
        run(("ip", "-n", namespace, "-j", "link"), "Reading the container's interfaces failed")
    )
    for link in links:
        if link.get("address") == mac:
            return str(link["ifname"])
    raise CannotRunError(f"The container has no interface with the MAC address {mac} that the engine told.", "docker logs NAME")


def _remove(engine: Engine, name: str) -> None:
    import docker.errors

    with told(f"Removing the network {name} failed"), suppress(docker.errors.NotFound):
        engine.api.remove_network(name)
