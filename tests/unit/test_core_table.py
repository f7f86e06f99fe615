"""StreamTable: frames in, books out."""

from __future__ import annotations

import gc
import struct

import pytest
from core_frames import GROUP, SOURCE, probe_frame, udp_frame

from netbench import _core

MS = 1_000_000
START = 1_700_000_000_000_000_000
TRANSIT = 250_000

STREAM_KEYS = {
    # struct nb_stream_counts
    "packets", "bytes", "unique", "duplicate", "replicated", "reordered", "three_reordered", "missing", "beyond_window", "lost",
    "loss_periods", "longest_loss", "noticeable_losses", "intervals", "interval_missing_last", "interval_missing_max",
    "first_sequence", "last_sequence", "sequenced", "first_ns", "last_ns", "jitter_ns", "jitter_max_ns", "clock_backwards",
    "windows", "iat_error_windows", "transit_base_ns", "transit_min_ns", "transit_max_ns", "delay_factor_max_ns",
    "delay_factor_last_ns", "stamps_user", "stamps_kernel", "stamps_hardware",
    # who it is
    "probe", "kind", "payload_type", "media_clock_hz", "sequence_restarts", "ts", "session", "stream",
    "source", "destination", "source_port", "destination_port",
    # in short
    "iat_ns", "transit_ns", "ipdv_ns", "loss_length_packets", "loss_length_ns", "loss_between_packets", "loss_between_ns",
    "reorder_extent_packets", "reorder_late_ns",
}  # fmt: skip

DISTRIBUTIONS = {
    "iat", "transit_above", "transit_below", "ipdv_above", "ipdv_below", "loss_length_packets", "loss_length_ns",
    "loss_between_packets", "loss_between_ns", "reorder_extent_packets", "reorder_late_ns",
}  # fmt: skip


def feed(table: _core.StreamTable, sequences: list[int], **frame: object) -> None:
    """One probe per millisecond, each TRANSIT on its way."""
    for position, sequence in enumerate(sequences):
        sent_ns = START + position * MS
        data = probe_frame(sequence, sent_ns, **frame)
        assert table.feed(data, sent_ns + TRANSIT, len(data)) == "datagram"


def test_one_stream_in_order():
    table = _core.StreamTable()
    feed(table, list(range(100)))
    table.finish()

    [stream] = table.streams()
    assert set(stream) == STREAM_KEYS
    assert (stream["packets"], stream["unique"], stream["lost"], stream["duplicate"], stream["reordered"]) == (100, 100, 0, 0, 0)
    assert (stream["source"], stream["source_port"]) == (SOURCE, 40000)
    assert (stream["destination"], stream["destination_port"]) == (GROUP, 5004)
    assert (stream["probe"], stream["session"], stream["stream"]) == (True, 7, 1)
    assert stream["bytes"] == 100 * 100
    assert stream["iat_ns"]["count"] == 99
    assert (stream["iat_ns"]["min"], stream["iat_ns"]["max"], stream["iat_ns"]["mean"]) == (MS, MS, float(MS))
    assert stream["transit_ns"] == {
        "count": 100,
        "min": TRANSIT,
        "max": TRANSIT,
        "mean": float(TRANSIT),
        "p50": TRANSIT,
        "p99": TRANSIT,
        "p99_9": TRANSIT,
    }
    assert stream["jitter_ns"] == 0.0
    assert stream["delay_factor_max_ns"] is None


def test_loss_duplicates_and_reordering_are_told_apart():
    table = _core.StreamTable()
    feed(table, [0, 1, 3, 2, 4, 4, 7, 8, 11])
    assert table.streams()[0]["lost"] == 0  # nothing is settled yet
    table.finish()

    [stream] = table.streams()
    assert stream["unique"] == 8
    assert stream["duplicate"] == 1
    assert stream["reordered"] == 1
    assert stream["lost"] == 4
    assert (stream["loss_periods"], stream["longest_loss"]) == (2, 2)
    assert (stream["first_sequence"], stream["last_sequence"]) == (0, 11)
    assert stream["unique"] + stream["lost"] == stream["last_sequence"] + 1


