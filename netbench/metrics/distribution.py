"""Distributions: from the core's nanosecond histograms, or from exact values, to records in a reader's unit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netbench.errors import InvalidDataError
from netbench.result.numbers import Distribution

NS_PER_US = 1_000
NS_PER_MS = 1_000_000

_P50, _P99, _P99_9 = 500, 990, 999  # in thousandths: ranks are whole numbers, so they are computed in whole numbers
_BUCKETS_PER_DECADE = 20
_DECADES_OF_NS = 13  # up to 10^13 ns, some 3 hours

HistogramData = Mapping[str, Any]
"""count, sum, min, max (None when empty) and buckets [(lower, upper, count)], nanoseconds (netbench/_core.pyi)."""


def nearest_rank(count: int, permille: int) -> int:
    """Rank, from 1, of a percentile among `count` ordered values: ceil(permille / 1000 * count)."""
    return max(1, -(-count * permille // 1000))


def summarize(data: HistogramData | None, ns_per_unit: int) -> Distribution | None:
    """A histogram of nanoseconds as a record.

    A percentile is the middle of the bucket that holds its rank, clamped to the exact minimum and maximum, so it is off by at most
    half a bucket (1.6 %).

    Args:
        data: the core's histogram, or None.
        ns_per_unit: NS_PER_US for a record in microseconds, NS_PER_MS for one in milliseconds.

    Returns:
        The record, or None when nothing was counted.

    Raises:
        InvalidDataError: the buckets do not add up to the count.
    """
    if data is None or data["count"] == 0:
        return None
    count: int = data["count"]
    buckets: list[tuple[int, int, int]] = sorted((lower, upper, number) for lower, upper, number in data["buckets"])
    if sum(number for _, _, number in buckets) != count:
        raise InvalidDataError(f"a histogram's buckets do not add up to its count of {count}: measure again")
    low, high = data["min"], data["max"]

    def percentile(permille: int) -> float:
        rank, seen = nearest_rank(count, permille), 0
        for lower, upper, number in buckets:
            seen += number
            if seen >= rank:
                return float(min(max(lower + (upper - lower) // 2, low), high)) / ns_per_unit
        return float(high) / ns_per_unit

    return Distribution(
        count=count,
        min=low / ns_per_unit,
        mean=data["sum"] / count / ns_per_unit,
        max=high / ns_per_unit,
        p50=percentile(_P50),
        p99=percentile(_P99),
        p99_9=percentile(_P99_9),
        histogram=[(lower / ns_per_unit, upper / ns_per_unit, number) for lower, upper, number in buckets],
    )


def summarize_values(values_ns: NDArray[np.int64], ns_per_unit: int) -> Distribution | None:
    """Exact values, which may be negative, as a record: percentiles are exact, the histogram is log-spaced on both sides of 0.

    Args:
        values_ns: shape (n,), nanoseconds.
        ns_per_unit: NS_PER_US or NS_PER_MS.

    Returns:
        The record, or None when there are no values.
    """
    count = int(values_ns.size)
    if count == 0:
        return None
    ordered = np.sort(values_ns)

    def percentile(permille: int) -> float:
        return float(ordered[nearest_rank(count, permille) - 1]) / ns_per_unit

    return Distribution(
        count=count,
        min=float(ordered[0]) / ns_per_unit,
        mean=float(ordered.mean()) / ns_per_unit,
        max=float(ordered[-1]) / ns_per_unit,
        p50=percentile(_P50),
        p99=percentile(_P99),
        p99_9=percentile(_P99_9),
        histogram=_log_spaced(ordered, ns_per_unit),
    )


def summarize_signed(above: HistogramData | None, below: HistogramData | None, ns_per_unit: int) -> Distribution | None:
    """A signed distribution that the core keeps in two parts, as one record.

    Args:
        above: the values at or above 0.
        below: the size of those below 0.
        ns_per_unit: NS_PER_US or NS_PER_MS.

    Returns:
        The record, its buckets from the lowest value on; None when nothing was counted.

    Raises:
        InvalidDataError: the buckets do not add up to the count.
    """
    parts = [data for data in (above, below and _mirrored(below)) if data and data["count"]]
    return summarize(merge(parts), ns_per_unit) if parts else None


def _mirrored(data: HistogramData) -> dict[str, Any]:
    """The same of the negated values: lower < -value <= upper becomes, of whole numbers, 1 - upper <= value < 1 - lower."""
    return {
        "count": data["count"],
        "sum": -data["sum"],
        "min": None if data["max"] is None else -data["max"],
        "max": None if data["min"] is None else -data["min"],
        "buckets": [(1 - upper, 1 - lower, number) for lower, upper, number in data["buckets"]],
    }


def merge(histograms: Iterable[HistogramData]) -> dict[str, Any]:
    """Histograms of the same layout, put together as if all values had been recorded in one."""
    counted: dict[tuple[int, int], int] = {}
    filled = [data for data in histograms if data["count"]]
    for data in filled:
        for lower, upper, number in data["buckets"]:
            counted[(lower, upper)] = counted.get((lower, upper), 0) + number
    return {
        "count": sum(data["count"] for data in filled),
        "sum": sum(data["sum"] for data in filled),
        "min": min((data["min"] for data in filled), default=None),
        "max": max((data["max"] for data in filled), default=None),
        "buckets": [(lower, upper, number) for (lower, upper), number in sorted(counted.items())],
    }


def _log_spaced(ordered: NDArray[np.int64], ns_per_unit: int) -> list[tuple[float, float, int]]:
    """(lower, upper, count) of the buckets that count; 20 a decade, the bucket around 0 is [0, 1) ns."""
    positive = np.unique(np.rint(np.logspace(0, _DECADES_OF_NS, _BUCKETS_PER_DECADE * _DECADES_OF_NS + 1)))
    limit = float(max(abs(int(ordered[0])), abs(int(ordered[-1])))) + 1.0
    if limit > positive[-1]:
        positive = np.append(positive, limit)
    edges = np.concatenate((-positive[::-1], [0.0], positive))
    counts = np.bincount(np.searchsorted(edges, ordered.astype(np.float64), side="right") - 1, minlength=edges.size)
    return [
        (float(edges[index]) / ns_per_unit, float(edges[index + 1]) / ns_per_unit, int(counts[index]))
        for index in np.flatnonzero(counts).tolist()
    ]


def largest(values: Sequence[float | None]) -> float | None:
    """The largest of those that exist, or None."""
    return max((value for value in values if value is not None), default=None)
