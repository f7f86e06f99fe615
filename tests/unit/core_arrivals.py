"""What the C tracker says of arrivals that a test has worked out: real frames with real probes, through StreamTable.feed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from core_frames import probe_frame

from netbench.core import StreamTable

START_NS = 1_700_000_000_000_000_000
MS = 1_000_000


@dataclass(frozen=True)
class Arrival:
    """One datagram.

    Attributes:
        sequence: of its probe.
        received_ns: since START_NS.
        sent_ns: since START_NS.
        timed: its stamp is of the class that statistics use.
    """

    sequence: int
    received_ns: int
    sent_ns: int = 0
    timed: bool = True


def in_ms(*rows: tuple[int, float, float]) -> list[Arrival]:
    """Rows of a table: sequence, sent, received; in milliseconds."""
    return [Arrival(sequence, round(received * MS), round(sent * MS)) for sequence, sent, received in rows]


def of_sequences(sequences: Iterable[int], *, every_ns: int = MS) -> list[Arrival]:
    """Arrivals at a constant distance, each as long on the way."""
    return [Arrival(sequence, position * every_ns, position * every_ns) for position, sequence in enumerate(sequences)]


def table_of(arrivals: Iterable[Arrival], *, payload_bytes: int = 100, **config: Any) -> StreamTable:
    """All of them in a table of this configuration; everything settled."""
    table = StreamTable(**config)
    for arrival in arrivals:
        frame = probe_frame(arrival.sequence, START_NS + arrival.sent_ns, length=payload_bytes)
        stamp_class = "kernel" if arrival.timed else "user"
        assert table.feed(frame, START_NS + arrival.received_ns, len(frame), stamp_class=stamp_class) == "datagram"
    table.finish()
    return table


def stream_of(arrivals: Iterable[Arrival], *, payload_bytes: int = 100, **config: Any) -> dict[str, Any]:
    """The one stream of such a table, with all that can be read of it."""
    [stream] = table_of(arrivals, payload_bytes=payload_bytes, **config).streams(histograms=True, windows=True)
    return stream


def values_of(histogram: dict[str, Any]) -> list[int]:
    """The single values of a histogram, in ascending order; all must be small enough for buckets of their own."""
    assert all(upper == lower + 1 for lower, upper, _ in histogram["buckets"])
    return [lower for lower, _, count in histogram["buckets"] for _ in range(count)]
