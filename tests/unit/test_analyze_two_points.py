"""Two captures of the same traffic: the golden cases are worked out on paper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.errors import InvalidDataError
from netbench.metrics.distortion import LOG_ENTRY, match
from netbench.metrics.two_points import PointCounts, count_points, unwrap


def log(*entries: tuple[int, int, int]) -> bytes:
    """(received_ns, stream, sequence)…"""
    return np.array(list(entries), dtype=LOG_ENTRY).tobytes()


def of(stream: int, *sequences: int) -> list[tuple[int, int, int]]:
    return [(1000 * sequence, stream, sequence) for sequence in sequences]


def test_what_is_lost_between_the_points_and_what_only_lies_outside() -> None:
    # First point: stream 1 sequences 0..9. Second: 2, 3, 5, 7 (7 twice).
    # The second covers 2..7: of these 4 and 6 are missing. 0, 1 and 8, 9 lie outside of what it covers.
    first = log(*of(1, *range(10)))
    second = log(*of(1, 2, 3, 5, 7, 7))

    assert count_points(first, second) == PointCounts(
        matched=4, lost_between=2, outside=4, missed_by_first=0, absent_streams=0, absent_packets=0
    )


def test_streams_are_told_apart() -> None:
    # Stream 1: 5 of 4..6 missing. Stream 2: not at the second point at all. Stream 3: the first lacks 8 of 7..9.
    first = log(*of(1, 4, 5, 6), *of(2, 1, 2), *of(3, 7, 9))
    second = log(*of(1, 4, 6), *of(3, 7, 8, 9))

    assert count_points(first, second) == PointCounts(
        matched=4, lost_between=1, outside=0, missed_by_first=1, absent_streams=1, absent_packets=2
    )


def test_nothing_at_the_second_point() -> None:
    assert count_points(log(*of(1, 1, 2, 3)), b"") == PointCounts(0, 0, 0, 0, 1, 3)
    assert count_points(b"", log(*of(1, 1, 2, 3))) == PointCounts(0, 0, 0, 0, 0, 0)


def test_distortion_is_the_step_of_the_transit() -> None:
    # Transits 100, 140, 90: steps 40 and 50. A constant offset between the clocks falls out.
    first = log((0, 1, 0), (1000, 1, 1), (2000, 1, 2))
    second = log((100, 1, 0), (1140, 1, 1), (2090, 1, 2))

    assert match(first, second).distortion_ns().tolist() == [40, 50]


def test_sixteen_bit_sequences_count_on_and_mean_the_same_at_both_points() -> None:
    # 200000 packets, 1 ms apart, from sequence 65000: three wraps. The second point begins at packet 70000 (one wrap later),
    # sees all 20 ms later, and lacks packets 100000 and 150000.
    packets = range(200_000)
    first = log(*((1_000_000 * i, 7, (65_000 + i) & 0xFFFF) for i in packets))
    second = log(*((1_000_000 * i + 20_000_000, 7, (65_000 + i) & 0xFFFF) for i in packets[70_000:] if i not in (100_000, 150_000)))

    assert count_points(*unwrap(first, second, [7])) == PointCounts(
        matched=129_998, lost_between=2, outside=70_000, missed_by_first=0, absent_streams=0, absent_packets=0
    )
    assert set(match(*unwrap(first, second, [7])).transit_ns.tolist()) == {20_000_000}


def test_a_stream_that_one_point_lacks_is_left_as_it_is() -> None:
    assert count_points(*unwrap(log(*of(1, 1, 2)), b"", [1])) == PointCounts(0, 0, 0, 0, 1, 2)
    assert count_points(*unwrap(b"", log(*of(1, 1, 2)), [1])) == PointCounts(0, 0, 0, 0, 0, 0)


def test_a_cut_log_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="cut"):
        count_points(log(*of(1, 1))[:-1], b"")


Sightings = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 12)), max_size=40)


@given(Sightings, Sightings)
def test_it_agrees_with_a_slow_model(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    a, b = set(first), set(second)

    def within(packet: tuple[int, int], others: set[tuple[int, int]]) -> bool:
        sequences = [sequence for stream, sequence in others if stream == packet[0]]
        return bool(sequences) and min(sequences) <= packet[1] <= max(sequences)

    seen = {stream for stream, _ in b}
    counts = count_points(log(*((0, *packet) for packet in first)), log(*((0, *packet) for packet in second)))

    assert counts == PointCounts(
        matched=len(a & b),
        lost_between=sum(within(packet, b) for packet in a - b),
        outside=sum(packet[0] in seen and not within(packet, b) for packet in a - b),
        missed_by_first=sum(within(packet, a) for packet in b - a),
        absent_streams=len({stream for stream, _ in a} - seen),
        absent_packets=sum(packet[0] not in seen for packet in a),
    )
