"""The ladder of hardware timestamps of every environment, beside each other: a row a rung."""

from __future__ import annotations

from dataclasses import dataclass, replace

from netbench.metrics.stamp_words import counted
from netbench.report import format
from netbench.report.words import LOOKS, VerdictLook
from netbench.result.run import Run
from netbench.result.timestamps import RUNGS

_PASSED = {
    True: replace(LOOKS["pass"], word="proven"),
    False: replace(LOOKS["fail"], word="failed"),
    None: replace(LOOKS["not_measured"], word="not proven"),
}


@dataclass(frozen=True)
class RungCell:
    """One rung at one environment."""

    look: VerdictLook
    evidence: str


@dataclass(frozen=True)
class RungRow:
    """One rung at all environments, in their order."""

    number: int
    name: str
    cells: list[RungCell]


@dataclass(frozen=True)
class LadderTable:
    """All ladders of a run.

    Attributes:
        environments: those that have a ladder, with their slot.
        rungs: six rows; none when no environment has a ladder.
        counts: what was counted, a sentence for each environment.
        absent: environments without one, with the reason.
    """

    environments: list[tuple[str, int]]
    rungs: list[RungRow]
    counts: list[tuple[str, str]]
    absent: list[tuple[str, str]]


def build_ladder_table(run: Run) -> LadderTable:
    """Of all environments that have a ladder."""
    found = [
        (record.label, slot, record.timestamp_ladder)
        for slot, record in enumerate(run.environments)
        if record.timestamp_ladder is not None
    ]
    rungs = [
        RungRow(
            number=index + 1,
            name=name,
            cells=[
                RungCell(_PASSED[ladder.rungs[index].passed], format.glued(ladder.rungs[index].evidence)) for _, _, ladder in found
            ],
        )
        for index, name in enumerate(RUNGS)
    ]
    return LadderTable(
        environments=[(label, slot) for label, slot, _ in found],
        rungs=rungs if found else [],
        counts=[(label, counted(ladder.traffic) or "no packet came") for label, _, ladder in found],
        absent=[
            (record.label, record.timestamp_ladder_absent)
            for record in run.environments
            if record.timestamp_ladder is None and record.timestamp_ladder_absent
        ],
    )
