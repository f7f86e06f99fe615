"""Assemble a trial's record. Whatever the agents delivered, a trial comes out: with numbers, or with the reason why not."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from netbench.errors import NetbenchError
from netbench.metrics.counters import Counters, cpu_load, once
from netbench.metrics.inputs import SiteResult, TrialInputs
from netbench.metrics.reception import measure_reception
from netbench.metrics.sending import measure_sent, shortfall
from netbench.result.reception import Reception
from netbench.result.trial import Sent, Trial, TrialStatus

KERNEL = "kernel"
"""The place, in `Trial.counters`, of what the kernel itself says: whole machine, evidence only."""

NUMBERS = ("received", "loss", "iat_us", "jitter_ms", "pdv_us", "one_way_delay_us", "delivery_us", "mdi", "sequence", "timestamps")


def build_trial(inputs: TrialInputs) -> Trial:
    """The record of one trial; its own numbers are those of the receiver that lost most.

    Never raises for what agents delivered: results that cannot be read, or books that do not balance, give a trial of status
    "error" that holds no numbers and says why.
    """
    try:
        return _assemble(inputs)
    except ValidationError as error:
        reason = "; ".join(str(item["msg"]).removeprefix("Value error, ") for item in error.errors())
    except NetbenchError as error:
        reason = error.message
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        reason = f"an agent's result cannot be read ({type(error).__name__}: {error})"
    return trial_without_numbers(inputs, "error", reason)


def trial_without_numbers(inputs: TrialInputs, status: TrialStatus, reason: str) -> Trial:
    """A trial that says why it holds no numbers."""
    return Trial(
        environment=inputs.environment,
        profile=inputs.profile.name,
        sample=inputs.sample,
        status=status,
        reason=reason,
        started_at=inputs.started_at,
        duration_s=inputs.duration_s,
        absent=dict.fromkeys(("sent", *NUMBERS, "tap", "cpu"), reason),
    )


def _assemble(inputs: TrialInputs) -> Trial:
    sites = [*inputs.receivers, *([inputs.tap] if inputs.tap else []), inputs.sender]
    places = once(Counters.of(site.place, site.raw) for site in sites)
    sent = measure_sent(inputs.sender.raw)
    receptions = sorted((measure_reception(inputs, receiver, places) for receiver in inputs.receivers), key=least_lost_last)
    worst, others = receptions[0], receptions[1:]
    status, reason = _status(inputs, sent, receptions)
    if status == "unsupported":
        worst, others = without_numbers(worst, reason), []
    numbers: dict[str, Any] = {key: getattr(worst, key) for key in Reception.model_fields}
    if inputs.kernel_absent is not None:
        numbers["absent"] = worst.absent | {f"counters.{KERNEL}": inputs.kernel_absent}
    counters = {place: moved for place, counters in places.items() if (moved := counters.moved())}
    return Trial(
        environment=inputs.environment,
        profile=inputs.profile.name,
        sample=inputs.sample,
        status=status,
        reason=reason,
        started_at=inputs.started_at,
        duration_s=inputs.duration_s,
        sent=sent,
        other_receivers=others,
        cpu=cpu_load(places[site.place] for site in sites),
        counters=counters | ({KERNEL: dict(inputs.kernel)} if inputs.kernel else {}),
        **numbers,
    )


def least_lost_last(reception: Reception) -> int:
    """To sort receivers by: the one that lost most comes first."""
    return -reception.loss.lost_packets if reception.loss else 0


def _status(inputs: TrialInputs, sent: Sent, receptions: list[Reception]) -> tuple[TrialStatus, str | None]:
    """What the numbers are worth, and why they are not worth more."""
    if inputs.interrupted is not None:
        return "interrupted", inputs.interrupted
    arrived = sum(reception.received.packets for reception in receptions if reception.received)
    if inputs.profile.delivery == "multicast" and inputs.multicast_unsupported is not None and arrived == 0:
        evidence = _proof_of_absence(inputs.receivers, receptions[0], sent)
        if evidence is not None:
            return "unsupported", f"{evidence}: {inputs.multicast_unsupported}"
    limited = shortfall(inputs, sent)
    if limited is not None:
        return "sender-limited", limited
    return "ok", None


def _proof_of_absence(receivers: tuple[SiteResult, ...], reception: Reception, sent: Sent) -> str | None:
    """Evidence that groups do not come in; None when they did not even reach the wire side, which proves nothing."""
    where = "the probe" if len(receivers) == 1 else f"any of {len(receivers)} probes"
    if reception.tap is None:
        return f"0 of {sent.sequences_sent:,} packets arrived at {where}"
    if reception.tap.unique_packets == 0:
        return None
    return f"0 of {sent.sequences_sent:,} packets arrived at {where} while the tap saw {reception.tap.unique_packets:,}"


def without_numbers(reception: Reception, reason: str | None) -> Reception:
    """Only what is evidence: unsupported is not the same as all lost."""
    absent = dict.fromkeys(NUMBERS, f"unsupported: {reason}") | (
        {"tap": "this environment has no tap"} if reception.tap is None else {}
    )
    return Reception(receiver=reception.receiver, tap=reception.tap, capture=reception.capture, absent=absent)
