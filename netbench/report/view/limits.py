"""What a run cannot show, in its own numbers: a reader decides by these as much as by the verdicts.

Each limit is told only where it applies, and once, however many environments it is about.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from netbench.compare.emulation import is_emulated
from netbench.report import format
from netbench.result.run import Run

_UNLIKELY = 0.05
_ENOUGH_SAMPLES = 29
"""With none of so many struck, fewer than 1 in 10 are, with 95 % confidence."""


def limits(run: Run) -> list[str]:
    """A few sentences, the most important first; none for a run that holds no trial."""
    return (
        [*_emulated(run), *_bursts(run), *_floor(run), *_sender(run), *_load(run), *_live(run), *_stamps(run)] if run.trials else []
    )


def share_struck_at_most(samples: int) -> float:
    """95 % upper bound of the share of samples that loss strikes, when it struck none of so many (Clopper-Pearson)."""
    return 1.0 - math.pow(_UNLIKELY, 1.0 / samples)


def _emulated(run: Run) -> Iterator[str]:
    emulated = [record.label for record in run.environments if is_emulated(record)]
    if emulated:
        yield (
            f"The processor of {format.listing(emulated)} was emulated in software (QEMU's TCG), for want of KVM here: what it "
            "added to arrival times, and the load that it could not take, are the emulation's. A guest on KVM is measured on "
            "its own machine. What reached it, what its card promises and delivers, and who lost a packet hold for both."
        )


def _bursts(run: Run) -> Iterator[str]:
    counted: dict[tuple[str, str], int] = {}
    for trial in run.trials:
        if trial.status == "ok" and trial.loss is not None:
            key = (trial.environment, trial.profile)
            counted[key] = counted.get(key, 0) + 1
    if not counted:
        return
    samples = min(counted.values())
    share = f"{100 * share_struck_at_most(samples):.0f}{format.UNIT_SPACE}%"
    length = format.duration_s(run.plan.duration_s)
    sentence = (
        "Bounds of loss hold for packets lost one by one; queues overflow in bursts. "
        f"{format.plural(samples, 'sample')} of {length} without loss {'rules' if samples == 1 else 'rule'} out only bursts that "
        f"strike more than {share} of such samples (at 95{format.UNIT_SPACE}%)"
    )
    more = f"; --samples {_ENOUGH_SAMPLES} gets that to 10{format.UNIT_SPACE}%" if samples < _ENOUGH_SAMPLES else ""
    yield f"{sentence}{more}."


def _floor(run: Run) -> Iterator[str]:
    floor, threshold = run.floor.idle_iat_error_us, run.plan.thresholds.distortion_p99_us
    if floor is None or floor.p99 <= threshold:
        return
    yield (
        f"The floor, {format.duration_us(floor.p99)}, is above H3's limit of {format.duration_us(threshold)}: distortion between "
        "the two can be blamed on nobody. Below the limit it passes all the same, for each packet is compared with itself."
    )


def _sender(run: Run) -> Iterator[str]:
    """The floor is that of an idle machine; what the sender did under load is known better from the trials."""
    late = [trial.sent.lateness_us for trial in run.trials if trial.status == "ok" and trial.sent and trial.sent.lateness_us]
    worst_us = max((lateness.p99 for lateness in late), default=0.0)
    if worst_us <= run.plan.thresholds.distortion_p99_us:
        return
    yield (
        f"Under load the sender itself was up to {format.duration_us(worst_us)} late (p99 of the worst trial): IAT, jitter and MDI "
        "hold that in every environment, and what was late was caught up at up to twice the rate, which queues have to bear. "
        "Distortion does not depend on it."
    )


def _load(run: Run) -> Iterator[str]:
    measured = {trial.profile for trial in run.trials}
    profiles = [profile for profile in run.plan.profiles if profile.name in measured]
    if not profiles:
        return

    heaviest = max(profiles, key=lambda profile: profile.packets_per_second)
    yield (
        f"No more than {format.packet_rate(heaviest.packets_per_second)} in {format.plural(heaviest.streams, 'stream')} was sent: "
        "H1 answers for that load, not for the most that an environment can carry."
    )


def _live(run: Run) -> Iterator[str]:
    """All joined at once, on one interface, and the tap joined too."""
    if not run.plan.live:
        return
    yield (
        f"All environments and the tap joined the feed at the same time on {run.plan.interface}: H1 answers for the feed as it was "
        "then, and not for whether an environment's own join (IGMP) would have been enough to get it "
        "(netbench run -e that one alone, netbench multicast)."
    )
    silent = sorted({item.feed for trial in run.trials if trial.tap for item in trial.tap.streams if item.source is None})
    if silent:
        yield f"Nothing of {format.listing(silent)} came, at the tap nor anywhere: nothing is said of it."


def _stamps(run: Run) -> Iterator[str]:
    reference = next((verdict for verdict in run.verdicts if verdict.environment == run.plan.reference), None)
    answers = [verdict.hypotheses["H4"].verdict for verdict in run.verdicts if "H4" in verdict.hypotheses]
    if reference is None or not answers or set(answers) != {"fail"}:
        return
    yield (
        f"H4 fails in {reference.environment}, too: nothing here stamps in hardware, so no environment takes stamps away, and "
        "verdicts leave H4 out. Ask the card that the probe will use: netbench timestamps -i IFACE --configure."
    )
