"""`netbench send`: the sending end by hand."""

from __future__ import annotations

import json as json_text
import math
import secrets
from typing import Annotated

import typer

from netbench.errors import ExitCode, UsageError

RATE_CAP_BPS = 100e6


def send(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[G[:port] | HOST[:port]]…", help="Groups or hosts to send to.", show_default=False),
    ] = None,
    group: Annotated[
        list[str] | None, typer.Option("-g", "--group", metavar="G[:port]", help="A group to send to; repeatable.")
    ] = None,
    interface: Annotated[str | None, typer.Option("-i", "--interface", metavar="IF", help="Where it goes out.")] = None,
    port: Annotated[int, typer.Option("-p", "--port", metavar="PORT", help="UDP port.", min=1, max=65535)] = 5004,
    streams: Annotated[
        int, typer.Option("--streams", metavar="N", help="N groups (or ports) counted up from the one named.", min=1)
    ] = 1,
    bitrate: Annotated[
        str | None, typer.Option("-b", "--bitrate", metavar="RATE", help="Of the payload, of each stream: 10M (default).")
    ] = None,
    pps: Annotated[
        float | None, typer.Option("--pps", metavar="N", help="Packets per second of each stream, instead of -b.", min=0.001)
    ] = None,
    length: Annotated[int, typer.Option("-l", "--length", metavar="BYTES", help="UDP payload.", min=48, max=65507)] = 1316,
    duration: Annotated[str, typer.Option("-t", "--duration", metavar="TIME", help="10, 30s, 1m30s; 0: until Ctrl-C.")] = "10",
    packets: Annotated[int, typer.Option("-n", "--packets", metavar="N", help="So many in all, instead of -t.", min=0)] = 0,
    burst: Annotated[
        int, typer.Option("--burst", metavar="N", help="N packets at a time, the mean rate unchanged.", min=1, max=64)
    ] = 1,
    ttl: Annotated[int, typer.Option("-T", "--ttl", metavar="N", help="Time to live.", min=0, max=255)] = 1,
    dscp: Annotated[int, typer.Option("--dscp", metavar="N", help="Differentiated services code point.", min=0, max=63)] = 0,
    method: Annotated[
        str, typer.Option("--method", metavar="socket|frame", help="frame: whole frames, for the highest rates.")
    ] = "socket",
    source: Annotated[str | None, typer.Option("--source", metavar="ADDR", help="Source address.")] = None,
    next_hop: Annotated[str | None, typer.Option("--next-hop", metavar="MAC", help="For --method frame to a host.")] = None,
    skip_every: Annotated[
        int, typer.Option("--skip-every", metavar="N", help="Leave out every Nth sequence, to prove a receiver.", min=0)
    ] = 0,
    repeat_every: Annotated[int, typer.Option("--repeat-every", metavar="N", help="Send every Nth sequence twice.", min=0)] = 0,
    swap_every: Annotated[
        int, typer.Option("--swap-every", metavar="N", help="Exchange every Nth sequence with its successor.", min=0)
    ] = 0,
    uncapped: Annotated[bool, typer.Option("--uncapped", help="Allow more than 100 Mb/s in all.")] = False,
    json: Annotated[bool, typer.Option("-J", "--json", help="Print a trial's records instead of the table.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No live table; only the result.")] = False,
) -> int:
    """Send probes at a steady rate. TTL 1 and at most 100 Mb/s unless told otherwise."""
    from netbench.by_hand import run_by_hand
    from netbench.cli.options import bits_per_second, duration_s, stream_specs
    from netbench.metrics.sending import measure_sent
    from netbench.protocol import Faults, SendJob
    from netbench.report.live import SendDisplay

    named = [*(targets or []), *(group or [])]
    if not named:
        raise UsageError("nobody to send to is named", "netbench send 239.1.1.1:5004; or netbench send 10.0.0.9:5004")
    if method not in ("socket", "frame"):
        raise UsageError(f"--method {method}: there is no such method", "take socket or frame")
    if method == "frame" and (interface is None or source is None):
        raise UsageError("--method frame needs the interface and the source address", "add -i NAME --source ADDRESS")
    if bitrate is not None and pps is not None:
        raise UsageError("-b and --pps both name the rate", "leave one out")
    specs = stream_specs(named, port, streams)
    stream_pps = pps if pps is not None else bits_per_second(bitrate or "10M") / (8 * length)
    total_pps = stream_pps * len(specs)
    total_bps = total_pps * 8 * length
    if total_bps > RATE_CAP_BPS and not uncapped:
        raise UsageError(
            f"{total_bps / 1e6:.0f} Mb/s in all is above the cap of {RATE_CAP_BPS / 1e6:.0f} Mb/s that protects a network in use",
            "lower the rate, or add --uncapped when the network is yours to load",
        )
    seconds = duration_s(duration)
    job = SendJob(
        streams=specs,
        rate_pps=total_pps,
        packets=packets or math.ceil(total_pps * seconds),
        session=secrets.randbelow(2**32 - 1) + 1,
        payload_bytes=length,
        burst=burst,
        method=method,  # type: ignore[arg-type]  # checked above
        interface=interface,
        source=source,
        ttl=ttl,
        dscp=dscp,
        next_hop=next_hop,
        faults=Faults(skip_every, repeat_every, swap_every),
    )
    with SendDisplay(quiet=quiet) as display:
        raw, interrupted = run_by_hand("the sender", job, display.ready, display.progress)
    sent = measure_sent(raw)
    if json:
        typer.echo(json_text.dumps({"sent": sent.model_dump(mode="json"), "streams": raw["streams"]}, indent=1))
    else:
        display.print_result(sent)
    return ExitCode.INTERRUPTED if interrupted and seconds else ExitCode.PASS