def test_transit_is_absolute_whichever_side_of_the_first_packet_it_lies():
    table = _core.StreamTable()
    for position, transit_ns in enumerate((500_000, 100_000, 900_000, 500_000)):
        frame = probe_frame(position, START + position * MS)
        table.feed(frame, START + position * MS + transit_ns, len(frame))
    transit = table.streams()[0]["transit_ns"]
    assert (transit["count"], transit["min"], transit["max"], transit["mean"]) == (4, 100_000, 900_000, 500_000.0)
    assert transit["p50"] == 500_000
    assert transit["p99"] == 900_000


def test_streams_are_told_apart_by_everything_that_makes_a_stream():
    table = _core.StreamTable()
    flows = [{}, {"stream": 2}, {"session": 8}, {"source": "192.0.2.2"}, {"destination": "239.1.2.4"}, {"destination_port": 5006}]
    for flow in flows:
        feed(table, [0, 1], **flow)
    assert [stream["packets"] for stream in table.streams()] == [2] * len(flows)
    assert table.totals()["streams"] == len(flows)


def test_what_is_no_probe_of_ours_is_foreign():
    table = _core.StreamTable(session=7, probes_only=True)
    feed(table, [0])
    feed(table, [0, 1], session=8)
    plain = udp_frame(b"not a probe")
    assert table.feed(plain, START, len(plain)) == "datagram"
    damaged = bytearray(probe_frame(1, START))
    damaged[14 + 20 + 8 + 20] ^= 1  # in the sequence: the check must notice
    assert table.feed(damaged, START, len(damaged)) == "datagram"

    totals = table.totals()
    assert (totals["packets"], totals["tracked"], totals["foreign"], totals["damaged"], totals["streams"]) == (5, 1, 3, 1, 1)
    assert totals["packets"] == totals["tracked"] + totals["foreign"] + totals["damaged"] + totals["refused_streams"]


def test_raw_traffic_is_counted_without_sequences():
    table = _core.StreamTable()
    for position in range(3):
        frame = udp_frame(b"x" * 188)
        table.feed(frame, START + position * MS, len(frame))
    [stream] = table.streams()
    assert (stream["packets"], stream["bytes"], stream["sequenced"], stream["probe"]) == (3, 3 * 188, False, False)
    assert stream["iat_ns"]["count"] == 2
    assert stream["transit_ns"] is None


def test_streams_beyond_the_limit_are_counted_not_kept():
    table = _core.StreamTable(max_streams=2)
    for stream in range(4):
        feed(table, [0], stream=stream)
    assert (table.totals()["streams"], table.totals()["refused_streams"]) == (2, 2)


@pytest.mark.parametrize(
    ("frame", "outcome"),
    [
        (b"", "damaged"),
        (bytes(13), "damaged"),
        (bytes.fromhex("ffffffffffff" "020000000001" "0806") + bytes(28), "not_udp"),
        (udp_frame(b"cut")[:30], "damaged"),
    ],
)  # fmt: skip
def test_other_frames_are_named(frame, outcome):
    table = _core.StreamTable()
    assert table.feed(frame, START, len(frame)) == outcome
    assert table.totals()["packets"] == 0


def test_only_stamps_of_the_chosen_class_make_timing():
    table = _core.StreamTable(stamp_class="kernel")
    for position, stamp_class in enumerate(("kernel", "user", "kernel", "hardware")):
        frame = probe_frame(position, START)
        table.feed(frame, START + position * MS, len(frame), stamp_class=stamp_class)
    totals = table.totals()
    assert (totals["stamps_user"], totals["stamps_kernel"], totals["stamps_hardware"]) == (1, 2, 1)
    assert table.streams()[0]["transit_ns"]["count"] == 2


def test_histograms_add_up():
    table = _core.StreamTable()
    feed(table, list(range(10)))
    feed(table, list(range(5)), stream=2)
    first, second = table.streams(histograms=True)
    assert set(first) == STREAM_KEYS | {f"{name}_histogram" for name in DISTRIBUTIONS}
    assert first["transit_above_histogram"]["count"] + first["transit_below_histogram"]["count"] == 10
    assert first["iat_histogram"]["count"] + second["iat_histogram"]["count"] == table.histogram("iat")["count"] == 13
    assert table.histogram("delivery")["count"] == 0


