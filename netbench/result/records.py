"""The nouns of a run: what was measured, before anything is judged."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from netbench.result.base import Count as Count
from netbench.result.base import PartialRecord, Record
from netbench.result.base import Ratio as Ratio
from netbench.result.timestamps import TimestampLadder

StreamKind = Literal["raw", "probe", "rtp", "mpegts", "iperf2"]
StampClass = Literal["hardware", "kernel", "user"]
TrialStatus = Literal["ok", "sender-limited", "silent", "unsupported", "error", "interrupted"]


class Distribution(Record):
    """A distribution; the unit is in the key that holds it. Percentiles by nearest rank.

    `histogram` holds (lower, upper, count) in the same unit, lower <= value < upper, only buckets that count.
    """

    count: Count
    min: float
    mean: float
    max: float
    p50: float
    p99: float
    p99_9: float
    histogram: list[tuple[float, float, int]] = Field(default_factory=list)


class Sent(Record):
    """The sender's books: sequences == sequences_sent + skipped + unsent."""

    intended_packets: Count = Field(description="turns of the schedule whose time came")
    sequences: Count = Field(description="sequence numbers used up, over all streams")
    sequences_sent: Count = Field(description="of these, accepted by the local stack at least once")
    packets: Count = Field(description="datagrams that the local stack accepted; repeats included")
    unsent_packets: Count = Field(description="sequences that the local stack refused; not lost")
    skipped_packets: Count = Field(description="sequences left out on purpose")
    repeated_packets: Count
    swapped_pairs: Count
    bytes: Count = Field(description="UDP payload")
    duration_s: float = Field(description="first to last datagram")
    packets_per_second: float
    bits_per_second: float = Field(description="UDP payload")
    lateness_us: Distribution | None = Field(description="handed to the kernel minus due")
    refusals: dict[str, int] = Field(default_factory=dict, description="errno name -> datagrams refused")


class Received(Record):
    """The receiver's books: packets == unique + duplicate + beyond_window."""

    packets: Count
    unique_packets: Count
    duplicate_packets: Count = Field(description="RFC 5560: copies beyond the first")
    replicated_packets: Count | None = Field(None, description="RFC 5560: distinct packets that came more than once")
    beyond_window_packets: Count = Field(description="too old to tell late from duplicate")
    unsequenced_packets: Count = Field(
        0, description="of the unique ones: of streams without sequence numbers, where no loss shows"
    )
    foreign_packets: Count = Field(description="of another session, or no probes")
    damaged_packets: Count
    bytes: Count = Field(description="UDP payload")
    streams: Count
    packets_per_second: float
    bits_per_second: float


class Loss(Record):
    """RFC 7680, RFC 3357. expected == unique received + lost."""

    expected_packets: Count
    lost_packets: Count
    lost_ratio: Ratio
    lost_percent: Annotated[float, Field(ge=0, le=100)]
    upper_bound_ratio: Ratio = Field(
        description="one-sided 95 % bound, less what the feed had lost: 3/N with none lost, else Clopper-Pearson"
    )
    feed_packets: Count = Field(0, description="of the lost ones: a live feed had lost them before it came to this machine")
    streams_with_loss: Count
    loss_periods: Count | None = Field(None, description="RFC 3357: maximal runs of lost sequences, over all streams")
    longest_loss_packets: Count | None = None

    @property
    def lost_here_packets(self) -> int:
        """Without what the feed had lost."""
        return self.lost_packets - self.feed_packets

    @property
    def expected_here_packets(self) -> int:
        """Without what the feed had lost."""
        return self.expected_packets - self.feed_packets


