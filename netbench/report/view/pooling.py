"""An environment's samples of one profile, taken together.

Counts are added up; timings are the mean over samples, as in the comparison.

Only trials with status `ok` count. A trial whose sender fell short says nothing about the environment, so it is left out and said
so. No statistics are made here: what is shown beside a figure (bounds, intervals) is the records' own, except the rule of three,
3/N, for the samples of a profile together when none of them lost anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import fmean

from netbench.metrics.layers import FEED_LAYER
from netbench.result.environment import EnvironmentRecord
from netbench.result.numbers import Drop
from netbench.result.run import Run
from netbench.result.trial import Trial
from netbench.result.verdict import Hypothesis

RULE_OF_THREE = 3.0


@dataclass(frozen=True)
class Spread:
    """One figure of several samples: its mean, with the least and the largest."""

    mean: float
    low: float
    high: float
    samples: int


@dataclass(frozen=True)
class PooledLoss:
    """Loss over all samples; bounded by the worst sample's own bound, or by 3/N over all when nothing was lost."""

    lost_packets: int
    expected_packets: int
    upper_bound_ratio: float
    drops: tuple[tuple[str, int], ...]
    unattributed_packets: int

    @property
    def ratio(self) -> float:
        """Lost of expected."""
        return self.lost_packets / self.expected_packets if self.expected_packets else 0.0

    def bound(self, judged: Hypothesis | None) -> float:
        """The upper bound over all samples together, where H1 was judged by these very packets; else the one above."""
        numbers = judged.numbers if judged else {}
        same = (numbers.get("lost_packets"), numbers.get("expected_packets")) == (self.lost_packets, self.expected_packets)
        return (numbers.get("upper_bound_ratio") if same else None) or self.upper_bound_ratio


@dataclass(frozen=True)
class Pool:
    """All trials of one environment and profile."""

    environment: str
    profile: str
    counted: tuple[Trial, ...]
    left_out: tuple[Trial, ...]
    missing_reason: str

    @property
    def loss(self) -> PooledLoss | None:
        """Loss of the receiver that lost most, over all samples; without what a live feed had lost before it came here."""
        losses = [(trial, trial.loss) for trial in self.counted if trial.loss is not None]
        expected = sum(loss.expected_here_packets for _, loss in losses)
        if not expected:
            return None
        lost = sum(loss.lost_here_packets for _, loss in losses)
        worst_bound = max(loss.upper_bound_ratio for _, loss in losses)
        layers: dict[str, int] = {}
        for drop in (drop for trial, _ in losses for drop in trial.drops if drop.layer != FEED_LAYER):
            layers[drop.layer] = layers.get(drop.layer, 0) + drop.packets
        return PooledLoss(
            lost_packets=lost,
            expected_packets=expected,
            upper_bound_ratio=worst_bound if lost else min(worst_bound, RULE_OF_THREE / expected),
            drops=tuple(sorted(layers.items(), key=lambda item: -item[1])),
            unattributed_packets=sum(trial.unattributed_packets for trial, _ in losses),
        )

    def spread(self, figure: Callable[[Trial], float | None]) -> Spread | None:
        """A figure of each counted trial, or None when none has it."""
        values = [value for value in map(figure, self.counted) if value is not None]
        return Spread(fmean(values), min(values), max(values), len(values)) if values else None

    @property
    def shares_stamps(self) -> bool:
        """Tap and probe read one and the same kernel stamp of each packet: transit is exactly 0 for every one of them.

        A stamp that the kernel took before both points travels with the packet. Their distortion is 0 then by construction, which
        holds for a probe with kernel stamps, but is no second look at the packet.
        """
        transits = [trial.tap.transit_us for trial in self.counted if trial.tap is not None and trial.tap.transit_us is not None]
        return bool(transits) and all(transit.min == transit.max == 0 for transit in transits)

    def why_absent(self, *path: str) -> str:
        """Why a figure is not there: the records' reason for the first null on the way to it, e.g. ("tap", "distortion_us")."""
        if not self.counted:
            return self.missing_reason
        for trial in self.counted:
            reason = _absence(trial, path)
            if reason:
                return reason
        return "The record gives no reason."

    @property
    def evidence(self) -> tuple[Drop, ...]:
        """The drops of the sample that lost most, with what their counters said."""
        return tuple(self.most_lost.drops) if self.most_lost else ()

    @property
    def most_lost(self) -> Trial | None:
        """The sample that lost most; None when none counts."""
        return max(self.counted, key=lambda trial: trial.loss.lost_packets if trial.loss else 0, default=None)


def reason_and_evidence(trial: Trial, record: EnvironmentRecord | None) -> tuple[str | None, str | None]:
    """Why a trial did not count, and what it saw of that: what holds for all trials of an environment is one reason, told once.

    Returns:
        The reason, the same for all trials that have it, and what is this trial's own; the latter alone is None when nothing is.
    """
    why = record.multicast_unsupported if record else None
    if trial.status != "unsupported" or not why or not trial.reason or not trial.reason.endswith(why):
        return trial.reason, None
    return why, trial.reason.removesuffix(why).rstrip(" :") or None


def pool_trials(run: Run) -> dict[tuple[str, str], Pool]:
    """All environments and profiles of the plan, whether they were measured or not, in the plan's order."""
    return {
        (record.label, profile.name): _pool(run, record, profile.name)
        for record in run.environments
        for profile in run.plan.traffic
    }


def _pool(run: Run, record: EnvironmentRecord, profile: str) -> Pool:
    trials = run.trials_of(record.label, profile)
    counted = tuple(trial for trial in trials if trial.status == "ok")
    left_out = tuple(trial for trial in trials if trial.status != "ok")
    return Pool(record.label, profile, counted, left_out, _missing_reason(run, record, left_out))


def _missing_reason(run: Run, record: EnvironmentRecord, left_out: tuple[Trial, ...]) -> str:
    if left_out:
        reasons = (reason_and_evidence(trial, record)[0] for trial in left_out)
        return next((reason for reason in reasons if reason), f"All trials ended as {left_out[0].status}.")
    if not record.available:
        return record.reason or "The environment could not be built here."
    return {
        "running": "The run has not come to this yet.",
        "interrupted": "The run was interrupted before this was measured.",
        "complete": "The run holds no trial of this.",
    }[run.status]


def _absence(record: object, path: tuple[str, ...]) -> str | None:
    for key in path:
        reasons: dict[str, str] = getattr(record, "absent", {})
        if key in reasons:
            return reasons[key]
        record = getattr(record, key, None)
        if record is None:
            return None
    return None
