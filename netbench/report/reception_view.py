"""One reception as plain presentation data, built once; page and Markdown only lay it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netbench import __version__
from netbench.metrics.two_points import PointCounts
from netbench.report import format
from netbench.report.file_display import file_contents, file_remarks
from netbench.report.reception_rows import (
    book_rows,
    delay_rows,
    loss_rows,
    media_rows,
    ms,
    order_rows,
    packets,
    point_rows,
    transport_rows,
)
from netbench.report.view.cells import Cell, Footnote, Footnotes, KeyValue
from netbench.report.view.figures import Panel, survival_curve
from netbench.report.view.series import MOST_POINTS, SeriesLine, TimeSeries, window_rates
from netbench.result.reception import Reception, StreamResult

MOST_STREAM_ROWS = 200
_ALL_STREAMS = "all streams"


@dataclass(frozen=True)
class ReceptionReport:
    """What a report of one reception is made of.

    Attributes:
        reception: the record.
        document: what `--json` prints: the record, and for files their books.
        command: as it was typed.
        interrupted: Ctrl-C ended it.
        files: books of the files read, the tap's first; empty for a live reception.
        left_out_files: of the directories named, no captures.
        points: what two points tell; None with one.
        unmatched: why two points could not be compared; empty: they were, or there is one.
    """

    reception: Reception
    document: Mapping[str, Any]
    command: str
    interrupted: bool = False
    files: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    left_out_files: int = 0
    points: PointCounts | None = None
    unmatched: str = ""


@dataclass(frozen=True)
class Notice:
    """What has to be known before any number is believed."""

    kind: str
    word: str
    text: str


@dataclass(frozen=True)
class Section:
    """A list of facts with a heading."""

    id: str
    title: str
    source: str
    rows: list[KeyValue]


@dataclass(frozen=True)
class StreamRow:
    """One stream."""

    name: str
    loses: bool
    cells: list[Cell]


STREAM_HEADS = ("Kind", "Received", "Lost", "Dup.", "Reordered", "IAT p99", "max", "Jitter", "DF", "Worst second", "CC errors")


@dataclass(frozen=True)
class ReceptionView:
    """Everything that a reception's report shows."""

    headline: str
    subtitle: str
    notices: list[Notice]
    sections: list[Section]
    streams: list[StreamRow]
    stream_heads: tuple[str, ...]
    streams_left_out: str
    arrival: Panel | None
    no_arrival: str
    series: list[TimeSeries]
    method: list[KeyValue]
    footnotes: list[Footnote]
    tool: str


def build_reception_view(report: ReceptionReport) -> ReceptionView:
    """All of a report's data."""
    reception, footnotes = report.reception, Footnotes()
    ranked = sorted(reception.streams, key=_badness, reverse=True)
    rows = [_stream_row(stream, footnotes) for stream in ranked[:MOST_STREAM_ROWS]]
    received = reception.received is not None and reception.received.packets > 0
    iat = reception.iat_us if reception.iat_us and reception.iat_us.histogram else None
    return ReceptionView(
        headline=_between(report) + headline(reception),
        subtitle=_subtitle(reception),
        notices=_notices(report),
        sections=_sections(report, footnotes) if received else [],
        streams=rows,
        stream_heads=STREAM_HEADS,
        streams_left_out=_left_out(ranked[MOST_STREAM_ROWS:]),
        arrival=Panel(_ALL_STREAMS, [survival_curve(_ALL_STREAMS, 0, [iat])]) if iat else None,
        no_arrival=format.as_sentence(reception.absent.get("iat_us", "the record holds no distribution")),
        series=_series(reception),
        method=_method(report),
        footnotes=footnotes.all,
        tool=f"netbench {__version__}",
    )


