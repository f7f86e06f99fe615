"""The data of the plots: curves, bars and time series as plain numbers. Nothing is drawn here.

Curves are survival functions (share of values above x), which a plot may turn into a CDF. They come from the records' histograms,
the samples of one profile added up; a bucket counts at its upper edge, so a curve never looks better than what was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from netbench.report import format
from netbench.report.view.pooling import Pool
from netbench.report.view.series import TimeSeries, build_time_series
from netbench.report.words import layer_name
from netbench.result.numbers import Distribution
from netbench.result.plan import Traffic
from netbench.result.run import Run
from netbench.result.trial import Trial

MOST_POINTS_OF_A_CURVE = 400
UNATTRIBUTED = "unattributed"


@dataclass(frozen=True)
class Curve:
    """Share of values above x, x rising, of one environment."""

    environment: str
    slot: int
    x_us: list[float]
    share_above: list[float]


@dataclass(frozen=True)
class Panel:
    """The curves of one profile."""

    profile: str
    curves: list[Curve]
    nominal_us: float | None = None


@dataclass(frozen=True)
class LossBar:
    """Loss of one environment and profile, by layer, the largest first."""

    environment: str
    slot: int
    profile: str
    segments: list[tuple[str, float]]
    text: str


@dataclass(frozen=True)
class TimingRow:
    """p50, p99 and maximum of how late or how far off something was, for the plot of floor and sender."""

    label: str
    slot: int | None
    p50_us: float
    p99_us: float
    max_us: float


@dataclass(frozen=True)
class Figures:
    """All plots' data; an empty list is a plot that cannot be drawn."""

    arrival: list[Panel]
    distortion: list[Panel]
    loss: list[LossBar]
    layers: list[str]
    timing: list[TimingRow]
    distortion_threshold_us: float
    floor_us: float | None
    one_stamp: list[str]
    series: list[TimeSeries]


def build_figures(run: Run, pools: dict[tuple[str, str], Pool], slots: dict[str, int]) -> Figures:
    """The data of all plots."""
    floor = run.floor.idle_iat_error_us
    bars = [bar for pool in pools.values() if (bar := _loss_bar(pool, slots[pool.environment])) is not None]
    return Figures(
        arrival=_panels(run, pools, slots, lambda trial: trial.iat_us, _nominal_us, lambda _: False),
        distortion=_panels(
            run,
            pools,
            slots,
            lambda trial: trial.tap.distortion_us if trial.tap else None,
            lambda _: None,
            lambda pool: pool.shares_stamps,
        ),
        loss=bars,
        layers=list(dict.fromkeys(layer for bar in bars for layer, _ in bar.segments)),
        timing=[*_floor_timings(run), *_sender_timings(pools, slots)],
        distortion_threshold_us=run.plan.thresholds.distortion_p99_us,
        floor_us=floor.p99 if floor else None,
        one_stamp=list(dict.fromkeys(pool.environment for pool in pools.values() if pool.shares_stamps)),
        series=build_time_series(run, slots),
    )


def _panels(
    run: Run,
    pools: dict[tuple[str, str], Pool],
    slots: dict[str, int],
    distribution: Callable[[Trial], Distribution | None],
    nominal_us: Callable[[Traffic], float | None],
    leave_out: Callable[[Pool], bool],
) -> list[Panel]:
    panels = []
    for profile in run.plan.traffic:
        curves = []
        for label, slot in slots.items():
            pool = pools[label, profile.name]
            if leave_out(pool):
                continue
            found = [item for item in map(distribution, pool.counted) if item is not None and item.histogram]
            if found:
                curves.append(survival_curve(label, slot, found))
        if curves:
            panels.append(Panel(profile.name, curves, nominal_us(profile)))
    return panels


def survival_curve(environment: str, slot: int, distributions: Iterable[Distribution]) -> Curve:
    """Add histograms up and turn them into one curve, thinned to what a plot can show; both ends are exact."""
    counts: dict[float, int] = {}
    lowest, highest = float("inf"), float("-inf")
    for distribution in distributions:
        lowest, highest = min(lowest, distribution.min), max(highest, distribution.max)
        for _, upper, count in distribution.histogram:
            counts[upper] = counts.get(upper, 0) + count
    total = sum(counts.values())
    x_us, share_above, seen = [lowest], [1.0], 0
    for upper in sorted(counts):
        seen += counts[upper]
        x_us.append(min(upper, highest))
        share_above.append(1 - seen / total)
    x_us[-1], share_above[-1] = highest, 0.0
    step = -(-len(x_us) // MOST_POINTS_OF_A_CURVE)
    tail = max(0, len(x_us) - MOST_POINTS_OF_A_CURVE // 4)
    kept = [index for index in range(len(x_us)) if index % step == 0 or index >= tail]
    return Curve(environment, slot, [x_us[index] for index in kept], [share_above[index] for index in kept])


def _nominal_us(profile: Traffic) -> float | None:
    pps = profile.stream_packets_per_second
    return 1e6 / pps if pps and profile.burst_packets == 1 else None


def _loss_bar(pool: Pool, slot: int) -> LossBar | None:
    loss = pool.loss
    if loss is None:
        return None
    parts = [(layer_name(layer), packets) for layer, packets in loss.drops]
    if loss.unattributed_packets:
        parts.append((UNATTRIBUTED, loss.unattributed_packets))
    return LossBar(
        environment=pool.environment,
        slot=slot,
        profile=pool.profile,
        segments=[(layer, packets / loss.expected_packets) for layer, packets in parts if packets],
        text=format.loss(loss.lost_packets, loss.expected_packets, loss.upper_bound_ratio if not loss.lost_packets else None),
    )


def _floor_timings(run: Run) -> list[TimingRow]:
    floor = run.floor
    named = (
        ("floor: wake-up", floor.wakeup_us),
        ("floor: sender, loopback", floor.sender_lateness_us),
        ("floor: IAT error, loopback", floor.idle_iat_error_us),
    )
    return [TimingRow(name, None, item.p50, item.p99, item.max) for name, item in named if item is not None]


def _sender_timings(pools: dict[tuple[str, str], Pool], slots: dict[str, int]) -> list[TimingRow]:
    rows = []
    for pool in pools.values():
        found = [trial.sent.lateness_us for trial in pool.counted if trial.sent and trial.sent.lateness_us]
        if found:
            worst = max(found, key=lambda item: item.p99)
            rows.append(
                TimingRow(f"sender: {pool.environment}, {pool.profile}", slots[pool.environment], worst.p50, worst.p99, worst.max)
            )
    return rows
