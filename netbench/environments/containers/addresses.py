"""The addresses of docker-macvlan: the engine's choice, a fixed one, or one of a pool beside which others are left alone."""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import TYPE_CHECKING, Any

from netbench.environments.base import Option
from netbench.environments.containers import ground as docker_ground
from netbench.environments.containers.ground import Ground
from netbench.environments.netns import run
from netbench.errors import CannotRunError, UsageError

if TYPE_CHECKING:
    from netbench.result.plan import OptionValue

OPTIONS = (
    Option("address", "", "fixed IPv4 address of the first container, further ones count up; empty: the engine chooses"),
    Option(
        "pool", False, "the engine chooses of a part of the subnet only (--ip-range) and leaves an address in it (--aux-address)"
    ),
    Option("ip_range", "", "that part, ADDRESS/LENGTH; empty: the upper half of the subnet"),
    Option("aux_address", "", "that address; empty: the first one of the part"),
)


@dataclass(frozen=True)
class Request:
    """What was asked for.

    Attributes:
        address: fixed, with the length of its subnet (32 where it was not said), or None.
        pool: whether a part of the subnet is the engine's.
        ip_range: this part; None: not said.
        aux_address: an address in it that is somebody else's; None: not said.
    """

    address: IPv4Interface | None
    pool: bool
    ip_range: IPv4Network | None
    aux_address: IPv4Address | None

    @classmethod
    def of(cls, chosen: dict[str, OptionValue]) -> Request:
        """Read it from checked options.

        Raises:
            UsageError: what was given is no address, or options that exclude each other were given.
        """
        try:
            address = IPv4Interface(str(chosen["address"])) if chosen["address"] else None
            part = IPv4Network(str(chosen["ip_range"])) if chosen["ip_range"] else None
            left = IPv4Address(str(chosen["aux_address"])) if chosen["aux_address"] else None
        except ValueError as error:
            raise UsageError(
                f"{error}: address, ip_range or aux_address cannot be read.", "for example address=192.0.2.50"
            ) from None
        pool = bool(chosen["pool"]) or part is not None or left is not None
        if address is not None and pool:
            raise UsageError("A fixed address and a pool exclude each other.", "give address=…, or pool=yes")
        return cls(address, pool, part, left)

    @property
    def lab_subnet(self) -> IPv4Network | None:
        """The subnet of the embedded lab that it implies."""
        first = self.address.ip if self.address else self.ip_range[0] if self.ip_range else None
        anywhere = first or self.aux_address
        return IPv4Network((anywhere, 24), strict=False) if anywhere is not None else None


@dataclass(frozen=True)
class Addressing:
    """How a macvlan network gives addresses.

    Attributes:
        subnet: of the network.
        gateway: for the containers.
        ip_range: that the engine chooses from; None: all.
        aux_address: that it leaves alone, or None.
        fixed: the containers' addresses, "" where the engine chooses.
        foreign: the addresses are not of the user's own network, so that nothing but groups arrives.
    """

    subnet: IPv4Network
    gateway: IPv4Address | None
    ip_range: IPv4Network | None
    aux_address: IPv4Address | None
    fixed: tuple[str, ...]
    foreign: bool = False


def decide(request: Request, ground: Ground, count: int) -> Addressing:
    """The addresses of so many containers on a ground.

    Raises:
        UsageError: what was asked for is not in the subnet, or too little of it.
        CannotRunError: the user's own interface has no subnet to take a part of.
    """
    subnet, foreign = ground.subnet, False
    if request.address is not None and request.address.network.prefixlen < 32:
        subnet = request.address.network
    elif not ground.embedded and request.address is None and not request.pool:
        # Nobody but the user knows which addresses of the user's network are free.
        subnet, foreign = docker_ground.unused(ground.occupied), True
    elif not ground.embedded and not ground.tap.address:
        raise CannotRunError(
            f"{ground.tap.interface} has no IPv4 address that tells the subnet.", "say it: address=ADDRESS/LENGTH, without a pool"
        )
    part = request.ip_range
    if request.pool and part is None:
        part = list(subnet.subnets())[1]
    left = request.aux_address
    if request.pool and left is None and part is not None:
        left = part[1]
    fixed = tuple(request.address.ip + number for number in range(count)) if request.address is not None else ()
    outside = [str(address) for address in fixed if address not in subnet]
    outside += [str(part)] if part is not None and not part.subnet_of(subnet) else []
    outside += [str(left)] if left is not None and left not in subnet else []
    if outside:
        raise UsageError(f"{outside[0]} is not in the subnet {subnet} of {ground.tap.interface}.", "choose one that is")
    if str(ground.tap.address) in map(str, fixed):
        raise UsageError(f"{ground.tap.address} is the address of {ground.tap.interface} itself.", "choose another: address=…")
    return Addressing(
        subnet=subnet,
        gateway=subnet[1] if ground.embedded else _gateway(ground.tap.interface, subnet),
        ip_range=part,
        aux_address=left,
        fixed=tuple(map(str, fixed)) if fixed else ("",) * count,
        foreign=foreign,
    )


def _gateway(interface: str, subnet: IPv4Network) -> IPv4Address | None:
    """The router of the user's network, where it is in the subnet."""
    question = ("ip", "-4", "-j", "route", "show", "default", "dev", interface)
    routes: list[dict[str, Any]] = json.loads(run(question, "Reading the routes failed"))
    gateways = [IPv4Address(route["gateway"]) for route in routes if "gateway" in route]
    return next((gateway for gateway in gateways if gateway in subnet), None)
