"""Which packet at one point is which at another, by content, where contents repeat.

Theory of operation

Two things tell packets of one content apart. A recording that is played over and over repeats all of its contents, but seconds
apart: there the time tells which is which, for no packet takes as long from one point to the other; the clocks' difference is that
of the packets that came but once, or none where the clock is one. Null packets, or a picture that stands still, repeat within
milliseconds: there the place tells, that is, between which two packets that are told apart already they came. What still looks
alike is paired in turn, the first with the first, so that the number of pairs is right whichever is which.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from netbench.errors import InvalidDataError

Ints = NDArray[np.int64]

_NS_PER_MS = 1_000_000
_APART_MS = 1000
"""Contents that repeat no faster are told apart by time: no packet takes half as long from tap to probe."""


class Log(NamedTuple):
    """One point's packets in order of arrival."""

    flow: Ints
    key: Ints
    received_ns: Ints

    def ordered(self, order: Ints) -> Log:
        """In another order."""
        return Log(self.flow[order], self.key[order], self.received_ns[order])


def pairs(tap: Log, probe: Log, same_clock: bool) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Indices at the tap and at the probe of each packet that both saw, and whether its pair is beyond doubt.

    Raises:
        InvalidDataError: nothing tells their packets apart.
    """
    by_flow = np.argsort(tap.flow, kind="stable"), np.argsort(probe.flow, kind="stable")
    ours, theirs, sure = _pairs_by_flow(tap.ordered(by_flow[0]), probe.ordered(by_flow[1]), same_clock)
    return by_flow[0][ours], by_flow[1][theirs], sure


def _pairs_by_flow(tap: Log, probe: Log, same_clock: bool) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """The same of logs that stand one flow after the other."""
    _, both = np.unique(np.concatenate((tap.key, probe.key)), return_inverse=True)
    at_tap, at_probe = _split_by_time(both[: tap.key.size], tap.received_ns, both[tap.key.size :], probe.received_ns, same_clock)
    once = np.intersect1d(_once(at_tap), _once(at_probe), assume_unique=True)
    if not once.size and np.intersect1d(at_tap, at_probe).size:
        raise InvalidDataError("the packets of this feed are all alike, so that nothing tells which of them are missing")
    numbers = _numbered(at_tap, once)
    places = _place(at_tap, once, numbers), _place(at_probe, once, numbers)
    first, second, alike = _in_turn(_joined(at_tap, places[0], at_probe, places[1]), at_tap.size)
    left, right = _others(at_tap.size, first), _others(at_probe.size, second)
    more, others, _ = _in_turn(np.concatenate((at_tap[left], at_probe[right])), left.size)
    doubtful = np.zeros(more.size, dtype=np.bool_)
    return np.concatenate((first, left[more])), np.concatenate((second, right[others])), np.concatenate((alike, doubtful))


def _split_by_time(tap: Ints, tap_ns: Ints, probe: Ints, probe_ns: Ints, same_clock: bool) -> tuple[Ints, Ints]:
    """New numbers for contents: those that repeat slowly get one for each time that they came to the tap."""
    offset_ns = _offset_ns(tap, tap_ns, probe, probe_ns, same_clock)
    if offset_ns is None or not tap.size or not probe.size:
        return tap, probe
    begin = min(int(tap_ns.min()), int(probe_ns.min()) - offset_ns)
    tap_ms, probe_ms = (tap_ns - begin) // _NS_PER_MS, (probe_ns - offset_ns - begin) // _NS_PER_MS
    order = np.lexsort((tap_ms, tap))
    contents, times = tap[order], tap_ms[order]
    same = contents[1:] == contents[:-1]
    fast = np.unique(contents[1:][same & (np.diff(times) < _APART_MS)])
    turn = _turn(tap)
    turn[np.isin(tap, fast)] = 0
    unit = int(turn.max()) + 2  # the last is for what came to the probe at another time
    span = int(max(tap_ms.max(), probe_ms.max())) + 1
    seen = contents * span + times
    after = np.searchsorted(seen, probe * span + probe_ms)
    nearest, distance = np.full(probe.size, unit - 1), np.full(probe.size, _APART_MS // 2)
    for index in (after - 1, after):
        inside = np.clip(index, 0, tap.size - 1)
        away = np.abs(times[inside] - probe_ms)
        closer = (contents[inside] == probe) & (away < distance)
        nearest[closer], distance[closer] = turn[order][inside][closer], away[closer]
    nearest[np.isin(probe, fast)] = 0
    return tap * unit + turn, probe * unit + nearest


def _offset_ns(tap: Ints, tap_ns: Ints, probe: Ints, probe_ns: Ints, same_clock: bool) -> int | None:
    """By how much the probe's clock is ahead, transit included; None: nobody knows."""
    if same_clock:
        return 0
    once = np.intersect1d(_once(tap), _once(probe), assume_unique=True)
    if not once.size:
        return None
    return int(np.median(_times_of(probe, probe_ns, once) - _times_of(tap, tap_ns, once)))


