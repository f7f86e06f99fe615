"""The nouns of a run: what was measured, before anything is judged."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from netbench.result.base import PartialRecord, Record

Count = Annotated[int, Field(ge=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]
StampClass = Literal["hardware", "kernel", "user"]
TrialStatus = Literal["ok", "sender-limited", "unsupported", "error", "interrupted"]


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
    beyond_window_packets: Count = Field(description="too old to tell late from duplicate")
    unsequenced_packets: Count = Field(0, description="of the unique ones: of streams without sequence numbers, where no loss shows")
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
    upper_bound_ratio: Ratio = Field(description="one-sided 95 % bound: 3/N with none lost, else Clopper-Pearson")
    streams_with_loss: Count
    loss_periods: Count | None = Field(None, description="RFC 3357: maximal runs of lost sequences, over all streams")
    longest_loss_packets: Count | None = None


class SequenceOrder(Record):
    """RFC 4737 section 3.3 and 4.1, duplicates removed first."""

    reordered_packets: Count
    reordered_ratio: Ratio


class Mdi(Record):
    """RFC 4445, DF:MLR, worst stream."""

    delay_factor_ms: float
    media_loss_packets_per_second: float = Field(description="TS packets lost or out of order (7 a datagram of 1316 bytes)")
    media_rate_bps: float
    media_rate_source: Literal["configured", "measured"]


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


class Tap(PartialRecord):
    """The same packets seen at the wire side of the environment."""

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


class Reception(PartialRecord):
    """What one receiver got. All of it is null in a trial that gave no numbers."""

    receiver: str | None = Field(None, description="name of the site")
    received: Received | None = None
    loss: Loss | None = None
    iat_us: Distribution | None = Field(None, description="over all streams, each IAT of one stream")
    jitter_ms: float | None = Field(None, description="RFC 3550 section 6.4.1, mean over streams of the last value")
    jitter_max_ms: float | None = Field(None, description="largest over streams and time")
    pdv_us: Distribution | None = Field(None, description="RFC 5481 section 4.2, over all streams")
    one_way_delay_us: Distribution | None = Field(None, description="only where both ends share a clock")
    delivery_us: Distribution | None = Field(None, description="kernel stamp to the application's hands")
    mdi: Mdi | None = None
    sequence: SequenceOrder | None = None
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
    hardware_stamps: dict[str, Any] | None = Field(None, description="what the probe's interface advertises")
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
