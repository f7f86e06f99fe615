"""The live tables of `netbench receive` and `netbench send`, and what they print at the end.

Progress comes about once a second from another thread, as the agent's own counts (netbench.protocol): everything is read with care,
for an agent of another version may leave something out, and what is not known is a dash.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from netbench.report import format
from netbench.report.terminal import Page
from netbench.result.reception import Reception
from netbench.result.trial import Sent

LARGEST_NUMBER_OF_STREAMS = 20
ONE_LINE_EVERY_S = 10.0


@dataclass(frozen=True)
class Rates:
    """What passed in the time since the progress before."""

    packets_per_second: float | None
    bits_per_second: float | None


class RateMeter:
    """Turns growing counts into rates."""

    def __init__(self) -> None:
        self._before: tuple[float, int, int] | None = None

    def update(self, now_s: float, packets: int, octets: int) -> Rates:
        """Rates since the last call; none at the first, nor when no time has passed."""
        before, self._before = self._before, (now_s, packets, octets)
        if before is None or now_s <= before[0]:
            return Rates(None, None)
        elapsed_s = now_s - before[0]
        return Rates((packets - before[1]) / elapsed_s, 8 * (octets - before[2]) / elapsed_s)


class _Display:
    """What both ends share: a live table on standard error, or now and then a line where nobody watches."""

    def __init__(self, quiet: bool = False, console: Console | None = None, result_console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False)
        self._result = Page(result_console or Console(highlight=False))
        self._page = Page(self._console)
        self._quiet = quiet
        self._meter = RateMeter()
        self._started_s = self._told_s = time.monotonic()
        self._live = (
            Live(console=self._console, auto_refresh=False, transient=True) if self._console.is_terminal and not quiet else None
        )

    def __enter__(self) -> Any:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._live:
            self._live.stop()

    def _show(self, table: RenderableType, line: str) -> None:
        now_s = time.monotonic()
        if self._live:
            self._live.update(table, refresh=True)
        elif not self._quiet and now_s - self._told_s >= ONE_LINE_EVERY_S:
            self._told_s = now_s
            self._page.line(Text(f"{format.duration_s(now_s - self._started_s)}  {line}"))

    def _tell(self, sentence: str) -> None:
        if not self._quiet:
            self._page.line(Text(sentence, style="dim"))

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._started_s


class ReceiveDisplay(_Display):
    """Shows a receiver at work."""

    def __enter__(self) -> ReceiveDisplay:
        super().__enter__()
        return self

    def ready(self) -> None:
        """It is joined and bound."""
        self._tell("Joined and listening. Ctrl-C ends it and prints the result.")

    def progress(self, data: Mapping[str, Any]) -> None:
        """One progress event of the agent: {"totals": …, "streams": […]}."""
        totals, streams = data.get("totals") or {}, data.get("streams") or []
        packets, octets = int(totals.get("packets", 0)), int(totals.get("bytes", 0))
        rates = self._meter.update(self._elapsed_s(), packets, octets)
        lost = sum(int(stream.get("lost", 0)) for stream in streams)
        line = "  ".join(
            (
                f"{format.count(packets)} packets",
                _or_dash(rates.packets_per_second, format.packet_rate),
                _or_dash(rates.bits_per_second, format.bit_rate),
                f"lost so far {format.count(lost)}",
                f"IAT p99 {_or_dash(_worst(streams, 'p99'), format.duration_us)}",
            )
        )
        self._show(Group(Text(self._page.text(line), style="bold"), self._streams(streams)), line)

    def print_result(self, reception: Reception) -> None:
        """What was received, when it is over."""
        page, received, loss = self._result, reception.received, reception.loss
        if received is None or received.packets == 0:
            page.prose("Nothing was received.", style="bold")
            page.prose(
                "Is the sender running, are group and port right, and does the interface have a route to the group (-i NAME)?"
            )
            return
        rows: list[tuple[str, str | None, str]] = [
            ("Received", f"{format.count(received.packets)} packets in {format.plural(received.streams, 'stream')}", ""),
            (
                "Rate",
                f"{format.packet_rate(received.packets_per_second)}, {format.bit_rate(received.bits_per_second)} of UDP payload",
                "",
            ),
            ("Lost", format.loss(loss.lost_packets, loss.expected_packets, loss.upper_bound_ratio) if loss else None, "loss"),
        ]
        if received.duplicate_packets or (reception.sequence and reception.sequence.reordered_packets):
            reordered = format.count(reception.sequence.reordered_packets) if reception.sequence else format.ABSENT
            rows.append(("Order", f"{reordered} reordered, {format.count(received.duplicate_packets)} duplicates", ""))
        iat, mdi = reception.iat_us, reception.mdi
        if iat is not None:
            figures = (("p50", iat.p50), ("p99", iat.p99), ("p99.9", iat.p99_9), ("max", iat.max))
            rows.append(("IAT", ", ".join(f"{name} {format.duration_us(value)}" for name, value in figures), ""))
        else:
            rows.append(("IAT", None, "iat_us"))
        rows.append(("Jitter", None if reception.jitter_ms is None else format.duration_us(1e3 * reception.jitter_ms), "jitter_ms"))
        media = (
            f"{format.duration_us(1e3 * mdi.delay_factor_ms)} : {format.significant(mdi.media_loss_packets_per_second)}/s"
            if mdi
            else None
        )
        rows.append(("MDI", media, "mdi"))
        rows += _transport_rows(reception)
        if reception.timestamps is not None:
            rows.append(("Stamps", reception.timestamps.used, ""))
        for name, text, key in rows:
            page.prose(f"{name:<10}{text if text is not None else _why(reception, key)}", hanging=10)
        for drop in reception.drops:
            page.prose(f"{'Dropped':<10}{format.count(drop.packets)} in {drop.layer}: {drop.evidence}", hanging=10)

    def print_written(self, paths: Iterable[Path]) -> None:
        """Where the report is."""
        self._result.gap()
        for path in paths:
            self._result.line(Text.assemble(("Wrote  ", "dim"), str(path)))

    def _streams(self, streams: list[Mapping[str, Any]]) -> Table:
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
        for heading in ("Stream", "Kind", "Packets", "Lost", "CC errors", "IAT p99", "IAT max"):
            table.add_column(heading, justify="left" if heading in ("Stream", "Kind") else "right", no_wrap=True)
        for stream in streams[:LARGEST_NUMBER_OF_STREAMS]:
            iat = stream.get("iat_ns") or {}
            lost = int(stream.get("lost", 0)) if stream.get("sequenced", True) else None
            name = f"{stream.get('source', '?')} → {stream.get('destination', '?')}:{stream.get('destination_port', '?')}"
            cells = (
                str(stream.get("kind", format.ABSENT)),
                format.count(int(stream.get("packets", 0))),
                _or_dash(lost, lambda number: format.count(int(number))),
                _or_dash((stream.get("ts") or {}).get("cc_errors"), lambda number: format.count(int(number))),
                _or_dash(iat.get("p99"), lambda ns: format.duration_us(ns / 1e3)),
                _or_dash(iat.get("max"), lambda ns: format.duration_us(ns / 1e3)),
            )
            table.add_row(Text(self._page.text(name)), *(Text(self._page.text(cell)) for cell in cells))
        if len(streams) > LARGEST_NUMBER_OF_STREAMS:
            more = f"and {format.plural(len(streams) - LARGEST_NUMBER_OF_STREAMS, 'more stream')}"
            table.add_row(Text(self._page.text(more), style="dim"))
        return table


def _transport_rows(reception: Reception) -> list[tuple[str, str | None, str]]:
    """What the transport streams inside were like; nothing where there are none."""
    ts = reception.mpegts
    if ts is None:
        return []
    first_priority = (
        ("sync", ts.sync_losses),
        ("sync byte", ts.sync_byte_errors),
        ("PAT", ts.pat_errors),
        ("PMT", ts.pmt_errors),
        ("PID", ts.pid_errors),
        ("transport", ts.transport_errors),
    )
    wrong = ", ".join(f"{name} {format.count(number)}" for name, number in first_priority if number)
    rate = f", {format.bit_rate(ts.mux_rate_bps)} by its PCR" if ts.mux_rate_bps else ""
    continuity = f"{format.count(ts.cc_errors)} errors, about {format.count(ts.ts_lost_estimate)} TS packets missing"
    return [
        ("MPEG-TS", f"{format.count(ts.ts_packets)} TS packets of {format.plural(ts.pids, 'PID')}{rate}", ""),
        ("Counters", continuity if ts.cc_errors else "continuous on every PID", ""),
        ("TR 101290", f"errors: {wrong}" if wrong else "no other error of first priority", ""),
    ]


class SendDisplay(_Display):
    """Shows a sender at work."""

    def __enter__(self) -> SendDisplay:
        super().__enter__()
        return self

    def ready(self) -> None:
        """It is about to begin."""
        self._tell("Sending. Ctrl-C ends it and prints the result.")

    def progress(self, data: Mapping[str, Any]) -> None:
        """One progress event of the agent: {"counts": …, "lateness": …}."""
        counts, lateness = data.get("counts") or {}, data.get("lateness") or {}
        packets, octets = int(counts.get("datagrams", 0)), int(counts.get("bytes", 0))
        rates = self._meter.update(self._elapsed_s(), packets, octets)
        largest = lateness.get("max")
        line = "  ".join(
            (
                f"{format.count(packets)} packets",
                _or_dash(rates.packets_per_second, format.packet_rate),
                _or_dash(rates.bits_per_second, format.bit_rate),
                f"refused {format.count(int(counts.get('unsent', 0)))}",
                f"late by at most {_or_dash(largest, lambda ns: format.duration_us(ns / 1e3))}",
            )
        )
        self._show(Text(self._page.text(line)), line)

    def print_result(self, sent: Sent) -> None:
        """What was sent, when it is over."""
        page, took = self._result, format.duration_s(sent.duration_s)
        rows = [
            ("Sent", f"{format.count(sent.packets)} of {format.count(sent.intended_packets)} packets in {took}"),
            ("Rate", f"{format.packet_rate(sent.packets_per_second)}, {format.bit_rate(sent.bits_per_second)} of UDP payload"),
        ]
        if sent.unsent_packets:
            why = ", ".join(f"{name} {format.count(number)}" for name, number in sent.refusals.items())
            rows.append(
                ("Refused", f"{format.count(sent.unsent_packets)} by the local stack, not lost" + (f" ({why})" if why else ""))
            )
        made = ((sent.skipped_packets, "skipped"), (sent.repeated_packets, "repeated"), (sent.swapped_pairs, "pairs swapped"))
        if any(number for number, _ in made):
            rows.append(("On purpose", ", ".join(f"{format.count(number)} {what}" for number, what in made if number)))
        if sent.lateness_us is not None:
            late = (("p50", sent.lateness_us.p50), ("p99", sent.lateness_us.p99), ("max", sent.lateness_us.max))
            rows.append(("Late by", ", ".join(f"{name} {format.duration_us(value)}" for name, value in late)))
        for name, text in rows:
            page.prose(f"{name:<12}{text}", hanging=12)


def _or_dash(value: float | None, show: Any) -> str:
    return format.ABSENT if value is None else str(show(value))


def _worst(streams: Iterable[Mapping[str, Any]], key: str) -> float | None:
    values = [value / 1e3 for stream in streams if (value := (stream.get("iat_ns") or {}).get(key)) is not None]
    return max(values) if values else None


def _why(reception: Reception, key: str) -> str:
    return f"{format.ABSENT}  ({reception.absent.get(key, 'the record gives no reason')})"
