"""Every environment beside the reference, metric by metric: paired, with intervals, and with what does not count.

A difference is *significant* when its 95 % interval leaves out 0, and *relevant* when it is also larger than the tolerance: the
larger of the plan's threshold and the floor. Only trials of status "ok" are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from netbench.compare.statistics import FEWEST_SAMPLES, excludes_zero, mean_interval, paired_difference
from netbench.result.numbers import Distribution
from netbench.result.plan import Traffic
from netbench.result.run import Run
from netbench.result.trial import Trial
from netbench.result.verdict import Comparison, Interval, MetricComparison


@dataclass(frozen=True)
class Metric:
    """One number of a trial that is compared.

    Attributes:
        path: where it is in a trial, e.g. iat_us.p99.
        unit: of the number.
        threshold: (run, profile) -> difference that the plan allows.
        floor: (run, trials of both) -> difference that this run cannot see below.
    """

    path: str
    unit: str
    threshold: Callable[[Run, Traffic], float]
    floor: Callable[[Run, Sequence[Trial]], float]

    def of(self, trial: Trial) -> float | None:
        """This number of a trial, or None."""
        value: Any = trial
        for part in self.path.split("."):
            value = getattr(value, part, None)
            if value is None:
                return None
        return float(value)


def distortion_floor_us(run: Run, which: str = "p99") -> float:
    """What this machine itself does to the arrival times of a paced stream with nothing else running; 0.0 when not measured."""
    return _field(run.floor.idle_iat_error_us, which)


def _field(distribution: Distribution | None, which: str) -> float:
    return float(getattr(distribution, which)) if distribution is not None else 0.0


def _timing_us(run: Run, profile: Traffic) -> float:
    return run.plan.thresholds.distortion_p99_us


def _resolution(run: Run, trials: Sequence[Trial]) -> float:
    """A loss that is rarer than 3/N cannot be told from none."""
    expected = [trial.loss.expected_packets for trial in trials if trial.loss is not None]
    return min(1.0, 3 / sum(expected)) if expected else 0.0


def _timing(path: str, which: str) -> Metric:
    return Metric(path, "us", _timing_us, lambda run, trials: distortion_floor_us(run, which))


METRICS: tuple[Metric, ...] = (
    Metric("loss.lost_ratio", "ratio", lambda run, profile: run.plan.thresholds.loss_ratio, _resolution),
    Metric(
        "received.packets_per_second",
        "pps",
        lambda run, profile: run.plan.thresholds.sender_shortfall_ratio * (profile.packets_per_second or 0.0),
        lambda run, trials: 0.0,
    ),
    _timing("iat_us.p50", "p50"),
    _timing("iat_us.p99", "p99"),
    _timing("iat_us.max", "max"),
    Metric(
        "jitter_ms",
        "ms",
        lambda run, profile: run.plan.thresholds.distortion_p99_us / 1000,
        lambda run, trials: _field(run.floor.idle_iat_error_us, "mean") / 1000,
    ),
    _timing("pdv_us.p99", "p99"),
    _timing("tap.distortion_us.p99", "p99"),
    Metric("delivery_us.p99", "us", _timing_us, lambda run, trials: _field(run.floor.wakeup_us, "p99")),
)


def reference_label(run: Run) -> str:
    """The label of the reference environment: the plan's word is a label, or the name of the first environment that has it."""
    labels = [environment.label for environment in run.plan.environments]
    if run.plan.reference in labels:
        return run.plan.reference
    named = [environment.label for environment in run.plan.environments if environment.name == run.plan.reference]
    return named[0] if named else run.plan.reference


def usable(trials: Sequence[Trial]) -> list[Trial]:
    """Those whose numbers count."""
    return [trial for trial in trials if trial.status == "ok"]


def compare(run: Run) -> Comparison:
    """All metrics of all environments and profiles that were measured; the reference's own rows have no difference."""
    reference = reference_label(run)
    rows = [
        _row(run, environment.label, profile, metric, reference)
        for environment in run.plan.environments
        for profile in run.plan.traffic
        if run.trials_of(environment.label, profile.name)
        for metric in METRICS
    ]
    return Comparison(reference=reference, metrics=rows)


def _row(run: Run, environment: str, profile: Traffic, metric: Metric, reference: str) -> MetricComparison:
    trials, absent = run.trials_of(environment, profile.name), {}
    own, other = usable(trials), usable(run.trials_of(reference, profile.name))
    values, references = _samples(own, metric), _samples(other, metric)
    value, reference_value = _not_below_zero(list(values.values())), _not_below_zero(list(references.values()))
    if value is None:
        absent["value"] = f"no usable trial of {len(trials)} has this number"
    if reference_value is None:
        absent["reference"] = f"no usable trial of {reference} has this number"
    if environment == reference:
        difference, why = None, "this is the reference"
    else:
        difference, why = paired_difference(values, references), "no sample has this number in both environments"
    tolerance = max(metric.threshold(run, profile), metric.floor(run, [*own, *other]))
    significant: bool | None = None
    if difference is None:
        absent |= dict.fromkeys(("difference", "significant", "relevant"), why)
    elif difference.samples < FEWEST_SAMPLES:
        few = f"{difference.samples} paired samples; it takes {FEWEST_SAMPLES} (--samples)"
        absent |= dict.fromkeys(("significant", "relevant"), few)
    else:
        significant = excludes_zero(difference)
    return MetricComparison(
        environment=environment,
        profile=profile.name,
        metric=metric.path,
        unit=metric.unit,
        value=value,
        reference=reference_value,
        difference=difference,
        tolerance=tolerance,
        significant=significant,
        relevant=significant and abs(difference.estimate) > tolerance if significant is not None and difference else None,
        absent=absent,
    )


def _samples(trials: Sequence[Trial], metric: Metric) -> dict[int, float]:
    return {trial.sample: value for trial in trials if (value := metric.of(trial)) is not None}


def _not_below_zero(values: Sequence[float]) -> Interval | None:
    """All these metrics are at least 0, and so is their interval."""
    interval = mean_interval(values)
    return interval and interval.model_copy(update={"low": max(0.0, interval.low)})
