"""The verdict table: each environment with its answer, the figures of its worst profile, causes and remedies."""

from __future__ import annotations

from dataclasses import dataclass

from netbench.report import format
from netbench.report.view.cells import SAME_STAMP, Cell, Footnotes, KeyValue, spread_cell
from netbench.report.view.pooling import Pool
from netbench.report.words import HYPOTHESES, LOOKS, VerdictLook
from netbench.result.environment import EnvironmentRecord
from netbench.result.run import Run
from netbench.result.verdict import Hypothesis, Verdict

_WITH_FIGURES = frozenset({"H1", "H3"})
_UNITS = ("_ns", "_us", "_ms", "_s", "_ratio", "_percent", "_pps", "_bps", "_packets", "_bytes")


@dataclass(frozen=True)
class HypothesisCell:
    """One hypothesis of one environment.

    Attributes:
        sentence: the one that decides, where mark and figure do not say as much.
        rest: all others, on demand.
    """

    id: str
    name: str
    look: VerdictLook
    sentence: str
    rest: str
    numbers: list[KeyValue]


@dataclass(frozen=True)
class RemedyLine:
    """What to do, and what to type."""

    sentence: str
    command: str | None


@dataclass(frozen=True)
class VerdictRow:
    """One environment of the verdict table."""

    environment: str
    slot: int
    is_reference: bool
    word: str
    look: VerdictLook
    sentence: str
    loss: Cell
    distortion: Cell
    one_stamp: bool
    delivery: Cell
    iat: Cell
    hypotheses: list[HypothesisCell]
    causes: list[str]
    remedies: list[RemedyLine]
    injected: str | None


def build_verdict_row(run: Run, record: EnvironmentRecord, slot: int, pools: list[Pool], footnotes: Footnotes) -> VerdictRow:
    """The row of one environment; one that was not judged says why."""
    verdict = next((verdict for verdict in run.verdicts if verdict.environment == record.label), None)
    remedies = [RemedyLine(format.glued(remedy.sentence), remedy.command) for remedy in verdict.remedies] if verdict else []
    if record.remedy and not any(record.remedy in (remedy.command or "", remedy.sentence) for remedy in remedies):
        remedies.append(RemedyLine("To make it available here:", record.remedy))
    word = verdict.verdict if verdict else "not_judged"
    return VerdictRow(
        environment=record.label,
        slot=slot,
        is_reference=record.label == run.plan.reference,
        word=word,
        look=LOOKS[word],
        sentence=format.as_sentence(format.glued(verdict.sentence)) if verdict else _not_judged_sentence(run, record),
        loss=_worst_loss(pools, verdict.hypotheses.get("H1") if verdict else None, footnotes),
        distortion=_worst_distortion(pools, footnotes),
        one_stamp=any(pool.shares_stamps for pool in pools),
        delivery=_worst_delivery(pools, footnotes),
        iat=_worst_iat(pools, footnotes),
        hypotheses=[_hypothesis_cell(id, verdict, record.label, footnotes) for id in HYPOTHESES],
        causes=[format.glued(cause.sentence) for cause in verdict.causes] if verdict else [],
        remedies=remedies,
        injected=record.injected,
    )


def _not_judged_sentence(run: Run, record: EnvironmentRecord) -> str:
    if not record.available:
        return record.reason or "The environment could not be built here."
    if run.status == "complete":
        return "The run holds no verdict on this environment."
    return "The run ended before this environment could be judged." if run.status == "interrupted" else "Not judged yet."


def _worst_loss(pools: list[Pool], judged: Hypothesis | None, footnotes: Footnotes) -> Cell:
    known = [(loss, pool) for pool in pools if (loss := pool.loss) is not None]
    if not known:
        return _absent(pools, ("loss",), "loss", footnotes)
    loss, pool = max(known, key=lambda item: (item[0].ratio, item[0].upper_bound_ratio))
    bound = loss.bound(judged)
    return Cell(
        format.loss(loss.lost_packets, loss.expected_packets, bound),
        short=format.loss_in_short(loss.lost_packets, loss.expected_packets, bound),
        note=_profile_note(pool, len(pools)),
        title=f"all {format.plural(len(pool.counted), 'sample')} of {pool.profile} together, the receiver that lost most",
    )


