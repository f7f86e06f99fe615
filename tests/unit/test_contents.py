"""Packets of a live feed matched by content: contents that repeat, windows, copies, other clocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import pytest

from netbench.errors import InvalidDataError
from netbench.metrics.contents import AtTap, Contents, Matched, match_contents

STEP_NS = 5_000_000
AROUND = 50  # packets at the tap before and after the sample
LOST = set(range(7, 2000, 20))


def contents(packets: Iterable[tuple[int, int]]) -> Contents:
    rows = np.array(list(packets), dtype=np.int64).reshape(-1, 2)
    flow = np.zeros(len(rows), dtype=np.int64)
    return Contents(received_ns=rows[:, 0].copy(), flow=flow, key=rows[:, 1].copy(), octets=np.full(len(rows), 1316))


def matched(
    content: Callable[[int], int], lost: set[int] = LOST, *, same_clock: bool = True, ahead_ns: int = 0, jitter_ns: int = 3_000_000
) -> Matched:
    """2000 packets, those of `lost` missing at the probe, which began 30 packets earlier and ended 30 later."""
    random = np.random.default_rng(1)
    sample = contents((number * STEP_NS, content(number)) for number in range(2000))
    everything = contents((number * STEP_NS, content(number)) for number in range(-AROUND, 2000 + AROUND))
    probe = contents(
        (number * STEP_NS + ahead_ns + int(random.integers(0, jitter_ns)), content(number))
        for number in range(-30, 2030)
        if number not in lost
    )
    return match_contents(AtTap.of(everything, sample), probe, same_clock)


def lost_numbers(found: Matched) -> set[int]:
    return {int(stamp) // STEP_NS for stamp in found.lost.received_ns}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lambda number: 1000 + number, id="all-different"),
        pytest.param(lambda number: 1000 + number % 400, id="a-recording-played-over-and-over"),
        pytest.param(lambda number: 10_000 + number if number % 5 == 0 else number % 16, id="a-still-picture"),
        pytest.param(lambda number: 1000 + number % 400 if number % 3 else 3, id="played-over-and-over-with-null-packets"),
    ],
)
def test_what_is_lost_is_told_whatever_repeats(content: Callable[[int], int]) -> None:
    found = matched(content)

    assert (found.matched, found.lost.packets, found.extra, found.not_at_tap) == (2000 - len(LOST), len(LOST), 0, 0)
    assert lost_numbers(found) == LOST
    assert found.lost_runs == (1,) * len(LOST)
    assert found.seen.packets == found.matched


def test_another_clock_is_found_by_what_came_once() -> None:
    found = matched(lambda number: 1000 + number % 400 if number != 999 else 5, same_clock=False, ahead_ns=-(10**12))

    assert lost_numbers(found) == LOST


def test_equal_packets_in_a_row_are_counted() -> None:
    found = matched(lambda number: 10_000 + number if number % 5 == 0 else 3)

    assert (found.matched, found.lost.packets) == (2000 - len(LOST), len(LOST))
    assert int(found.sightings.transit_ns.max()) < 3_000_000, "what is doubtful is in no timing"


def test_a_probe_that_sees_nothing_lost_all_of_the_sample() -> None:
    found = matched(lambda number: number + 1, set(range(-30, 2030)))

    assert (found.matched, found.lost.packets, found.lost_runs, found.seen.packets) == (0, 2000, (2000,), 0)


def test_copies_and_packets_that_the_tap_missed_are_counted_apart() -> None:
    sample = contents((number * STEP_NS, number + 1) for number in range(100))
    arrived = {50: [51, 5000], 70: [71, 71]}
    probe = contents((number * STEP_NS, key) for number in range(100) for key in arrived.get(number, [number + 1]))

    found = match_contents(AtTap.of(sample, sample), probe, True)

    assert (found.matched, found.extra, found.not_at_tap, found.lost.packets) == (100, 1, 1, 0)
    assert found.seen.packets == 102


def test_reordering_is_no_loss() -> None:
    sample = contents((number * STEP_NS, number + 1) for number in range(100))
    order = [*range(50), 52, 50, 51, *range(53, 100)]
    probe = contents((place * STEP_NS, number + 1) for place, number in enumerate(order))

    assert match_contents(AtTap.of(sample, sample), probe, True).lost.packets == 0


@pytest.mark.parametrize(
    ("content", "same_clock"),
    [
        pytest.param(lambda number: 5, True, id="all-alike"),
        pytest.param(lambda number: number % 400, False, id="no-clock-in-common"),
    ],
)
def test_where_nothing_tells_packets_apart_there_is_no_result(content: Callable[[int], int], same_clock: bool) -> None:
    with pytest.raises(InvalidDataError, match="all alike"):
        matched(content, same_clock=same_clock)


def test_a_tap_whose_longer_log_lacks_packets_does_not_balance() -> None:
    sample = contents((number * STEP_NS, number + 1) for number in range(100))

    with pytest.raises(InvalidDataError, match="books do not balance: 1 packets"):
        AtTap.of(sample.only(np.arange(100) != 50), sample)
