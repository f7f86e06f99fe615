from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest

from netbench.capture.group_capacity import search
from netbench.capture.igmp import parse_memberships, query_version
from netbench.capture.membership_times import group_filter
from netbench.errors import InvalidDataError
from netbench.metrics.multicast import measure_place, membership
from netbench.protocol import StreamSpec
from netbench.report.multicast import capacity, igmp_words, notes, states

MS = 1_000_000
T0 = 1_700_000_000_000_000_000  # the join

# eth0: IGMPv3, all-hosts by the kernel, 239.1.1.1 by two sockets; the numbers are those of a little-endian machine's memory.
PROC_IGMP = """Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter
1\tlo        :     1      V3
\t\t\t\t010000E0     1 0:00000000\t\t0
12\teth0      :     2      V2
\t\t\t\t010101EF     2 0:00000000\t\t0
\t\t\t\t010000E0     1 1:00000123\t\t0
"""


def test_memberships_as_the_kernel_prints_them() -> None:
    assert parse_memberships(PROC_IGMP, "eth0") == (2, {"239.1.1.1": 2, "224.0.0.1": 1})
    assert parse_memberships(PROC_IGMP, "lo") == (3, {"224.0.0.1": 1})
    assert parse_memberships(PROC_IGMP, "eth1") == (None, {})
    assert parse_memberships("", "lo") == (None, {})
    assert parse_memberships("Idx\n1 lo : 1 V3\n junk junk\n FFFFFFFFFF 1\n", "lo") == (3, {})


@pytest.mark.parametrize(
    ("message", "version"),
    [
        (struct.pack("!BBH4s", 0x11, 0, 0, bytes(4)), 1),  # RFC 3376 section 7.1: 8 bytes, no response time
        (struct.pack("!BBH4s", 0x11, 100, 0, bytes(4)), 2),
        (struct.pack("!BBH4sBBH", 0x11, 100, 0, bytes(4), 2, 125, 0), 3),
        (struct.pack("!BBH4s", 0x16, 0, 0, bytes(4)), None),  # a report
        (b"\x11\x64\x00", None),
    ],
    ids=["v1", "v2", "v3", "report", "cut"],
)
def test_version_of_a_query(message: bytes, version: int | None) -> None:
    header_with_router_alert = bytes([0x46]) + bytes(23)
    assert query_version(header_with_router_alert + message) == version
    assert query_version(bytes([0x45]) + bytes(19) + message) == version


def test_no_query_at_all() -> None:
    assert query_version(b"") is None
    assert query_version(b"\x4f") is None


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 300])
def test_the_search_finds_every_capacity(limit: int) -> None:
    for true_capacity in range(limit + 1):
        tried: list[int] = []

        def passes(count: int, most: int = true_capacity, seen: list[int] = tried) -> bool:
            seen.append(count)
            return count <= most

        assert search(limit, passes) == true_capacity
        assert len(set(tried)) == len(tried)
        assert max(tried) <= limit
        assert len(tried) <= 2 * limit.bit_length()


def test_the_search_doubles_then_bisects() -> None:
    tried: list[int] = []

    def passes(count: int) -> bool:
        tried.append(count)
        return count <= 5

    search(100, passes)
    assert tried == [1, 2, 4, 8, 6, 5]


def _run_filter(program: list[tuple[int, int, int, int]], frame: bytes) -> int:
    """What the kernel would keep, by the few instructions that we use."""
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        if code == 0x28:
            accumulator = int.from_bytes(frame[operand : operand + 2])
        elif code == 0x20:
            accumulator = int.from_bytes(frame[operand : operand + 4])
        elif code == 0x15:
            at += if_true if accumulator == operand else if_false
        else:
            assert code == 0x06
            return operand


def _frame(source: str, group: str, ethertype: int = 0x0800) -> bytes:
    address: Callable[[str], bytes] = lambda text: bytes(map(int, text.split(".")))  # noqa: E731
    return bytes(12) + struct.pack("!H", ethertype) + bytes(12) + address(source) + address(group) + bytes(40)


def test_the_watch_sees_one_group_alone() -> None:
    any_source = group_filter(StreamSpec(1, "239.1.1.1", 5004))
    one_source = group_filter(StreamSpec(1, "232.1.1.1", 5004, "10.0.0.1"))

    assert _run_filter(any_source, _frame("10.0.0.9", "239.1.1.1")) > 0
    assert _run_filter(any_source, _frame("10.0.0.9", "239.1.1.2")) == 0
    assert _run_filter(any_source, _frame("10.0.0.9", "239.1.1.1", 0x86DD)) == 0
    assert _run_filter(one_source, _frame("10.0.0.1", "232.1.1.1")) > 0
    assert _run_filter(one_source, _frame("10.0.0.2", "232.1.1.1")) == 0
    assert _run_filter(one_source, _frame("10.0.0.1", "232.1.1.2")) == 0


