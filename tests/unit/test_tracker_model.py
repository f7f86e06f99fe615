"""The C tracker against a slow model that is obviously right, over arbitrary arrivals."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from core_arrivals import MS, START_NS, Arrival, stream_of
from core_frames import udp_frame
from hypothesis import given, settings
from hypothesis import strategies as st

from netbench.core import Histogram, StreamTable

WINDOW = 64
DELTA = 5
THRESHOLD_NS, WINDOW_NS = 45 * MS, 1000 * MS
TOP = 2**64 - 1

# The same examples on every run, and few enough for CI.
checked = settings(max_examples=300, deadline=None, derandomize=True, database=None)
checked_briefly = settings(checked, max_examples=60)  # long ones


def histogram_of(values: Iterable[int]) -> dict[str, Any]:
    """What the core's histogram makes of these values, told one by one."""
    histogram = Histogram()
    for value in values:
        histogram.record(value)
    return dict(histogram.data())


@dataclass
class Model:
    """Remembers every arrival for good, and works each metric out by its definition."""

    copies: dict[int, list[Arrival]] = field(default_factory=dict)  # sequence -> its arrivals, the first one first
    order: list[int] = field(default_factory=list)  # of first copies, by arrival
    beyond: int = 0
    reordered: list[int] = field(default_factory=list)
    pairs: list[tuple[int, int]] = field(default_factory=list)  # sequences of which IPDV can be told
    arrivals: list[Arrival] = field(default_factory=list)

    def arrive(self, arrival: Arrival) -> None:
        self.arrivals.append(arrival)
        sequence = arrival.sequence
        highest = max(self.order, default=sequence)
        if sequence <= highest - WINDOW:
            self.beyond += 1
        elif sequence in self.copies:
            self.copies[sequence].append(arrival)
        else:
            late = sequence < highest
            if late:
                self.reordered.append(sequence)
            # A neighbour counts as long as it is open; that of the next one in order always does.
            if sequence - 1 in self.copies and (not late or sequence - 1 > highest - WINDOW):
                self.pairs.append((sequence - 1, sequence))
            if sequence + 1 in self.copies:
                self.pairs.append((sequence, sequence + 1))
            self.copies[sequence] = [arrival]
            self.order.append(sequence)

    def first(self, sequence: int) -> Arrival:
        return self.copies[sequence][0]

    def counts(self) -> dict[str, int]:
        lengths, distances = [length for length, _ in self.gaps()], [distance for _, distance in self.gaps()]
        return {
            "packets": len(self.arrivals),
            "unique": len(self.order),
            "duplicate": sum(len(copies) - 1 for copies in self.copies.values()),
            "replicated": sum(len(copies) > 1 for copies in self.copies.values()),
            "beyond_window": self.beyond,
            "reordered": len(self.reordered),
            "three_reordered": sum(self.is_three_reordered(sequence) for sequence in self.reordered),
            "first_sequence": min(self.order),
            "last_sequence": max(self.order),
            "lost": max(self.order) - min(self.order) + 1 - len(self.order),
            "missing": sum(lengths) + len(self.reordered),
            "loss_periods": len(lengths),
            "longest_loss": max(lengths, default=0),
            # All but the first loss of a period are 1 behind another one.
            "noticeable_losses": sum(lengths) - len(lengths) + sum(distance <= DELTA for distance in distances[1:]),
        }

    def gaps(self) -> list[tuple[int, int]]:
        """Of each loss period: its length, and how far behind the last loss before it begins."""
        found, previous = [], None
        for before, after in pairwise(sorted(self.order)):
            if after - before > 1:
                found.append((after - before - 1, before + 1 - previous if previous is not None else 0))
                previous = after - 1
        return found

    def is_three_reordered(self, sequence: int) -> bool:
        position = self.order.index(sequence)
        return position >= 3 and all(other > sequence for other in self.order[position - 3 : position])

    def earliest_above(self, sequence: int) -> int:
        return next(other for other in self.order if other > sequence)

    def extents(self) -> list[int]:
        return [self.order.index(late) - self.order.index(self.earliest_above(late)) for late in self.reordered]

    def late_times(self) -> list[int]:
        couples = [(self.first(late), self.first(self.earliest_above(late))) for late in self.reordered]
        return [max(0, late.received_ns - jump.received_ns) for late, jump in couples if late.timed and jump.timed]

    def transit(self, sequence: int) -> int:
        return self.first(sequence).received_ns - self.first(sequence).sent_ns

    def transits(self) -> list[int]:
        return [self.transit(sequence) for sequence in self.order if self.first(sequence).timed]

    def variations(self) -> list[int]:
        timed = [(a, b) for a, b in self.pairs if self.first(a).timed and self.first(b).timed]
        return [self.transit(later) - self.transit(earlier) for earlier, later in timed]

    def jitter(self) -> float:
        jitter = 0.0
        for earlier, later in pairwise(self.transits()):
            jitter += (abs(later - earlier) - jitter) / 16
        return jitter

    def outages(self) -> tuple[list[int], list[int]]:
        """Loss periods in time, and what lies between them; only where stamps allow."""
        ordered = sorted(self.order)
        edges = [(self.first(before), self.first(after)) for before, after in pairwise(ordered) if after - before > 1]
        between = [(after, before) for (_, after), (before, _) in pairwise(edges)]

        def times(stretches: list[tuple[Arrival, Arrival]]) -> list[int]:
            return [b.received_ns - a.received_ns for a, b in stretches if a.timed and b.timed and b.received_ns >= a.received_ns]

        return times(edges), times(between)

    def iats(self) -> list[int]:
        stamps = [arrival.received_ns for arrival in self.arrivals if arrival.timed]
        return [later - earlier for earlier, later in pairwise(stamps)]

    def windows(self) -> dict[int, list[int]]:
        """Number of each window in which anything came -> the IATs that ended in it."""
        stamps = [arrival.received_ns for arrival in self.arrivals if arrival.timed]
        windows: dict[int, list[int]] = {}
        for index, stamp in enumerate(stamps):
            iats = windows.setdefault((stamp - stamps[0]) // WINDOW_NS, [])
            if index:
                iats.append(stamp - stamps[index - 1])
        return windows


def assert_like_the_model(arrivals: list[Arrival]) -> None:
    model = Model()
    for arrival in arrivals:
        model.arrive(arrival)
    stream = stream_of(
        arrivals, reorder_window=WINDOW, loss_distance=DELTA, window_ns=WINDOW_NS, error_iat_ns=THRESHOLD_NS
    )  # fmt: skip

    counts = model.counts()
    assert {key: stream[key] for key in counts} == counts
    assert stream["packets"] == stream["unique"] + stream["duplicate"] + stream["beyond_window"]
    assert stream["missing"] == stream["lost"] + stream["reordered"]

    base = model.transits()[0] if model.transits() else 0
    outages, between = model.outages()
    variations, relative = model.variations(), [transit - base for transit in model.transits()]
    expected = {
        "loss_length_packets": [length for length, _ in model.gaps()],
        "loss_between_packets": [distance for _, distance in model.gaps()[1:]],
        "loss_length_ns": outages,
        "loss_between_ns": between,
        "reorder_extent_packets": model.extents(),
        "reorder_late_ns": model.late_times(),
        "ipdv_above": [value for value in variations if value >= 0],
        "ipdv_below": [-value for value in variations if value < 0],
        "transit_above": [value for value in relative if value >= 0],
        "transit_below": [-value for value in relative if value < 0],
        "iat": model.iats(),
    }
    assert {name: stream[f"{name}_histogram"] for name in expected} == {
        name: histogram_of(values) for name, values in expected.items()
    }
    assert stream["jitter_ns"] == model.jitter()

    windows = model.windows()
    assert stream["windows"] == max(windows, default=-1) + 1
    assert stream["iat_error_windows"] == sum(max(iats, default=0) > THRESHOLD_NS for iats in windows.values())
    kept = [
        (window["number"], window["iat_count"], window["iat_sum_ns"], window["iat_max_ns"]) for window in stream["kept_windows"]
    ]
    newest = sorted(windows.items())[-64:]
    assert kept == [(number, len(iats), sum(iats), max(iats, default=0)) for number, iats in newest]


@st.composite
def stamped(draw: st.DrawFn, sequences: list[int]) -> list[Arrival]:
    """These sequences with stamps: a few ms apart or a silence; with a transit that swings; now and then of another clock."""
    arrivals, received = [], 0
    for sequence in sequences:
        received += draw(st.sampled_from([0, 1, 3, MS, 2 * MS, 46 * MS, 1200 * MS]))
        transit = draw(st.sampled_from([-5, 0, 7, 40, 1000, 20 * MS]))
        arrivals.append(Arrival(sequence, received, received - transit, timed=draw(st.integers(0, 15)) > 0))
    return arrivals


starts = st.sampled_from([0, 1, 63, 64, 2**16 - 20, 2**32 - 20, 2**63, TOP - 200, TOP - 20])


@st.composite
def shuffled(draw: st.DrawFn) -> list[Arrival]:
    """Some of up to 60 successive sequences, some of them copied, in any order at all: the window never passes over one."""
    start = draw(starts)
    offsets = draw(st.lists(st.integers(0, min(WINDOW - 4, TOP - start)), min_size=1, max_size=50))
    return draw(stamped([start + offset for offset in offsets]))


@st.composite
def nearly_in_order(draw: st.DrawFn) -> list[Arrival]:
    """Mostly the next one; else some left out, a late one, a copy. May run far beyond the window, backwards and forwards."""
    start = draw(starts)
    highest, sequences = start, [start]
    around_the_window = st.integers(-WINDOW - 3, -WINDOW + 3)
    steps = st.one_of(
        st.just(1), st.just(1), st.just(1), st.integers(2, 6), st.integers(-8, 0), around_the_window, st.integers(1, 200)
    )  # fmt: skip
    for step in draw(st.lists(steps, max_size=150)):
        sequence = min(max(highest + step, 0), TOP)
        sequences.append(sequence)
        highest = max(highest, sequence)
    return draw(stamped(sequences))


@st.composite
def full_of_holes(draw: st.DrawFn) -> list[Arrival]:
    """Every other one is left out, so that the window holds as many jumps as it can; many come late, from all over it."""
    start = draw(starts)
    ahead = [min(start + 2 * number, TOP) for number in range(WINDOW)]
    late = draw(st.lists(st.integers(0, WINDOW - 1), max_size=20))
    return draw(stamped(ahead + [max(ahead[-1] - back, 0) for back in late]))


@st.composite
def jumping(draw: st.DrawFn) -> list[Arrival]:
    """Sequences from anywhere: a reader of hostile traffic meets them all."""
    near = st.builds(lambda bit, offset: min(max(2**bit + offset, 0), TOP), st.integers(0, 64), st.integers(-3, 3))
    return draw(stamped(draw(st.lists(st.one_of(near, st.integers(0, TOP)), min_size=1, max_size=40))))


@checked
@given(shuffled())
def test_any_order_within_the_window(arrivals: list[Arrival]) -> None:
    assert_like_the_model(arrivals)


@checked
@given(nearly_in_order())
def test_loss_reordering_and_copies_beyond_the_window(arrivals: list[Arrival]) -> None:
    assert_like_the_model(arrivals)


@checked_briefly
@given(full_of_holes())
def test_as_many_jumps_as_the_window_holds(arrivals: list[Arrival]) -> None:
    assert_like_the_model(arrivals)


@checked
@given(jumping())
def test_jumps_anywhere(arrivals: list[Arrival]) -> None:
    assert_like_the_model(arrivals)


@st.composite
def across_the_wrap(draw: st.DrawFn) -> list[Arrival]:
    """Sequences that a 16-bit counter cannot hold, near its wraps; never so far apart that RTP would take it for a restart."""
    wraps = draw(st.integers(1, 3))
    highest = wraps * 2**16 - draw(st.integers(0, 100))
    sequences = [highest]
    steps = st.one_of(st.just(1), st.just(1), st.integers(2, 40), st.integers(-50, 0))
    for step in draw(st.lists(steps, max_size=150)):
        sequences.append(highest + step)
        highest = max(highest, highest + step)
    return draw(stamped(sequences))


def rtp_frame(sequence: int) -> bytes:
    """RFC 3550 section 5.1: version 2, dynamic payload type 96, an SSRC; 20 ms of a 90 kHz clock a packet."""
    return udp_frame(struct.pack("!BBHII", 0x80, 96, sequence % 2**16, sequence * 1800 % 2**32, 0x5EED) + bytes(160))


@checked
@given(across_the_wrap())
def test_rtp_counts_on_across_its_wrap(arrivals: list[Arrival]) -> None:
    model = Model()
    table = StreamTable(decode="rtp", reorder_window=WINDOW, loss_distance=DELTA)
    for arrival in arrivals:
        model.arrive(arrival)
        frame = rtp_frame(arrival.sequence)
        table.feed(frame, START_NS + arrival.received_ns, len(frame), stamp_class="kernel" if arrival.timed else "user")
    table.finish()
    [stream] = table.streams(histograms=True)

    counts = model.counts()
    assert stream["last_sequence"] - stream["first_sequence"] == counts.pop("last_sequence") - counts.pop("first_sequence")
    assert {key: stream[key] for key in counts} == counts
    assert stream["sequence_restarts"] == 0
    outages, between = model.outages()
    expected = {
        "loss_length_packets": [length for length, _ in model.gaps()],
        "loss_between_packets": [distance for _, distance in model.gaps()[1:]],
        "loss_length_ns": outages,
        "loss_between_ns": between,
        "reorder_extent_packets": model.extents(),
        "reorder_late_ns": model.late_times(),
    }
    assert {name: stream[f"{name}_histogram"] for name in expected} == {
        name: histogram_of(values) for name, values in expected.items()
    }
