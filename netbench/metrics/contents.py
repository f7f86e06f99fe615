"""The same live feed seen at two points, matched packet by packet by content: RTP, MPEG-TS or anything else.

Theory of operation

Receivers log each packet as a hash of flow and payload (c_ext/content_hash.h). All of one measurement hash alike. Two
logs are kept at the tap. One is the sample: what is compared. The other is all that passed from before any probe began to count
until after the last one ended, so whatever a probe saw has its counterpart there, and no agreement of clocks is needed.

How packets of one content are told apart stands in netbench.metrics.pairing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netbench.errors import InvalidDataError
from netbench.metrics.distortion import Sightings, read_log
from netbench.metrics.pairing import Ints, Log, pairs

Flow = tuple[str, int, str, int]
"""Source, its port, destination, its port."""

_CONTENT_BITS = 32


@dataclass(frozen=True)
class Contents:
    """A content log, of the wanted flows alone, in order of arrival.

    Attributes:
        received_ns: stamps.
        flow: number of each packet's flow, as in `Flows`.
        key: flow and content in one number.
        octets: UDP payload.
    """

    received_ns: Ints
    flow: Ints
    key: Ints
    octets: Ints

    @property
    def packets(self) -> int:
        """How many."""
        return int(self.key.size)

    def only(self, kept: NDArray[Any]) -> Contents:
        """Some of them: a mask or indices."""
        return Contents(self.received_ns[kept], self.flow[kept], self.key[kept], self.octets[kept])

    def per_flow(self, flows: int) -> list[int]:
        """Packets of each flow."""
        return [int(count) for count in np.bincount(self.flow, minlength=flows)]

    def iat_ns(self) -> Ints:
        """Time from the packet before of the same flow, shape (m,); a clock that went backwards counts as 0."""
        order = np.argsort(self.flow, kind="stable")
        steps = np.diff(self.received_ns[order])
        same: Ints = np.maximum(steps[np.diff(self.flow[order]) == 0], 0)
        return same


class Flows:
    """Numbers the flows that are wanted, the same for every log that it reads."""

    def __init__(self, wanted: Callable[[Flow], bool]) -> None:
        self._wanted = wanted
        self._numbers: dict[Flow, int] = {}

    @property
    def all(self) -> list[Flow]:
        """Those seen so far; each one's place is its number."""
        return list(self._numbers)

    def read(self, raw: Mapping[str, Any], log: bytes) -> Contents:
        """The log of one receiver.

        Args:
            raw: its `result` event's data.
            log: its packet log.

        Raises:
            InvalidDataError: the log is cut, or is not of these streams.
        """
        entries = read_log(log)
        streams = [flow_of(stream) for stream in raw["streams"]]
        numbers = np.array(
            [self._numbers.setdefault(flow, len(self._numbers)) if self._wanted(flow) else -1 for flow in streams], dtype=np.int64
        )
        index = (entries["stream"] >> 16).astype(np.int64)
        if index.size and int(index.max()) >= numbers.size:
            raise InvalidDataError(f"books do not balance: the packet log names stream {int(index.max())} of {numbers.size}")
        flow = numbers[index] if index.size else np.zeros(0, dtype=np.int64)
        contents = Contents(
            received_ns=entries["received_ns"].astype(np.int64),
            flow=flow,
            key=(flow << _CONTENT_BITS) | entries["sequence"].astype(np.int64),
            octets=(entries["stream"] & 0xFFFF).astype(np.int64),
        )
        return contents.only(flow >= 0)


def flow_of(stream: Mapping[str, Any]) -> Flow:
    """The flow of one of a receiver's streams."""
    return str(stream["source"]), int(stream["source_port"]), str(stream["destination"]), int(stream["destination_port"])


@dataclass(frozen=True)
class AtTap:
    """What passed the tap.

    Attributes:
        all: from before any probe began to count until after all ended.
        sample: which of these are compared.
    """

    all: Contents
    sample: NDArray[np.bool_]

    @classmethod
    def of(cls, everything: Contents, sample: Contents) -> AtTap:
        """From the two logs that were kept there.

        Raises:
            InvalidDataError: the longer one lacks packets of the sample.
        """
        ours, theirs, _ = pairs(_log(everything), _log(sample), same_clock=True)
        if theirs.size != sample.packets:
            lacking = sample.packets - int(theirs.size)
            raise InvalidDataError(f"books do not balance: {lacking} packets of the sample are not in all that the tap saw")
        inside = np.zeros(everything.packets, dtype=np.bool_)
        inside[ours] = True
        return cls(everything, inside)

    @property
    def packets(self) -> int:
        """Of the sample."""
        return int(self.sample.sum())


@dataclass(frozen=True)
class Matched:
    """What became of the sample at one probe: packets of the sample == matched + lost; seen == matched + extra + not_at_tap.

    Attributes:
        seen: the probe's packets that count: those of the sample, copies of these, and those among them that the tap missed.
        matched: packets of the sample that the probe saw.
        lost: those that it did not see; of packets that look alike, the last.
        extra: copies that the tap had not seen as often.
        not_at_tap: packets that only the probe saw.
        sightings: pairs for timing.
    """

    seen: Contents
    matched: int
    lost: Contents
    lost_runs: tuple[int, ...]
    extra: int
    not_at_tap: int
    sightings: Sightings


def match_contents(tap: AtTap, probe: Contents, same_clock: bool) -> Matched:
    """Compare two points.

    Args:
        tap: the first.
        probe: the second.
        same_clock: both were stamped by one clock.

    Raises:
        InvalidDataError: nothing tells their packets apart.
    """
    ours, theirs, sure = pairs(_log(tap.all), _log(probe), same_clock)
    inside = tap.sample[ours]
    paired = np.zeros(probe.packets, dtype=np.bool_)
    paired[theirs] = True
    of_sample = np.zeros(probe.packets, dtype=np.bool_)
    of_sample[theirs[inside]] = True
    lost = tap.sample.copy()
    lost[ours] = False
    alone = _among(of_sample) & ~paired
    known = np.isin(probe.key, tap.all.key)
    return Matched(
        seen=probe.only(of_sample | alone),
        matched=int(inside.sum()),
        lost=tap.all.only(lost),
        lost_runs=_runs(lost[tap.sample]),
        extra=int((alone & known).sum()),
        not_at_tap=int((alone & ~known).sum()),
        sightings=_sightings(tap.all, ours[inside & sure], probe, theirs[inside & sure]),
    )


def _log(contents: Contents) -> Log:
    return Log(contents.flow, contents.key, contents.received_ns)


def _runs(lost: NDArray[np.bool_]) -> tuple[int, ...]:
    """Lengths of maximal runs."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], lost.astype(np.int8), [0]))))
    return tuple(int(length) for length in edges[1::2] - edges[::2])


def _among(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whatever came between the first and the last known packet."""
    inside = np.zeros(known.shape, dtype=np.bool_)
    found = np.flatnonzero(known)
    if found.size:
        inside[found[0] : found[-1] + 1] = True
    return inside


def _sightings(tap: Contents, ours: Ints, probe: Contents, theirs: Ints) -> Sightings:
    """Pairs for timing, by flow, in the tap's order of arrival."""
    order = np.lexsort((ours, tap.flow[ours]))
    ours, theirs = ours[order], theirs[order]
    return Sightings(stream=tap.flow[ours].astype(np.uint32), transit_ns=probe.received_ns[theirs] - tap.received_ns[ours])
