"""Join delay, leave delay and group capacity from what the agents saw (RFC 2432, RFC 3918)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any, Literal

from netbench.errors import InvalidDataError
from netbench.result.multicast import CapacityAttempt, Delays, GroupCapacity, GroupMembership, Igmp, MulticastPlace, Querier

_MS = 1e6
_STILL_THERE = (
    "the group still came {after:.1f} s after the leave: nothing stops it (no snooping switch with a querier before the interface, "
    "other members, or a filter of the interface that stays open)"
)


def measure_place(
    environment: str | None,
    interface: str,
    memberships: Mapping[str, Any] | None,
    capacity: Mapping[str, Any] | None,
    *,
    unsupported: str | None = None,
    interrupted: bool = False,
) -> MulticastPlace:
    """The record of one place.

    Args:
        environment: its label; None: this host.
        interface: where groups were joined.
        memberships: the `result` data of a MembershipJob, or None when there was none.
        capacity: that of a GroupCapacityJob, or None.
        unsupported: why groups do not arrive in this environment, as it says itself.
        interrupted: the user ended it early; what was measured stands.
    """
    groups = [membership(raw) for raw in memberships["groups"]] if memberships else []
    joins = delays([item.join_delay_ms for item in groups if item.join_delay_ms is not None])
    leaves = delays([item.leave_delay_ms for item in groups if item.leave_delay_ms is not None])
    status: Literal["ok", "unsupported", "interrupted"] = "interrupted" if interrupted else "ok"
    reason = None
    if unsupported is not None and joins is None:
        status = "unsupported"
        reason = f"{unsupported} Tried: {len(groups)} group(s) joined while their streams flowed, and not one packet came."
    absent = {}
    if joins is None:
        absent["join_delay"] = _why_none(groups, "join_delay_ms", "no group was measured")
    if leaves is None:
        absent["leave_delay"] = _why_none(groups, "leave_delay_ms", "no group was measured")
    if capacity is None:
        absent["capacity"] = "groups do not arrive here" if status == "unsupported" else "not asked for"
    return MulticastPlace(
        environment=environment,
        interface=interface,
        status=status,
        reason=reason,
        igmp=igmp(memberships) if memberships else None,
        groups=groups,
        join_delay=joins,
        leave_delay=leaves,
        capacity=group_capacity(capacity) if capacity else None,
        absent=absent if memberships else {**absent, "igmp": "not measured"},
    )


def membership(raw: Mapping[str, Any]) -> GroupMembership:
    """One group.

    Join delay = stamp of the first packet that the member got - stamp taken just before the join call. Leave delay = stamp of the
    last packet at the interface - stamp taken just before the leave call; 0 when the last packet came before the call. It is known
    only when the group ended: no packet for `quiet_ns`.

    Raises:
        InvalidDataError: a packet was delivered before its group was joined.
    """
    absent: dict[str, str] = {}
    first_ns, joined_ns, left_ns = raw["first_ns"], raw["joined_ns"], raw["left_ns"]
    seen_first_ns, last_ns, interval_ns = raw["interface_first_ns"], raw["interface_last_ns"], raw["interval_ns"]
    join_delay_ms = leave_delay_ms = None
    if first_ns is None:
        absent["join_delay_ms"] = absent["first_packet_ns"] = (
            f"no packet came within {(left_ns - joined_ns) / 1e9:.1f} s of the join"
        )
    elif first_ns < joined_ns:
        raise InvalidDataError(f"group {raw['group']}: a packet was delivered before the group was joined; was the clock set?")
    else:
        join_delay_ms = (first_ns - joined_ns) / _MS
    if last_ns is None:
        absent["last_packet_ns"] = absent["leave_delay_ms"] = "no packet of the group was seen at the interface"
    elif raw["kernel_drops"]:
        absent["leave_delay_ms"] = f"the watching ring lost {raw['kernel_drops']} packets, and one of them may have been the last"
    elif raw["watched_until_ns"] - max(last_ns, left_ns) < raw["quiet_ns"]:
        absent["leave_delay_ms"] = _STILL_THERE.format(after=max(0, last_ns - left_ns) / 1e9)
    else:
        leave_delay_ms = max(0, last_ns - left_ns) / _MS
    state: Literal["cold", "warm"] | None = None
    if seen_first_ns is not None:
        state = "warm" if seen_first_ns < joined_ns else "cold"
    else:
        absent["state"] = "no packet of the group was seen at the interface"
    if interval_ns is None:
        absent["packet_interval_ms"] = "fewer than two packets came"
    return GroupMembership(
        group=raw["group"],
        port=raw["port"],
        source=raw["source"],
        state=state,
        members_before=raw["members_before"],
        joined_ns=joined_ns,
        join_call_ns=raw["join_call_ns"],
        first_packet_ns=first_ns,
        join_delay_ms=join_delay_ms,
        left_ns=left_ns,
        last_packet_ns=last_ns,
        leave_delay_ms=leave_delay_ms,
        packet_interval_ms=None if interval_ns is None else interval_ns / _MS,
        interface_packets=raw["interface_packets"],
        ring_drops=raw["kernel_drops"],
        absent=absent,
    )


def group_capacity(raw: Mapping[str, Any]) -> GroupCapacity:
    """The result of a search."""
    capacity = raw["capacity"]
    return GroupCapacity(
        capacity_groups=capacity,
        limit_groups=raw["limit"],
        limit_reached=capacity == raw["limit"],
        attempts=[CapacityAttempt(**attempt) for attempt in raw["attempts"]],
        absent={} if capacity is not None else {"capacity_groups": "the search was ended early"},
    )


def igmp(raw: Mapping[str, Any]) -> Igmp:
    """IGMP, from the same job as the memberships."""
    absent = {}
    if raw["igmp_version"] is None:
        absent["version"] = "/proc/net/igmp does not list the interface"
    if raw["igmp_forced_version"] is None:
        absent["forced_version"] = "force_igmp_version cannot be read here"
    return Igmp(
        version=raw["igmp_version"],
        forced_version=raw["igmp_forced_version"],
        max_memberships=raw["igmp_max_memberships"],
        queriers=[Querier(**item) for item in raw["queriers"]],
        observed_s=raw["observed_ns"] / 1e9,
        absent=absent,
    )


def delays(values_ms: Sequence[float]) -> Delays | None:
    """Smallest, median and largest; None of none."""
    if not values_ms:
        return None
    return Delays(count=len(values_ms), min_ms=min(values_ms), median_ms=median(values_ms), max_ms=max(values_ms))


def _why_none(groups: Sequence[GroupMembership], key: str, otherwise: str) -> str:
    return next((item.absent[key] for item in groups if key in item.absent), otherwise)
