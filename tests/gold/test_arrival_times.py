"""Inter-arrival times, percentiles by nearest rank, error-seconds, windows (METRICS.md, Arrival time). Constructed."""

from __future__ import annotations

from core_arrivals import MS, Arrival, stream_of, values_of


def with_iats(iats_ns: list[int]) -> list[Arrival]:
    received, arrivals = 0, [Arrival(0, 0)]
    for number, iat in enumerate(iats_ns, start=1):
        received += iat
        arrivals.append(Arrival(number, received))
    return arrivals


def test_nearest_rank_of_ten():
    # IATs 10, 1, 9, 2, ... are 1..10 in order. p50: rank ceil(0.50 * 10) = 5 -> 5; p99: ceil(9.9) = 10 -> 10; p99.9 as p99.
    iat = stream_of(with_iats([10, 1, 9, 2, 8, 3, 7, 4, 6, 5]))["iat_ns"]
    assert iat == {"count": 10, "min": 1, "max": 10, "mean": 5.5, "p50": 5, "p99": 10, "p99_9": 10}


def test_nearest_rank_of_a_thousand():
    # 1000 IATs: 989 of 10, then 20 (rank 990), nine of 30 (991..999), one of 60 (1000).
    # p99: rank 990 -> 20; p99.9: rank 999 -> 30; max 60.
    iat = stream_of(with_iats([60] + [30] * 9 + [20] + [10] * 989))["iat_ns"]
    assert (iat["p50"], iat["p99"], iat["p99_9"], iat["max"]) == (10, 20, 30, 60)


def test_iat_is_of_arrivals_copies_and_late_ones_too():
    arrivals = [Arrival(0, 0), Arrival(2, 10), Arrival(2, 13), Arrival(1, 20)]
    assert values_of(stream_of(arrivals)["iat_histogram"]) == [3, 7, 10]


def test_error_seconds():
    # Windows of 1 s from the first packet on; an IAT counts for the window that it ends in; error: above 45 ms.
    #   0.000  0.045 (45: not above)  0.091 (46: window 0 in error)  0.150 (59: again, no second error)
    #   0.990 (840)  1.020 (30: window 1 is not)  4.000 (2980: window 4 in error; 2 and 3 had nothing)
    received_ms = [0, 45, 91, 150, 990, 1020, 4000]
    stream = stream_of([Arrival(number, at * MS) for number, at in enumerate(received_ms)])
    assert (stream["windows"], stream["iat_error_windows"]) == (5, 2)


def test_windows_of_a_stream():
    # As above, with sequences 3 (at 150 ms) and 6, 7 (at 1020 ms) left out: 1 and 2 missing, in the window where it shows.
    rows = [(0, 0), (1, 45), (2, 91), (4, 150), (5, 990), (8, 1020), (9, 4000)]
    windows = stream_of([Arrival(sequence, at * MS) for sequence, at in rows])["kept_windows"]
    assert [window["number"] for window in windows] == [0, 1, 4]
    assert [window["packets"] for window in windows] == [5, 1, 1]
    assert [window["missing"] for window in windows] == [1, 2, 0]
    assert [window["iat_max_ns"] for window in windows] == [840 * MS, 30 * MS, 2980 * MS]
    assert [window["iat_sum_ns"] for window in windows] == [990 * MS, 30 * MS, 2980 * MS]
    assert [window["iat_count"] for window in windows] == [4, 1, 1]
    assert [window["bytes"] for window in windows] == [500, 100, 100]
