"""Distortion: two packet logs joined, with answers known beforehand."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.errors import InvalidDataError
from netbench.metrics.distortion import match


def log(*entries: tuple[int, int, int]) -> bytes:
    """(received_ns, stream, sequence) as struct nb_log_entry."""
    return b"".join(struct.pack("=qII", *entry) for entry in entries)


def test_a_constant_offset_distorts_nothing() -> None:
    sightings = match(log((100, 1, 0), (200, 1, 1), (300, 1, 2)), log((1100, 1, 0), (1200, 1, 1), (1300, 1, 2)))
    assert sightings.matched == 3
    assert sightings.transit_ns.tolist() == [1000, 1000, 1000]
    assert sightings.distortion_ns().tolist() == [0, 0]


def test_known_distortion() -> None:
    # IATs at the tap 100, 100, 100; at the probe 150, 50, 100: distorted by 50, 50, 0.
    tap = log((100, 1, 0), (200, 1, 1), (300, 1, 2), (400, 1, 3))
    probe = log((110, 1, 0), (260, 1, 1), (310, 1, 2), (410, 1, 3))
    assert match(tap, probe).distortion_ns().tolist() == [50, 50, 0]


def test_streams_are_not_mixed() -> None:
    tap = log((100, 1, 0), (110, 2, 0), (200, 1, 1), (210, 2, 1))
    probe = log((100, 1, 0), (1110, 2, 0), (203, 1, 1), (1217, 2, 1))
    assert sorted(match(tap, probe).distortion_ns().tolist()) == [3, 7]


def test_lost_packets_are_left_out_on_both_sides() -> None:
    tap = log((100, 1, 0), (200, 1, 1), (300, 1, 2))
    probe = log((105, 1, 0), (309, 1, 2), (400, 1, 3))
    sightings = match(tap, probe)
    assert sightings.matched == 2
    assert sightings.distortion_ns().tolist() == [4]


def test_of_duplicates_the_first_sighting_counts() -> None:
    tap = log((100, 1, 0), (101, 1, 0), (200, 1, 1))
    probe = log((110, 1, 0), (210, 1, 1), (999, 1, 1))
    assert match(tap, probe).transit_ns.tolist() == [10, 10]


def test_the_taps_order_decides_when_sequences_are_swapped() -> None:
    tap = log((100, 1, 1), (200, 1, 0), (300, 1, 2))
    probe = log((100, 1, 1), (207, 1, 0), (300, 1, 2))
    assert match(tap, probe).transit_ns.tolist() == [0, 7, 0]
    assert match(tap, probe).distortion_ns().tolist() == [7, 7]


def test_transit_is_signed() -> None:
    assert match(log((500, 1, 0)), log((400, 1, 0))).transit_ns.tolist() == [-100]


def test_no_common_packet_is_no_pair() -> None:
    sightings = match(log((1, 1, 0)), b"")
    assert (sightings.matched, sightings.distortion_ns().size) == (0, 0)


def test_a_cut_log_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="cut"):
        match(log((1, 1, 0))[:-1], b"")


@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.integers(0, 30), st.integers(0, 1000), st.integers(0, 1000), st.booleans(), st.booleans()),
        max_size=80,
    )
)
def test_as_a_slow_model(packets: list[tuple[int, int, int, int, bool, bool]]) -> None:
    """Each packet is maybe seen at the tap, maybe at the probe, in the order of the list."""
    tap = [(1000 * index + a, stream, sequence) for index, (stream, sequence, a, _, seen, _) in enumerate(packets) if seen]
    probe = [(1000 * index + b, stream, sequence) for index, (stream, sequence, _, b, _, seen) in enumerate(packets) if seen]
    first_tap: dict[tuple[int, int], int] = {}
    first_probe: dict[tuple[int, int], int] = {}
    for entries, first in ((tap, first_tap), (probe, first_probe)):
        for received, stream, sequence in entries:
            first.setdefault((stream, sequence), received)
    expected = []
    for stream in (1, 2, 3):
        pairs = [(at, first_probe[key]) for key, at in first_tap.items() if key[0] == stream and key in first_probe]
        expected += [abs((b1 - b0) - (a1 - a0)) for (a0, b0), (a1, b1) in itertools.pairwise(pairs)]
    assert match(log(*tap), log(*probe)).distortion_ns().tolist() == expected


def test_a_million_packets_join_exactly() -> None:
    count = 1_000_000
    entry = np.dtype([("received_ns", "=i8"), ("stream", "=u4"), ("sequence", "=u4")])
    tap = np.zeros(count, dtype=entry)
    tap["sequence"], tap["stream"], tap["received_ns"] = np.arange(count), 7, np.arange(count) * 1000
    probe = tap.copy()
    probe["received_ns"] += 40
    sightings = match(tap.tobytes(), probe[1:].tobytes())
    assert sightings.matched == count - 1
    assert int(sightings.distortion_ns().max()) == 0
