"""`netbench timestamps`: the ladder of hardware timestamps at one interface, rung by rung, by the packets that arrive."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from netbench.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from netbench.result.timestamps import TimestampLadder

_DEFAULT_PORT = 5004
_NEEDED_RUNGS = 5  # a clock that nobody reads takes nothing from the stamps


def timestamps(
    interface: Annotated[
        str | None, typer.Option("-i", "--interface", metavar="IF", help="The interface that the probe would use.")
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("-g", "--group", metavar="[S,]G[:port]", help="Join a group that flows, and count its packets; repeatable."),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "-p", "--port", metavar="PORT", help="Count what comes to this UDP port; with -g: of groups.", min=1, max=65535
        ),
    ] = None,
    duration: Annotated[str, typer.Option("-t", "--duration", metavar="TIME", help="How long packets are counted.")] = "5s",
    configure: Annotated[
        bool,
        typer.Option("--configure", help="Have the driver stamp all packets meanwhile; its setting is put back at the end."),
    ] = False,
    json: Annotated[bool, typer.Option("-J", "--json", help="Print JSON.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress; only the result.")] = False,
) -> int:
    """See whether received packets really get hardware timestamps. Changes nothing without --configure."""
    from netbench.by_hand import run_by_hand
    from netbench.cli.options import duration_s, stream_specs
    from netbench.interface import interface_index
    from netbench.metrics.timestamp_ladder import build_ladder
    from netbench.protocol import StreamSpec, TimestampsJob
    from netbench.stamp_runner import live_names

    if interface is None:
        raise UsageError("no interface is named", "netbench timestamps -i NAME; ip -brief link lists them")
    try:
        interface_index(interface)
    except OSError as error:
        raise UsageError(f"cannot {error.strerror}", "list the interfaces here: ip -brief link") from error
    seconds = duration_s(duration)
    if not seconds:
        raise UsageError("-t/--duration: at least some time must be watched", "type -t 5s")
    listens: tuple[StreamSpec, ...] = ()
    if group:
        listens = stream_specs(group, port or _DEFAULT_PORT, 1)
    elif port is not None:
        listens = (StreamSpec(1, "0.0.0.0", port),)
    job = TimestampsJob(interface=interface, configure=configure, listens=listens, duration_ns=round(seconds * 1e9))

    def ready() -> None:
        if not (quiet or json):
            print(f"counting packets on {interface} for {seconds:g} s", file=sys.stderr, flush=True)

    def progress(data: dict[str, Any]) -> None:
        if not (quiet or json):
            print(f"  {data['packets']:,} so far", file=sys.stderr, flush=True)

    raw, interrupted = run_by_hand("the timestamps' agent", job, ready, progress)
    ladder = build_ladder(raw, live_names(listens))
    if json:
        typer.echo(ladder.model_dump_json(indent=1))
    else:
        from netbench.report.timestamps import print_ladder

        print_ladder(ladder)
    return ExitCode.INTERRUPTED if interrupted else exit_code(ladder)


def exit_code(ladder: TimestampLadder) -> ExitCode:
    """1: a rung that stamps need has failed; 4: one is not proven; 0: all packets carry stamps that can be believed."""
    passed = [rung.passed for rung in ladder.rungs[:_NEEDED_RUNGS]]
    if False in passed:
        return ExitCode.FAIL
    return ExitCode.INCONCLUSIVE if None in passed else ExitCode.PASS
