"""Statistics against scipy and against known answers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from netbench.compare.statistics import bootstrap_interval, excludes_zero, mean_interval, paired_difference
from netbench.result.verdict import Interval

finite = st.floats(-1e6, 1e6, allow_nan=False)


@given(st.lists(finite, min_size=2, max_size=20))
def test_the_t_interval_is_scipys(values: list[float]) -> None:
    interval = mean_interval(values)
    assert interval is not None
    error = stats.sem(values)
    if error == 0:
        assert interval.low == interval.high == pytest.approx(values[0])
        return
    low, high = stats.t.interval(0.95, len(values) - 1, loc=np.mean(values), scale=error)
    assert interval.low == pytest.approx(low, rel=1e-6, abs=1e-6)
    assert interval.high == pytest.approx(high, rel=1e-6, abs=1e-6)


@given(st.dictionaries(st.integers(1, 10), finite, min_size=3), st.dictionaries(st.integers(1, 10), finite, min_size=3))
def test_pairs_are_by_sample_number(values: dict[int, float], reference: dict[int, float]) -> None:
    shared = sorted(set(values) & set(reference))
    interval = paired_difference(values, reference)
    if not shared:
        assert interval is None
        return
    assert interval is not None
    assert interval.samples == len(shared)
    assert interval.estimate == pytest.approx(np.mean([values[key] - reference[key] for key in shared]), abs=1e-6)


def test_significance_is_that_of_a_paired_t_test() -> None:
    random = np.random.default_rng(7)
    for shift in (0.0, 0.5, 1.0, 2.0):
        values, reference = random.normal(shift, 1, 6), random.normal(0, 1, 6)
        interval = paired_difference(dict(enumerate(values)), dict(enumerate(reference)))
        assert interval is not None
        assert excludes_zero(interval) == (stats.ttest_rel(values, reference).pvalue < 0.05)


def test_a_drift_that_both_share_falls_out() -> None:
    reference = {1: 10.0, 2: 20.0, 3: 40.0}
    interval = paired_difference({sample: value + 3 for sample, value in reference.items()}, reference)
    assert interval == Interval(estimate=3, low=3, high=3, samples=3)


def test_few_values() -> None:
    assert mean_interval([]) is None
    assert mean_interval([4.0]) == Interval(estimate=4, low=4, high=4, samples=1)
    assert bootstrap_interval([], seed=1) is None


def test_the_bootstrap_is_seeded_and_near_the_t_interval() -> None:
    values = np.random.default_rng(3).normal(50, 5, 60).tolist()
    interval, again = bootstrap_interval(values, seed=1), bootstrap_interval(values, seed=1)
    by_t = mean_interval(values)
    assert interval == again
    assert interval is not None
    assert by_t is not None
    assert interval.low == pytest.approx(by_t.low, abs=0.4)
    assert interval.high == pytest.approx(by_t.high, abs=0.4)


def test_the_bootstrap_takes_any_statistic() -> None:
    interval = bootstrap_interval([1.0] * 9 + [100.0], seed=1, statistic=lambda sample: float(np.median(sample)))
    assert interval is not None
    assert (interval.estimate, interval.low) == (1.0, 1.0)
