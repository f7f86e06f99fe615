"""From what an agent counted to the ladder of hardware timestamps (docs/timestamps.md). Judges raw counts; measures nothing.

A rung is passed, failed, or (None) not proven either way. The highest rung is the last of those that are passed without a gap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netbench.metrics.stamp_words import counted, listing, ratio, traffic_words
from netbench.metrics.timestamp_rungs import JUDGES, LadderFacts
from netbench.result.timestamps import RUNGS, Rung, StampedPackets, StampedTraffic, StampSetting, TimestampLadder


def build_ladder(
    raw: Mapping[str, Any],
    listened: Sequence[tuple[StampedTraffic, str | None]] = (),
    sent: Mapping[str, int] | None = None,
    parent: str | None = None,
) -> TimestampLadder:
    """The ladder of one interface.

    Args:
        raw: result of an agent's TimestampsJob.
        listened: what each of the job's listens is, and its target in words.
        sent: packets sent by kind of traffic, where we sent; kinds that are not listened to are taken from the packet socket.
        parent: the interface that this one hangs on, where it is known better than the agent can.
    """
    traffic = _traffic(raw, listened, sent)
    setting = raw["setting"]
    facts = LadderFacts(raw, traffic, parent)
    verdicts = [judge(facts) for judge in JUDGES]
    if verdicts[2][0] is None and verdicts[3][0]:
        verdicts[2] = (True, "not asked for by this tool: the packets show that a setting is on", None)
    rungs = [
        Rung(number=number, name=name, passed=passed, evidence=evidence, remedy=remedy)
        for number, (name, (passed, evidence, remedy)) in enumerate(zip(RUNGS, verdicts, strict=True), 1)
    ]
    highest = next((rung.number - 1 for rung in rungs if not rung.passed), len(rungs))
    return TimestampLadder(
        interface=raw["interface"],
        kind=raw["link"].get("kind"),
        driver=raw["link"].get("driver"),
        rungs=rungs,
        highest_rung=highest,
        sentence=_sentence(facts, rungs),
        configured=setting["answered"] is not None,
        restored=setting["restored"],
        setting_before=None if setting["before"] is None else StampSetting(**setting["before"]),
        setting_during=None if setting["read_back"] is None else StampSetting(**setting["read_back"]),
        traffic=traffic,
        observed_s=raw["observed_ns"] / 1e9,
        capture_drops=raw["capture"]["drops"],
        absent=_absent(raw, setting),
    )


def _sentence(facts: LadderFacts, rungs: Sequence[Rung]) -> str:
    """The verdict in one line: the highest rung, and what the next one failed by."""
    name = facts.interface
    advertised, covers, accepted, delivered, sane, _ = rungs
    if advertised.passed is not True:
        return f"{advertised.evidence}." if not facts.hardware else f"{advertised.evidence}, but {delivered.evidence}."
    reached = "advertised and accepted" if accepted.passed else "advertised"
    if covers.passed is False:
        tail = f"; delivered on {_on(facts)}" if facts.received else ""
        return f"{name}: {reached} for some packets only ({listing(facts.filters)}){tail}."
    if accepted.passed is False:
        return f"{name}: advertised, but {accepted.evidence}."
    if delivered.passed is False:
        return f"{name}: {reached}, delivered on {_on(facts)}."
    if delivered.passed and sane.passed is False:
        return f"{name}: delivered on all {facts.received:,} packets, but not to be believed: {sane.evidence}."
    if delivered.passed:
        unsure = "" if sane.passed else f" ({sane.evidence})"
        return f"{name}: advertised, accepted and delivered on all {facts.received:,} packets{unsure}."
    return f"{name}: {reached}, not proven: {(accepted if accepted.passed is None else delivered).evidence}."


def _on(facts: LadderFacts) -> str:
    """`0 of all 37,998 packets`, `1 of 774 packets (0.13 %)`."""
    if not facts.hardware:
        return f"0 of all {facts.received:,} packets"
    return f"{facts.hardware:,} of {facts.received:,} packets ({ratio(facts.hardware, facts.received)}): {counted(facts.traffic)}"


def _traffic(
    raw: Mapping[str, Any], listened: Sequence[tuple[StampedTraffic, str | None]], sent: Mapping[str, int] | None
) -> list[StampedPackets]:
    """A record for each kind: those that were listened to, then what the packet socket saw and nobody listened to."""
    records = [
        _stamped(traffic, target, counts, None if sent is None else sent.get(traffic))
        for (traffic, target), counts in zip(listened, raw["listens"], strict=True)
    ]
    frames = raw["frames"]
    if frames is None:
        return records
    kinds: tuple[StampedTraffic, ...] = ("ptp_ethernet", "ptp_udp")
    if sent is None and not listened:
        kinds = ("udp", *kinds, "other")  # else UDP was counted where it was listened to, and would count twice
    return [*records, *(_stamped(kind, None, frames[kind], None if sent is None else sent.get(kind)) for kind in kinds)]


def _stamped(traffic: StampedTraffic, target: str | None, counts: Mapping[str, Any], sent: int | None) -> StampedPackets:
    received, span_ns = counts["packets"], counts["last_ns"] - counts["first_ns"]
    rate = (counts["kernel"] - 1) / (span_ns / 1e9) if counts["kernel"] > 1 and span_ns > 0 else None
    absent = {} if received else {"hardware_ratio": f"no {traffic_words(traffic)} packet came"}
    if rate is None:
        absent["packets_per_second"] = "fewer than two packets came"
    if counts["rate_ppm"] is None:
        absent["rate_ppm"] = "stamps over less than 1 s" if counts["hardware"] else "no hardware stamp"
    return StampedPackets(
        traffic=traffic,
        target=target,
        sent_packets=sent,
        received_packets=received,
        hardware_packets=counts["hardware"],
        kernel_packets=counts["kernel"],
        hardware_ratio=counts["hardware"] / received if received else None,
        packets_per_second=rate,
        backward_stamps=counts["backward"],
        repeated_stamps=counts["repeated"],
        kernel_equal_stamps=counts["equal_kernel"],
        rate_ppm=counts["rate_ppm"],
        rate_span_s=None if counts["rate_ppm"] is None else counts["rate_span_ns"] / 1e9,
        absent=absent,
    )


def _absent(raw: Mapping[str, Any], setting: Mapping[str, Any]) -> dict[str, str]:
    absent = {}
    if setting["before"] is None:
        absent["setting_before"] = f"the driver does not tell (SIOCGHWTSTAMP): {setting['unreadable']}"
    if setting["restored"] is None:
        absent["restored"] = "nothing was changed"
    if setting["read_back"] is None:
        absent["setting_during"] = "nothing was changed" if setting["answered"] is None else "the driver does not tell"
    if raw["frames_refused"]:
        absent["traffic"] = f"no packet socket ({raw['frames_refused']}): PTP over Ethernet was not counted"
    return absent
