"""What an environment is: a networking mode that can be built, entered and torn down."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:  # an environment can be built where pydantic is not installed
    from netbench.result.plan import OptionValue


@dataclass(frozen=True)
class Site:
    """A place where an agent can be started.

    Attributes:
        name: unique in its environment: `wire`, `tap`, `probe`, `probe-2`…
        interface: where packets go in or out there.
        address: IPv4 address of that interface.
        enter: what stands before a command line so that it runs there, e.g. ("ip", "netns", "exec", "nb-1234-host").
        place: identity of the network stack; two sites of one place share every counter.
    """

    name: str
    interface: str
    address: str
    enter: tuple[str, ...]
    place: str


@dataclass(frozen=True)
class Unavailable:
    """Why an environment cannot be built here, and what to type about it."""

    reason: str
    remedy: str | None = None


@dataclass(frozen=True)
class BuiltEnvironment:
    """An environment that stands.

    Attributes:
        sender: the site outside, on the wire.
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
    """

    sender: Site
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

    def setup(self, options: dict[str, OptionValue]) -> AbstractContextManager[BuiltEnvironment]:
        """Build it; everything is undone on exit, whatever happened inside.

        Raises:
            UsageError: an option that it does not have, or a value that does not fit.
            CannotRunError: the system refused.
        """
        ...
