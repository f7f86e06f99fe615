"""Time series for the page: rate and largest IAT over time, all environments of one profile and sample on one time axis."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from netbench.result.numbers import SeriesPoint
from netbench.result.run import Run
from netbench.result.trial import Trial

MOST_POINTS = 30_000
LEAST_POINTS_OF_A_TRIAL = 60


@dataclass(frozen=True)
class SeriesLine:
    """One environment's line; None where it has no point."""

    environment: str
    slot: int
    packets_per_second: list[float | None]
    iat_max_ms: list[float | None]


@dataclass(frozen=True)
class TimeSeries:
    """What the chooser offers as one item."""

    profile: str
    sample: int
    time_s: list[float]
    lines: list[SeriesLine]


def build_time_series(run: Run, slots: dict[str, int]) -> list[TimeSeries]:
    """One item for each profile and sample that has points; long trials are thinned, so that a page stays small."""
    profiles = [profile.name for profile in run.plan.traffic]
    with_points = [trial for trial in run.trials if trial.series and trial.environment in slots and trial.profile in profiles]
    budget = max(LEAST_POINTS_OF_A_TRIAL, MOST_POINTS // max(1, len(with_points)))
    keys = dict.fromkeys((trial.profile, trial.sample) for trial in with_points)
    return [
        _time_series(
            profile, sample, [trial for trial in with_points if (trial.profile, trial.sample) == (profile, sample)], slots, budget
        )
        for profile, sample in sorted(keys, key=lambda key: (profiles.index(key[0]), key[1]))
    ]


def _time_series(profile: str, sample: int, trials: list[Trial], slots: dict[str, int], budget: int) -> TimeSeries:
    points = {trial.environment: window_rates(trial.series, trial.duration_s, budget) for trial in trials}
    time_s = sorted({start for line in points.values() for start in line})
    return TimeSeries(
        profile,
        sample,
        time_s,
        [
            SeriesLine(
                environment,
                slots[environment],
                [line[start][0] if start in line else None for start in time_s],
                [line[start][1] if start in line else None for start in time_s],
            )
            for environment, line in sorted(points.items(), key=lambda item: slots[item[0]])
        ],
    )


def window_rates(points: list[SeriesPoint], duration_s: float, budget: int) -> dict[float, tuple[float, float | None]]:
    """Start of each window -> (packets per second, largest IAT in ms). The last window is as long as its traffic."""
    window_s = median(after.start_s - before.start_s for before, after in pairwise(points)) if len(points) > 1 else 0.0
    if window_s <= 0:
        return {}
    merged = -(-len(points) // budget)
    rates: dict[float, tuple[float, float | None]] = {}
    for first in range(0, len(points), merged):
        group = points[first : first + merged]
        start_s = group[0].start_s
        width_s = window_s * len(group)
        if first + merged >= len(points) and duration_s > start_s:
            width_s = min(width_s, duration_s - start_s)
            if width_s < 0.1 * window_s:
                continue
        rates[round(start_s, 6)] = (round(sum(point.packets for point in group) / width_s, 1), _largest_iat_ms(group))
    return rates


def _largest_iat_ms(points: list[SeriesPoint]) -> float | None:
    known = [point.iat_max_us for point in points if point.iat_max_us is not None]
    return round(max(known) / 1e3, 4) if known else None
