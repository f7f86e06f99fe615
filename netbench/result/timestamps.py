"""The ladder of hardware timestamps: what an interface promises, accepts and delivers, rung by rung."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from netbench.result.base import Count, PartialRecord, Ratio, Record

RungName = Literal["advertised", "all packets", "accepted", "delivered", "sane", "clock readable"]
StampedTraffic = Literal["udp_low_rate", "udp_full_rate", "udp", "ptp_ethernet", "ptp_udp", "other", "listen"]

RUNGS: tuple[RungName, ...] = ("advertised", "all packets", "accepted", "delivered", "sane", "clock readable")


class StampedPackets(PartialRecord):
    """One kind of packets, as they arrived: hardware + without == received."""

    traffic: StampedTraffic
    target: str | None = Field(None, description="group or port, where it was listened to by one")
    sent_packets: Count | None = Field(None, description="null: sent by others")
    received_packets: Count
    hardware_packets: Count = Field(description="with a raw hardware stamp")
    kernel_packets: Count = Field(description="with a kernel stamp")
    hardware_ratio: Ratio | None = Field(description="of those received; null: none were")
    packets_per_second: float | None = Field(description="by kernel stamps; null: fewer than two")
    backward_stamps: Count = Field(description="hardware stamps below the one before of their flow")
    repeated_stamps: Count = Field(description="equal to it")
    kernel_equal_stamps: Count = Field(description="equal to the kernel's stamp of the same packet, to the nanosecond")
    rate_ppm: float | None = Field(description="how much faster than the kernel's clock the stamps run; null: too short to tell")
    rate_span_s: float | None = Field(None, description="the time over which that was taken; null: too short, or not told")

    @model_validator(mode="after")
    def _books_balance(self) -> StampedPackets:
        if max(self.hardware_packets, self.kernel_packets) > self.received_packets:
            raise ValueError(f"books do not balance: {self.traffic}: more stamps than the {self.received_packets} packets received")
        return self


class StampSetting(Record):
    """SIOCGHWTSTAMP, in the names of linux/net_tstamp.h."""

    tx_type: str
    rx_filter: str


class Rung(Record):
    """One rung. null: not proven either way, and the evidence says why."""

    number: int = Field(ge=1, le=6)
    name: RungName
    passed: bool | None
    evidence: str
    remedy: str | None = Field(None, description="what to type")


class TimestampLadder(PartialRecord):
    """All six rungs at one interface."""

    interface: str
    kind: str | None = Field(description="veth, macvlan, physical…; null: not told")
    driver: str | None
    rungs: list[Rung] = Field(min_length=6, max_length=6)
    highest_rung: int = Field(ge=0, le=6, description="all rungs up to it are proven; 0: not even the first")
    sentence: str = Field(description="the verdict in one line, with its counts")
    configured: bool = Field(description="this tool had the driver stamp meanwhile")
    restored: bool | None = Field(description="the old setting was put back and read; null: nothing was changed")
    setting_before: StampSetting | None = None
    setting_during: StampSetting | None = Field(None, description="as read back; null: nothing was changed, or it cannot be read")
    traffic: list[StampedPackets] = Field(default_factory=list)
    observed_s: float = Field(ge=0)
    capture_drops: Count = Field(description="packets that our own sockets refused: counted nowhere else")
