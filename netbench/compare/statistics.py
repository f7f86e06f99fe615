"""Estimates with their 95 % intervals over samples.

`mean_interval` and `paired_difference`, which a comparison uses, are Student's t: right for the few samples that a run has, as
long as they are not grossly skewed. `bootstrap_interval` assumes no shape, but needs some ten samples to hold what it promises.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from netbench.result.verdict import Interval

CONFIDENCE = 0.95
FEWEST_SAMPLES = 3
"""With fewer, no difference is called significant."""

_RESAMPLES = 5_000


def mean_interval(values: Sequence[float]) -> Interval | None:
    """Mean with its two-sided 95 % t interval.

    Args:
        values: one a sample, any unit.

    Returns:
        The interval; of one value the value itself, with `samples` 1 to say so; None of none.
    """
    count = len(values)
    if count == 0:
        return None
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(estimate=mean, low=mean, high=mean, samples=1)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    if deviation == 0:
        return Interval(estimate=mean, low=mean, high=mean, samples=count)
    from scipy.stats import t

    half = float(t.ppf((1 + CONFIDENCE) / 2, count - 1)) * deviation / math.sqrt(count)
    return Interval(estimate=mean, low=mean - half, high=mean + half, samples=count)


def paired_difference(values: Mapping[int, float], reference: Mapping[int, float]) -> Interval | None:
    """Mean of value - reference over the samples that both have, with its 95 % t interval.

    Samples are interleaved, so sample i of one was taken next to sample i of the other: what drifts meanwhile falls out.

    Args:
        values: sample number -> value.
        reference: the same of the reference.

    Returns:
        The interval; None when they share no sample.
    """
    return mean_interval([values[sample] - reference[sample] for sample in sorted(values.keys() & reference.keys())])


def bootstrap_interval(
    values: Sequence[float], seed: int, statistic: Callable[[NDArray[np.float64]], float] = lambda sample: float(np.mean(sample))
) -> Interval | None:
    """A statistic with its 95 % percentile bootstrap interval; the same seed gives the same interval.

    Returns:
        The interval, or None of no values.
    """
    if not values:
        return None
    observed = np.asarray(values, dtype=np.float64)
    draws = np.random.default_rng(seed).integers(0, observed.size, size=(_RESAMPLES, observed.size))
    estimates = [statistic(observed[draw]) for draw in draws]
    low, high = np.quantile(estimates, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(estimate=statistic(observed), low=float(low), high=float(high), samples=observed.size)


def excludes_zero(difference: Interval) -> bool:
    """The interval leaves out 0: the difference is significant."""
    return difference.low > 0 or difference.high < 0
