"""H1: does the environment receive less traffic without loss? Judged at the rates that were offered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from netbench.compare import absent_streams
from netbench.compare.answer import (
    Answer,
    AnswerWord,
    JudgedWord,
    micros,
    not_measured,
    percent,
    percent_rounded_up,
    together,
    trials_of,
    worst,
)
from netbench.compare.comparison import usable
from netbench.compare.losses import SIDES, Death, Losses, pool
from netbench.compare.throttling import REMEDY
from netbench.result.environment import EnvironmentRecord
from netbench.result.plan import Plan, Traffic
from netbench.result.run import Run
from netbench.result.trial import Trial
from netbench.result.verdict import Cause, Hypothesis, Remedy

_LATE_US = 5_000.0
"""A sender that was later than this overloads queues of a thousand packets while it catches up."""

_ON_THE_WIRE = Remedy(
    sentence="These never reached the environment, and no counter at its two ends saw them: look at what lies between."
)
_UNEXPLAINED = Remedy(
    sentence="No counter that netbench reads explains these: the kernel can say why it frees each packet.",
    command="perf record -a -e skb:kfree_skb sleep 5 && perf script",
)

_LIMITED = {
    "socket": Remedy(
        sentence="Lower the rate until the sender keeps it, or send whole frames.", command="netbench run --method frame"
    ),
    "frame": Remedy(sentence="Lower the rate until the sender keeps it: the profile's bitrate, or its streams."),
}


@dataclass(frozen=True)
class Judged:
    """One profile.

    Attributes:
        sentence: the answer, short.
        unusable: status of its trials, where none of them has numbers that count.
        evidence: what these trials say about that.
    """

    word: AnswerWord
    sentence: str
    losses: Losses
    unusable: str | None = None
    evidence: str = ""


def judge_loss(run: Run, record: EnvironmentRecord) -> Answer:
    """Pass: the environment lost no more than the threshold allows, with the upper bound of what may be lost unseen.

    What the sender itself lost is not held against the environment; what this tool's own capture lost leaves the question open. A
    profile that cannot come in at all is `unsupported`, and so is the answer, unless another profile fails.
    """
    judged = [_judge(run, profile, trials) for profile in run.plan.traffic if (trials := run.trials_of(record.label, profile.name))]
    words = [item.word for item in judged]
    word: AnswerWord | None = worst(words)
    if "unsupported" in words and word != "fail":
        word = "unsupported"
    if word is None:
        return not_measured("No trial of this environment was run.")
    told = sorted(judged, key=lambda item: item.word != word)
    sentences = list(dict.fromkeys(_closed(judged) if item.unusable == "unsupported" else item.sentence for item in told))
    causes, remedies = _why(judged, record, run.plan)
    return Answer(
        Hypothesis(verdict=word, sentence=" ".join(sentences), numbers=_numbers(judged)),
        _headline(judged, record),
        causes,
        remedies,
    )


def _judge(run: Run, profile: Traffic, trials: Sequence[Trial]) -> Judged:
    """One profile."""
    losses = pool(profile.name, profile.delivery, usable(trials), len(trials))
    if losses.trials == 0:
        unsupported = next((trial for trial in trials if trial.status == "unsupported"), None)
        if unsupported is not None:
            return Judged("unsupported", "", losses, "unsupported", unsupported.reason or "no reason was given")
        first = trials[0]
        sentence = f"{profile.name}: no usable trial of {len(trials)}: {first.status}: {_ended(first.reason)}"
        return Judged("inconclusive", sentence, losses, first.status)
    own, bound = losses.fault("environment"), losses.upper_bound
    trials_used = trials_of(losses.trials, losses.planned)
    apart = "".join(
        f"; {losses.fault(whose):,} more {how}"
        for whose, how in (
            ("sender", "were missing in the feed before it came here" if run.plan.live else "were lost by the sender"),
            ("tool", "were lost by netbench's own capture"),
        )
        if losses.fault(whose)
    )
    if bound is None:
        return Judged("inconclusive", f"{profile.name}: nothing was left to lose in {trials_used}{apart}.", losses)
    amount = f"{profile.name}: {own:,} of {losses.exposed:,} packets lost"
    allowed = run.plan.thresholds.loss_ratio
    if losses.ratio > allowed:
        share = f"{percent(losses.ratio)}, {percent(allowed) if allowed else 'none'} allowed"
        return Judged("fail", f"{amount} ({share}) in {_struck(losses)}: {_places(losses)}{apart}.", losses)
    word: JudgedWord = "inconclusive" if losses.fault("tool") else "pass"
    return Judged(word, f"{amount} ({trials_used}; at most {percent_rounded_up(bound)} at 95 %){apart}.", losses)


def _struck(losses: Losses) -> str:
    """`1 of 3 trials`: a burst; `each trial`: a loss that goes on."""
    if losses.struck < losses.trials:
        return f"{losses.struck} of {trials_of(losses.trials, losses.trials)}"
    return "each trial" if losses.trials == losses.planned else f"each of {losses.trials} usable trials"


def _closed(judged: Sequence[Judged]) -> str:
    """What does not come in, all profiles in one sentence."""
    closed = [item.losses for item in judged if item.unusable == "unsupported"]
    kinds = together(sorted({losses.delivery for losses in closed}))
    return f"{kinds.capitalize()} ({together([losses.profile for losses in closed])}) does not come in."


def _places(losses: Losses) -> str:
    """Where they died: each layer and side with its packets."""
    explained = [
        f"{death.packets:,} {death.known.where} ({SIDES[death.side]})"
        for death in losses.deaths
        if death.known.fault == "environment"
    ]
    unexplained = [f"{packets:,} unattributed {SIDES[side]}" for side, packets in losses.unattributed.items()]
    return ", ".join([*explained, *unexplained])


def _headline(judged: Sequence[Judged], record: EnvironmentRecord) -> str:
    """For a row of a table."""
    parts = []
    closed = sorted({item.losses.delivery for item in judged if item.word == "unsupported"})
    if closed:
        parts.append(f"receives no {' and no '.join(closed)}")
    failed = [item.losses for item in judged if item.word == "fail"]
    passed = [item.losses for item in judged if item.word == "pass"]
    if failed:
        heaviest = max(failed, key=lambda losses: losses.ratio)
        injected = " (put in on purpose)" if record.injected else ""
        burst = f", in {_struck(heaviest)}" if heaviest.struck < heaviest.trials else ""
        parts.append(f"loses {percent(heaviest.ratio)} of {heaviest.delivery} {_main_place(heaviest)}{injected}{burst}")
    elif any(item.word == "inconclusive" for item in judged):
        parts.append("its loss could not be judged")
    elif passed:
        exposed, lost = sum(losses.exposed for losses in passed), sum(losses.fault("environment") for losses in passed)
        kind = f"{passed[0].delivery} " if closed else ""
        parts.append(f"lost {lost:,} of {exposed:,} {kind}packets")
    return "; ".join(parts)


def _main_place(losses: Losses) -> str:
    """The place where most died, "mostly" when not all of them did."""
    own = losses.fault("environment")
    places = [(death.packets, death.known.where) for death in losses.deaths if death.known.fault == "environment"]
    places += [(packets, f"{SIDES[side]}, no counter says where") for side, packets in losses.unattributed.items()]
    packets, where = max(places)
    return where if packets == own else f"mostly {where}"


def _causes(losses: Losses, record: EnvironmentRecord) -> list[Cause]:
    injected = f" This loss was put in on purpose: {_ended(record.injected)}" if record.injected else ""
    causes = [
        Cause(
            layer=death.layer,
            packets=death.packets,
            sentence=f"{losses.profile}: {death.packets:,} packets died {death.known.where}, {SIDES[death.side]}; "
            f"in the worst trial {_ended(death.evidence)}{injected if death.known.fault == 'environment' else ''}",
        )
        for death in losses.deaths
    ]
    causes += [
        Cause(
            layer=None,
            packets=packets,
            sentence=f"{losses.profile}: {packets:,} packets died {SIDES[side]}, and no counter explains them.",
        )
        for side, packets in losses.unattributed.items()
    ]
    if (absent := absent_streams.cause(losses.profile, losses.delivery, losses.absent, record)) is not None:
        causes.append(absent)
    if losses.sender_late_us > _LATE_US:
        causes.append(
            Cause(
                layer=None,
                sentence=f"{losses.profile}: where packets were lost, the sender was up to {micros(losses.sender_late_us)} late "
                "and caught up at up to twice the rate: that load, not the profile's, may be what was too much. A quieter machine "
                "tells.",
            )
        )
    if losses.throttled_periods:
        causes.append(
            Cause(
                layer=None,
                sentence=f"{losses.profile}: where packets were lost, a CPU limit (cgroup nr_throttled) held processes back in "
                f"{losses.throttled_periods:,} of its periods: what comes meanwhile waits in a buffer, until that is full.",
            )
        )
    return causes


def _remedies(failed: Sequence[Losses], record: EnvironmentRecord) -> list[Remedy]:
    """One a layer, in the order of what they would save."""
    heaviest: dict[str, Death] = {}
    for death in sorted((death for losses in failed for death in losses.deaths), key=lambda death: -death.packets):
        heaviest.setdefault(death.layer, death)
    interface = record.interface or "eth0"
    fills = {
        "interface": interface,
        "parent": record.parent_interface or interface,
        "environment": _open_label(record.label, without="bcqueuelen"),
    }
    remedies = [
        Remedy(
            sentence=death.known.remedy.format_map(fills),
            command=death.known.command.format_map(fills) if death.known.command else None,
        )
        for death in heaviest.values()
    ]
    sides = {side for losses in failed for side in losses.unattributed}
    remedies += [REMEDY] if any(losses.throttled_periods for losses in failed) else []
    return remedies + ([_ON_THE_WIRE] if "before_tap" in sides else []) + ([_UNEXPLAINED] if sides - {"before_tap"} else [])


def _open_label(label: str, *, without: str) -> str:
    """A label that takes one option more: `macvlan:`, or `macvlan:receivers=3,`; an option that is given anew is left out."""
    name, _, options = label.partition(":")
    kept = [option for option in options.split(",") if option and option.partition("=")[0] != without]
    return f"{name}:" + "".join(f"{option}," for option in kept)


def _why(judged: Sequence[Judged], record: EnvironmentRecord, plan: Plan) -> tuple[list[Cause], list[Remedy]]:
    """Causes and remedies of all that did not pass."""
    open_questions = [item for item in judged if item.word in ("fail", "inconclusive")]
    lost = [item.losses for item in open_questions if item.losses.trials]
    causes = [cause for losses in lost for cause in _causes(losses, record)]
    remedies = _remedies(lost, record)
    causes += _closed_causes(judged, record)
    for item in judged:
        if item.unusable is not None:
            if item.unusable != "unsupported":
                causes.append(Cause(layer=None, sentence=item.sentence))
            remedy = _remedy_of_unusable(item.unusable, plan)
            remedies += [remedy] if remedy is not None and remedy not in remedies else []
    return causes, remedies


def _remedy_of_unusable(status: str, plan: Plan) -> Remedy | None:
    """What helps where no trial gave numbers that count."""
    if status == "sender-limited":
        return _LIMITED[plan.method]
    where = f"-i {plan.interface} --live {plan.live[0].label} " if plan.live else ""
    if status == "unsupported":
        return Remedy(
            sentence="Where multicast has to be received, take an environment into which groups come.",
            command=f"netbench run {where}-e host -e macvlan",
        )
    if status == "silent":
        return Remedy(
            sentence="See which groups arrive at all, and whether a querier asks for members (IGMP, every 2 min or so).",
            command=f"tcpdump -ni {plan.interface} 'igmp or (udp and multicast)'",
        )
    return None


def _closed_causes(judged: Sequence[Judged], record: EnvironmentRecord) -> list[Cause]:
    """Why nothing comes in, said once; what proves it, for each profile."""
    closed = [item for item in judged if item.unusable == "unsupported"]
    if not closed:
        return []
    why = record.multicast_unsupported
    proofs = [item.evidence.removesuffix(why or "").rstrip(" :") or item.evidence for item in closed]
    proof = "; ".join(f"{item.losses.profile}: {proof}" for item, proof in zip(closed, proofs, strict=True))
    return [Cause(layer=None, sentence=f"{_ended(why).removesuffix('.')} ({proof})." if why else _ended(proof))]


def _numbers(judged: Sequence[Judged]) -> dict[str, float | int | None]:
    """Packets are of the profile that lost the largest share, trials of all profiles."""
    measured = [item.losses for item in judged if item.losses.trials]
    trials: dict[str, float | int | None] = {
        "trials_used": sum(losses.trials for losses in measured),
        "trials_left_out": sum(item.losses.planned - item.losses.trials for item in judged),
    }
    if not measured:
        return trials
    heaviest = max(measured, key=lambda losses: (losses.ratio, losses.upper_bound or 0.0))
    return trials | {
        "expected_packets": heaviest.exposed,
        "lost_packets": heaviest.fault("environment"),
        "lost_ratio": heaviest.ratio,
        "upper_bound_ratio": heaviest.upper_bound,
        "lost_by_sender_packets": heaviest.fault("sender"),
        "lost_by_capture_packets": heaviest.fault("tool"),
    }


def _ended(sentence: str | None) -> str:
    """A sentence with its full stop."""
    text = (sentence or "no reason was given").strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."
