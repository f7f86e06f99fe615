"""What an environment is: a networking mode that can be built, entered and torn down."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from netbench.errors import CannotRunError

if TYPE_CHECKING:  # an environment can be built where pydantic is not installed
    from netbench.result.plan import OptionValue


HOST_CLOCK = "host"  # of this machine


@dataclass(frozen=True)
class Site:
    """A place where an agent can be started.

    Attributes:
        name: unique in its environment: `wire`, `tap`, `probe`, `probe-2`…
        interface: where packets go in or out there.
        address: IPv4 address of that interface.
        enter: what stands before a command line so that it runs there, e.g. ("ip", "netns", "exec", "nb-1234-host").
        place: identity of the network stack, `nb-TOKEN-ENVIRONMENT-ROLE`; two sites of one place share every counter.
        python: the interpreter there and its options, so that it finds netbench; ours, unless the place has another.
        clock: identity of the clock; only sites of one clock can tell a one-way delay.
    """

    name: str
    interface: str
    address: str
    enter: tuple[str, ...]
    place: str
    python: tuple[str, ...] = (sys.executable, "-P")  # -P: the installed package, not a folder that happens to stand there
    clock: str = HOST_CLOCK

    @property
    def agent(self) -> tuple[str, ...]:
        """The command line of an agent there."""
        return (*self.enter, *self.python, "-m", "netbench.agent")


def on_this_machine(sites: Iterable[Site]) -> bool:
    """Whether the kernel of any of them is the one that this process runs on, as its clock tells."""
    return any(site.clock == HOST_CLOCK for site in sites)


@dataclass(frozen=True)
class Parent:
    """The user's own network, in place of the embedded lab's wire: environments are built on it, and it is left as it was found.

    Attributes:
        interface: of this host, in the network namespace of this process.
        address: its first IPv4 address, or "" when it has none.
        sender: a machine that sends (`--sender`), or None: a live feed is measured.
    """

    interface: str
    address: str
    sender: Site | None = None


@dataclass(frozen=True)
class Unavailable:
    """Why an environment cannot be built here, and what to type about it."""

    reason: str
    remedy: str | None = None


@dataclass(frozen=True)
class BuiltEnvironment:
    """An environment that stands.

    Attributes:
        sender: the site outside, on the wire; None: nobody sends, a live feed is measured.
        tap: the site at the wire side of the environment that sees all of its packets, or None.
        receivers: where probes would sit; at least one.
        unicast_destination: address that the sender uses to reach the (first) probe; None when there is no way.
        unicast_ports: first and last UDP port that reach it, inclusive.
        multicast_unsupported: why groups from outside do not arrive, or None when they do.
        built_by: the commands that built it, in order; typed again by hand, they build it again.
        parent_interface: the interface at the tap that the probes' interfaces hang on (macvlan's parent), or None.
        router_hops: routers between sender and probe; unicast needs a TTL above it.
        next_hop: MAC address of `unicast_destination` as seen from the sender, for whole frames; None unknown.
        injected: loss put in on purpose, a sentence, or None.
        injected_counters: commands whose JSON output holds the counters of that loss, one for each point where packets are
            dropped (in the order of `receivers` when it is dropped there); read by `netbench.environments.injection.dropped`.
        remarks: what a reader of the report should know about this environment, a sentence each.
        foreign_interface: the probe's interface is somebody's own, on another machine: no setting of it is changed.
    """

    sender: Site | None
    tap: Site | None
    receivers: tuple[Site, ...]
    unicast_destination: str | None
    unicast_ports: tuple[int, int] = (1, 65_535)
    router_hops: int = 0
    multicast_unsupported: str | None = None
    built_by: tuple[str, ...] = ()
    parent_interface: str | None = None
    next_hop: str | None = None
    injected: str | None = None
    injected_counters: tuple[tuple[str, ...], ...] = ()
    remarks: tuple[str, ...] = field(default=())
    foreign_interface: bool = False

    @property
    def sending_site(self) -> Site:
        """Where our own traffic is sent from.

        Raises:
            CannotRunError: nobody sends here.
        """
        if self.sender is None:
            raise CannotRunError("Nobody sends here: only a live feed can be measured.", "name a sender: --sender ssh:USER@HOST")
        return self.sender

    @property
    def one_clock(self) -> bool:
        """Whether all sites share a clock, so that one-way delays can be told."""
        sites = [site for site in (self.sender, self.tap, *self.receivers) if site is not None]
        return len({site.clock for site in sites}) == 1


@dataclass(frozen=True)
class Option:
    """An option of an environment: `-e NAME:key=value`. The type of its default is the type of its values.

    Attributes:
        name: the key.
        default: what holds when it is not given.
        description: a short line of help.
        minimum: smallest number allowed, or None.
        maximum: largest number allowed, or None.
        choices: the only values allowed; empty: any.
    """

    name: str
    default: OptionValue
    description: str
    minimum: int | None = None
    maximum: int | None = None
    choices: tuple[str, ...] = ()


@runtime_checkable
class Environment(Protocol):
    """A plug-in of the entry-point group `netbench.environments`; the class is made without arguments."""

    name: str
    description: str
    options: tuple[Option, ...]

    def available(self) -> Unavailable | None:
        """None when it can be built here; reads only."""
        ...

    def setup(self, options: dict[str, OptionValue], parent: Parent | None = None) -> AbstractContextManager[BuiltEnvironment]:
        """Build it; everything is undone on exit, whatever happened inside.

        Args:
            options: as given; what is left out holds its default.
            parent: build it on this interface of the user's own; None: in the embedded lab.

        Raises:
            UsageError: an option that it does not have, or a value that does not fit.
            CannotRunError: the system refused, or this environment cannot be built on an interface of the user's own.
        """
        ...


def refuse(environment: str, parent: Parent | None) -> None:
    """For environments of the embedded lab alone.

    Raises:
        CannotRunError: an interface of the user's own was asked for.
    """
    if parent is not None:
        raise CannotRunError(
            f"The environment {environment} is built in the embedded lab only, not on {parent.interface}.",
            f"leave out -e {environment}, or leave out -i",
        )
