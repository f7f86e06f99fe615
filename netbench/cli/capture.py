"""`netbench capture`: records an interface to pcap or pcapng, and says truthfully what was lost."""

from __future__ import annotations

import json as json_text
import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from netbench.errors import CannotRunError, ExitCode, NetbenchError, UsageError

_MIB = 1 << 20
_REMEDY_OF_FAILURE = "free some space, write elsewhere (-w), or bound it: --rotate-size 100M --files 10"


def capture(
    expression: Annotated[
        list[str] | None, typer.Argument(metavar="[FILTER]", help="A BPF expression, as tcpdump takes it.", show_default=False)
    ] = None,
    write: Annotated[str, typer.Option("-w", "--write", metavar="FILE", help="NAME.pcapng, or NAME.pcap (nanoseconds, too).")] = "",
    interface: Annotated[str | None, typer.Option("-i", "--interface", metavar="IF", help="What is captured.")] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("-g", "--group", metavar="[S,]G[:port]", help="Only this group, which is joined; or a host; repeatable."),
    ] = None,
    port: Annotated[int | None, typer.Option("-p", "--port", metavar="PORT", help="Only this UDP port.", min=1, max=65535)] = None,
    join: Annotated[bool, typer.Option("--join/--no-join", help="Join the groups of -g; not on a mirror port.")] = True,
    duration: Annotated[str, typer.Option("-t", "--duration", metavar="TIME", help="10, 30s, 1m30s; 0: until Ctrl-C.")] = "0",
    count: Annotated[int, typer.Option("-c", "--count", metavar="N", help="End after N packets.", min=0)] = 0,
    snaplen: Annotated[
        int, typer.Option("-s", "--snaplen", metavar="BYTES", help="Keep so much of a frame; 0: all of it.", min=0, max=262_144)
    ] = 0,
    rotate_size: Annotated[
        str | None, typer.Option("--rotate-size", metavar="SIZE", help="Begin another file at 100M; names get a number.")
    ] = None,
    rotate_time: Annotated[
        str | None, typer.Option("--rotate-time", metavar="TIME", help="Begin another file after 60s of packets.")
    ] = None,
    files: Annotated[int, typer.Option("--files", metavar="N", help="Keep the newest N files, delete older ones.", min=0)] = 0,
    file_format: Annotated[
        str | None, typer.Option("--format", metavar="pcap|pcapng", help="Where the suffix does not say it.")
    ] = None,
    direction: Annotated[str, typer.Option("-Q", "--direction", metavar="in|inout", help="in: only what arrives.")] = "inout",
    buffer: Annotated[str, typer.Option("--buffer", metavar="SIZE", help="Ring between kernel and file.")] = "128M",
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    json: Annotated[bool, typer.Option("-J", "--json", help="Print the record instead of sentences.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No live line; only the result.")] = False,
) -> int:
    """Record an interface to a file: every packet seen is written, or counted as lost."""
    from netbench.by_hand import run_by_hand
    from netbench.cli.options import duration_s, octets, stream_specs
    from netbench.metrics.recording import measure_recording
    from netbench.protocol import CaptureJob
    from netbench.report.recording import CaptureDisplay

    if not write:
        raise UsageError("no file to write to is named", "netbench capture -i eth0 -w capture.pcapng")
    if write == "-":
        raise UsageError("a capture is not written to standard output", "name a file: -w capture.pcapng")
    if interface is None:
        raise UsageError("no interface to capture on is named", "add -i NAME; ip -brief link lists them")
    if direction not in ("in", "inout"):
        raise UsageError(f"-Q {direction}: there is no such direction", "take in or inout")
    rotate_bytes = octets(rotate_size, "--rotate-size") if rotate_size is not None else 0
    rotate_s = duration_s(rotate_time, "--rotate-time") if rotate_time is not None else 0.0
    if files and not rotate_bytes and not rotate_s:
        raise UsageError("--files keeps the newest of several files, and nothing says when one is full", "add --rotate-size 100M")
    seconds = duration_s(duration)
    format = _format(write, file_format)
    job = CaptureJob(
        interface=interface,
        path=os.path.abspath(write),  # the agent's own folder may be another
        format=format,
        listens=stream_specs(group, port or 0, 1) if group else (),
        port=port or 0,
        expression=" ".join(expression or []),
        join=join,
        snapshot_bytes=snaplen,
        rotate_bytes=rotate_bytes,
        rotate_ns=round(rotate_s * 1e9),
        files=files,
        packets=count,
        duration_ns=round(seconds * 1e9),
        ring_blocks=max(2, -(-octets(buffer, "--buffer") // _MIB)),
        incoming_only=direction == "in",
        overwrite=force,
    )
    with CaptureDisplay(quiet=quiet) as display:
        raw, interrupted = run_by_hand("the capture", job, display.ready, display.progress)
    recording = measure_recording(raw, interface, format)
    if json:
        typer.echo(json_text.dumps(recording.model_dump(mode="json"), indent=1))
    else:
        display.print_result(recording)
    if recording.failure is not None:
        raise _ended_early(recording.failure, recording.failed_packets)
    if recording.seen_packets == 0:
        return ExitCode.INCONCLUSIVE
    return ExitCode.INTERRUPTED if interrupted and (seconds or count) else ExitCode.PASS


def _format(path: str, asked: str | None) -> Literal["pcap", "pcapng"]:
    """By --format, else by suffix.

    Raises:
        UsageError: neither says which.
    """
    suffix = Path(path).suffix.lower()
    word = asked if asked is not None else {".pcap": "pcap", ".cap": "pcap", ".pcapng": "pcapng"}.get(suffix)
    if word == "pcap":
        return "pcap"
    if word == "pcapng":
        return "pcapng"
    if asked is not None:
        raise UsageError(f"--format {asked}: there is no such format", "take pcap or pcapng")
    raise UsageError(f"-w {path}: the suffix {suffix or '(none)'!r} does not say which format", "add --format pcapng, or pcap")


def _ended_early(failure: str, failed_packets: int) -> NetbenchError:
    if not failed_packets:
        return CannotRunError(f"the capture ended early: {failure}; what was written before is a complete file")
    return CannotRunError(
        f"the capture ended early: {failure}; {failed_packets} packets could not be written, "
        "what was written before is a complete file",
        _REMEDY_OF_FAILURE,
    )
