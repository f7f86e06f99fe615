"""The table of `netbench multicast`."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from netbench.report import format
from netbench.result.multicast import Delays, Igmp, MulticastPlace

_MARK = {"ok": ("✓", "green"), "interrupted": ("!", "yellow"), "unsupported": ("✗", "yellow")}
_LEGEND = (
    "Delays: median (smallest to largest) over groups, seen no finer than the interval between a group's packets. "
    "warm: the group reached the interface before the join. groups: the most that were all delivered at once."
)


def print_multicast(places: Sequence[MulticastPlace], console: Console | None = None) -> None:
    """A row a place; below it why something is missing, and the IGMP that it depends on."""
    console = console or Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("place", "state", "join delay", "leave delay", "interval", "groups"):
        table.add_column(heading, justify="left" if heading in ("place", "state") else "right")
    for place in places:
        mark, style = _MARK.get(place.status, ("✗", "red"))
        table.add_row(
            Text(f"{mark} ", style) + Text(_name(place)), states(place), _delay(place.join_delay), _delay(place.leave_delay),
            _interval(place), capacity(place),
        )  # fmt: skip
    console.print(table)
    console.print(Text(_LEGEND, "dim"))
    for place in places:
        for sentence in notes(place):
            console.print(Padding(Text(f"{_name(place)}: {sentence}"), (0, 0, 0, 2)))


def states(place: MulticastPlace) -> str:
    """How many groups were cold and warm."""
    counted = {word: sum(item.state == word for item in place.groups) for word in ("cold", "warm")}
    return ", ".join(f"{number} {word}" for word, number in counted.items() if number) or format.ABSENT


def capacity(place: MulticastPlace) -> str:
    """`≥ 300` where the limit was reached."""
    found = place.capacity
    if found is None or found.capacity_groups is None:
        return format.ABSENT
    return f"{'≥ ' if found.limit_reached else ''}{format.count(found.capacity_groups)}"


def notes(place: MulticastPlace) -> list[str]:
    """What the table does not say, a sentence each."""
    found = [place.reason] if place.reason else []
    if place.status in ("ok", "interrupted"):
        found += [
            f"{words}: {place.absent[key]}"
            for key, words in (("join_delay", "no join delay"), ("leave_delay", "no leave delay"))
            if key in place.absent
        ]
    if place.capacity is not None and not place.capacity.limit_reached:
        failed = [item for item in place.capacity.attempts if item.delivered < item.groups]
        if failed:
            last = failed[-1]
            found.append(last.refused or f"with {last.groups} groups joined, {last.delivered} delivered")
    if place.igmp is not None:
        found.append(igmp_words(place.igmp))
    return found


def igmp_words(igmp: Igmp) -> str:
    """Version, querier, limit."""
    version = "IGMP version unknown" if igmp.version is None else f"IGMPv{igmp.version}"
    if igmp.forced_version:
        version += " (forced)"
    querier = f"no querier seen in {igmp.observed_s:.0f} s"
    if igmp.queriers:
        querier = "querier " + format.listing([f"{item.address} (v{item.version})" for item in igmp.queriers])
    return f"{version}, {querier}, {igmp.max_memberships} groups a socket (igmp_max_memberships)"


def _name(place: MulticastPlace) -> str:
    return place.environment or place.interface or ""


def _delay(delays: Delays | None) -> str:
    if delays is None:
        return format.ABSENT
    low, middle, high = (format.duration_us(1000 * value) for value in (delays.min_ms, delays.median_ms, delays.max_ms))
    return middle if delays.count == 1 else f"{middle} ({low} to {high})"


def _interval(place: MulticastPlace) -> str:
    known = [item.packet_interval_ms for item in place.groups if item.packet_interval_ms is not None]
    return format.duration_us(1000 * max(known)) if known else format.ABSENT
