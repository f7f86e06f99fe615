"""RFC 3550 section 6.4.1 and appendix A.8: interarrival jitter. The cases are constructed."""

from __future__ import annotations

from core_arrivals import MS, in_ms, stream_of


def test_five_packets_by_hand():
    # One packet each 20 ms; transit 50, 50, 66, 34, 34 ms. |D| = 0, 16, 32, 0; J += (|D| - J) / 16:
    #   0                                       the first packet only primes
    #   0       + (0  - 0)       / 16 = 0
    #   0       + (16 - 0)       / 16 = 1
    #   1       + (32 - 1)       / 16 = 2.9375
    #   2.9375  + (0  - 2.9375)  / 16 = 2.75390625
    stream = stream_of(in_ms((1, 0, 50), (2, 20, 70), (3, 40, 106), (4, 60, 94), (5, 80, 114)))
    assert stream["jitter_ns"] == 2.75390625 * MS
    assert stream["jitter_max_ns"] == 2.9375 * MS


def test_a_perfect_stream_has_none_whatever_the_clocks_are():
    # Transit is the same 123 456 789 ms for all: two clocks a day apart.
    stream = stream_of(in_ms(*((s, 20 * s, 20 * s + 123_456_789) for s in range(10))))
    assert (stream["jitter_ns"], stream["jitter_max_ns"]) == (0.0, 0.0)


def test_a_lost_packet_takes_no_part():
    # As five_packets_by_hand with 2 lost: transit 50, 66, 34, 34; |D| = 16, 32, 0: the same, for the first |D| was 0.
    stream = stream_of(in_ms((1, 0, 50), (3, 40, 106), (4, 60, 94), (5, 80, 114)))
    assert stream["jitter_ns"] == 2.75390625 * MS


def test_copies_take_no_part():
    # The copy of 2 arrives 9 ms after it: as if it had been on the way for 59 ms, but it is no packet of its own (RFC 5560).
    stream = stream_of(in_ms((1, 0, 50), (2, 20, 70), (2, 20, 79), (3, 40, 106), (4, 60, 94), (5, 80, 114)))
    assert stream["jitter_ns"] == 2.75390625 * MS


def test_in_order_of_arrival():
    # A.8 is run for each packet as it arrives, not in order of sequence: 1, 3, 2 with transits 50, 50, 82: |D| = 0, 32: J = 2.
    stream = stream_of(in_ms((1, 0, 50), (3, 40, 90), (2, 20, 102)))
    assert stream["jitter_ns"] == 2.0 * MS
