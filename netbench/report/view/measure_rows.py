"""The key figures of each environment and profile, and each metric beside the reference's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from netbench.report import format
from netbench.report.view.cells import SAME_STAMP, Cell, Footnotes, spread_cell
from netbench.report.view.pooling import Pool
from netbench.result.run import Run
from netbench.result.trial import Trial
from netbench.result.verdict import Hypothesis, Interval, MetricComparison


@dataclass(frozen=True)
class MeasureRow:
    """The key figures of one environment and profile: means over samples, counts of all samples."""

    environment: str
    slot: int
    profile: str
    trials: Cell
    loss: Cell
    iat_p50: Cell
    iat_p99: Cell
    iat_max: Cell
    distortion: Cell
    delivery_p50: Cell
    delivery_p99: Cell
    jitter: Cell
    mdi: Cell
    reordered: Cell
    loses: bool


@dataclass(frozen=True)
class ComparisonRow:
    """One metric beside the reference's."""

    environment: str
    slot: int
    profile: str
    metric: str
    value: Cell
    reference: Cell
    difference: Cell
    tolerance: Cell
    answer: str
    relevant: bool


def build_measure_row(pool: Pool, slot: int, judged: Hypothesis | None, footnotes: Footnotes) -> MeasureRow:
    """One row of the table of key figures; `judged` is H1 of its environment."""

    def timing(
        what: str, path: tuple[str, ...], figure: Callable[[Trial], float | None], show: Callable[[float], str], note: str = ""
    ) -> Cell:
        spread = pool.spread(figure)
        if spread is None:
            return footnotes.absent(pool.why_absent(*path), f"{pool.environment}, {pool.profile}: {what}")
        return spread_cell(spread, show, note)

    def iat(key: str) -> Cell:
        return timing(
            f"IAT {key}", ("iat_us",), lambda trial: getattr(trial.iat_us, key) if trial.iat_us else None, format.duration_us
        )

    def delivery(key: str) -> Cell:
        return timing(
            f"delivery {key}",
            ("delivery_us",),
            lambda trial: getattr(trial.delivery_us, key) if trial.delivery_us else None,
            format.duration_us,
        )

    loss = pool.loss
    return MeasureRow(
        environment=pool.environment,
        slot=slot,
        profile=pool.profile,
        trials=_trials_cell(pool),
        loss=Cell(format.loss(loss.lost_packets, loss.expected_packets, loss.bound(judged)))
        if loss
        else footnotes.absent(pool.why_absent("loss"), f"{pool.environment}, {pool.profile}: loss"),
        iat_p50=iat("p50"),
        iat_p99=iat("p99"),
        iat_max=iat("max"),
        distortion=timing(
            "distortion p99",
            ("tap", "distortion_us"),
            lambda trial: trial.tap.distortion_us.p99 if trial.tap and trial.tap.distortion_us else None,
            format.duration_us,
            SAME_STAMP if pool.shares_stamps else "",
        ),
        delivery_p50=delivery("p50"),
        delivery_p99=delivery("p99"),
        jitter=timing("jitter", ("jitter_ms",), lambda trial: trial.jitter_ms, lambda value: format.duration_us(value * 1e3)),
        mdi=_mdi_cell(pool, footnotes),
        reordered=_reordered_cell(pool, footnotes),
        loses=bool(loss and loss.lost_packets),
    )


def _trials_cell(pool: Pool) -> Cell:
    left_out = list(dict.fromkeys(f"{trial.status} ({trial.reason})" if trial.reason else trial.status for trial in pool.left_out))
    together = len(pool.counted) + len(pool.left_out)
    if not left_out:
        return Cell(format.count(together))
    return Cell(f"{format.count(len(pool.counted))} of {format.count(together)}", title="left out: " + "; ".join(left_out))


def _mdi_cell(pool: Pool, footnotes: Footnotes) -> Cell:
    delay = pool.spread(lambda trial: trial.mdi.delay_factor_ms if trial.mdi else None)
    loss = pool.spread(lambda trial: trial.mdi.media_loss_packets_per_second if trial.mdi else None)
    if delay is None or loss is None:
        return footnotes.absent(pool.why_absent("mdi"), f"{pool.environment}, {pool.profile}: MDI")
    return Cell(
        f"{format.duration_us(delay.mean * 1e3)} : {format.significant(loss.mean)}/s",
        title=f"worst stream; means of {format.plural(delay.samples, 'sample')}",
    )


def _reordered_cell(pool: Pool, footnotes: Footnotes) -> Cell:
    sequences = [trial.sequence for trial in pool.counted if trial.sequence is not None]
    if not sequences:
        return footnotes.absent(pool.why_absent("sequence"), f"{pool.environment}, {pool.profile}: reordering")
    return Cell(format.count(sum(sequence.reordered_packets for sequence in sequences)))


def build_comparison_rows(run: Run, slots: dict[str, int], footnotes: Footnotes) -> list[ComparisonRow]:
    """All metrics of all environments against the reference, those that matter first."""
    if run.comparison is None:
        return []
    rows = [
        _comparison_row(metric, slots.get(metric.environment, 0), footnotes)
        for metric in run.comparison.metrics
        if metric.environment != run.comparison.reference
    ]
    return sorted(rows, key=lambda row: not row.relevant)


def _comparison_row(metric: MetricComparison, slot: int, footnotes: Footnotes) -> ComparisonRow:
    place = f"{metric.environment}, {metric.profile}: {metric.metric}"

    def cell(key: str, interval: Interval | None) -> Cell:
        if interval is None:
            return footnotes.absent(metric.absent.get(key, "Not measured on one of the two sides."), f"{place} ({key})")
        low, high = (format.number_with_unit(bound, metric.unit) for bound in (interval.low, interval.high))
        return Cell(
            format.number_with_unit(interval.estimate, metric.unit),
            note=f"{low} … {high}",
            title=f"95 % interval over {format.plural(interval.samples, 'sample')}",
        )

    return ComparisonRow(
        environment=metric.environment,
        slot=slot,
        profile=metric.profile,
        metric=metric.metric,
        value=cell("value", metric.value),
        reference=cell("reference", metric.reference),
        difference=cell("difference", metric.difference),
        tolerance=footnotes.absent(metric.absent.get("tolerance", "None was set."), f"{place} (tolerance)")
        if metric.tolerance is None
        else Cell(format.number_with_unit(metric.tolerance, metric.unit)),
        answer=_answer(metric),
        relevant=bool(metric.relevant),
    )


def _answer(metric: MetricComparison) -> str:
    if metric.relevant:
        return "differs"
    if metric.significant:
        return "differs, but within the tolerance"
    return "no significant difference" if metric.significant is False else "cannot be said"
