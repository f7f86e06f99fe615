"""Trials of a live feed: nobody here sent it, so what the tap saw stands in the place of what was sent.

Theory of operation

All environments listen at the same time, and so does the tap on the interface that they are built on. A packet that the tap saw and
a probe did not was lost by that probe's environment. What the feed's own numbers (RTP, continuity counters) say was missing at the
tap already is kept apart: that is `before_tap`, of the layer `feed` where no counter of this machine's own card explains it. So

    expected = seen at the tap + seen by the probe alone + lost before the tap        lost = lost before + lost behind the tap

Timing is the probe's, since all were told to count. Of what a capture takes in beside the feed (another group on its port), packets
are left out, and distributions over everything that it took in are absent.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError

from netbench.errors import NetbenchError
from netbench.metrics.attribution import Missing, attribute
from netbench.metrics.claims import Path, claims
from netbench.metrics.contents import Matched, match_contents
from netbench.metrics.counters import Counters, cpu_load, once
from netbench.metrics.distribution import NS_PER_US, summarize_values
from netbench.metrics.feed import LiveInputs, Reference, contents_of, flow_rows, read_tap, silence
from netbench.metrics.inputs import SiteResult
from netbench.metrics.layers import FEED_LAYER
from netbench.metrics.loss import upper_bound_ratio
from netbench.metrics.passive import passive_reception
from netbench.metrics.sending import bits_per_second, rate_pps
from netbench.metrics.trial import KERNEL, NUMBERS, least_lost_last, without_numbers
from netbench.result.numbers import Drop, Loss, Received
from netbench.result.plan import LIVE
from netbench.result.reception import Reception, Tap
from netbench.result.trial import Trial, TrialStatus

_NOBODY = "nobody sent: a live feed was measured"
_MIXED = "the capture took in another group on the same port, and this is of all that it took in"
_OVER_ALL = ("pdv_us", "delivery_us", "ipdv_us", "loss_pattern", "sequence")


def build_live_trial(inputs: LiveInputs) -> Trial:
    """The record of one environment; whatever the agents delivered, a trial comes out, as of build_trial()."""
    try:
        return _assemble(inputs)
    except ValidationError as error:
        reason = "; ".join(str(item["msg"]).removeprefix("Value error, ") for item in error.errors())
    except NetbenchError as error:
        reason = error.message
    except (LookupError, TypeError, ValueError, ArithmeticError) as error:
        reason = f"an agent's result cannot be read ({type(error).__name__}: {error})"
    return live_trial_without_numbers(inputs.environment, inputs.sample, inputs.started_at, inputs.duration_s, "error", reason)


def live_trial_without_numbers(
    environment: str, sample: int, started_at: str, duration_s: float, status: TrialStatus, reason: str
) -> Trial:
    """A trial that says why it holds no numbers."""
    return Trial(
        environment=environment,
        profile=LIVE,
        sample=sample,
        status=status,
        reason=reason,
        started_at=started_at,
        duration_s=duration_s,
        absent=dict.fromkeys((*NUMBERS, "tap", "cpu"), reason) | {"sent": _NOBODY},
    )


def _assemble(inputs: LiveInputs) -> Trial:
    if not inputs.anything:
        waited_s = inputs.waited_s + inputs.duration_s
        return live_trial_without_numbers(
            inputs.environment, inputs.sample, inputs.started_at, inputs.duration_s, "silent", silence(inputs.feeds, waited_s)
        )
    places = once(Counters.of(site.place, site.raw) for site in (*inputs.receivers, inputs.tap))
    at_tap = read_tap(inputs)
    receptions = sorted((_reception(inputs, receiver, at_tap, places) for receiver in inputs.receivers), key=least_lost_last)
    worst, others = receptions[0], receptions[1:]
    status: TrialStatus = "ok"
    reason = None
    if inputs.multicast_unsupported is not None and not any(item.received and item.received.packets for item in receptions):
        status, seen = "unsupported", at_tap.tap.packets
        where = "the probe" if len(receptions) == 1 else f"any of {len(receptions)} probes"
        reason = f"0 of {seen:,} packets that the tap saw arrived at {where}: {inputs.multicast_unsupported}"
        worst, others = without_numbers(worst, reason), []
    numbers: dict[str, Any] = {key: getattr(worst, key) for key in Reception.model_fields}
    numbers["absent"] = worst.absent | {"sent": _NOBODY}
    if inputs.kernel_absent is not None:
        numbers["absent"] |= {f"counters.{KERNEL}": inputs.kernel_absent}
    counters = {place: moved for place, counters in places.items() if (moved := counters.moved())}
    return Trial(
        environment=inputs.environment,
        profile=LIVE,
        sample=inputs.sample,
        status=status,
        reason=reason,
        started_at=inputs.started_at,
        duration_s=inputs.duration_s,
        other_receivers=others,
        cpu=cpu_load(places.values()),
        counters=counters | ({KERNEL: dict(inputs.kernel)} if inputs.kernel else {}),
        **numbers,
    )


def _reception(inputs: LiveInputs, receiver: SiteResult, at_tap: Reference, places: Mapping[str, Counters]) -> Reception:
    """The record of one probe.

    Raises:
        InvalidDataError: the books do not balance, or nothing tells the packets apart.
        ValidationError: the same, found by the record itself.
    """
    raw = receiver.raw
    found = match_contents(at_tap.tap, contents_of(inputs, receiver, at_tap.flows), inputs.same_clock)
    before, after = sum(missing or 0 for missing in at_tap.before.values()), found.lost.packets
    drops, unattributed = _drops(inputs, receiver, places, Missing(before=before, after=after, exact=at_tap.exact), at_tap)
    mixed = len(inputs.wanted(raw)) != len(raw["streams"])
    passive = passive_reception({**raw, "streams": inputs.wanted(raw)})
    iat = summarize_values(found.seen.iat_ns(), NS_PER_US)
    record = _tap(inputs, receiver, at_tap, found, before)
    loss = _loss(found, at_tap, before, after, sum(drop.packets for drop in drops if drop.layer == FEED_LAYER))
    own: dict[str, Any] = {
        "receiver": receiver.site,
        "received": _received(passive, found),
        "loss": loss,
        "iat_us": iat,
        "tap": record,
        "clock_sync": "same_clock" if inputs.same_clock else "unsynced",
        "drops": drops,
        "unattributed_packets": unattributed,
    } | (dict.fromkeys(_OVER_ALL) if mixed else {})
    absent = {key: reason for key, reason in passive.absent.items() if key not in own}
    absent |= dict.fromkeys(_OVER_ALL, _MIXED) if mixed else {}
    absent |= {} if iat else {"iat_us": "no flow had two packets"}
    kept = {key: getattr(passive, key) for key in Reception.model_fields}
    return Reception(**kept | own | {"absent": absent})


def _loss(found: Matched, at_tap: Reference, before: int, after: int, of_the_feed: int) -> Loss:
    expected = found.matched + found.not_at_tap + before + after
    return Loss(
        expected_packets=expected,
        lost_packets=before + after,
        lost_ratio=(before + after) / expected,
        lost_percent=100 * (before + after) / expected,
        upper_bound_ratio=upper_bound_ratio(before + after - of_the_feed, expected - of_the_feed),
        feed_packets=of_the_feed,
        streams_with_loss=sum(
            bool(lost or at_tap.before.get(flow))
            for flow, lost in zip(at_tap.flows.all, found.lost.per_flow(len(at_tap.flows.all)), strict=True)
        ),
        loss_periods=len(found.lost_runs),
        longest_loss_packets=max(found.lost_runs, default=0),
    )


def _received(passive: Reception, found: Matched) -> Received:
    """Of the packets that are compared alone; what is damaged or foreign, as the whole capture counted it."""
    seen = found.seen
    span_s = int(seen.received_ns.max() - seen.received_ns.min()) / 1e9 if seen.packets else 0.0
    pps, octets = rate_pps(seen.packets, span_s), int(seen.octets.sum())
    counted = passive.received
    return Received(
        packets=seen.packets,
        unique_packets=found.matched + found.not_at_tap,
        duplicate_packets=found.extra,
        beyond_window_packets=0,
        foreign_packets=counted.foreign_packets if counted else 0,
        damaged_packets=counted.damaged_packets if counted else 0,
        bytes=octets,
        streams=len(np.unique(seen.flow)),
        packets_per_second=pps,
        bits_per_second=bits_per_second(pps, seen.packets, octets),
    )


def _tap(inputs: LiveInputs, receiver: SiteResult, at_tap: Reference, found: Matched, before: int) -> Tap:
    alike = inputs.tap.raw["stamp_class"] == receiver.raw["stamp_class"]
    distortion = summarize_values(found.sightings.distortion_ns(), NS_PER_US) if alike else None
    transit = summarize_values(found.sightings.transit_ns, NS_PER_US) if alike and inputs.same_clock else None
    mixed = "tap and probe stamp by different classes, which are never mixed"
    absent: dict[str, str] = {}
    if distortion is None:
        absent["distortion_us"] = "no flow had two packets that were seen at both points" if alike else mixed
    if transit is None:
        unknown = "no packet was seen at both points" if inputs.same_clock else "tap and probe share no clock"
        absent["transit_us"] = unknown if alike else mixed
    return Tap(
        packets=at_tap.tap.packets,
        unique_packets=at_tap.tap.packets,
        kernel_drops=at_tap.own_loss,
        lost_before_packets=before,
        lost_after_packets=found.lost.packets,
        matched_packets=found.sightings.matched,
        distortion_us=distortion,
        transit_us=transit,
        not_at_tap_packets=found.not_at_tap,
        streams=flow_rows(inputs, at_tap, found),
        absent=absent,
    )


def _drops(
    inputs: LiveInputs, receiver: SiteResult, places: Mapping[str, Counters], missing: Missing, at_tap: Reference
) -> tuple[list[Drop], int]:
    """What died where; what no counter of this machine explains of the loss before the tap, the feed itself had lost."""
    own = {key: value for key, value in receiver.raw["capture"].items() if key in ("socket_drops", "kernel_drops")}
    totals = receiver.raw["totals"]
    path = Path(
        sender=Counters("whoever sends"),
        tap=places[inputs.tap.place],
        receiver=places[receiver.place],
        sender_interface="",
        parent_interface=inputs.parent_interface,
        backend=receiver.raw["backend"],
        own=own | {"refused_streams": totals["refused_streams"], "damaged": totals["damaged"]},
    )
    found = attribute(missing, claims(path))
    left = missing.before - sum(drop.packets for drop in found.drops if drop.side == "before_tap")
    left = min(left, found.unattributed_packets)
    if left <= 0:
        return found.drops, found.unattributed_packets
    told = ", ".join(f"{missing} of {flow[2]}:{flow[3]} from {flow[0]}" for flow, missing in at_tap.before.items() if missing)
    evidence = f"missing at the tap on {inputs.tap.interface} already, by the feed's own numbers: {told}"
    drops = [
        *found.drops,
        Drop(layer=FEED_LAYER, side="before_tap", packets=left, counted_packets=missing.before, evidence=evidence),
    ]
    return sorted(drops, key=lambda drop: -drop.packets), found.unattributed_packets - left
