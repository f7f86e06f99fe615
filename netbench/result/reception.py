"""What one receiver got, as a whole and stream by stream, and what the tap before it saw."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from netbench.result.base import Count, PartialRecord, Record
from netbench.result.numbers import (
    Distribution,
    Drop,
    Loss,
    LossPattern,
    Mdi,
    Mpegts,
    Received,
    SequenceOrder,
    SeriesPoint,
    Stamps,
    StreamKind,
    TransportStream,
)


class FeedStream(PartialRecord):
    """One flow of a live feed: what of it passed the tap, and what became of that. tap == received + lost."""

    feed: str = Field(description="as in plan.live, `[S@]G:port`")
    source: str | None = Field(description="ADDRESS:PORT; null: nothing of this feed came, at tap nor probe")
    kind: StreamKind | None
    tap_packets: Count
    lost_packets: Count = Field(description="seen at the tap, but not at the probe: inside the environment")
    lost_before_packets: Count | None = Field(
        description="missing at the tap already, by the stream's own numbers; by MPEG-TS continuity alone, at least so many"
    )
    cc_errors: Count | None = Field(description="of MPEG-TS, at the tap")
    ts_lost_estimate: Count | None = Field(description="of MPEG-TS, at the tap: TS packets missing, modulo 16 each")


class Tap(PartialRecord):
    """The same packets seen at the wire side of the environment. Of a live feed, this stands in the place of what was sent."""

    packets: Count
    unique_packets: Count
    kernel_drops: Count = Field(description="the tap's own loss; while it is above 0 the bracket is not exact")
    lost_before_packets: Count = Field(description="sent, but not seen at the tap: before the wire side")
    lost_after_packets: Count = Field(description="seen at the tap, but not at the probe: inside the environment")
    matched_packets: Count = Field(description="pairs of (tap, probe) sightings used for the two distributions below")
    distortion_us: Distribution | None = Field(
        None, description="|(R_probe,i - R_probe,i-1) - (R_tap,i - R_tap,i-1)| per stream, consecutive matched packets"
    )
    transit_us: Distribution | None = Field(None, description="R_probe,i - R_tap,i, both of one clock")
    not_at_tap_packets: Count = Field(0, description="of a live feed: received by the probe, but not seen at the tap")
    streams: list[FeedStream] = Field(default_factory=list, description="of a live feed")


class StreamWindow(Record):
    """One window of time (1 s) of one stream. An IAT counts for the window that it ends in."""

    number: Count = Field(description="from 0 at the stream's first packet; windows in which nothing came are left out")
    packets: Count
    bytes: Count
    missing_packets: Count = Field(description="lost or late, in the window in which their absence showed")
    iat_mean_us: float | None
    iat_max_us: float | None


class StreamResult(PartialRecord):
    """One stream at one receiver."""

    stream: int
    source: str
    destination: str
    port: int
    sequences_sent: Count | None = Field(description="as the sender says; null when it was not asked")
    received_packets: Count
    unique_packets: Count
    lost_packets: Count | None
    duplicate_packets: Count
    reordered_packets: Count
    iat_p99_us: float | None
    iat_max_us: float | None
    jitter_ms: float | None
    delay_factor_ms: float | None
    error_seconds: Count
    loss_periods: Count | None = Field(None, description="RFC 3357, between its first and its last packet; so are the next two")
    longest_loss_packets: Count | None = None
    noticeable_losses: Count | None = None
    reorder_extent_max_packets: Count | None = Field(None, description="RFC 4737 section 4.2")
    reorder_late_max_ms: float | None = Field(None, description="RFC 4737 section 4.3")
    iat_mean_us: float | None = None
    ipdv_min_us: float | None = Field(None, description="RFC 5481 section 4.1, signed; so are the next two")
    ipdv_p99_us: float | None = None
    ipdv_max_us: float | None = None
    windows: list[StreamWindow] = Field(default_factory=list, description="the newest 64 in which anything came, oldest first")
    kind: StreamKind = "probe"
    payload_type: Annotated[int, Field(ge=0, le=127)] | None = Field(None, description="of RTP")
    sequence_restarts: Count = Field(0, description="of RTP: sources that began anew; no loss is claimed across them")
    cc_errors: Count | None = Field(None, description="of MPEG-TS; details under ts")
    ts_lost_estimate: Count | None = Field(None, description="of MPEG-TS; details under ts")
    ts: TransportStream | None = None


class Reception(PartialRecord):
    """What one receiver got. All of it is null in a trial that gave no numbers."""

    receiver: str | None = Field(None, description="name of the site")
    received: Received | None = None
    loss: Loss | None = None
    iat_us: Distribution | None = Field(None, description="over all streams, each IAT of one stream")
    jitter_ms: float | None = Field(None, description="RFC 3550 section 6.4.1, mean over streams of the last value")
    jitter_max_ms: float | None = Field(None, description="largest over streams and time")
    pdv_us: Distribution | None = Field(None, description="RFC 5481 section 4.2, over all streams")
    ipdv_us: Distribution | None = Field(None, description="RFC 5481 section 4.1, signed, over all streams")
    one_way_delay_us: Distribution | None = Field(None, description="only where both ends share a clock")
    delivery_us: Distribution | None = Field(None, description="kernel stamp to the application's hands")
    mdi: Mdi | None = None
    mpegts: Mpegts | None = Field(None, description="the transport streams inside, all together")
    sequence: SequenceOrder | None = None
    loss_pattern: LossPattern | None = None
    timestamps: Stamps | None = None
    error_seconds: Count | None = None
    clock_sync: Literal["same_clock", "ptp", "ntp", "unsynced"] | None = None
    drops: list[Drop] = Field(default_factory=list)
    unattributed_packets: Count = 0
    capture: dict[str, int | str] = Field(default_factory=dict, description="the backend and its own books")
    tap: Tap | None = None
    series: list[SeriesPoint] = Field(default_factory=list)
    streams: list[StreamResult] = Field(default_factory=list)

    @model_validator(mode="after")
    def _books_balance(self) -> Reception:
        received, loss = self.received, self.loss
        if received is not None:
            parts = received.unique_packets + received.duplicate_packets + received.beyond_window_packets
            if received.packets != parts:
                raise ValueError(f"books do not balance: received {received.packets}, unique + duplicate + late {parts}")
        if received is not None and loss is not None:
            sequenced = received.unique_packets - received.unsequenced_packets
            if loss.expected_packets != sequenced + loss.lost_packets:
                raise ValueError(
                    f"books do not balance: expected {loss.expected_packets} packets, "
                    f"received {sequenced} + lost {loss.lost_packets}"
                )
            explained = sum(drop.packets for drop in self.drops) + self.unattributed_packets
            if loss.lost_packets != explained:
                raise ValueError(f"books do not balance: lost {loss.lost_packets}, drops + unattributed {explained}")
        return self