def headline(reception: Reception) -> str:
    """The answer in a sentence."""
    received, loss, ts = reception.received, reception.loss, reception.mpegts
    if received is None or received.packets == 0:
        return "No UDP datagram was found that was asked for" if reception.receiver == "file" else "Nothing was received"
    if loss is None:
        parts = [
            f"{packets(received.packets)} packets in {format.plural(received.streams, 'stream')} without sequence numbers: "
            "whether datagrams were lost cannot be told"
        ]
    else:
        lost, expected = loss.lost_packets, loss.expected_packets
        bound = f"at 95{format.UNIT_SPACE}%"
        worth = (
            f"{format.percent(lost / expected)}, at most {format.percent_rounded_up(loss.upper_bound_ratio)} {bound}"
            if lost
            else f"{format.zero_loss_bound(loss.upper_bound_ratio)} {bound}"
        )
        sequenced = sum(stream.lost_packets is not None for stream in reception.streams)
        of = f"{packets(sequenced)} of {packets(received.streams)} streams"
        where = format.plural(received.streams, "stream") if sequenced == received.streams else f"{of}, the others unnumbered"
        parts = [f"{packets(lost)} of {packets(expected)} packets lost ({worth}) in {where}"]
    if ts is not None:
        inside = format.plural(ts.streams, "transport stream")
        parts.append(f"{format.plural(ts.cc_errors, 'continuity error')} in {inside}")
    reordered = reception.sequence.reordered_packets if reception.sequence else 0
    order = [
        f"{packets(number)} {word}"
        for number, word in ((reordered, "reordered"), (received.duplicate_packets, "doubled"))
        if number
    ]
    if order:
        parts.append(", ".join(order))
    if reception.iat_us is not None:
        parts.append(
            f"inter-arrival p99 {format.duration_us(reception.iat_us.p99)}, at most {format.duration_us(reception.iat_us.max)}"
        )
    return "; ".join(parts)


def _between(report: ReceptionReport) -> str:
    """What two points are compared for comes first."""
    points = report.points
    if points is None:
        return ""
    both = points.lost_between + points.matched
    return f"{packets(points.lost_between)} of {packets(both)} packets lost between the two points; at the second "


def _subtitle(reception: Reception) -> str:
    received = reception.received
    if received is None or received.packets == 0:
        return "There is nothing to measure."
    span_s = (received.packets - 1) / received.packets_per_second if received.packets_per_second else 0.0
    parts = [
        f"{packets(received.packets)} packets in {format.duration_us(1e6 * span_s)}",
        f"{format.packet_rate(received.packets_per_second)}, {format.bit_rate(received.bits_per_second)} of UDP payload",
    ]
    if reception.timestamps is not None:
        parts.append(f"stamps: {reception.timestamps.used}")
    return " · ".join(parts)


def _notices(report: ReceptionReport) -> list[Notice]:
    notices = []
    if report.interrupted:
        notices.append(Notice("interrupted", "Incomplete", "Ctrl-C ended it: these are the numbers up to then."))
    missed = sum(int(report.reception.capture.get(key, 0)) for key in ("kernel_drops", "socket_drops"))
    if missed:
        sentence = f"The capture itself lost {format.plural(missed, 'packet')} here: what is missing was not all lost on the way."
        notices.append(Notice("caveat", "Mind", sentence))
    for file in report.files:
        for sentence in file_remarks(file):
            broken = bool(file["broken"]) and sentence.startswith("Broken")
            kind, word = ("error", "Damaged file") if broken else ("caveat", "Mind")
            notices.append(Notice(kind, word, f"{file['path']}: {sentence}"))
    if report.unmatched:
        notices.append(Notice("error", "Not compared", format.as_sentence(report.unmatched)))
    return notices


def _sections(report: ReceptionReport, footnotes: Footnotes) -> list[Section]:
    reception = report.reception
    sections = [
        Section("books", "Books", "RFC 5560", book_rows(reception, footnotes)),
        Section("loss", "Loss and its patterns", "RFC 7680, RFC 3357", loss_rows(reception, footnotes)),
        Section("order", "Order and copies", "RFC 4737, RFC 5560", order_rows(reception, footnotes)),
        Section("delay", "Arrival times", "RFC 3550, RFC 5481", delay_rows(reception, footnotes)),
        Section("media", "Media delivery index, worst stream", "RFC 4445", media_rows(reception, footnotes)),
    ]
    if reception.mpegts is not None:
        title = f"MPEG-TS in {format.plural(reception.mpegts.streams, 'stream')}"
        sections.append(Section("mpegts", title, "ETSI TR 101 290", transport_rows(reception.mpegts, footnotes)))
    if report.points is not None:
        sections.insert(1, Section("points", "Two points", "netbench", point_rows(reception, report.points, footnotes)))
    return sections


def _badness(stream: StreamResult) -> tuple[float, ...]:
    """The worst stream has the largest: loss first, then continuity, order, and the longest silence."""
    order = stream.reordered_packets + stream.duplicate_packets
    return (stream.lost_packets or 0, stream.cc_errors or 0, order, stream.iat_max_us or 0.0)


