"""RFC 4737, Packet Reordering Metrics: the examples of its section 7, and what they leave out."""

from __future__ import annotations

from core_arrivals import MS, in_ms, of_sequences, stream_of, values_of


def test_packet_4_reordered_section_7_1():
    # Table 1. NextExp says which packet is reordered (3.3); LateTime is counted from the earliest arrival above it (4.3).
    #
    #   s  NextExp  SrcTime  DstTime  Delay  IPDV  Order  LateTime
    #   1     1         0        68     68           1
    #   2     2        20        88     68     0     2
    #   3     3        40       108     68     0     3
    #   5     4        80       148     68   -82     4
    #   6     6       100       168     68     0     5
    #   7     7       120       188     68     0     6
    #   8     8       140       208     68     0     7
    #   4     9        60       210    150    82     8       62        4 < 9: reordered. Extent 8 - 4 = 4, late 210 - 148 = 62
    #   9     9       160       228     68     0     9
    #  10    10       180       248     68     0    10
    #
    # IPDV is of successive sequences, in whatever order they came: D(4) - D(3) = 82, D(5) - D(4) = -82.
    # The three packets right before 4 are 6, 7 and 8, all above it: 3-reordered (section 5).
    stream = stream_of(
        in_ms(
            (1, 0, 68), (2, 20, 88), (3, 40, 108), (5, 80, 148), (6, 100, 168),
            (7, 120, 188), (8, 140, 208), (4, 60, 210), (9, 160, 228), (10, 180, 248),
        )
    )  # fmt: skip
    assert (stream["unique"], stream["reordered"], stream["lost"]) == (10, 1, 0)
    assert values_of(stream["reorder_extent_packets_histogram"]) == [4]
    assert (stream["reorder_late_ns"]["count"], stream["reorder_late_ns"]["max"]) == (1, 62 * MS)
    assert stream["three_reordered"] == 1
    assert (stream["ipdv_above_histogram"]["count"], stream["ipdv_above_histogram"]["sum"]) == (8, 82 * MS)
    assert (stream["ipdv_below_histogram"]["count"], stream["ipdv_below_histogram"]["sum"]) == (1, 82 * MS)
    assert (stream["ipdv_ns"]["min"], stream["ipdv_ns"]["max"], stream["ipdv_ns"]["mean"]) == (-82 * MS, 82 * MS, 0.0)
    assert (stream["transit_min_ns"], stream["transit_max_ns"]) == (68 * MS, 150 * MS)


def test_packets_5_and_6_reordered_section_7_2():
    # Table 2.
    #
    #   s  NextExp  SrcTime  DstTime  Delay  IPDV  Order  LateTime
    #   4     4        60       128     68     0     4
    #   7     5       120       188     68   -22     5
    #   5     8        80       189    109    41     6       1        extent 6 - 5 = 1
    #   6     8       100       190     90   -19     7       2        extent 7 - 5 = 2
    #   8     8       140       208     68     0     8
    #
    # Right before 6 stands 5, which is below it, and before 5 stands 4 in the second place: neither is 3-reordered.
    stream = stream_of(
        in_ms(
            (1, 0, 68), (2, 20, 88), (3, 40, 108), (4, 60, 128), (7, 120, 188),
            (5, 80, 189), (6, 100, 190), (8, 140, 208), (9, 160, 228), (10, 180, 248),
        )
    )  # fmt: skip
    assert (stream["reordered"], stream["three_reordered"]) == (2, 0)
    assert values_of(stream["reorder_extent_packets_histogram"]) == [1, 2]
    late = stream["reorder_late_ns"]
    assert (late["count"], late["min"], late["max"], late["mean"]) == (2, MS, 2 * MS, 1.5 * MS)
    assert (stream["ipdv_above_histogram"]["count"], stream["ipdv_above_histogram"]["sum"]) == (7, 41 * MS)
    assert (stream["ipdv_below_histogram"]["count"], stream["ipdv_below_histogram"]["sum"]) == (2, 41 * MS)
    assert (stream["ipdv_ns"]["min"], stream["ipdv_ns"]["max"]) == (-22 * MS, 41 * MS)


def test_packets_4_5_and_6_reordered_section_7_3():
    # Table 3's order of arrival: 1 2 3 7 8 9 10 4 5 6 11. Packet 7 is the earliest above 4, 5 and 6, and stands at the fourth
    # place; these at the 8th, 9th and 10th: extents 4, 5, 6. Before 4 stand 7 8 9 10, so it is 4-reordered; before 5 stands
    # 4, before 6 stands 5: only 4 is 3-reordered. One packet each ms (constructed): late by 4, 5 and 6 ms.
    stream = stream_of(of_sequences([1, 2, 3, 7, 8, 9, 10, 4, 5, 6, 11]))
    assert (stream["reordered"], stream["three_reordered"]) == (3, 1)
    assert values_of(stream["reorder_extent_packets_histogram"]) == [4, 5, 6]
    late = stream["reorder_late_ns"]
    assert (late["min"], late["max"], late["mean"]) == (4 * MS, 6 * MS, 5.0 * MS)


def test_order_of_section_3_3_with_a_loss():
    # Constructed: NextExp is 1, 2, 4 (3 left out), 6 (5 left out); 3 comes below it; 5 never does.
    stream = stream_of(of_sequences([1, 2, 4, 6, 3]))
    assert (stream["reordered"], stream["lost"]) == (1, 1)
    # 4, at the third place, is the earliest above 3, not 6: extent 5 - 3 = 2.
    assert values_of(stream["reorder_extent_packets_histogram"]) == [2]


def test_duplicates_are_removed_before_positions_are_counted():
    # Constructed, section 3.4 of the RFC applied first: of 1 3 3 3 4 2 2, the order is 1 3 4 2: extent 4 - 2 = 2, one reordered.
    stream = stream_of(of_sequences([1, 3, 3, 3, 4, 2, 2]))
    assert (stream["reordered"], stream["duplicate"]) == (1, 3)
    assert values_of(stream["reorder_extent_packets_histogram"]) == [2]


def test_below_the_first_packet():
    # Constructed: 5 comes first, and is the earliest above 3 and 4: extents 1 and 2.
    stream = stream_of(of_sequences([5, 3, 4, 6]))
    assert (stream["first_sequence"], stream["reordered"], stream["lost"]) == (3, 2, 0)
    assert values_of(stream["reorder_extent_packets_histogram"]) == [1, 2]


def test_beyond_the_window_late_and_lost_are_one():
    # Constructed: a reorder window of 64 after 65 holds 2..65. So 1 is lost, and its arrival too old to be told from a copy.
    stream = stream_of(of_sequences([0, *range(2, 66), 1]), reorder_window=64)
    assert (stream["lost"], stream["reordered"], stream["beyond_window"]) == (1, 0, 1)
    # One earlier it is still late: 2 stands at the second place, 1 at the last of 65: extent 65 - 2 = 63.
    stream = stream_of(of_sequences([0, *range(2, 65), 1]), reorder_window=64)
    assert (stream["lost"], stream["reordered"], stream["beyond_window"]) == (0, 1, 0)
    assert values_of(stream["reorder_extent_packets_histogram"]) == [63]
