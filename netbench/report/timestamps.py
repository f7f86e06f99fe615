"""The ladder of hardware timestamps in the terminal."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from netbench.metrics.stamp_words import ratio, short, traffic_words
from netbench.report import format
from netbench.result.timestamps import StampedPackets, TimestampLadder

MARKS = {True: ("✓", "green"), False: ("✗", "red"), None: ("?", "yellow")}


def print_ladder(ladder: TimestampLadder, console: Console | None = None) -> None:
    """Rung by rung, then what arrived, then the verdict."""
    console = console or Console(highlight=False)
    for rung in ladder.rungs:
        symbol, style = MARKS[rung.passed]
        console.print(Text(f"{symbol} {rung.number} ", style) + Text(rung.name, "bold"))
        console.print(Padding(Text(rung.evidence), (0, 0, 0, 4)))
        if rung.remedy and not rung.passed:
            console.print(Padding(Text("try: ") + Text(rung.remedy, "cyan"), (0, 0, 0, 4)))
    console.print()
    console.print(_traffic(ladder.traffic))
    for line in notes(ladder):
        console.print(Text(line, "dim"))
    console.print()
    console.print(Text(ladder.sentence, "bold"))


def notes(ladder: TimestampLadder) -> list[str]:
    """What a reader should know besides: what could not be counted, what was changed."""
    found = [ladder.absent["traffic"]] if "traffic" in ladder.absent else []
    if ladder.capture_drops:
        found.append(f"{ladder.capture_drops:,} packets found our own sockets full, and were not counted")
    if ladder.configured and ladder.setting_before is not None:
        back = "put back to" if ladder.restored else "NOT put back to"
        found.append(f"{ladder.interface} was set to stamp, and {back} {short(ladder.setting_before.rx_filter)}")
    return found


def _traffic(traffic: list[StampedPackets]) -> Table:
    table = Table(box=None, pad_edge=False)
    for name in ("packets", "received", "rate", "in hardware", "share", "ppm"):
        table.add_column(name, justify="left" if name == "packets" else "right")
    for item in traffic:
        table.add_row(
            traffic_words(item.traffic) + (f" {item.target}" if item.target else ""),
            format.count(item.received_packets),
            format.ABSENT if item.packets_per_second is None else f"{item.packets_per_second:,.0f} pps",
            format.count(item.hardware_packets),
            ratio(item.hardware_packets, item.received_packets) if item.received_packets else format.ABSENT,
            format.ABSENT if item.rate_ppm is None else f"{item.rate_ppm:+.1f}",
        )
    return table