def _stream_row(stream: StreamResult, footnotes: Footnotes) -> StreamRow:
    destination = f"[{stream.destination}]" if ":" in stream.destination else stream.destination
    name = f"{stream.source} → {destination}:{stream.port}, stream {stream.stream:#x}"

    def figure(field_name: str, what: str, text: str | None, title: str = "") -> Cell:
        if text is not None:
            return Cell(text, title=title)
        return footnotes.absent(stream.absent.get(field_name, "The record gives no reason."), f"{what} of {name}")

    lost, worst = stream.lost_packets, max((window.missing_packets for window in stream.windows), default=None)
    expected = lost + stream.unique_packets if lost is not None else 0
    share = f" ({format.percent(lost / expected)})" if lost and expected else ""
    missing = None if lost is None or worst is None else f"{packets(worst)} missing"
    cells = [
        Cell(stream.kind),
        Cell(packets(stream.received_packets)),
        figure("lost_packets", "lost", None if lost is None else f"{packets(lost)}{share}"),
        Cell(packets(stream.duplicate_packets)),
        figure("lost_packets", "reordered", None if lost is None else packets(stream.reordered_packets)),
        figure("iat_p99_us", "IAT", None if stream.iat_p99_us is None else format.duration_us(stream.iat_p99_us)),
        figure("iat_max_us", "IAT", None if stream.iat_max_us is None else format.duration_us(stream.iat_max_us)),
        figure("jitter_ms", "jitter", None if stream.jitter_ms is None else ms(stream.jitter_ms)),
        figure("delay_factor_ms", "DF", None if stream.delay_factor_ms is None else ms(stream.delay_factor_ms)),
        figure("lost_packets", "worst second", missing, "datagrams lost or late, in the worst of the newest 64 s"),
        figure("cc_errors", "CC errors", None if stream.cc_errors is None else packets(stream.cc_errors)),
    ]
    return StreamRow(name, bool(lost or stream.cc_errors), cells)


def _left_out(streams: Sequence[StreamResult]) -> str:
    """The rest, counted."""
    if not streams:
        return ""
    received, lost = sum(item.received_packets for item in streams), sum(item.lost_packets or 0 for item in streams)
    return (
        f"{format.plural(len(streams), 'more stream')} ({packets(received)} packets received, {packets(lost)} lost) "
        "in reception.json only."
    )


def _series(reception: Reception) -> list[TimeSeries]:
    received = reception.received
    if received is None or not received.packets_per_second:
        return []
    rates = window_rates(reception.series, (received.packets - 1) / received.packets_per_second, MOST_POINTS)
    if not rates:
        return []
    line = SeriesLine(_ALL_STREAMS, 0, [rate for rate, _ in rates.values()], [largest for _, largest in rates.values()])
    return [TimeSeries("reception", 1, list(rates), [line])]


def _method(report: ReceptionReport) -> list[KeyValue]:
    """Who measured, of what, by whose clock."""
    reception = report.reception
    rows = [
        KeyValue("Tool", Cell(f"netbench {__version__}")),
        KeyValue("Command", Cell(report.command)),
    ]
    for file in report.files:
        compressed = f"{file['compression']}, " if file.get("compression") else ""
        rows.append(KeyValue(str(Path(str(file["path"]))), Cell(compressed + file_contents(file))))
    if report.left_out_files:
        rows.append(KeyValue("Left out of the directories", Cell(f"{format.plural(report.left_out_files, 'file')}: no captures")))
    stamps = reception.timestamps
    if stamps is not None:
        classes = (("hardware", stamps.hardware_packets), ("kernel", stamps.kernel_packets), ("user", stamps.user_packets))
        counted = ", ".join(f"{packets(number)} {name}" for name, number in classes if number) or "none"
        doubt = "; a file does not say who stamped: the kernel is assumed" if reception.receiver == "file" else ""
        rows.append(KeyValue("Stamps", Cell(f"{stamps.used} used; {counted}{doubt}")))
    step = reception.capture.get("resolution_ns")
    if isinstance(step, int) and step:
        rows.append(KeyValue("Coarsest step of the stamps", Cell(format.duration_us(step / 1e3))))
    own = ((key, value) for key, value in reception.capture.items() if key != "resolution_ns")
    books = ", ".join(f"{key} {packets(value) if isinstance(value, int) else value}" for key, value in own if value)
    return [*rows, KeyValue("The backend's own books", Cell(books or "none"))]