def _times_of(keys: Ints, received_ns: Ints, once: Ints) -> Ints:
    """When each of these contents came, which came once."""
    order = np.argsort(keys, kind="stable")
    times: Ints = received_ns[order[np.searchsorted(keys[order], once)]]
    return times


def _numbered(tap: Ints, once: Ints) -> Ints:
    """A number for each of the contents that came once, from 1 as they came at the tap."""
    anchors = np.flatnonzero(np.isin(tap, once))
    numbers = np.empty(once.size, dtype=np.int64)
    numbers[np.searchsorted(once, tap[anchors])] = np.arange(1, anchors.size + 1)
    return numbers


def _place(keys: Ints, once: Ints, numbers: Ints) -> Ints:
    """Behind which of the packets that came once each one came; of these, a reordered one has its own number all the same."""
    places = np.zeros(keys.size, dtype=np.int64)
    found = np.flatnonzero(np.isin(keys, once))
    own = numbers[np.searchsorted(once, keys[found])]
    places[found] = own
    places = np.maximum.accumulate(places)
    places[found] = own
    return places


def _joined(tap: Ints, tap_places: Ints, probe: Ints, probe_places: Ints) -> Ints:
    """One number for content and place, tap and probe one after the other."""
    spread = int(max(tap_places.max(initial=0), probe_places.max(initial=0))) + 1
    return np.concatenate((tap * spread + tap_places, probe * spread + probe_places))


def _in_turn(groups: Ints, taps: int) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """Pairs within groups: the first at the tap with the first at the probe, as far as both have one; and if both have as many.

    Args:
        groups: of the packets at the tap, then of those at the probe.
        taps: how many there are at the tap.
    """
    _, number = np.unique(groups, return_inverse=True)
    ours, theirs = number[:taps], number[taps:]
    turns = _turn(ours), _turn(theirs)
    most = max((int(turn.max()) for turn in turns if turn.size), default=0) + 1
    _, first, second = np.intersect1d(ours * most + turns[0], theirs * most + turns[1], assume_unique=True, return_indices=True)
    sizes = np.bincount(ours, minlength=number.size), np.bincount(theirs, minlength=number.size)
    alike: NDArray[np.bool_] = sizes[0][ours[first]] == sizes[1][ours[first]]
    return first.astype(np.int64), second.astype(np.int64), alike


def _turn(groups: Ints) -> Ints:
    """Each member's place, from 0, within its group."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if groups.size else order
    turns = np.empty(groups.size, dtype=np.int64)
    turns[order] = np.arange(groups.size) - np.repeat(starts, np.diff(np.append(starts, groups.size)))
    return turns


def _others(count: int, indices: Ints) -> Ints:
    """All indices but these."""
    left = np.ones(count, dtype=np.bool_)
    left[indices] = False
    return np.flatnonzero(left)


def _once(keys: Ints) -> Ints:
    """Contents that came once, sorted."""
    values, times = np.unique(keys, return_counts=True)
    single: Ints = values[times == 1]
    return single
