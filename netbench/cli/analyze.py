"""`netbench analyze`: the metrics of `netbench receive`, from capture files."""

from __future__ import annotations

import json as json_text
import os
import sys
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from netbench.errors import ExitCode, UsageError

_NO_DELIVERY = "a capture file does not say when an application had its packets"
_NO_TAP = "one point only; a second one is named by --tap FILE"


def analyze(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE…", help="pcap or pcapng files, compressed or not, and directories of them.")
    ],
    group: Annotated[
        list[str] | None,
        typer.Option("-g", "--group", metavar="[S,]G[:port]", help="Only datagrams to this group or host; repeatable."),
    ] = None,
    port: Annotated[
        int | None, typer.Option("-p", "--port", metavar="PORT", help="Only datagrams to this UDP port.", min=1, max=65535)
    ] = None,
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
    tap: Annotated[
        list[str] | None,
        typer.Option("--tap", metavar="FILE", help="The same traffic captured nearer to the sender: tells what lies between."),
    ] = None,
    same_clock: Annotated[bool, typer.Option("--same-clock", help="With --tap: one clock stamped both captures.")] = False,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Also write reception.json, index.html and summary.md there."),
    ] = None,
    json: Annotated[bool, typer.Option("-J", "--json", help="Print the records instead of the table.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress; only the result.")] = False,
) -> int:
    """Measure what capture files hold: loss, order, arrival times, jitter, MDI, per stream."""
    from netbench.by_hand import run_by_hand, run_with_log
    from netbench.cli.options import stream_specs
    from netbench.metrics.passive import passive_reception
    from netbench.plans.quantities import parse_bitrate
    from netbench.protocol import AnalyzeJob, Decode, StreamSpec
    from netbench.report.file_display import FileDisplay
    from netbench.report.reception_files import make_directory, write_reception_reports
    from netbench.report.reception_view import ReceptionReport

    for path in (*files, *(tap or [])):
        _check(path)
    if decode not in get_args(Decode):
        raise UsageError(f"--decode {decode}: there is no such decoder", f"take one of {', '.join(get_args(Decode))}")
    try:
        media_rate_bps = parse_bitrate(media_rate)
    except ValueError as error:
        raise UsageError(f"--media-rate: {error}") from error
    listens: tuple[StreamSpec, ...] = (StreamSpec(1, "0.0.0.0", port),) if port else ()
    if group:
        listens = stream_specs(group, port or 0, 1)

    if output is not None:
        make_directory(output)

    def job(paths: list[str], log: bool) -> AnalyzeJob:
        return AnalyzeJob(
            paths=tuple(os.path.abspath(path) for path in paths),
            listens=listens,
            decode=decode,  # type: ignore[arg-type]  # checked above
            rtp_clock_hz=rtp_clock,
            media_rate_bps=media_rate_bps,
            series_ns=1_000_000_000,
            stream_windows=True,
            packet_log=log,
        )

    with FileDisplay(quiet=quiet or json) as display:
        if tap:
            first, first_log, ended = run_with_log(
                "the reader of the tap's files", job(tap, log=True), display.ready, display.progress
            )
            second, second_log, interrupted = run_with_log("the reader", job(files, log=True), display.ready, display.progress)
            interrupted = interrupted or ended
        else:
            second, interrupted = run_by_hand("the reader", job(files, log=False), display.ready, display.progress)
    reception = passive_reception(second, media_rate_bps=media_rate_bps or None)
    absent = reception.absent | {"delivery_us": _NO_DELIVERY, "tap": _NO_TAP}
    points = None
    if tap:
        from netbench.metrics.two_points import measure_points

        points = measure_points(first, first_log, second, second_log, reception, same_clock)
        absent = {key: reason for key, reason in absent.items() if key != "tap"} | ({"tap": points[2]} if points[2] else {})
    reception = reception.model_copy(update={"receiver": "file", "absent": absent, "tap": points[0] if points else None})
    books = [*(first["files"] if tap else []), *second["files"]]
    left_out = second["capture"]["left_out_files"] + (first["capture"]["left_out_files"] if tap else 0)
    document, written = _document(reception, second, first if tap else None, points), []
    if output is not None:
        written = write_reception_reports(
            ReceptionReport(
                reception,
                document,
                " ".join(["netbench", *sys.argv[1:]]),
                interrupted,
                books,
                left_out,
                points[1] if points else None,
                (points[2] or "") if points else "",
            ),
            output,
        )
    if json:
        typer.echo(json_text.dumps(document, indent=1))
    else:
        display.print_files(books, left_out)
        display.print_result(reception)
        if points is not None:
            display.print_points(*points)
        if written:
            display.print_written(written)
    if interrupted:
        return ExitCode.INTERRUPTED
    nothing = reception.received is None or reception.received.packets == 0
    broken = any(book["broken"] for book in books)
    unmatched = points is not None and points[0] is None
    return ExitCode.INCONCLUSIVE if nothing or broken or unmatched else ExitCode.PASS


def _check(path: str) -> None:
    """Refuse at once what cannot be read."""
    if path == "-":
        raise UsageError("standard input cannot be read here", "write it to a file first, or name a fifo (mkfifo)")
    if not os.path.exists(path):
        raise UsageError(f"there is no {path}", "name pcap or pcapng files, or a directory of them")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{path} may not be read by this user", f"sudo chmod a+r {path}; or run as root")


def _document(reception: Any, second: dict[str, Any], first: dict[str, Any] | None, points: Any) -> dict[str, Any]:
    """The records of `receive --json`, the books of each file, and of a second point what it tells."""
    from dataclasses import asdict

    document = {**reception.model_dump(mode="json"), "files": second["files"]}
    if first is not None:
        document["tap_files"] = first["files"]
        document["points"] = asdict(points[1]) if points[1] is not None else None
    return document
