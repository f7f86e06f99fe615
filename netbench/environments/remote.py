"""The environment `remote`: a machine that ssh reaches, as it is: a user's own VM, a server, a box in the field."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netbench.environments import lab
from netbench.environments.base import BuiltEnvironment, Option, Parent, Site, Unavailable
from netbench.environments.machines.far_end import FarEnd, far_end
from netbench.environments.machines.machine import OPTIONS, Machine
from netbench.environments.machines.ssh import Connection, connect
from netbench.environments.machines.ssh_keeper import address_towards, ipv4_interfaces, on_link
from netbench.environments.options import resolve
from netbench.errors import CannotRunError, UsageError

if TYPE_CHECKING:
    from netbench.result.plan import OptionValue

_NO_TAP = (
    "Packet sockets are not permitted to this user there, so that nothing watches the interface itself: loss before that machine "
    "and loss inside it cannot be told apart. Log in as root, or let python3 there have CAP_NET_RAW."
)


class RemoteEnvironment:
    """This machine's interface, or another machine's — the network that there is — the interface of the machine in question."""

    name = "remote"
    description = "another machine that ssh reaches: your own VM, a server (--site ssh:USER@HOST)"
    options = (
        Option("site", "", "the machine: ssh:USER@HOST:PORT"),
        *OPTIONS,
        Option("sender_interface", "", "interface of this machine that sends; none: the one with the route there"),
        Option("ttl", 1, "time to live of test packets; each router in between takes one", minimum=1, maximum=255),
    )

    def available(self) -> Unavailable | None:
        """None when there is an ssh to reach machines with."""
        if shutil.which("ssh") is None:
            return Unavailable("There is no program `ssh` here.", "apt-get install openssh-client")
        return None

    @contextmanager
    def setup(self, options: dict[str, OptionValue], parent: Parent | None = None) -> Iterator[BuiltEnvironment]:
        """Connect, and carry an agent over; both are undone on exit.

        Raises:
            UsageError: an option that it does not have, a value that does not fit, or no machine named.
            CannotRunError: the machine cannot be reached, or an agent cannot run there.
        """
        chosen = resolve(self.name, self.options, options)
        if not chosen["site"]:
            raise UsageError("The environment remote needs a machine.", "netbench run --site ssh:USER@HOST")
        machine = Machine.of(str(chosen["site"]), chosen)
        if lab.inside() and lab.privilege() == "user_namespace":
            raise CannotRunError(
                "The lab of an ordinary user has no network to the outside, so that no other machine can be reached from it.",
                "run as root (sudo), or leave out the environments of the embedded lab",
            )
        token = secrets.token_hex(3)
        with connect(machine) as connection:
            there = far_end(connection, parent.address if parent else "")
            place = f"nb-{token}-{self.name}-probe"
            sender = _sender(chosen, parent, there, connection, place.removesuffix("probe") + "wire")
            yield _built(connection, there, sender, place, ttl=int(chosen["ttl"]))


def _built(connection: Connection, there: FarEnd, sender: Site | None, place: str, *, ttl: int) -> BuiltEnvironment:
    def site(name: str) -> Site:
        return connection.site(name, there.interface, there.address, place)

    watched = bool(connection.survey["packet_sockets"])
    remarks = [f"Measured on {connection.machine.destination}, reached by ssh; its clock is its own, so no one-way delay is told."]
    if not connection.survey["installed"]:
        remarks.append("The agent was carried over for this run and removed at its end.")
    return BuiltEnvironment(
        sender=sender,
        tap=site("tap") if watched else None,
        receivers=(site("probe"),),
        unicast_destination=there.destination,
        router_hops=ttl - 1,
        next_hop=_neighbour(sender.interface, there.destination) if sender and not sender.enter else None,
        built_by=(f"{connection.machine.typed} true",),
        remarks=(*remarks, *(() if watched else (_NO_TAP,))),
        foreign_interface=True,
    )


def _sender(
    chosen: dict[str, OptionValue], parent: Parent | None, there: FarEnd, connection: Connection, place: str
) -> Site | None:
    """Who sends: the other machine that was named, nobody when a live feed is measured, else this machine.

    Raises:
        CannotRunError: it is this machine, or no way leads there, or only one by routers that the TTL does not pass.
    """
    if parent is not None:
        return parent.sender
    if connection.survey["network"] == _own_network():
        raise CannotRunError(
            f"{connection.machine.destination} is this very machine: packets to it never touch a network.",
            "name another machine; for this one: netbench run -e host",
        )
    interface = _own_interface(str(chosen["sender_interface"]), there.destination)
    if int(chosen["ttl"]) == 1 and not on_link(interface, there.destination):
        raise CannotRunError(
            f"{there.destination} is not in the network of {interface['name']} ({interface['address']}/{interface['prefix']}): "
            "a router lies between, and test packets are sent with TTL 1.",
            "raise it: --site …,ttl=4",
        )
    return Site(name="wire", interface=str(interface["name"]), address=str(interface["address"]), enter=(), place=place)


def _own_interface(named: str, destination: str) -> dict[str, Any]:
    """The interface of this machine that test packets leave by."""
    interfaces = [item for item in ipv4_interfaces() if item["up"] and item["address"]]
    if named:
        found = [item for item in interfaces if item["name"] == named]
        reason = f"This machine has no interface {named} that is up and has an IPv4 address."
    else:
        address = address_towards(destination)
        found = [item for item in interfaces if item["address"] == address]
        reason = f"No route of this machine leads to {destination}."
    if not found:
        raise CannotRunError(
            reason, f"ip route get {destination}; or name one of {_names(interfaces)}: --site …,sender_interface=NAME"
        )
    return found[0]


def _names(interfaces: list[dict[str, Any]]) -> str:
    return ", ".join(str(item["name"]) for item in interfaces)


def _own_network() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{boot} {os.readlink('/proc/self/ns/net')}"


def _neighbour(interface: str, address: str) -> str | None:
    """The MAC address of a neighbour, where this machine knows it: it does when ssh has just reached it."""
    with suppress(OSError):
        for line in Path("/proc/net/arp").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[0] == address and fields[5] == interface and int(fields[2], 16) & 0x2:  # ATF_COM: complete
                return fields[3]
    return None
