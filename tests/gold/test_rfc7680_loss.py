"""RFC 7680 (loss is what did not arrive within a stated wait) and RFC 3550 A.3 (what a receiver alone can expect). Constructed."""

from __future__ import annotations

from core_arrivals import of_sequences, stream_of

from netbench.core import StreamTable


def test_expected_less_received():
    # 10..19 without 12, 13 and 17: expected 19 - 10 + 1 = 10, received 7, lost 3.
    stream = stream_of(of_sequences([10, 11, 14, 15, 16, 18, 19]))
    assert (stream["first_sequence"], stream["last_sequence"]) == (10, 19)
    assert (stream["unique"], stream["lost"], stream["missing"]) == (7, 3, 3)


def test_what_is_late_within_the_wait_is_not_lost():
    # The wait is the reorder window. 3 comes 63 sequences later, and counts as received.
    stream = stream_of(of_sequences([1, 2, *range(4, 67), 3]), reorder_window=64)
    assert (stream["lost"], stream["reordered"], stream["unique"]) == (0, 1, 66)


def test_nothing_is_lost_before_the_wait_is_over():
    # 1 is missing; the window of 64 sequences after 64 is 1..64, after 65 it is 2..65.
    from core_frames import probe_frame

    table = StreamTable(reorder_window=64)
    for sequence in [0, *range(2, 65)]:
        frame = probe_frame(sequence, 0)
        table.feed(frame, sequence, len(frame))
    assert (table.streams()[0]["lost"], table.streams()[0]["missing"]) == (0, 1)
    table.feed(probe_frame(65, 0), 65, len(frame))
    assert (table.streams()[0]["lost"], table.streams()[0]["missing"]) == (1, 1)


def test_near_the_end_of_all_sequences():
    # 2^64 - 4 .. 2^64 - 1 without 2^64 - 3.
    last = 2**64 - 1
    stream = stream_of(of_sequences([last - 3, last - 1, last]))
    assert (stream["unique"], stream["lost"], stream["last_sequence"]) == (3, 1, last)


def test_a_gap_of_any_size():
    # 0, then 2^63: 2^63 - 1 are missing in between, one loss period.
    stream = stream_of(of_sequences([0, 2**63]))
    assert (stream["lost"], stream["loss_periods"], stream["longest_loss"]) == (2**63 - 1, 1, 2**63 - 1)
