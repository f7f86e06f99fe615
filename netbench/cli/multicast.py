"""`netbench multicast`: join and leave delay, and how many groups can be received at once."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netbench.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from netbench.result.multicast import MulticastPlace

_FIRST_GROUP, _DEFAULT_GROUPS, _DEFAULT_LIMIT = "239.255.78.1", 5, 256
_DEFAULT_ENVIRONMENTS = ["host", "macvlan", "bridge"]


def multicast(
    environment: Annotated[
        list[str] | None,
        typer.Option("-e", "--environment", metavar="ENV[:key=value,…]", help="In the embedded lab; repeatable (all three)."),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("-g", "--group", metavar="[S,]G[:port]", help="By hand: a group whose stream flows; repeatable."),
    ] = None,
    interface: Annotated[str | None, typer.Option("-i", "--interface", metavar="IF", help="By hand: where it is joined.")] = None,
    port: Annotated[int, typer.Option("-p", "--port", metavar="PORT", help="UDP port.", min=1, max=65535)] = 5004,
    streams: Annotated[
        int | None, typer.Option("--streams", metavar="N", help="Groups whose delays are measured, counted up (lab: 5).", min=1)
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", help="Search the capacity up to N groups; 0: do not (lab: 256, by hand: 0).", min=0),
    ] = None,
    pps: Annotated[float, typer.Option("--pps", metavar="RATE", help="Lab: packets per second of each group.", min=1)] = 500.0,
    json: Annotated[bool, typer.Option("-J", "--json", help="Print the record instead of the table.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress; only the result.")] = False,
) -> int:
    """Measure how long joins and leaves take, and how many groups can be received at once."""
    from netbench import __version__
    from netbench.result.environment import Tool
    from netbench.result.multicast import Multicast

    started_at = datetime.now(UTC).isoformat(timespec="milliseconds")
    step = _silent if quiet or json else _tell
    if group or interface:
        if environment:
            raise UsageError(
                "-e builds a lab of its own, -g and -i measure a live stream: both were given", "leave one of them out"
            )
        places = [_by_hand(group or [], interface, port, streams or 1, limit or 0, step)]
    else:
        places = _in_lab(
            environment or _DEFAULT_ENVIRONMENTS,
            port,
            _DEFAULT_GROUPS if streams is None else streams,
            _DEFAULT_LIMIT if limit is None else limit,
            pps,
            step,
        )
    answer = Multicast(
        tool=Tool(version=__version__), started_at=started_at, command=" ".join(["netbench", *sys.argv[1:]]), places=places
    )
    if json:
        typer.echo(answer.model_dump_json(indent=1))
    else:
        from netbench.report.multicast import print_multicast

        print_multicast(places)
    return exit_code(places)


def exit_code(places: list[MulticastPlace]) -> ExitCode:
    """What the places add up to: a mode that cannot do multicast is a result, a group that never came is none."""
    statuses = {place.status for place in places}
    if "interrupted" in statuses:
        return ExitCode.INTERRUPTED
    if statuses <= {"unavailable", "error"}:
        return ExitCode.CANNOT_RUN
    if any(place.status == "error" or (place.status == "ok" and place.join_delay is None) for place in places):
        return ExitCode.INCONCLUSIVE
    return ExitCode.PASS


def _in_lab(
    environments: list[str], port: int, streams: int, limit: int, pps: float, step: Callable[[str], None]
) -> list[MulticastPlace]:
    from netbench.cli.options import stream_specs
    from netbench.environments import lab, registry
    from netbench.environments.guests import image as guest_image
    from netbench.multicast_runner import MulticastPlan, measure_environment

    wanted = registry.parse(environments)
    plan = MulticastPlan(
        times_of=stream_specs([_FIRST_GROUP], port, streams),
        limit_of=stream_specs([_FIRST_GROUP], port, limit) if limit else (),
        group_pps=pps,
    )
    guest_image.prepare_ahead(environment.name for environment in wanted)
    lab.enter()
    return [measure_environment(plan, item, step) for item in wanted]


def _by_hand(
    groups: list[str], interface: str | None, port: int, streams: int, limit: int, step: Callable[[str], None]
) -> MulticastPlace:
    from ipaddress import IPv4Address

    from netbench.by_hand import run_by_hand
    from netbench.cli.options import stream_specs
    from netbench.metrics.multicast import measure_place
    from netbench.protocol import GroupCapacityJob, MembershipJob

    if not groups:
        raise UsageError("no group is named", "netbench multicast -i eth0 -g 239.1.1.1:5004")
    if interface is None:
        raise UsageError("groups are joined at an interface, and none is named", "add -i NAME; ip -brief link lists them")
    if limit and len(groups) != 1:
        raise UsageError(f"--limit {limit} counts up from one group, and there are {len(groups)}", "name one -g")
    specs = stream_specs(groups, port, streams)
    unicast = [spec.destination for spec in specs if not IPv4Address(spec.destination).is_multicast]
    if unicast:
        raise UsageError(f"{unicast[0]} is no group", "groups are in 224.0.0.0/4, e.g. -g 239.1.1.1:5004")

    def progress(data: dict[str, Any]) -> None:
        if "of" in data:
            step(f"{data['done']} of {data['of']} groups")

    step(f"join and leave delay of {len(specs)} groups at {interface}")
    memberships, interrupted = run_by_hand("the receiver", MembershipJob(groups=specs, interface=interface), lambda: None, progress)
    capacity = None
    if limit and not interrupted:
        step(f"capacity up to {limit} groups")
        job = GroupCapacityJob(groups=stream_specs(groups, port, limit), interface=interface)
        capacity, interrupted = run_by_hand("the receiver", job, lambda: None, progress)
    return measure_place(None, interface, memberships, capacity, interrupted=interrupted)


def _tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def _silent(what: str) -> None:
    pass