class LossPattern(PartialRecord):
    """RFC 3357 over all streams, as the receiver sees it: between the first and the last packet of each stream."""

    lost_packets: Count
    loss_periods: Count = Field(description="maximal runs of lost sequences, section 6.2")
    longest_loss_packets: Count
    loss_distance_packets: Count = Field(
        description="delta of section 6.1: a loss at most so far from the one before is noticeable"
    )
    noticeable_packets: Count = Field(description="losses that are; the first of a stream never is")
    noticeable_ratio: Ratio | None = Field(description="of the lost ones")
    period_packets: Distribution | None = Field(description="lengths of the loss periods, section 6.3")
    period_ms: Distribution | None = Field(
        description="from the last packet before a period to the first after it, where stamps allow"
    )
    between_packets: Distribution | None = Field(
        description="section 6.4: from the last loss of a period to the first of the next, in sequences"
    )
    between_ms: Distribution | None = Field(description="from the first packet after a period to the last before the next")


class SequenceOrder(Record):
    """RFC 4737 section 3.3 and 4.1, duplicates removed first."""

    reordered_packets: Count
    reordered_ratio: Ratio
    three_reordered_packets: Count | None = Field(None, description="section 5: right behind three that are above it")
    extent_packets: Distribution | None = Field(
        None, description="section 4.2: arrivals since the earliest one above it; null: none reordered"
    )
    late_ms: Distribution | None = Field(None, description="section 4.3: time since that arrival")


class Mdi(Record):
    """RFC 4445, DF:MLR, worst stream."""

    delay_factor_ms: float
    media_loss_packets_per_second: float = Field(description="TS packets lost or out of order (7 a datagram of 1316 bytes)")
    media_rate_bps: float
    media_rate_source: Literal["configured", "measured"]
    intervals: Count | None = Field(None, description="of about 1 s each, over all streams; null: not told")
    worst_interval_missing_datagrams: Count | None = Field(
        None, description="lost or out of order in the worst interval of any stream: its MLR, in datagrams"
    )


class Stamps(Record):
    """Receive stamps by class. Statistics use one class only."""

    used: StampClass
    hardware_packets: Count
    kernel_packets: Count
    user_packets: Count


class Drop(Record):
    """Packets whose loss a counter explains."""

    layer: str = Field(description="one of METRICS.md's layers, e.g. macvlan_broadcast_queue")
    side: Literal["sender", "before_tap", "after_tap", "unknown"]
    packets: Count = Field(description="attributed; never more than what is missing")
    counted_packets: Count = Field(description="what the counter itself said")
    evidence: str = Field(description="which counter, where, from what to what")


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


class Cpu(PartialRecord):
    """What the machine was busy with during the trial."""

    steal_ratio: Ratio | None = Field(description="of all CPU time")
    busy_ratio: Ratio | None = Field(description="of all CPU time, everything running")
    throttled_periods: Count | None = Field(description="cgroup nr_throttled")


class SeriesPoint(Record):
    """One point of a time series, all streams together."""

    start_s: float = Field(description="since the first packet")
    packets: Count
    bytes: Count
    iat_mean_us: float | None
    iat_max_us: float | None


class TransportStream(Record):
    """MPEG-TS as it arrived: ISO 13818-1 continuity, ETSI TR 101 290 first priority. Events, unless the key says otherwise."""

    ts_packets: Count = Field(description="of 188 bytes; null packets included")
    null_packets: Count
    pids: Count = Field(description="that were seen; null packets apart")
    programs: Count = Field(description="that the latest PAT names")
    cc_errors: Count = Field(description="continuity counters that were not the expected ones")
    ts_lost_estimate: Count = Field(description="sum of (counter - expected) mod 16 over these: TS packets missing, modulo 16 each")
    duplicate_ts_packets: Count = Field(description="exact copies of the packet before of their PID; one is legal")
    sync_losses: Count
    sync_byte_errors: Count
    pat_errors: Count = Field(description="no PAT for 0.5 s, another table on its PID, or scrambled")
    pmt_errors: Count = Field(description="a PMT not there for 0.5 s, or scrambled")
    pid_errors: Count = Field(description="a PID that a PMT names, not there for 5 s")
    transport_errors: Count = Field(description="packets with transport_error_indicator")
    crc_errors: Count = Field(description="PAT and PMT sections")
    pcr_interval_errors: Count = Field(description="more than 100 ms between two PCRs, by arrival")
    pat_interval_max_ms: float | None = Field(description="null: fewer than two PATs")
    pmt_interval_max_ms: float | None = Field(description="of one PMT; null: fewer than two")
    pcr_interval_max_ms: float | None = Field(description="of one PID; null: fewer than two PCRs")
    mux_rate_bps: float | None = Field(description="by the PCR, null packets included; null: none, or not steady enough")
    untracked_ts_packets: Count = Field(description="of PIDs beyond the first 254: without continuity")


