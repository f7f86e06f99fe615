"""Where packets go in or out on another machine: which interface, and by which address it is reached."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from netbench.environments.base import Site
from netbench.environments.machines.machine import Machine
from netbench.environments.machines.ssh import Connection, connect
from netbench.environments.machines.ssh_keeper import on_link
from netbench.errors import CannotRunError

_TRANSLATED = "name the address that test packets reach it by: …,address=192.0.2.7 (and …,interface=NAME if it is not the first)"


@dataclass(frozen=True)
class FarEnd:
    """An interface of another machine.

    Attributes:
        interface: its name there.
        address: its own IPv4 address there.
        destination: the address that it is reached by; another one where addresses are translated.
    """

    interface: str
    address: str
    destination: str


@contextmanager
def sending_machine(machine: Machine, towards: str) -> Iterator[Site]:
    """The site `wire` on another machine, for a Parent; nothing of it is left there on exit.

    Args:
        machine: that sends (--sender).
        towards: IPv4 address of the interface here that it sends to; "" when that has none.

    Raises:
        CannotRunError: it cannot be reached, an agent cannot run there, or no interface of it fits.
    """
    with connect(machine) as connection:
        interface = _interface(connection, towards)
        place = f"nb-{connection.token[:6]}-sender-wire"
        yield connection.site("wire", str(interface["name"]), str(interface["address"]), place)


def far_end(connection: Connection, towards: str) -> FarEnd:
    """The end of the way at a machine: as its options say, else where ssh came in.

    Args:
        connection: to the machine.
        towards: address here that the interface should be a neighbour of; "" none.

    Raises:
        CannotRunError: no interface there fits, or the address is translated on the way and none was named.
    """
    machine = connection.machine
    interface = _interface(connection, towards)
    own = str(interface["address"])
    if machine.address:
        return FarEnd(str(interface["name"]), own, machine.address)
    if not machine.interface and _translated(machine, own):
        raise CannotRunError(
            f"{machine.destination} knows itself as {own}, which is not the address that ssh connects to: a jump host or address "
            "translation lies between.",
            _TRANSLATED,
        )
    return FarEnd(str(interface["name"]), own, own)


def _interface(connection: Connection, towards: str) -> dict[str, Any]:
    machine = connection.machine
    usable = [item for item in connection.survey["interfaces"] if item["up"] and item["address"]]
    listed = ", ".join(f"{item['name']} ({item['address']})" for item in usable) or "none"
    if machine.interface:
        found = [item for item in usable if item["name"] == machine.interface]
        reason = f"{machine.destination} has no interface {machine.interface} that is up and has an IPv4 address; it has: {listed}."
    else:
        came_in = connection.survey["ssh_connection"][2:3]
        outward = [item for item in usable if not item["loopback"]]
        found = (
            [item for item in usable if machine.address and item["address"] == machine.address]
            or [item for item in outward if towards and on_link(item, towards)]
            or [item for item in usable if [item["address"]] == came_in]
            or (outward if len(outward) == 1 else [])
        )
        reason = f"Which interface of {machine.destination} takes part cannot be told; it has: {listed}."
    if not found:
        raise CannotRunError(reason, "name it: …,interface=NAME")
    return dict(found[0])


def _translated(machine: Machine, address: str) -> bool:
    """Whether the address that ssh connects to is not this one."""
    configured = ("-F", machine.ssh_config) if machine.ssh_config else ()
    done = subprocess.run(
        ["ssh", "-G", *configured, machine.destination],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    settings = dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
    if settings.get("proxyjump", "none") != "none" or settings.get("proxycommand", "none") != "none":
        return True
    host = settings.get("hostname", machine.host)
    try:
        reached = {str(item[4][0]) for item in socket.getaddrinfo(host, None, socket.AF_INET)}
    except OSError:  # by IPv6 alone
        return False
    return address not in reached
