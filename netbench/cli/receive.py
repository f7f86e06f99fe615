"""`netbench receive`: the receiving end by hand, of our own sender or of a stream that is there."""

from __future__ import annotations

import json as json_text
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, get_args

import typer

from netbench.errors import ExitCode, UsageError


def receive(
    targets: Annotated[
        list[str] | None,
        typer.Argument(metavar="[[S,]G[:port] | :port]…", help="Groups to join, or ports to listen on.", show_default=False),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("-g", "--group", metavar="[S,]G[:port]", help="A group to join, from source S only; repeatable."),
    ] = None,
    interface: Annotated[str | None, typer.Option("-i", "--interface", metavar="IF", help="Where groups are joined.")] = None,
    port: Annotated[
        int | None, typer.Option("-p", "--port", metavar="PORT", help="UDP port (5004); alone: unicast.", min=1, max=65535)
    ] = None,
    streams: Annotated[
        int, typer.Option("--streams", metavar="N", help="N groups (or ports) counted up from the one named.", min=1)
    ] = 1,
    duration: Annotated[str, typer.Option("-t", "--duration", metavar="TIME", help="10, 30s, 1m30s; 0: until Ctrl-C.")] = "0",
    backend: Annotated[
        str, typer.Option("-B", "--backend", metavar="socket|ring|pcap", help="How packets are captured.")
    ] = "socket",
    buffer: Annotated[str, typer.Option("--buffer", metavar="BYTES", help="Socket receive buffer asked for, e.g. 4M.")] = "0",
    decode: Annotated[
        str,
        typer.Option(
            "--decode",
            metavar="auto|probe|rtp|mpegts|iperf2|raw",
            help="What to look for in datagrams; auto finds all but iperf2.",
        ),
    ] = "auto",
    rtp_clock: Annotated[
        int,
        typer.Option(
            "--rtp-clock", metavar="HZ", help="Media clock of RTP's dynamic payload types (90000).", min=0, max=1_000_000_000
        ),
    ] = 0,
    media_rate: Annotated[
        str, typer.Option("--media-rate", metavar="RATE", help="Media rate of a stream for MDI's delay factor, e.g. 10M.")
    ] = "0",
    packet_log: Annotated[
        Path | None, typer.Option("--packet-log", metavar="DIR", help="Every packet as a row of Parquet files in DIR (DuckDB).")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Also write reception.json, index.html and summary.md there."),
    ] = None,
    json: Annotated[bool, typer.Option("-J", "--json", help="Print a trial's records instead of the table.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No live table; only the result.")] = False,
) -> int:
    """Join groups or listen on ports, measure what arrives, until -t or Ctrl-C."""
    from netbench.by_hand import run_with_log
    from netbench.cli.options import DEFAULT_PORT, duration_s, stream_specs
    from netbench.metrics.packet_log import MOST_LOGGED_PACKETS, PacketLogFolder
    from netbench.metrics.passive import passive_reception
    from netbench.plans.quantities import parse_bitrate
    from netbench.protocol import Decode, ReceiveJob, StreamSpec
    from netbench.report.live import ReceiveDisplay
    from netbench.report.reception_files import make_directory, write_reception_reports
    from netbench.report.reception_view import ReceptionReport

    named = [f"0.0.0.0{text}" if text.startswith(":") else text for text in [*(targets or []), *(group or [])]]
    if not named:
        if port is None:
            raise UsageError(
                "nothing to receive is named", "netbench receive -g 239.1.1.1:5004; or netbench receive -p 5004 for unicast"
            )
        named = [f"0.0.0.0:{port}"]
    if backend not in ("socket", "ring", "pcap"):
        raise UsageError(f"-B {backend}: there is no such backend", "take socket, ring or pcap")
    if backend != "socket" and interface is None:
        raise UsageError(f"-B {backend} watches an interface, and none is named", "add -i NAME; ip -brief link lists them")
    if decode not in get_args(Decode):
        raise UsageError(f"--decode {decode}: there is no such decoder", f"take one of {', '.join(get_args(Decode))}")
    seconds = duration_s(duration)
    try:
        buffer_bytes, media_rate_bps = round(parse_bitrate(buffer)), parse_bitrate(media_rate)
    except ValueError as error:
        raise UsageError(str(error)) from error
    listens: tuple[StreamSpec, ...] = stream_specs(named, port or DEFAULT_PORT, streams)
    folder = PacketLogFolder(packet_log) if packet_log is not None else None
    job = ReceiveJob(
        listens=listens,
        backend=backend,  # type: ignore[arg-type]  # checked above
        interface=interface,
        decode=decode,  # type: ignore[arg-type]  # checked above
        rtp_clock_hz=rtp_clock,
        duration_ns=round(seconds * 1e9),
        receive_buffer_bytes=buffer_bytes,
        max_streams=max(4096, 2 * len(listens)),
        media_rate_bps=media_rate_bps,
        series_ns=1_000_000_000,
        stream_windows=True,
        log_capacity=MOST_LOGGED_PACKETS if folder is not None else 0,
    )
    started = datetime.now(UTC)
    if output is not None:
        make_directory(output)
    with ReceiveDisplay(quiet=quiet) as display:
        raw, log, interrupted = run_with_log("the receiver", job, display.ready, display.progress)
    if folder is not None:
        overflow = raw["totals"]["log_overflow"]
        about = {"started_at": started.isoformat(timespec="milliseconds"), "overflow_packets": overflow}
        path = folder.write(f"receive_{started:%Y%m%dT%H%M%S%f}Z", "receiver", log, about)
        print(f"Wrote {path}" + (f"; {overflow} later packets are not in it: it was full" if overflow else ""), file=sys.stderr)
    reception = passive_reception(raw, media_rate_bps=media_rate_bps or None)
    document, written = reception.model_dump(mode="json"), []
    early = interrupted and bool(seconds)
    if output is not None:
        command = " ".join(["netbench", *sys.argv[1:]])
        written = write_reception_reports(ReceptionReport(reception, document, command, early), output)
    if json:
        typer.echo(json_text.dumps(document, indent=1))
    else:
        display.print_result(reception)
        if written:
            display.print_written(written)
    nothing = reception.received is None or reception.received.packets == 0
    if nothing:
        return ExitCode.INCONCLUSIVE
    return ExitCode.INTERRUPTED if early else ExitCode.PASS
