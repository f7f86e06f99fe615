"""A written schedule: when each packet is due, and on which stream. Standard library only: agents unpack it."""

from __future__ import annotations

import base64
import sys
import zlib
from array import array
from dataclasses import dataclass
from itertools import accumulate, chain, pairwise

from netbench.protocol import Schedule

MOST_TURNS = 10_000_000
MOST_SECONDS = 10_000_000
_GAP_BYTES = 8
_STREAM_BYTES = 4
_SECOND_NS = 1_000_000_000


@dataclass(frozen=True)
class WrittenSchedule:
    """When each packet is due.

    Attributes:
        offsets_ns: "q", since the start, never falling.
        turn_streams: "I", index of each one's stream; empty: streams take turns.
    """

    offsets_ns: array[int]
    turn_streams: array[int]

    @property
    def duration_ns(self) -> int:
        """When the last packet is due, since the start."""
        return self.offsets_ns[-1] if self.offsets_ns else 0

    def busiest_second_packets(self) -> int:
        """Most packets that are due within any second."""
        most = first = 0
        for last, offset_ns in enumerate(self.offsets_ns):
            while offset_ns - self.offsets_ns[first] >= _SECOND_NS:
                first += 1
            most = max(most, last - first + 1)
        return most

    def head(self, turns: int) -> WrittenSchedule:
        """The first so many packets of it."""
        return WrittenSchedule(self.offsets_ns[:turns], self.turn_streams[:turns])


def pack(written: WrittenSchedule) -> Schedule:
    """The schedule as a part of a job: gaps, for equal ones take no room once compressed."""
    gaps = array("q", (later - earlier for earlier, later in pairwise(chain((0,), written.offsets_ns))))
    return Schedule(len(written.offsets_ns), _text(gaps), _text(written.turn_streams) if written.turn_streams else "")


def unpack(schedule: Schedule) -> tuple[array[int], array[int]]:
    """Offsets in ns ("q"), and the index of each one's stream ("I", or empty), in native byte order.

    Raises:
        ValueError: it is damaged, too long, or not of the length that it says.
    """
    if not 1 <= schedule.turns <= MOST_TURNS:
        raise ValueError(f"a schedule of {schedule.turns} packets: not in 1 to {MOST_TURNS}")
    gaps = _values("q", schedule.gaps, schedule.turns, _GAP_BYTES)
    streams = _values("I", schedule.streams, schedule.turns, _STREAM_BYTES) if schedule.streams else array("I")
    try:
        return array("q", accumulate(gaps)), streams
    except OverflowError as error:
        raise ValueError("a schedule whose packets are due after the end of time") from error


def _text(values: array[int]) -> str:
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return base64.b64encode(zlib.compress(values.tobytes(), 6)).decode("ascii")


def _values(kind: str, text: str, count: int, size: int) -> array[int]:
    most = count * size
    try:
        raw = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), most + 1)
    except (ValueError, zlib.error) as error:
        raise ValueError(f"a damaged schedule: {error}") from error
    if len(raw) != most:
        raise ValueError(f"a schedule of {count} packets with {'more' if len(raw) > most else 'fewer'} times or streams than that")
    values = array(kind, raw)
    if sys.byteorder == "big":
        values.byteswap()
    return values