class Mpegts(TransportStream):
    """The same over all streams of a receiver: sums, the longest intervals, and the sum of the known rates."""

    streams: Count


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


class Trial(Reception):
    """One environment, one profile, one sample. Its own numbers are those of the receiver that lost most."""

    environment: str = Field(description="label")
    profile: str
    sample: Annotated[int, Field(ge=1)]
    status: TrialStatus
    reason: str | None = Field(None, description="why the status is not ok")
    started_at: str = Field(description="ISO 8601, UTC")
    duration_s: float = Field(0.0, description="of the traffic, as planned")
    sent: Sent | None = None
    other_receivers: list[Reception] = Field(default_factory=list)
    cpu: Cpu | None = None
    counters: dict[str, dict[str, int]] = Field(
        default_factory=dict, description="place -> counter -> what it grew by during the trial; only what moved"
    )

    @property
    def receptions(self) -> list[Reception]:
        """This trial's receivers, the one that lost most first."""
        return [self, *self.other_receivers]


class Finding(Record):
    """One checked requirement."""

    id: str = Field(description="stable, e.g. rmem_max")
    severity: Literal["ok", "info", "warn", "fail"]
    title: str
    expected: str
    evidence: str
    remedy: str | None = Field(None, description="what to type")


class Facts(PartialRecord):
    """What a place is, as read there."""

    values: dict[str, Any] = Field(default_factory=dict, description="nested plain values; see docs/result-format.md")


class EnvironmentRecord(Record):
    """An environment of the run: whether it could be built, how it was, and what it is."""

    name: str
    label: str
    available: bool
    reason: str | None = None
    remedy: str | None = None
    description: str = ""
    receivers: Count = 1
    multicast_unsupported: str | None = Field(None, description="why groups from outside do not arrive; null: they do")
    injected: str | None = Field(None, description="loss that was put in on purpose, to prove the tool; null: none")
    built_by: list[str] = Field(default_factory=list, description="the commands, in order")
    interface: str | None = None
    parent_interface: str | None = None
    remarks: list[str] = Field(default_factory=list, description="what a reader should know about it, a sentence each")
    hardware_stamps: dict[str, Any] | None = Field(None, description="what the probe's interface advertises")
    timestamp_ladder: TimestampLadder | None = Field(None, description="the packets' own answer; null: not measured")
    timestamp_ladder_absent: str | None = Field(None, description="why it was not measured")
    facts: Facts = Field(default_factory=lambda: Facts())
    findings: list[Finding] = Field(default_factory=list)


class Floor(PartialRecord):
    """What this run cannot see below. Never blamed on the network."""

    clock_cost_ns: float | None = None
    clock_step_ns: int | None = None
    wakeup_us: Distribution | None = Field(None, description="how late an absolute sleep of 1 ms wakes up")
    sender_lateness_us: Distribution | None = Field(None, description="of the paced stream over loopback")
    idle_iat_error_us: Distribution | None = Field(
        None, description="|IAT - its schedule| of a paced stream over loopback with nothing else running"
    )
    steal_ratio: Ratio | None = Field(None, description="over the whole run")


class Tool(Record):
    """Who wrote the file."""

    name: str = "netbench"
    version: str