def _worst_distortion(pools: list[Pool], footnotes: Footnotes) -> Cell:
    known = [
        (spread, pool)
        for pool in pools
        if (spread := pool.spread(lambda trial: trial.tap.distortion_us.p99 if trial.tap and trial.tap.distortion_us else None))
    ]
    if not known:
        return _absent(pools, ("tap", "distortion_us"), "distortion", footnotes)
    spread, pool = max(known, key=lambda item: item[0].mean)
    profile = _profile_note(pool, len(pools)) if spread.mean else ""
    notes = [profile, SAME_STAMP if pool.shares_stamps else ""]
    return spread_cell(spread, format.duration_us, ", ".join(filter(None, notes)))


def _worst_delivery(pools: list[Pool], footnotes: Footnotes) -> Cell:
    """p99 from the kernel's stamp to the application, which a probe with a clock of its own measures on top."""
    known = [
        (spread, pool)
        for pool in pools
        if (spread := pool.spread(lambda trial: trial.delivery_us.p99 if trial.delivery_us else None))
    ]
    if not known:
        return _absent(pools, ("delivery_us",), "delivery", footnotes)
    spread, pool = max(known, key=lambda item: item[0].mean)
    return spread_cell(spread, format.duration_us, _profile_note(pool, len(pools)))


def _worst_iat(pools: list[Pool], footnotes: Footnotes) -> Cell:
    known = [(spread, pool) for pool in pools if (spread := pool.spread(lambda trial: trial.iat_us.p99 if trial.iat_us else None))]
    if not known:
        return _absent(pools, ("iat_us",), "IAT", footnotes)
    p99, pool = max(known, key=lambda item: item[0].mean)
    return spread_cell(p99, format.duration_us, _profile_note(pool, len(pools)))


def _absent(pools: list[Pool], path: tuple[str, ...], what: str, footnotes: Footnotes) -> Cell:
    if not pools:
        return footnotes.absent("The plan holds no profile.", what)
    pool = next((pool for pool in pools if pool.counted), pools[0])
    return footnotes.absent(pool.why_absent(*path), f"{pool.environment}: {what}")


def _profile_note(pool: Pool, profiles: int) -> str:
    return pool.profile if profiles > 1 else ""


def _hypothesis_cell(id: str, verdict: Verdict | None, environment: str, footnotes: Footnotes) -> HypothesisCell:
    answers: dict[str, Hypothesis] = {str(key): value for key, value in verdict.hypotheses.items()} if verdict else {}
    hypothesis = answers.get(id)
    name = HYPOTHESES[id][0]
    if hypothesis is None:
        return HypothesisCell(id, name, LOOKS["not_judged"], "", "", [])
    numbers = [KeyValue(key, _number_cell(hypothesis, key, f"{environment}: {id} {key}", footnotes)) for key in hypothesis.numbers]
    text = format.glued(hypothesis.sentence)
    told = hypothesis.verdict == "not_measured" or (hypothesis.verdict == "pass" and id in _WITH_FIGURES)
    sentence, rest = ("", text) if told else format.first_sentence(text)
    return HypothesisCell(id, name, LOOKS[hypothesis.verdict], sentence, rest, numbers)


def _number_cell(hypothesis: Hypothesis, key: str, place: str, footnotes: Footnotes) -> Cell:
    value = hypothesis.numbers[key]
    if value is None:
        reason = hypothesis.absent.get(f"numbers.{key}") or hypothesis.absent.get(key) or "The record gives no reason."
        return footnotes.absent(reason, place)
    unit = next((suffix[1:] for suffix in _UNITS if key.endswith(suffix)), "")
    if unit in ("packets", "") and isinstance(value, int):
        return Cell(format.count(value))
    return Cell(format.size(value) if unit == "bytes" else format.number_with_unit(value, unit))
