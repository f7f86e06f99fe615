"""RFC 5481: PDV (section 4.2) and IPDV (section 4.1, RFC 3393). The cases are constructed by its definitions."""

from __future__ import annotations

from core_arrivals import MS, Arrival, in_ms, stream_of, table_of, values_of

# Delays 30, 10, lost, 50, 45 of sequences 1..5, in ns, so that every value has a bucket of its own.
SAMPLE = [Arrival(1, 1030, 1000), Arrival(2, 2010, 2000), Arrival(4, 4050, 4000), Arrival(5, 5045, 5000)]


def test_pdv_is_above_the_smallest_delay():
    # D_min = 10: PDV = 20, 0, 40, 35.
    pdv = table_of(SAMPLE).histogram("pdv")
    assert values_of(pdv) == [0, 20, 35, 40]
    assert (pdv["count"], pdv["min"], pdv["max"], pdv["sum"]) == (4, 0, 40, 95)


def test_the_smallest_delay_may_come_last():
    # D = 30, 50, 10: D_min is known only at the end. PDV = 20, 40, 0.
    arrivals = [Arrival(1, 1030, 1000), Arrival(2, 2050, 2000), Arrival(3, 3010, 3000)]
    assert values_of(table_of(arrivals).histogram("pdv")) == [0, 20, 40]


def test_ipdv_is_signed_and_only_of_pairs():
    # D(2) - D(1) = -20; 3 is lost, so neither (2, 3) nor (3, 4) is a pair; D(5) - D(4) = -5.
    stream = stream_of(SAMPLE)
    assert values_of(stream["ipdv_below_histogram"]) == [5, 20]
    assert stream["ipdv_above_histogram"]["count"] == 0
    ipdv = stream["ipdv_ns"]
    assert (ipdv["count"], ipdv["min"], ipdv["max"], ipdv["mean"]) == (2, -20, -5, -12.5)


def test_ipdv_of_a_packet_that_fills_the_gap_late():
    # As the sample, then 3 comes with D = 1500: D(3) - D(2) = 1490 and D(4) - D(3) = -1450 are pairs now.
    stream = stream_of([*SAMPLE, Arrival(3, 4500 + 1000, 4000)])
    above, below = stream["ipdv_above_histogram"], stream["ipdv_below_histogram"]
    assert (above["count"], above["sum"]) == (1, 1490)
    assert (below["count"], below["sum"], below["max"]) == (3, 20 + 5 + 1450, 1450)


def test_ipdv_needs_no_common_clock():
    # One clock is 10^9 ms behind: delays are negative, differences are not touched.
    near = stream_of(in_ms((1, 0, 30), (2, 20, 52), (3, 40, 71)))
    far = stream_of(in_ms((1, 1e9, 30), (2, 1e9 + 20, 52), (3, 1e9 + 40, 71)))
    assert near["ipdv_ns"] == far["ipdv_ns"]
    assert (near["ipdv_ns"]["max"], near["ipdv_ns"]["min"]) == (2 * MS, -1 * MS)


def test_percentiles_by_nearest_rank():
    # IPDV of 11 packets with delays 10, 11, 13, 16, ... rising by 1, 2, 3 ... 10: ten values 1..10.
    # p50: rank ceil(0.5 * 10) = 5 -> 5; p99: rank ceil(9.9) = 10 -> 10.
    arrivals = [Arrival(s, 1000 * s + 10 + s * (s + 1) // 2, 1000 * s) for s in range(11)]
    ipdv = stream_of(arrivals)["ipdv_ns"]
    assert (ipdv["p50"], ipdv["p99"], ipdv["p99_9"]) == (5, 10, 10)


def test_a_stamp_of_another_class_takes_no_part():
    # Two clocks are never mixed: 2 was stamped by the application, so (1, 2) and (2, 3) are no pairs, and (3, 4) is.
    arrivals = [Arrival(1, 1030, 1000), Arrival(2, 2010, 2000, timed=False), Arrival(3, 3050, 3000), Arrival(4, 4055, 4000)]
    stream = stream_of(arrivals)
    assert values_of(stream["ipdv_above_histogram"]) == [5]
    assert stream["ipdv_below_histogram"]["count"] == 0
    assert values_of(table_of(arrivals).histogram("pdv")) == [0, 20, 25]
