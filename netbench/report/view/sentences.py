"""The sentences of a report: the answer, what was run, what it cannot see below, and what a reader must know first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from netbench.report import format
from netbench.result.run import Run


@dataclass(frozen=True)
class Banner:
    """Something that a reader must know before any number."""

    kind: Literal["interrupted", "injected", "sender-limited", "error", "silent", "holes", "caveat"]
    text: str


_FEEDS_NAMED = 3
_ANSWERS = {
    "pass": "A probe can be trusted in {}",
    "warn": "with reservations in {}",
    "fail": "not in {}",
    "unsupported": "{} cannot carry what was asked",
    "inconclusive": "undecided for {}",
    "not_judged": "not judged: {}",
}
_ANSWERS_ALONE = {
    "warn": "A probe can be trusted with reservations in {}",
    "fail": "A probe cannot be trusted in {}",
    "unsupported": "{} cannot carry what was asked",
    "inconclusive": "Nothing can be said about {}",
    "not_judged": "Nothing was judged yet: {}",
}


def headline(verdicts: list[tuple[str, str]]) -> str:
    """The answer in one sentence, from (environment, verdict word): "A probe can be trusted in host; not in macvlan."."""
    parts: list[str] = []
    for verdict in _ANSWERS:
        environments = [environment for environment, word in verdicts if word == verdict]
        if environments:
            wording = _ANSWERS[verdict] if parts or verdict == "pass" else _ANSWERS_ALONE[verdict]
            parts.append(wording.format(format.listing(environments)))
    return "; ".join(parts) + "." if parts else "The run holds no environment."


def subtitle(run: Run) -> str:
    """What was run, when, for how long."""
    plan = run.plan
    if plan.live:
        feeds = format.listing([feed.label for feed in plan.live[:_FEEDS_NAMED]])
        more = f" and {format.plural(len(plan.live) - _FEEDS_NAMED, 'more feed')}" if len(plan.live) > _FEEDS_NAMED else ""
        shape = (
            f"Live feed {feeds}{more} on {plan.interface}: {format.plural(len(plan.environments), 'environment')} at the same "
            f"time, {format.plural(plan.samples, 'sample')} of {format.duration_s(plan.duration_s)}"
        )
        return _when(run, shape)
    shape = (
        f"Plan {plan.name}: {format.plural(len(plan.environments), 'environment')} {format.TIMES} "
        f"{format.plural(len(plan.traffic), 'profile')} {format.TIMES} "
        f"{format.plural(plan.samples, 'sample')} of {format.duration_s(plan.duration_s)}"
    )
    return _when(run, shape)


def _when(run: Run, shape: str) -> str:
    took = format.elapsed(run.started_at, run.ended_at)
    return f"{shape}. {format.moment(run.started_at)}" + (f", took {took}." if took else ".")


def banners(run: Run, one_stamp: list[str]) -> list[Banner]:
    """Interruptions, injected loss, senders that fell short, trials that failed, what H3 could not see.

    Args:
        run: what to tell of.
        one_stamp: environments in which tap and probe read the same stamp of each packet.
    """
    found: list[Banner] = []
    planned = len(run.plan.environments) * len(run.plan.traffic) * run.plan.samples
    done = f"{format.count(len(run.trials))} of {format.plural(planned, 'planned trial')}"
    if run.status == "interrupted":
        found.append(Banner("interrupted", f"This run was interrupted: it holds {done}. What it says rests on these alone."))
    elif run.status == "running":
        found.append(Banner("interrupted", f"This run is not finished: it holds {done} so far."))
    for record in run.environments:
        if record.injected:
            found.append(Banner("injected", f"Loss was put into {record.label} on purpose: {record.injected}"))
    for status, kind, wording in _LEFT_OUT:
        trials = [trial for trial in run.trials if trial.status == status]
        if trials:
            where = format.listing(list(dict.fromkeys(f"{trial.environment} ({trial.profile})" for trial in trials)))
            found.append(Banner(kind, wording.format(count=format.plural(len(trials), "trial"), where=where)))
    found += _holes(run)
    if one_stamp:
        found.append(
            Banner(
                "caveat",
                f"In {format.listing(one_stamp)}, tap and probe read the same kernel stamp of each packet, so distortion is 0 by "
                "construction: good for a probe that uses kernel stamps, no evidence for one with a clock of its own. "
                "For that one read delivery: from the stamp to the application.",
            )
        )
    return found


def _holes(run: Run) -> list[Banner]:
    """Loss of a live feed before it came here, of the sample in which most was missing."""
    losses = [trial.loss for trial in run.trials if trial.status == "ok" and trial.loss and trial.loss.feed_packets]
    if not losses:
        return []
    worst = max(losses, key=lambda loss: loss.feed_packets)
    missing = f"{format.count(worst.feed_packets)} of {format.count(worst.expected_packets)} packets of a sample"
    return [
        Banner(
            "holes",
            f"The feed itself has holes: up to {missing} were missing at the tap already. No environment is to blame for these, "
            "and they are in no figure of loss below.",
        )
    ]


_LEFT_OUT: tuple[tuple[str, Literal["sender-limited", "error", "silent"], str], ...] = (
    (
        "silent",
        "silent",
        "{count} in {where} saw nothing of the live feed, and the tap did not either: nothing is concluded from silence.",
    ),
    (
        "sender-limited",
        "sender-limited",
        "{count} in {where}: the sender could not keep its rate. Nothing is concluded from this: it is not the environment's loss.",
    ),
    ("error", "error", "{count} in {where} ended in an error and did not count; the reasons stand in the table of trials."),
)


def floor_sentence(run: Run) -> str:
    """What this run cannot see below, in one line."""
    floor = run.floor
    parts = [
        f"{name} p99 {format.duration_us(distribution.p99)}"
        for name, distribution in (
            ("IAT error on idle loopback", floor.idle_iat_error_us),
            ("sender lateness", floor.sender_lateness_us),
            ("wake-up", floor.wakeup_us),
        )
        if distribution is not None
    ]
    if floor.steal_ratio is not None:
        parts.append(f"steal {format.percent(floor.steal_ratio)} of CPU time")
    if not parts:
        reason = next(iter(floor.absent.values()), "the run did not measure it.")
        return f"The floor of this machine is not known: {reason}"
    return "Nothing below this is blamed on an environment: " + ", ".join(parts) + "."
