"""A run as plain presentation data, built once; the terminal, the page and Markdown only lay it out.

Everything that is shown is text or a number here already. What is absent is a cell that says so, with a footnote for the reason.
"""

from __future__ import annotations

from dataclasses import dataclass

from netbench.report.view import sentences
from netbench.report.view.cells import Footnote, Footnotes, KeyValue
from netbench.report.view.details import (
    EnvironmentDetail,
    describe_environment,
    fact_rows,
    floor_rows,
    method_rows,
    plan_rows,
    threshold_rows,
)
from netbench.report.view.figures import Figures, build_figures
from netbench.report.view.ladder_rows import LadderTable, build_ladder_table
from netbench.report.view.limits import limits
from netbench.report.view.measure_rows import ComparisonRow, MeasureRow, build_comparison_rows, build_measure_row
from netbench.report.view.pooling import pool_trials
from netbench.report.view.trial_rows import TrialRow, build_trial_rows
from netbench.report.view.verdict_rows import VerdictRow, build_verdict_row
from netbench.result.run import Run


@dataclass(frozen=True)
class View:
    """Everything that a report shows."""

    headline: str
    subtitle: str
    banners: list[sentences.Banner]
    reference: str
    verdicts: list[VerdictRow]
    measures: list[MeasureRow]
    figures: Figures
    comparisons: list[ComparisonRow]
    ladders: LadderTable
    environments: list[EnvironmentDetail]
    trials: list[TrialRow]
    trial_rows_left_out: int
    offered: str
    plan: list[KeyValue]
    thresholds: list[KeyValue]
    floor_sentence: str
    limits: list[str]
    floor: list[KeyValue]
    method: list[KeyValue]
    host: list[KeyValue]
    footnotes: list[Footnote]
    tool: str


def build_view(run: Run) -> View:
    """All of a report's data from a run, complete or not."""
    footnotes = Footnotes()
    pools = pool_trials(run)
    slots = {record.label: slot for slot, record in enumerate(run.environments)}
    of = {label: [pool for pool in pools.values() if pool.environment == label] for label in slots}
    verdicts = [build_verdict_row(run, record, slots[record.label], of[record.label], footnotes) for record in run.environments]
    h1 = {verdict.environment: verdict.hypotheses.get("H1") for verdict in run.verdicts}
    measures = [build_measure_row(pool, slots[pool.environment], h1.get(pool.environment), footnotes) for pool in pools.values()]
    comparisons = build_comparison_rows(run, slots, footnotes)
    trials, trial_rows_left_out = build_trial_rows(run, slots, footnotes)
    return View(
        headline=sentences.headline([(row.environment, row.word) for row in verdicts]),
        subtitle=sentences.subtitle(run),
        banners=sentences.banners(run, [label for label in slots if any(pool.shares_stamps for pool in of[label])]),
        reference=run.plan.reference,
        verdicts=verdicts,
        measures=measures,
        figures=build_figures(run, pools, slots),
        comparisons=comparisons,
        ladders=build_ladder_table(run),
        environments=[
            describe_environment(record, slots[record.label], of[record.label], footnotes) for record in run.environments
        ],
        trials=trials,
        trial_rows_left_out=trial_rows_left_out,
        offered="At the tap" if run.plan.live else "Sent",
        plan=plan_rows(run),
        thresholds=threshold_rows(run),
        floor_sentence=sentences.floor_sentence(run),
        limits=limits(run),
        floor=floor_rows(run, footnotes),
        method=method_rows(run),
        host=fact_rows(run.host, "host facts", footnotes),
        footnotes=footnotes.all,
        tool=f"{run.tool.name} {run.tool.version}",
    )
