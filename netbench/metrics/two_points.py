"""The same traffic captured at two points: what was lost between them, and what its arrival times went through."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netbench.metrics.distortion import match, read_log
from netbench.metrics.distribution import NS_PER_US, summarize_values
from netbench.result.reception import Reception, Tap

_WRAP = 1 << 16
_CYCLES_BEFORE = 16  # room for a count that goes below its first sequence
_SAMPLE = 101


@dataclass(frozen=True)
class PointCounts:
    """Packets of two logs, by (stream, sequence), each once.

    What the second point saw of a stream bounds what can be said of it: before its first and after its last sequence there, the
    capture may not have been running.

    Attributes:
        matched: seen at both points.
        lost_between: seen at the first only, between the first and last sequence that the second saw of the stream.
        outside: seen at the first only, before or after that.
        missed_by_first: seen at the second only, between the first and last sequence that the first saw of the stream.
        absent_streams: streams of the first that the second saw nothing of.
        absent_packets: their packets.
    """

    matched: int
    lost_between: int
    outside: int
    missed_by_first: int
    absent_streams: int
    absent_packets: int


def count_points(first_log: bytes, second_log: bytes) -> PointCounts:
    """Compare two packet logs.

    Raises:
        InvalidDataError: a log is cut.
    """
    first, second = _packets(read_log(first_log)), _packets(read_log(second_log))
    first_only = np.setdiff1d(first, second, assume_unique=True)
    second_only = np.setdiff1d(second, first, assume_unique=True)
    known = np.isin(_stream(first_only), np.unique(_stream(second)))
    between = _within(first_only, second)
    return PointCounts(
        matched=int(first.size - first_only.size),
        lost_between=int(between.sum()),
        outside=int((known & ~between).sum()),
        missed_by_first=int(_within(second_only, first).sum()),
        absent_streams=int(np.unique(_stream(first_only[~known])).size),
        absent_packets=int((~known).sum()),
    )


def unwrap(first_log: bytes, second_log: bytes, streams: Iterable[int]) -> tuple[bytes, bytes]:
    """Logs in which the 16-bit sequences of these streams count on when they wrap, and mean the same at both points.

    Within a log a step is the nearest of those that 16 bits allow (RFC 3550 A.1 in spirit). The second log's count is moved by
    that multiple of 65536 that brings packets of the same 16 bits closest together in time, so the two clocks have to agree
    within half the time that 65536 packets take (at 1000 packets per second, 32 s).

    Raises:
        InvalidDataError: a log is cut.
    """
    first, second = read_log(first_log).copy(), read_log(second_log).copy()
    for stream in streams:
        ours, theirs = np.flatnonzero(first["stream"] == stream), np.flatnonzero(second["stream"] == stream)
        at_first, at_second = _counted_on(first["sequence"][ours]), _counted_on(second["sequence"][theirs])
        cycles = _cycles(at_first, first["received_ns"][ours], at_second, second["received_ns"][theirs])
        first["sequence"][ours] = (at_first + _CYCLES_BEFORE * _WRAP).astype(np.uint32)
        second["sequence"][theirs] = (at_second + (_CYCLES_BEFORE + cycles) * _WRAP).astype(np.uint32)
    return first.tobytes(), second.tobytes()


def measure_points(
    first: Mapping[str, Any], first_log: bytes, second: Mapping[str, Any], second_log: bytes, reception: Reception, same_clock: bool
) -> tuple[Tap | None, PointCounts | None, str | None]:
    """The record of the first point, beside a reception at the second.

    Args:
        first: `result` data of the job that read the first capture.
        first_log: its packet log.
        second: the same of the second capture.
        second_log: its packet log.
        reception: of the second.
        same_clock: both captures were stamped by one clock.

    Returns:
        The tap's record and the counts; or none of them, and why.

    Raises:
        InvalidDataError: a log is cut.
    """
    for name, raw in (("first", first), ("second", second)):
        reason = _why_not(name, raw)
        if reason is not None:
            return None, None, reason
    wrapping = {stream["stream"] for raw in (first, second) for stream in raw["streams"] if stream.get("kind") == "rtp"}
    first_log, second_log = unwrap(first_log, second_log, wrapping)
    counts = count_points(first_log, second_log)
    sightings = match(first_log, second_log)
    distortion = summarize_values(sightings.distortion_ns(), NS_PER_US)
    transit = summarize_values(sightings.transit_ns, NS_PER_US) if same_clock else None
    absent: dict[str, str] = {}
    if distortion is None:
        absent["distortion_us"] = "no stream had two packets that were seen at both points"
    if transit is None:
        absent["transit_us"] = (
            "no packet was seen at both points" if same_clock else "nobody said that both captures share a clock (--same-clock)"
        )
    lost = reception.loss.lost_packets if reception.loss else 0
    tap = Tap(
        packets=sum(stream["packets"] for stream in first["streams"] if stream["sequenced"]),
        unique_packets=sum(stream["unique"] for stream in first["streams"]),
        kernel_drops=first["capture"].get("capturer_drops", 0),
        lost_before_packets=max(0, lost - counts.lost_between),
        lost_after_packets=counts.lost_between,
        matched_packets=counts.matched,
        distortion_us=distortion,
        transit_us=transit,
        absent=absent,
    )
    return tap, counts, None


def _why_not(name: str, raw: Mapping[str, Any]) -> str | None:
    """Why packets of a capture cannot be told apart, or None."""
    numbers = Counter(stream["stream"] for stream in raw["streams"] if stream["sequenced"])
    if not numbers:
        return f"the {name} capture holds no packets with sequence numbers"
    number, times = numbers.most_common(1)[0]
    if times > 1:
        alike = f"{times} streams of the {name} capture carry the number {number}"
        return f"{alike}, so their packets cannot be told apart: name one by -g"
    if raw["totals"]["log_overflow"]:
        missing = raw["totals"]["log_overflow"]
        return f"{missing} packets of the {name} capture found no room in the packet log: divide it (editcap -c)"
    return None


def _counted_on(sequences: NDArray[np.uint32]) -> NDArray[np.int64]:
    """16-bit sequences in order of arrival, without their wraps."""
    if sequences.size == 0:
        return np.zeros(0, dtype=np.int64)
    steps = np.diff(sequences.astype(np.uint16)).astype(np.int16).astype(np.int64)
    return np.concatenate(([0], np.cumsum(steps))) + int(sequences[0])


def _cycles(first: NDArray[np.int64], first_ns: NDArray[np.int64], second: NDArray[np.int64], second_ns: NDArray[np.int64]) -> int:
    """By how many wraps the second point's count lags behind the first's: what most of a sample of packets say."""
    votes: Counter[int] = Counter()
    if first.size:
        for index in np.unique(np.linspace(0, second.size - 1, _SAMPLE).astype(np.int64)) if second.size else ():
            alike = np.flatnonzero((first - second[index]) % _WRAP == 0)
            if alike.size:
                nearest = alike[np.argmin(np.abs(first_ns[alike] - second_ns[index]))]
                votes[int(first[nearest] - second[index]) // _WRAP] += 1
    return votes.most_common(1)[0][0] if votes else 0


def _packets(log: NDArray[np.void]) -> NDArray[np.uint64]:
    """Stream and sequence in one number, ordered, each once."""
    keys: NDArray[np.uint64] = np.unique((log["stream"].astype(np.uint64) << np.uint64(32)) | log["sequence"].astype(np.uint64))
    return keys


def _stream(packets: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return packets >> np.uint64(32)


def _within(packets: NDArray[np.uint64], others: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which packets lie between the lowest and the highest of the others of their stream?"""
    below = np.searchsorted(others, packets)
    if others.size == 0:
        return np.zeros(packets.shape, dtype=np.bool_)
    streams = _stream(packets)
    before, after = np.maximum(below, 1) - 1, np.minimum(below, others.size - 1)
    held_below = (below > 0) & (_stream(others[before]) == streams)
    held_above = (below < others.size) & (_stream(others[after]) == streams)
    inside: NDArray[np.bool_] = held_below & held_above
    return inside
