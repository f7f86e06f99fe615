"""RFC 5560, A One-Way Packet Duplication Metric. The cases are constructed by its definitions."""

from __future__ import annotations

from core_arrivals import of_sequences, stream_of


def test_copies_beyond_the_first():
    # Arrivals 0 1 1 1 2 3 3: of four packets two came more than once, with 2 and 1 copies too many.
    stream = stream_of(of_sequences([0, 1, 1, 1, 2, 3, 3]))
    assert (stream["packets"], stream["unique"]) == (7, 4)
    assert stream["duplicate"] == 3  # section 4: copies - 1, added up
    assert stream["replicated"] == 2  # section 5: packets with more than one copy
    assert stream["lost"] == 0


def test_a_copy_of_a_lost_packet_is_the_packet():
    # 1 comes twice, but late: its first copy is reordered, its second a duplicate, and it is not lost.
    stream = stream_of(of_sequences([0, 2, 1, 1]))
    assert (stream["reordered"], stream["duplicate"], stream["replicated"], stream["lost"]) == (1, 1, 1, 0)


def test_copies_make_no_loss_good():
    # Sent 0..4, 2 and 3 lost, 4 came three times: as many packets arrived as were sent, and still two are lost.
    stream = stream_of(of_sequences([0, 1, 4, 4, 4]))
    assert (stream["packets"], stream["unique"], stream["lost"], stream["duplicate"]) == (5, 3, 2, 2)