def test_every_distribution_is_there_over_all_streams():
    table = _core.StreamTable()
    for name in DISTRIBUTIONS - {"transit_above", "transit_below"} | {"pdv", "transit", "delivery"}:
        assert table.histogram(name)["count"] == 0
    for name in ("transit_above", "", "nonsense"):  # transits of two streams have no common base
        with pytest.raises(ValueError, match="name must be"):
            table.histogram(name)


def test_windows_come_when_asked_for():
    table = _core.StreamTable()
    feed(table, list(range(10)))
    [stream] = table.streams(windows=True)
    assert set(stream) == STREAM_KEYS | {"kept_windows"}
    [window] = stream["kept_windows"]
    assert set(window) == {"number", "packets", "bytes", "missing", "iat_count", "iat_sum_ns", "iat_max_ns"}


def test_delivery_is_from_the_stamp_to_the_application():
    table = _core.StreamTable()
    frame = probe_frame(0, START)
    table.feed(frame, START, len(frame), read_ns=START + 5000)
    delivery = table.histogram("delivery")
    assert (delivery["count"], delivery["min"], delivery["max"]) == (1, 5000, 5000)


def test_the_series_covers_every_packet():
    table = _core.StreamTable(series_ns=10 * MS)
    feed(table, list(range(35)))
    series = table.series()
    assert [point["packets"] for point in series] == [10, 10, 10, 5]
    assert [point["start_ns"] - series[0]["start_ns"] for point in series] == [0, 10 * MS, 20 * MS, 30 * MS]
    assert sum(point["bytes"] for point in series) == 3500
    assert sum(point["iat_count"] for point in series) == 34
    assert set(series[0]) == {"start_ns", "packets", "bytes", "iat_count", "iat_sum_ns", "iat_max_ns"}


def test_the_log_holds_what_it_has_room_for_and_says_what_not():
    table = _core.StreamTable(log_capacity=4)
    feed(table, [0, 1, 2, 5, 6], stream=9)
    entries = list(struct.iter_unpack("=qII", table.log()))
    assert entries == [(START + TRANSIT + position * MS, 9, sequence) for position, sequence in enumerate((0, 1, 2, 5))]
    assert (table.totals()["logged"], table.totals()["log_overflow"]) == (4, 1)


def test_a_log_of_contents_is_the_same_wherever_the_same_packets_come_by():
    first, second, other_seed = (_core.StreamTable(log_capacity=9, log_content=True, content_seed=seed) for seed in (7, 7, 8))
    for table in (first, second, other_seed):
        feed(table, [0, 1, 2], stream=9)
    contents = [[sequence for _, _, sequence in struct.iter_unpack("=qII", table.log())] for table in (first, second, other_seed)]
    assert contents[0] == contents[1]
    assert len({*contents[0], *contents[2]}) == 6
    assert [stream >> 16 for _, stream, _ in struct.iter_unpack("=qII", first.log())] == [0, 0, 0]


def test_a_restarted_table_has_empty_books_and_counts_on():
    table = _core.StreamTable(log_capacity=4, series_ns=MS)
    feed(table, [0, 1, 2])
    table.restart()
    assert (table.streams(), table.series(), table.log(), table.totals()["packets"]) == ([], [], b"", 0)
    feed(table, [5, 7])
    table.finish()
    assert [(stream["unique"], stream["lost"]) for stream in table.streams()] == [(2, 1)]


def test_a_table_may_be_restarted_by_what_the_collector_runs_while_its_streams_are_told():
    table = _core.StreamTable()
    for stream in range(50):
        feed(table, [0, 1], stream=stream)

    class Restarting:
        def __init__(self) -> None:
            self.itself = self

        def __del__(self) -> None:
            table.restart()

    thresholds = gc.get_threshold()
    gc.set_threshold(1)
    try:
        Restarting()
        told = table.streams()
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    assert [stream["stream"] for stream in told] == list(range(len(told)))
    assert table.streams() == []


def test_an_empty_table_has_empty_books():
    table = _core.StreamTable()
    table.finish()
    assert (table.streams(), table.series(), table.log()) == ([], [], b"")
    assert table.totals()["packets"] == 0
