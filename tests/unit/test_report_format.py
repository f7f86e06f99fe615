from __future__ import annotations

import pytest

from netbench.report import format


def plain(text: str) -> str:
    return text.replace(format.GROUP_SPACE, " ").replace(format.UNIT_SPACE, " ")


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [
        (0, "0 µs"),
        (0.04, "40.0 ns"),
        (0.9999, "1.00 µs"),
        (21.06, "21.1 µs"),
        (999.4, "999 µs"),
        (999.6, "1.00 ms"),
        (1052.8, "1.05 ms"),
        (45_000, "45.0 ms"),
        (2_500_000, "2.50 s"),
    ],
)
def test_a_duration_has_the_unit_that_fits_and_three_digits(microseconds: float, text: str) -> None:
    assert plain(format.duration_us(microseconds)) == text


@pytest.mark.parametrize(
    ("show", "value", "text"),
    [
        (format.packet_rate, 949.85, "950 pps"),
        (format.packet_rate, 47_492.4, "47.5 kpps"),
        (format.packet_rate, 999_960, "1.00 Mpps"),
        (format.bit_rate, 10_000_000, "10.0 Mb/s"),
        (format.size, 1316, "1 316 B"),
        (format.size, 2_500_000, "2.50 MB"),
        (format.duration_s, 2.0, "2 s"),
        (format.duration_s, 155, "2 min 35 s"),
        (format.duration_s, 7500, "2 h 05 min"),
    ],
)
def test_rates_sizes_and_lengths(show: object, value: float, text: str) -> None:
    assert callable(show)
    assert plain(show(value)) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(0, "0 %"), (0.104, "10.4 %"), (0.00012, "0.012 %"), (1, "100 %"), (0.99999, "> 99.9 %"), (1e-9, "0.00000010 %")],
)
def test_a_percentage_never_rounds_something_to_nothing_nor_most_to_all(ratio: float, text: str) -> None:
    assert plain(format.percent(ratio)) == text


@pytest.mark.parametrize("packets", [7, 100, 1900, 5700, 94_985, 284_905, 575_610, 10_000_000])
def test_an_upper_bound_still_holds_as_it_is_shown(packets: int) -> None:
    shown = float(plain(format.percent_rounded_up(3 / packets)).removesuffix(" %"))

    assert 3 / packets * 100 <= shown * (1 + 1e-9)
    assert shown <= 3 / packets * 100 * 1.1


def test_loss_tells_its_books_and_what_it_is_worth() -> None:
    assert plain(format.loss(0, 284_905, 3 / 284_905)) == "0 of 284 905 (< 0.0011 % at 95 %)"
    assert plain(format.loss(29_778, 284_976, 0.1066)) == "29 778 of 284 976 (10.4 %; at most 10.7 % at 95 %)"
    assert plain(format.loss_in_short(0, 284_905, 3 / 284_905)) == "0 (< 0.0011 %)"


def test_no_line_may_break_inside_a_number() -> None:
    glued = format.glued("p99 268 µs of 1,234,567 packets in 3 samples, 10.4 % lost, bcqueuelen=100000")

    assert glued == "p99 268\u00a0µs of 1\u202f234\u202f567 packets in 3 samples, 10.4\u00a0% lost, bcqueuelen=100000"


def test_a_comparison_keeps_the_unit_of_its_record() -> None:
    assert plain(format.number_with_unit(-0.1047, "ratio")) == "\u221210.5 %"
    assert plain(format.number_with_unit(80, "us")) == "80.0 µs"
    assert plain(format.number_with_unit(0.02, "ms")) == "20.0 µs"
    assert plain(format.number_with_unit(47_492, "pps")) == "47.5 kpps"


def test_a_moment_that_is_no_date_is_told_as_it_stands() -> None:
    assert plain(format.moment("2026-11-24T10:13:23+00:00")) == "2026-11-24 10:13:23 UTC"
    assert format.moment("yesterday") == "yesterday"
    assert format.elapsed("2026-11-24T10:13:23+00:00", None) is None
