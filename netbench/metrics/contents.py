"""The same live feed seen at two points, matched packet by packet by content: RTP, MPEG-TS or anything else.

Theory of operation

Receivers log each packet as a hash of flow and payload (c_ext/stream_table.h, log_content). All of one measurement hash alike. The
tap began to count after the probes did, and ended before them, so whatever the tap saw had its chance at each probe: the tap's log
is the whole of what is compared, and needs no agreement of clocks.

Packets of the same content (null packets of a transport stream) are told apart by nothing, so they are counted: of four at the tap
and three at the probe one was lost. What a probe saw before the tap began or after it ended must not count among these: such a
packet is left out where it lies further in time from the tap's log than any packet that was told apart took from tap to probe.
Pairs for timing are made only of contents that came equally often at both points.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netbench.errors import InvalidDataError
from netbench.metrics.distortion import Sightings, read_log

Flow = tuple[str, int, str, int]
"""Source, its port, destination, its port."""

Ints = NDArray[np.int64]
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
class Matched:
    """What became of the tap's packets at one probe: tap.packets == matched + lost; seen.packets == matched + extra + not_at_tap.

    Attributes:
        seen: the probe's packets that count: those of the tap's, copies of these, and those that the tap missed.
        matched: packets of the tap that the probe saw.
        lost: which of the tap's packets the probe did not see; of equal ones, the last.
        extra: copies that the tap had not seen as often.
        not_at_tap: packets that only the probe saw, among those of the tap.
        sightings: pairs for timing.
    """

    seen: Contents
    matched: int
    lost: NDArray[np.bool_]
    extra: int
    not_at_tap: int
    sightings: Sightings


def match_contents(tap: Contents, probe: Contents) -> Matched:
    """Compare two points.

    Raises:
        InvalidDataError: both saw packets, all of them alike: nothing tells them apart.
    """
    probe = probe.only(_of_the_same_time(tap, probe))
    keys, tap_index, tap_times = np.unique(tap.key, return_inverse=True, return_counts=True)
    place = np.searchsorted(keys, probe.key)
    known = (place < keys.size) & (keys[np.minimum(place, max(0, keys.size - 1))] == probe.key) if keys.size else _none(probe)
    probe_times = np.bincount(place[known], minlength=keys.size)
    both = np.minimum(tap_times, probe_times)
    among = _among(known)
    lost = _rank(tap_index, tap.received_ns) >= both[tap_index] if tap.packets else np.zeros(0, dtype=np.bool_)
    return Matched(
        seen=probe.only(known | among),
        matched=int(both.sum()),
        lost=lost,
        extra=int(np.maximum(probe_times - tap_times, 0).sum()),
        not_at_tap=int((among & ~known).sum()),
        sightings=_pairs(tap, tap_index, probe.only(known), place[known], tap_times == probe_times),
    )


def _none(contents: Contents) -> NDArray[np.bool_]:
    return np.zeros(contents.packets, dtype=np.bool_)


def _of_the_same_time(tap: Contents, probe: Contents) -> NDArray[np.bool_]:
    """All but packets of repeated content that lie before or after what the tap saw."""
    if not tap.packets or not probe.packets:
        return np.ones(probe.packets, dtype=np.bool_)
    once = np.intersect1d(_once(tap.key), _once(probe.key), assume_unique=True)
    repeated = ~np.isin(probe.key, _once(probe.key)) | ~np.isin(probe.key, _once(tap.key))
    repeated &= np.isin(probe.key, tap.key)
    if not repeated.any():
        return np.ones(probe.packets, dtype=np.bool_)
    if not once.size:
        raise InvalidDataError("the packets of this feed are all alike, so nothing tells which of them are missing")
    transit = _times_of(probe, once) - _times_of(tap, once)
    first, last = int(tap.received_ns.min() + transit.min()), int(tap.received_ns.max() + transit.max())
    kept: NDArray[np.bool_] = ~repeated | ((probe.received_ns >= first) & (probe.received_ns <= last))
    return kept


def _once(keys: Ints) -> Ints:
    """Contents that came once, sorted."""
    values, times = np.unique(keys, return_counts=True)
    single: Ints = values[times == 1]
    return single


def _times_of(contents: Contents, keys: Ints) -> Ints:
    """When each of these contents came, which came once."""
    order = np.argsort(contents.key, kind="stable")
    times: Ints = contents.received_ns[order[np.searchsorted(contents.key[order], keys)]]
    return times


def _among(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whatever came between the first and the last known packet."""
    inside = np.zeros(known.shape, dtype=np.bool_)
    found = np.flatnonzero(known)
    if found.size:
        inside[found[0] : found[-1] + 1] = True
    return inside


def _rank(groups: Ints, times: Ints) -> Ints:
    """Each packet's place, from 0, among those of its group, by time."""
    order = np.lexsort((times, groups))
    ordered = groups[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    sizes = np.diff(np.append(starts, ordered.size))
    ranks = np.empty(groups.size, dtype=np.int64)
    ranks[order] = np.arange(groups.size) - np.repeat(starts, sizes)
    return ranks


def _pairs(tap: Contents, tap_index: Ints, probe: Contents, probe_index: Ints, equally: NDArray[np.bool_]) -> Sightings:
    """Sightings of contents that came equally often at both points, by flow, in the tap's order of arrival."""
    ours, theirs = np.flatnonzero(equally[tap_index]), np.flatnonzero(equally[probe_index])
    ours = ours[np.lexsort((tap.received_ns[ours], tap_index[ours]))]
    theirs = theirs[np.lexsort((probe.received_ns[theirs], probe_index[theirs]))]
    order = np.lexsort((ours, tap.flow[ours]))
    ours, theirs = ours[order], theirs[order]
    return Sightings(stream=tap.flow[ours].astype(np.uint32), transit_ns=probe.received_ns[theirs] - tap.received_ns[ours])
