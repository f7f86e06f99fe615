"""A live feed at the tap: which of its flows came, what of them was missing there already, and what became of each at a probe."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netbench.errors import InvalidDataError
from netbench.metrics.contents import AtTap, Contents, Flow, Flows, Matched, flow_of
from netbench.metrics.inputs import SiteResult
from netbench.result.plan import LiveFeed
from netbench.result.reception import FeedStream

_NO_SEQUENCE = "no sequence numbers in this traffic"
_NO_TS = "no MPEG-TS in this traffic"
_NOTHING = "nothing of it came, at the tap nor at the probe"


@dataclass(frozen=True)
class LiveInputs:
    """What one environment's trial is made from.

    Attributes:
        environment: its label.
        sample: from 1.
        started_at: ISO 8601, UTC.
        duration_s: for how long was listened.
        feeds: what was joined.
        tap: what the tap on the parent interface delivered of the sample.
        around: the same of a longer time, from before any probe began to count until after all ended.
        receivers: what the probes delivered; at least one.
        same_clock: tap and probes share a clock.
        parent_interface: what a macvlan hangs on, in the tap's place, or None.
        multicast_unsupported: why groups do not arrive in this environment, or None.
        anything: some probe or the tap saw the feed, in whatever environment.
        waited_s: for how long it was looked for before that.
        kernel: as of TrialInputs; so is kernel_absent.
    """

    environment: str
    sample: int
    started_at: str
    duration_s: float
    feeds: Sequence[LiveFeed]
    tap: SiteResult
    around: SiteResult
    receivers: tuple[SiteResult, ...]
    same_clock: bool = True
    parent_interface: str | None = None
    multicast_unsupported: str | None = None
    anything: bool = True
    waited_s: float = 0.0
    kernel: Mapping[str, int] = field(default_factory=dict)
    kernel_absent: str | None = None

    def feed_of(self, flow: Flow) -> LiveFeed | None:
        """The feed that a flow belongs to."""
        source, _, destination, port = flow
        return next((feed for feed in self.feeds if feed.carries(source, destination, port)), None)

    def wanted(self, raw: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """The streams of a receiver that are of the feeds."""
        return [stream for stream in raw["streams"] if self.feed_of(flow_of(stream)) is not None]


@dataclass(frozen=True)
class Reference:
    """What the tap saw of the feeds, in the place of what was sent.

    Attributes:
        flows: numbers of flows, for the probes' logs too.
        tap: its packets.
        own_loss: packets that its ring dropped.
        before: flow -> missing at the tap already, by the stream's own numbers; None where it has none.
        exact: the tap saw everything that passed.
    """

    flows: Flows
    tap: AtTap
    own_loss: int
    before: Mapping[Flow, int | None]
    exact: bool


def read_tap(inputs: LiveInputs) -> Reference:
    """Read the tap.

    Raises:
        InvalidDataError: its log does not hold all of it, or it saw nothing while a probe did.
    """
    raw, flows = inputs.tap.raw, Flows(lambda flow: inputs.feed_of(flow) is not None)
    sample = contents_of(inputs, inputs.tap, flows)
    if not sample.packets:
        raise InvalidDataError(
            f"the tap on {inputs.tap.interface} saw nothing of the feed while a probe did: it comes in by another interface"
        )
    before: dict[Flow, int | None] = {}
    for stream in inputs.wanted(raw):
        missing = _missing_before(stream)
        known = before.get(flow_of(stream))
        before[flow_of(stream)] = missing if known is None else known + (missing or 0)
    own_loss = int(raw["capture"].get("kernel_drops", 0))
    tap = AtTap.of(contents_of(inputs, inputs.around, flows), sample)
    return Reference(flows, tap, own_loss, before, exact=own_loss == 0 and raw["totals"]["refused_streams"] == 0)


def contents_of(inputs: LiveInputs, site: SiteResult, flows: Flows) -> Contents:
    """The packets of the feeds at one site.

    Raises:
        InvalidDataError: its packet log does not hold all of them.
    """
    totals = site.raw["totals"]
    if totals["log_overflow"]:
        raise InvalidDataError(
            f"{totals['log_overflow']:,} packets found no room in the packet log of {site.site}: measure for a shorter time (-t)"
        )
    if totals["logged"] != totals["tracked"]:
        raise InvalidDataError(
            f"books do not balance: {site.site} tracked {totals['tracked']} packets, and {totals['logged']} of them "
            f"had a {site.raw['stamp_class']} stamp"
        )
    return flows.read(site.raw, site.log or b"")


def _missing_before(stream: Mapping[str, Any]) -> int | None:
    """Datagrams that a stream at the tap had lost already; by continuity, at least so many; None where it has no numbers."""
    if stream["sequenced"]:
        return int(stream["lost"])
    ts = stream.get("ts")
    if ts is None or not ts["packets"]:
        return None
    in_a_datagram = max(1, round(int(ts["packets"]) / int(stream["packets"])))
    return math.ceil(int(ts["ts_lost_estimate"]) / in_a_datagram)


def flow_rows(inputs: LiveInputs, at_tap: Reference, found: Matched) -> list[FeedStream]:
    """Each flow of the feeds, and each feed of which nothing came."""
    count = len(at_tap.flows.all)
    seen, lost = at_tap.tap.all.only(at_tap.tap.sample).per_flow(count), found.lost.per_flow(count)
    streams: list[FeedStream] = []
    for number, flow in enumerate(at_tap.flows.all):
        feed = inputs.feed_of(flow)
        rows = [stream for stream in inputs.wanted(inputs.tap.raw) if flow_of(stream) == flow]
        inside = [stream["ts"] for stream in rows if stream.get("ts")]
        before = at_tap.before.get(flow)
        streams.append(
            FeedStream(
                feed=feed.label if feed else "",
                source=f"{flow[0]}:{flow[1]}",
                kind=rows[0]["kind"] if rows else None,
                tap_packets=seen[number],
                lost_packets=lost[number],
                lost_before_packets=before,
                cc_errors=sum(ts["cc_errors"] for ts in inside) if inside else None,
                ts_lost_estimate=sum(ts["ts_lost_estimate"] for ts in inside) if inside else None,
                absent=({} if before is not None else {"lost_before_packets": _NO_SEQUENCE})
                | ({} if inside else dict.fromkeys(("cc_errors", "ts_lost_estimate"), _NO_TS))
                | ({} if rows else {"kind": "the tap did not see it"}),
            )
        )
    present = {stream.feed for stream in streams}
    keys = ("source", "kind", "lost_before_packets", "cc_errors", "ts_lost_estimate")
    for feed in inputs.feeds:
        if feed.label not in present:
            blank = dict.fromkeys(keys)
            streams.append(
                FeedStream(feed=feed.label, tap_packets=0, lost_packets=0, **blank, absent=dict.fromkeys(keys, _NOTHING))
            )
    return streams


def silence(feeds: Sequence[LiveFeed], waited_s: float) -> str:
    """The sentence about feeds of which nothing came."""
    return (
        f"No packet of {', '.join(feed.label for feed in feeds)} came in {waited_s:.0f} s, at the tap nor at any probe: is the "
        "group right, does its source send, and does the switch forward it here (IGMP snooping wants a querier)?"
    )
