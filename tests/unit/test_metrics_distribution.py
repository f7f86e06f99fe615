"""Distributions: percentiles by nearest rank, exact ends, units, merging."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.errors import InvalidDataError
from netbench.metrics.distribution import NS_PER_MS, NS_PER_US, merge, nearest_rank, summarize, summarize_values
from netbench.metrics.floor import build_floor


def bounds(value: int) -> tuple[int, int]:
    """The core's bucket (c_ext/histogram.h): exact below 64, then 32 a power of two."""
    if value < 64:
        return value, value + 1
    width = 1 << (value.bit_length() - 6)
    lower = value // width * width
    return lower, lower + width


def histogram(values: list[int]) -> dict[str, object]:
    """What the core would hand over."""
    counted: dict[tuple[int, int], int] = {}
    for value in values:
        counted[bounds(value)] = counted.get(bounds(value), 0) + 1
    return {
        "count": len(values),
        "sum": sum(values),
        "min": min(values, default=None),
        "max": max(values, default=None),
        "buckets": [(lower, upper, count) for (lower, upper), count in sorted(counted.items())],
    }


@pytest.mark.parametrize(
    ("count", "permille", "rank"),
    [(1, 500, 1), (1, 999, 1), (2, 500, 1), (3, 500, 2), (100, 990, 99), (101, 990, 100), (1000, 999, 999), (1001, 999, 1000)],
)
def test_nearest_rank_is_exact(count: int, permille: int, rank: int) -> None:
    assert nearest_rank(count, permille) == rank


def test_small_values_are_exact() -> None:
    summary = summarize(histogram(list(range(1, 61))), 1)
    assert summary is not None
    assert (summary.count, summary.min, summary.max, summary.mean) == (60, 1, 60, 30.5)
    assert (summary.p50, summary.p99, summary.p99_9) == (30, 60, 60)


def test_units_and_ends_are_exact() -> None:
    summary = summarize(histogram([1_052_800] * 99 + [45_000_123]), NS_PER_MS)
    assert summary is not None
    assert (summary.min, summary.max) == (1.0528, 45.000123)
    assert summary.p99 == pytest.approx(1.0528, rel=1 / 64)
    assert summary.p99_9 == pytest.approx(45.000123, rel=1 / 64)


def test_a_percentile_never_leaves_the_exact_ends() -> None:
    summary = summarize(histogram([1_000_001]), 1)
    assert summary is not None
    assert summary.p50 == summary.p99_9 == summary.min == summary.max == 1_000_001


def test_nothing_counted_is_no_distribution() -> None:
    assert summarize(histogram([]), NS_PER_US) is None
    assert summarize(None, NS_PER_US) is None
    assert summarize_values(np.array([], dtype=np.int64), NS_PER_US) is None


def test_buckets_that_do_not_add_up_are_refused() -> None:
    data = histogram([1, 2, 3]) | {"count": 4}
    with pytest.raises(InvalidDataError, match="do not add up"):
        summarize(data, NS_PER_US)


@given(st.lists(st.integers(0, 2**39), min_size=1, max_size=200))
def test_a_percentile_is_within_half_a_bucket(values: list[int]) -> None:
    summary = summarize(histogram(values), 1)
    ordered = sorted(values)
    assert summary is not None
    for permille, found in ((500, summary.p50), (990, summary.p99), (999, summary.p99_9)):
        exact = ordered[math.ceil(permille * len(values) / 1000) - 1]
        assert abs(found - exact) <= exact / 64 + 1
    assert sum(count for _, _, count in summary.histogram) == len(values)


@given(st.lists(st.lists(st.integers(0, 2**39), max_size=30), max_size=5))
def test_merged_is_as_if_recorded_in_one(parts: list[list[int]]) -> None:
    assert merge(histogram(part) for part in parts) == histogram([value for part in parts for value in part])


@given(st.lists(st.integers(-(2**50), 2**50), min_size=1, max_size=100))
def test_signed_values_keep_every_value_in_its_bucket(values: list[int]) -> None:
    summary = summarize_values(np.array(values, dtype=np.int64), 1)
    assert summary is not None
    assert (summary.min, summary.max) == (min(values), max(values))
    assert summary.p50 == sorted(values)[math.ceil(len(values) / 2) - 1]
    counted = [sum(lower <= value < upper for value in values) for lower, upper, _ in summary.histogram]
    assert counted == [count for _, _, count in summary.histogram]
    assert sum(counted) == len(values)


def test_the_floor_says_what_was_not_measured() -> None:
    floor = build_floor(
        {"clock_cost_ns": 21.5, "clock_step_ns": 1, "wakeup": histogram([60_000]), "sender_lateness": histogram([])}
    )
    assert floor.wakeup_us is not None
    assert floor.wakeup_us.p99 == 60.0
    assert (floor.sender_lateness_us, floor.idle_iat_error_us) == (None, None)
    assert set(floor.absent) == {"steal_ratio", "sender_lateness_us", "idle_iat_error_us"}
