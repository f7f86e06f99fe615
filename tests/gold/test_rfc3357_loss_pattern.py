"""RFC 3357, One-way Loss Pattern Sample Metrics."""

from __future__ import annotations

from core_arrivals import MS, in_ms, of_sequences, stream_of, values_of

from netbench.core import StreamTable


def without(last: int, *lost: int) -> list[int]:
    return [sequence for sequence in range(1, last + 1) if sequence not in lost]


def test_sample_of_section_5_and_its_statistics_of_section_6():
    # The RFC's sample: ten packets, of which 2, 5, 7, 9 and 10 are lost.
    #
    #   packet              1      2      3      4      5      6      7      8      9      10
    #   <distance, lost>  <0,0>  <0,1>  <0,0>  <0,0>  <3,1>  <0,0>  <2,1>  <0,0>  <2,1>  <1,1>
    #   <period, lost>    <0,0>  <1,1>  <0,0>  <0,0>  <2,1>  <0,0>  <3,1>  <0,0>  <4,1>  <4,1>
    #
    # An 11th packet, which arrives, lets a receiver see that 9 and 10 are lost. With delta = 2 (6.1):
    #   noticeable: the losses with distances 2, 2 and 1: 3 of 5; the first loss has no distance
    #   loss periods (6.2): 4; their lengths (6.3): 1, 1, 1, 2
    #   inter loss period lengths (6.4), last loss of one to first loss of the next: 5 - 2 = 3, 7 - 5 = 2, 9 - 7 = 2
    stream = stream_of(of_sequences(without(11, 2, 5, 7, 9, 10)), loss_distance=2)
    assert (stream["lost"], stream["noticeable_losses"]) == (5, 3)
    assert (stream["loss_periods"], stream["longest_loss"]) == (4, 2)
    assert values_of(stream["loss_length_packets_histogram"]) == [1, 1, 1, 2]
    assert values_of(stream["loss_between_packets_histogram"]) == [2, 2, 3]
    assert stream["loss_length_packets"]["mean"] == 5 / 4
    assert stream["loss_between_packets"]["mean"] == 7 / 3


def test_noticeable_losses_of_section_6_1():
    # The RFC: delta = 99; packet 50 is lost, then a burst of three from 125 on. 125 - 50 = 75, then 1 and 1:
    # all three are noticeable.
    stream = stream_of(of_sequences(without(200, 50, 125, 126, 127)), loss_distance=99)
    assert (stream["lost"], stream["noticeable_losses"]) == (4, 3)


def test_spread_of_section_6_1():
    # The RFC: losses at 100, 200, 300, 400, 500 keep a distance of 100, so with delta = 99 none is noticeable ...
    spread = stream_of(of_sequences(without(501, 100, 200, 300, 400, 500)), loss_distance=99)
    assert (spread["lost"], spread["noticeable_losses"]) == (5, 0)
    # ... while of losses at 100, 175, 275, 290, 400 those at 175 (75) and 290 (15) are: same ratio of loss, worse to watch.
    close = stream_of(of_sequences(without(501, 100, 175, 275, 290, 400)), loss_distance=99)
    assert (close["lost"], close["noticeable_losses"]) == (5, 2)
    # Constructed: "no greater than delta" (6.1) includes delta itself.
    exactly = stream_of(of_sequences(without(501, 100, 200)), loss_distance=100)
    assert (exactly["lost"], exactly["noticeable_losses"]) == (2, 1)


def test_periods_in_time():
    # Constructed: one packet each 10 ms; 3, 4 are lost and 7 is. A lost packet has no stamp, so a period lasts from the last packet
    # before it to the first one after it: 20 -> 50 ms and 60 -> 80 ms; in between, with packets: 50 -> 60 ms.
    stream = stream_of(in_ms(*((s, 10 * s, 10 * s) for s in without(9, 3, 4, 7))))
    length, between = stream["loss_length_ns"], stream["loss_between_ns"]
    assert (length["count"], length["min"], length["max"], length["mean"]) == (2, 20 * MS, 30 * MS, 25 * MS)
    assert (between["count"], between["min"], between["max"]) == (1, 10 * MS, 10 * MS)


def test_a_late_packet_splits_a_period():
    # Constructed: 3, 4, 5 are left out by 6; then 4 comes. Lost are 3 and 5: two periods, 5 - 3 = 2 apart.
    stream = stream_of(of_sequences([1, 2, 6, 4, 7]))
    assert (stream["lost"], stream["loss_periods"], stream["reordered"]) == (2, 2, 1)
    assert values_of(stream["loss_length_packets_histogram"]) == [1, 1]
    assert values_of(stream["loss_between_packets_histogram"]) == [2]


def test_over_all_streams():
    # Constructed: the same stream twice has every period twice.
    from core_frames import probe_frame

    table = StreamTable()
    for number in (1, 2):
        for sequence in without(11, 2, 5, 7, 9, 10):
            frame = probe_frame(sequence, 0, stream=number)
            table.feed(frame, sequence, len(frame))
    table.finish()
    assert values_of(table.histogram("loss_length_packets")) == [1, 1, 1, 1, 1, 1, 2, 2]
    assert values_of(table.histogram("loss_between_packets")) == [2, 2, 2, 2, 3, 3]
