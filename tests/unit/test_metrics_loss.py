"""Loss, its bound and its runs; MDI."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from netbench.errors import InvalidDataError
from netbench.metrics.loss import StreamBooks, measure_loss, upper_bound_ratio
from netbench.metrics.mdi import measure_mdi


def books(sequences: int, arrived: list[int], *, unsent: int = 0, skipped: int = 0, stream: int = 1) -> StreamBooks:
    """What the two ends count when exactly these sequences arrive (c_ext/stream_tracker.h)."""
    if not arrived:
        return StreamBooks(stream, sequences, unsent, skipped, 0)
    seen = set(arrived)
    first, last = min(seen), max(seen)
    runs = [run for run in "".join("." if number in seen else "x" for number in range(first, last + 1)).split(".") if run]
    return StreamBooks(
        stream,
        sequences,
        unsent,
        skipped,
        unique=len(seen),
        holes=sum(map(len, runs)),
        hole_runs=len(runs),
        longest_hole=max(map(len, runs), default=0),
        first=first,
        last=last,
    )


def test_none_lost_of_n_is_bounded_by_three_over_n() -> None:
    assert upper_bound_ratio(0, 30_000) == 3 / 30_000
    assert upper_bound_ratio(0, 2) == 1.0


def test_all_lost_is_bounded_by_one() -> None:
    assert upper_bound_ratio(5, 5) == 1.0


@pytest.mark.parametrize(("lost", "expected"), [(1, 100), (10, 1000), (9_926, 94_992)])
def test_the_bound_is_clopper_and_pearsons(lost: int, expected: int) -> None:
    bound = upper_bound_ratio(lost, expected)
    assert lost / expected < bound < 1
    assert binom.cdf(lost, expected, bound) == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize(("lost", "expected"), [(0, 0), (-1, 5), (6, 5)])
def test_a_bound_of_nonsense_is_refused(lost: int, expected: int) -> None:
    with pytest.raises(ValueError, match="expected"):
        upper_bound_ratio(lost, expected)


def test_leading_and_trailing_loss_are_seen_from_both_ends() -> None:
    loss = measure_loss([books(10, [2, 3, 5, 6, 7])])
    assert loss is not None
    assert (loss.expected_packets, loss.lost_packets, loss.lost_percent) == (10, 5, 50.0)
    assert (loss.loss_periods, loss.longest_loss_packets, loss.streams_with_loss) == (3, 2, 1)


def test_a_stream_that_never_arrived_is_one_period() -> None:
    loss = measure_loss([books(10, list(range(10))), books(7, [], stream=2)])
    assert loss is not None
    assert (loss.lost_packets, loss.loss_periods, loss.longest_loss_packets) == (7, 1, 7)


def test_unsent_is_not_lost_but_hides_the_runs() -> None:
    loss = measure_loss([books(10, [0, 1, 2, 3, 8, 9], unsent=4)])
    assert loss is not None
    assert (loss.expected_packets, loss.lost_packets) == (6, 0)
    assert (loss.loss_periods, loss.longest_loss_packets) == (None, None)


def test_more_received_than_sent_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="stream 1 has 3 unique packets at the receiver, but only 2 were sent"):
        measure_loss([books(2, [0, 1, 2])])


def test_nothing_sent_is_no_loss_ratio() -> None:
    assert measure_loss([books(0, [])]) is None


@given(st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1)))))
def test_runs_add_up_for_any_loss(case: tuple[int, set[int]]) -> None:
    sequences, arrived = case
    loss = measure_loss([books(sequences, sorted(arrived))])
    pattern = "".join("." if number in arrived else "x" for number in range(sequences))
    runs = [run for run in pattern.split(".") if run]
    assert loss is not None
    assert loss.lost_packets == sequences - len(arrived)
    assert (loss.loss_periods, loss.longest_loss_packets) == (len(runs), max(map(len, runs), default=0))


def test_mdi_is_of_the_worst_stream() -> None:
    mdi = measure_mdi([1_052_800.0, 2_000_000.0, None], [0, 5, 1], payload_bytes=1316, duration_s=2.0, media_rate_bps=10e6)
    assert mdi is not None
    assert mdi.delay_factor_ms == 2.0
    assert mdi.media_loss_packets_per_second == 5 * 7 / 2.0
    assert (mdi.media_rate_bps, mdi.media_rate_source) == (10e6, "configured")


def test_no_mdi_without_an_interval_or_a_ts_packet() -> None:
    assert measure_mdi([None, -1.0], [0], payload_bytes=1316, duration_s=2.0, media_rate_bps=10e6) is None
    assert measure_mdi([1.0], [0], payload_bytes=187, duration_s=2.0, media_rate_bps=10e6) is None
