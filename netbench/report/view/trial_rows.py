"""Every trial, every receiver: what was sent, what came, what was lost, and how it ended."""

from __future__ import annotations

from dataclasses import dataclass

from netbench.report import format
from netbench.report.view.cells import Cell, Footnotes
from netbench.report.view.pooling import reason_and_evidence
from netbench.result.environment import EnvironmentRecord
from netbench.result.numbers import Loss
from netbench.result.plan import LIVE
from netbench.result.reception import Reception
from netbench.result.run import Run
from netbench.result.trial import Trial

LARGEST_NUMBER_OF_ROWS = 1000


@dataclass(frozen=True)
class TrialRow:
    """One receiver of one trial. The receiver that lost most is the trial's own, the others follow it."""

    environment: str
    slot: int
    profile: str
    sample: int
    receiver: str
    is_other_receiver: bool
    status: str
    counts: bool
    reason: str
    sent: Cell
    received: Cell
    lost: Cell
    bound: Cell
    duplicates: Cell
    iat_p50: Cell
    iat_p99: Cell
    iat_max: Cell
    distortion: Cell
    stamps: Cell
    steal: Cell


def build_trial_rows(run: Run, slots: dict[str, int], footnotes: Footnotes) -> tuple[list[TrialRow], int]:
    """The rows in the order of measuring, and how many more are in run.json only."""
    rows: list[TrialRow] = []
    left_out = 0
    records = {record.label: record for record in run.environments}
    for trial in run.trials:
        for position, reception in enumerate(trial.receptions):
            if len(rows) < LARGEST_NUMBER_OF_ROWS:
                rows.append(
                    _row(trial, records.get(trial.environment), reception, position > 0, slots.get(trial.environment, 0), footnotes)
                )
            else:
                left_out += 1
    return rows, left_out


def _row(
    trial: Trial, record: EnvironmentRecord | None, reception: Reception, is_other: bool, slot: int, footnotes: Footnotes
) -> TrialRow:
    reason, evidence = reason_and_evidence(trial, record)
    place = f"{trial.environment}, {trial.profile}, sample {trial.sample}" + (f", {reception.receiver}" if is_other else "")

    def figure(what: str, text: str | None, *keys: str, title: str = "") -> Cell:
        if text is not None:
            return Cell(text, title=title)
        return footnotes.absent(reason if evidence and reason else _why(trial, reception, keys), f"{place}: {what}")

    received, loss, iat, tap, sent, stamps = (
        reception.received,
        reception.loss,
        reception.iat_us,
        reception.tap,
        trial.sent,
        reception.timestamps,
    )
    distortion = tap.distortion_us if tap else None
    steal = trial.cpu.steal_ratio if trial.cpu else None
    return TrialRow(
        environment=trial.environment,
        slot=slot,
        profile=trial.profile,
        sample=trial.sample,
        receiver=reception.receiver or "",
        is_other_receiver=is_other,
        status=trial.status,
        counts=trial.status == "ok",
        reason="" if is_other else evidence or reason or "",
        sent=figure("at the tap", format.count(tap.packets) if tap else None, "tap")
        if trial.profile == LIVE
        else figure("sent", format.count(sent.packets) if sent else None, "sent"),
        received=figure("received", format.count(received.packets) if received else None, "received"),
        lost=figure(
            "lost",
            _lost(loss) if loss else None,
            "loss",
            title=_remark(loss) if trial.status == "ok" else "not counted: see the status",
        ),
        bound=figure("bound", f"≤{format.UNIT_SPACE}{format.percent_rounded_up(loss.upper_bound_ratio)}" if loss else None, "loss"),
        duplicates=figure("duplicates", format.count(received.duplicate_packets) if received else None, "received"),
        iat_p50=figure("IAT", format.duration_us(iat.p50) if iat else None, "iat_us"),
        iat_p99=figure("IAT", format.duration_us(iat.p99) if iat else None, "iat_us"),
        iat_max=figure("IAT", format.duration_us(iat.max) if iat else None, "iat_us"),
        distortion=figure("distortion", format.duration_us(distortion.p99) if distortion else None, "tap", "distortion_us"),
        stamps=figure("stamps", stamps.used if stamps else None, "timestamps"),
        steal=figure("steal", format.percent(steal) if steal is not None else None, "cpu", "steal_ratio"),
    )


def _lost(loss: Loss) -> str:
    """Without what a live feed had lost before it came here."""
    lost, expected = loss.lost_here_packets, loss.expected_here_packets
    return f"{format.count(lost)} ({format.percent(lost / expected if expected else 0.0)})"


def _remark(loss: Loss | None) -> str:
    missing = loss.feed_packets if loss else 0
    return f"{format.plural(missing, 'more packet')} were missing in the feed at the tap already" if missing else ""


def _why(trial: Trial, reception: Reception, keys: tuple[str, ...]) -> str:
    for holder in (reception, trial, reception.tap, trial.cpu):
        for key in keys:
            if holder is not None and key in holder.absent:
                return holder.absent[key]
    return trial.reason or "The record gives no reason."