def _raw(**changes: Any) -> dict[str, Any]:
    """Joined at 0 ms, first packet at 7 ms, left at 200 ms, last packet at 350 ms, watched until 700 ms; a packet each 10 ms."""
    return {
        "group": "239.1.1.1",
        "port": 5004,
        "source": None,
        "members_before": 0,
        "joined_ns": T0,
        "join_call_ns": 60_000,
        "first_ns": T0 + 7 * MS,
        "left_ns": T0 + 200 * MS,
        "watched_until_ns": T0 + 700 * MS,
        "interval_ns": 10 * MS,
        "quiet_ns": 300 * MS,
        "interface_first_ns": T0 + 7 * MS,
        "interface_last_ns": T0 + 350 * MS,
        "interface_packets": 35,
        "kernel_drops": 0,
        **changes,
    }


def test_delays_on_paper() -> None:
    measured = membership(_raw())

    assert measured.join_delay_ms == 7.0
    assert measured.leave_delay_ms == 150.0  # 350 - 200
    assert measured.packet_interval_ms == 10.0
    assert measured.state == "cold"
    assert measured.absent == {}


def test_not_one_packet_after_the_leave() -> None:
    assert membership(_raw(interface_last_ns=T0 + 199 * MS)).leave_delay_ms == 0.0


def test_warm_and_never_ending() -> None:
    measured = membership(_raw(interface_first_ns=T0 - 90 * MS, interface_last_ns=T0 + 699 * MS))

    assert measured.state == "warm"
    assert measured.join_delay_ms == 7.0
    assert measured.leave_delay_ms is None
    assert "still came 0.5 s after the leave" in measured.absent["leave_delay_ms"]


def test_nothing_came() -> None:
    measured = membership(
        _raw(first_ns=None, interface_first_ns=None, interface_last_ns=None, interval_ns=None, interface_packets=0)
    )

    assert (measured.join_delay_ms, measured.leave_delay_ms, measured.state) == (None, None, None)
    assert set(measured.absent) == {
        "join_delay_ms",
        "first_packet_ns",
        "leave_delay_ms",
        "last_packet_ns",
        "state",
        "packet_interval_ms",
    }


def test_a_ring_that_lost_packets_proves_no_end() -> None:
    measured = membership(_raw(kernel_drops=3))

    assert measured.leave_delay_ms is None
    assert "lost 3 packets" in measured.absent["leave_delay_ms"]


def test_a_packet_before_its_join_is_no_result() -> None:
    with pytest.raises(InvalidDataError, match="before the group was joined"):
        membership(_raw(first_ns=T0 - 1))


def _memberships(groups: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "groups": groups,
        "igmp_version": 3,
        "igmp_forced_version": 0,
        "igmp_max_memberships": 20,
        "queriers": [{"address": "10.0.0.1", "version": 3, "queries": 2}],
        "observed_ns": 2_000 * MS,
    }


def test_a_place() -> None:
    searched = {
        "capacity": 5,
        "limit": 8,
        "igmp_max_memberships": 20,
        "attempts": [
            {"groups": 4, "delivered": 4, "sockets": 1, "socket_drops": 0, "refused": None},
            {"groups": 8, "delivered": 5, "sockets": 1, "socket_drops": 0, "refused": None},
        ],
    }
    place = measure_place("host", "eth0", _memberships([_raw(), _raw(first_ns=T0 + 9 * MS)]), searched)

    assert place.status == "ok"
    assert place.join_delay is not None and place.capacity is not None and place.igmp is not None
    assert (place.join_delay.min_ms, place.join_delay.median_ms, place.join_delay.max_ms) == (7.0, 8.0, 9.0)
    assert (place.capacity.capacity_groups, place.capacity.limit_reached) == (5, False)
    assert (states(place), capacity(place)) == ("2 cold", "5")
    assert "with 8 groups joined, 5 delivered" in notes(place)
    assert igmp_words(place.igmp) == "IGMPv3, querier 10.0.0.1 (v3), 20 groups a socket (igmp_max_memberships)"


def test_a_place_where_groups_do_not_arrive() -> None:
    silent = _raw(first_ns=None, interface_first_ns=None, interface_last_ns=None, interval_ns=None, interface_packets=0)
    place = measure_place("bridge", "eth0", _memberships([silent]), None, unsupported="No one routes groups.")

    assert place.status == "unsupported"
    assert place.reason is not None and place.reason.startswith("No one routes groups. Tried: 1 group")
    assert place.absent["capacity"] == "groups do not arrive here"
