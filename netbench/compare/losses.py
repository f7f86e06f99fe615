"""The loss of one environment and profile, pooled over its trials: by layer, by side, and by whose fault it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from netbench.compare.absent_streams import AbsentStreams, absent_streams
from netbench.compare.throttling import throttled_periods
from netbench.metrics.layers import LAYERS, Layer
from netbench.metrics.loss import upper_bound_ratio
from netbench.result.numbers import Drop
from netbench.result.trial import Trial

SIDES = {
    "sender": "at the sender",
    "before_tap": "before the wire side (the tap missed them too)",
    "after_tap": "inside the environment",
    "unknown": "on a side that no tap tells",
}


@dataclass(frozen=True)
class Death:
    """Packets that died in one layer on one side, over all trials.

    Attributes:
        evidence: of the trial in which most died there.
    """

    layer: str
    side: str
    packets: int
    evidence: str

    @property
    def known(self) -> Layer:
        """What is known of the layer; a layer of another version of netbench has no remedy here."""
        return LAYERS.get(self.layer) or Layer(self.layer, f"in {self.layer}", "environment", "See the evidence.")


@dataclass(frozen=True)
class Losses:
    """The pooled loss. Of each trial, the receiver that lost most counts.

    Attributes:
        profile: its name.
        delivery: multicast or unicast.
        trials: so many are pooled.
        planned: so many were run.
        struck: in so many of those pooled, the environment lost something.
        sender_late_us: by so much was the sender late at worst, in these.
        expected, lost: packets.
        throttled_periods: in so many periods of a CPU limit was something held back, in these.
        absent: streams of which nothing arrived.
        deaths: what counters explain, most first.
        unattributed: side -> packets that no counter explains.
    """

    profile: str
    delivery: str
    trials: int
    planned: int
    struck: int
    sender_late_us: float
    expected: int
    lost: int
    throttled_periods: int = 0
    absent: AbsentStreams = field(default_factory=AbsentStreams)
    deaths: list[Death] = field(default_factory=list)
    unattributed: dict[str, int] = field(default_factory=dict)

    def fault(self, whose: str) -> int:
        """Packets lost by the sender, by the environment (with what nobody explains), or by this tool."""
        explained = sum(death.packets for death in self.deaths if death.known.fault == whose)
        return explained + (sum(self.unattributed.values()) if whose == "environment" else 0)

    @property
    def exposed(self) -> int:
        """Packets that the environment had a chance to lose."""
        return self.expected - self.fault("sender")

    @property
    def ratio(self) -> float:
        """Share of these that it lost."""
        return self.fault("environment") / self.exposed if self.exposed else 0.0

    @property
    def upper_bound(self) -> float | None:
        """One-sided 95 % upper bound of that share."""
        return upper_bound_ratio(self.fault("environment"), self.exposed) if self.exposed else None

    @property
    def inside(self) -> int:
        """Packets that passed the tap and that the environment lost then."""
        explained = sum(death.packets for death in self.deaths if death.side == "after_tap" and death.known.fault == "environment")
        return explained + self.unattributed.get("after_tap", 0)


def pool(profile: str, delivery: str, trials: Sequence[Trial], planned: int) -> Losses:
    """Add up the loss of trials whose numbers count."""
    counted = [trial for trial in trials if trial.loss is not None]
    struck = [trial for trial in counted if _environments_loss(trial) > 0]
    deaths: dict[tuple[str, str], Death] = {}
    most: dict[tuple[str, str], int] = {}
    unattributed: dict[str, int] = {}
    for trial in counted:
        for drop in trial.drops:
            key = (drop.layer, drop.side)
            evidence = drop.evidence if drop.packets > most.get(key, 0) else deaths[key].evidence
            most[key] = max(most.get(key, 0), drop.packets)
            deaths[key] = Death(*key, packets=drop.packets + (deaths[key].packets if key in deaths else 0), evidence=evidence)
        for side, packets in _unattributed(trial).items():
            unattributed[side] = unattributed.get(side, 0) + packets
    return Losses(
        profile=profile,
        delivery=delivery,
        trials=len(counted),
        planned=planned,
        struck=len(struck),
        sender_late_us=max((trial.sent.lateness_us.max for trial in struck if trial.sent and trial.sent.lateness_us), default=0.0),
        expected=sum(trial.loss.expected_packets for trial in counted if trial.loss),
        lost=sum(trial.loss.lost_packets for trial in counted if trial.loss),
        throttled_periods=throttled_periods(struck),
        absent=absent_streams(struck),
        deaths=sorted(deaths.values(), key=lambda death: -death.packets),
        unattributed=unattributed,
    )


def _environments_loss(trial: Trial) -> int:
    """Packets of one trial that neither the sender nor this tool lost."""
    excused = sum(drop.packets for drop in trial.drops if drop.layer in LAYERS and LAYERS[drop.layer].fault != "environment")
    return (trial.loss.lost_packets if trial.loss else 0) - excused


def _unattributed(trial: Trial) -> dict[str, int]:
    """Side -> packets that no counter explains; the tap tells the side where it saw everything."""
    if trial.unattributed_packets == 0:
        return {}
    if trial.tap is None or trial.tap.kernel_drops:
        return {"unknown": trial.unattributed_packets}
    after = trial.tap.lost_after_packets - _dropped(trial.drops, "after_tap")
    before = trial.tap.lost_before_packets - _dropped(trial.drops, "before_tap", "sender")
    if after < 0 or before < 0 or after + before != trial.unattributed_packets:
        return {"unknown": trial.unattributed_packets}
    return {side: packets for side, packets in (("before_tap", before), ("after_tap", after)) if packets}


def _dropped(drops: Sequence[Drop], *sides: str) -> int:
    return sum(drop.packets for drop in drops if drop.side in sides)
