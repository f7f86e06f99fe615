"""What `netbench multicast` says: join and leave delay of groups, group capacity, and the IGMP that they depend on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from netbench.result.base import Count, PartialRecord, Record
from netbench.result.environment import Tool

MULTICAST_SCHEMA_VERSION = 1


class Querier(Record):
    """One that sent IGMP queries while it was watched."""

    address: str = Field(description="0.0.0.0: a switch that asks on behalf of one")
    version: int
    queries: Count


class Igmp(PartialRecord):
    """IGMP at the interface."""

    version: int | None = Field(description="that the kernel speaks there, as /proc/net/igmp says it")
    forced_version: int | None = Field(description="force_igmp_version; 0: not forced")
    max_memberships: Count = Field(description="groups of one socket, net.ipv4.igmp_max_memberships")
    queriers: list[Querier]
    observed_s: float = Field(description="how long queriers were watched for; one asks every 125 s by default")


class GroupMembership(PartialRecord):
    """One group, joined and left once while its stream flowed. Stamps are CLOCK_REALTIME."""

    group: str
    port: int
    source: str | None
    state: Literal["cold", "warm"] | None = Field(
        description="warm: the group reached the interface before the join; cold: it did not; null: not known"
    )
    members_before: Count = Field(description="other members here, before the join")
    joined_ns: int = Field(description="just before the join call")
    join_call_ns: Count = Field(description="how long the call took")
    first_packet_ns: int | None = Field(description="kernel stamp of the first packet that a member got")
    join_delay_ms: float | None
    left_ns: int = Field(description="just before the leave call")
    last_packet_ns: int | None = Field(description="stamp of the last packet of the group at the interface")
    leave_delay_ms: float | None = Field(description="0: not one packet came after the call")
    packet_interval_ms: float | None = Field(description="mean, of the group's packets: no delay is seen finer than this")
    interface_packets: Count = Field(description="of the group at the interface, from before the join to after the leave")
    ring_drops: Count = Field(description="that the watching ring lost")


class Delays(Record):
    """A delay over several groups."""

    count: Count
    min_ms: float
    median_ms: float
    max_ms: float


class CapacityAttempt(Record):
    """So many groups joined at once."""

    groups: Count
    delivered: Count = Field(description="groups of which a packet came after the last join")
    sockets: Count
    socket_drops: Count = Field(description="packets, for want of room in the receive buffers")
    refused: str | None = Field(description="what the system refused; then nothing was joined")


class GroupCapacity(PartialRecord):
    """Multicast Group Capacity of RFC 3918, by doubling, then bisecting."""

    capacity_groups: Count | None = Field(description="the most groups that were all delivered at once")
    limit_groups: Count
    limit_reached: bool = Field(description="the capacity is the limit of the search, or above it")
    attempts: list[CapacityAttempt]


class MulticastPlace(PartialRecord):
    """Multicast at one interface: of an environment, or of this host where `environment` is null."""

    environment: str | None
    interface: str | None
    status: Literal["ok", "unsupported", "unavailable", "error", "interrupted"]
    reason: str | None = None
    igmp: Igmp | None = None
    groups: list[GroupMembership] = Field(default_factory=list)
    join_delay: Delays | None = None
    leave_delay: Delays | None = None
    capacity: GroupCapacity | None = None


class Multicast(Record):
    """The whole answer."""

    schema_version: int = MULTICAST_SCHEMA_VERSION
    tool: Tool
    started_at: str
    command: str
    places: list[MulticastPlace]
