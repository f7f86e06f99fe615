"""The smallest parts of a view: a figure as printed, and the footnote of one that is absent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from netbench.report import format
from netbench.report.view.pooling import Spread

SAME_STAMP = "same stamp"


@dataclass(frozen=True)
class Cell:
    """One figure as printed.

    Attributes:
        text: with its unit; a dash when it is absent.
        short: for narrow places; empty: same as text.
        note: a second line, e.g. the profile that it is of.
        title: what stands behind it: the range over samples, or why it is absent.
        footnote: number of the footnote with the reason, when it is absent.
    """

    text: str
    short: str = ""
    note: str = ""
    title: str = ""
    footnote: int | None = None

    @property
    def brief(self) -> str:
        """The shortest form."""
        return self.short or self.text


@dataclass(frozen=True)
class KeyValue:
    """A line of a list of facts."""

    key: str
    value: Cell


@dataclass(frozen=True)
class Footnote:
    """Why something is absent: once, however often it is."""

    number: int
    reason: str
    places: list[str] = field(default_factory=list)


class Footnotes:
    """Collects the reasons for what is absent; the same reason has one number."""

    def __init__(self) -> None:
        self._notes: dict[str, Footnote] = {}

    def absent(self, reason: str, place: str) -> Cell:
        """The cell for a figure that is not there, at a place such as `iptv, macvlan: MDI`."""
        note = self._notes.setdefault(reason, Footnote(len(self._notes) + 1, reason))
        if place not in note.places:
            note.places.append(place)
        return Cell(format.ABSENT, title=reason, footnote=note.number)

    @property
    def all(self) -> list[Footnote]:
        """In order of their numbers."""
        return list(self._notes.values())


def spread_cell(spread: Spread, show: Callable[[float], str], note: str = "") -> Cell:
    """The mean over samples, with its range behind it."""
    title = f"mean of {format.plural(spread.samples, 'sample')}" if spread.samples > 1 else "one sample"
    if spread.samples > 1:
        title += f", {show(spread.low)} to {show(spread.high)}"
    return Cell(show(spread.mean), note=note, title=title)
