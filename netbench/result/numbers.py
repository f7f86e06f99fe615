"""Measured numbers, by what they are of: counts, loss, order, intervals, stamps, transport streams."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netbench.result.base import Count, PartialRecord, Ratio, Record

StreamKind = Literal["raw", "probe", "rtp", "mpegts", "iperf2"]
StampClass = Literal["hardware", "kernel", "user"]


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
