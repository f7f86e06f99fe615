"""One environment, one profile, one sample: what was sent, and what its receivers got."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from netbench.result.base import Count, PartialRecord, Ratio, Record
from netbench.result.numbers import Distribution
from netbench.result.reception import Reception

TrialStatus = Literal["ok", "sender-limited", "silent", "unsupported", "error", "interrupted"]


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


class Cpu(PartialRecord):
    """What the machine was busy with during the trial."""

    steal_ratio: Ratio | None = Field(description="of all CPU time")
    busy_ratio: Ratio | None = Field(description="of all CPU time, everything running")
    throttled_periods: Count | None = Field(description="cgroup nr_throttled")


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
