"""Patterns from the core's distributions to a receiver's record."""

from __future__ import annotations

from typing import Any

from core_arrivals import Arrival, in_ms, of_sequences, table_of

from netbench.core import DISTRIBUTIONS
from netbench.metrics.distribution import NS_PER_MS, summarize_signed
from netbench.metrics.passive import passive_reception
from netbench.result.reception import Reception, StreamWindow


def received(arrivals: list[Arrival], **config: Any) -> Reception:
    """What `netbench receive` would say of these arrivals."""
    table = table_of(arrivals, **config)
    raw = {
        "backend": "socket",
        "stamp_class": "kernel",
        "totals": table.totals(),
        "streams": table.streams(windows=True),
        **{name: table.histogram(name) for name in ("iat", "pdv", "transit", "delivery")},
        "distributions": {name: table.histogram(name) for name in DISTRIBUTIONS},
        "loss_distance": config.get("loss_distance", 99),
        "series": table.series(),
        "capture": {},
    }
    reception = passive_reception(raw)
    assert Reception.model_validate_json(reception.model_dump_json()) == reception
    return reception


def test_loss_pattern_of_rfc_3357s_sample() -> None:
    # tests/gold/test_rfc3357_loss_pattern.py works it out.
    arrivals = in_ms(*((s, 10 * s, 10 * s) for s in (1, 3, 4, 6, 8, 11)))
    reception = received(arrivals, loss_distance=2)
    pattern = reception.loss_pattern
    assert pattern is not None and reception.loss is not None
    assert (pattern.lost_packets, pattern.loss_periods, pattern.longest_loss_packets) == (5, 4, 2)
    assert (pattern.loss_distance_packets, pattern.noticeable_packets, pattern.noticeable_ratio) == (2, 3, 3 / 5)
    assert pattern.period_packets is not None and pattern.period_ms is not None
    assert (pattern.period_packets.min, pattern.period_packets.mean, pattern.period_packets.max) == (1, 1.25, 2)
    assert (pattern.period_ms.min, pattern.period_ms.max) == (20, 30)
    assert pattern.between_packets is not None and pattern.between_ms is not None
    assert pattern.between_packets.histogram == [(2.0, 3.0, 2), (3.0, 4.0, 1)]
    assert (pattern.between_ms.min, pattern.between_ms.max) == (0, 10)
    [stream] = reception.streams
    assert (stream.loss_periods, stream.longest_loss_packets, stream.noticeable_losses) == (4, 2, 3)


def test_order_and_delay_of_rfc_4737s_table_1() -> None:
    rows = [(1, 0, 68), (2, 20, 88), (3, 40, 108), (5, 80, 148), (6, 100, 168), (7, 120, 188), (8, 140, 208), (4, 60, 210)]
    reception = received(in_ms(*rows))
    order, ipdv, [stream] = reception.sequence, reception.ipdv_us, reception.streams
    assert order is not None and order.extent_packets is not None and order.late_ms is not None
    assert (order.reordered_packets, order.reordered_ratio, order.three_reordered_packets) == (1, 1 / 8, 1)
    assert (order.extent_packets.max, order.late_ms.max) == (4, 62)
    assert ipdv is not None
    assert (ipdv.count, ipdv.min, ipdv.max, ipdv.mean, ipdv.p50) == (7, -82_000, 82_000, 0, 0)
    assert (stream.reorder_extent_max_packets, stream.reorder_late_max_ms, stream.ipdv_min_us) == (4, 62, -82_000)


def test_a_clean_stream_says_why_it_has_no_pattern() -> None:
    reception = received(of_sequences(range(10)))
    assert reception.loss_pattern is not None and reception.received is not None and reception.sequence is not None
    assert set(reception.loss_pattern.absent) == {
        "noticeable_ratio",
        "period_packets",
        "period_ms",
        "between_packets",
        "between_ms",
    }
    assert reception.sequence.extent_packets is None
    assert reception.received.replicated_packets == 0
    [stream] = reception.streams
    assert stream.absent["reorder_extent_max_packets"] == "no packet was reordered"
    assert stream.windows == [
        StreamWindow(number=0, packets=10, bytes=1000, missing_packets=0, iat_mean_us=1000.0, iat_max_us=1000.0)
    ]


def test_a_signed_distribution_is_put_together_from_its_parts() -> None:
    above = {"count": 2, "sum": 7_000_000, "min": 3_000_000, "max": 4_000_000, "buckets": [(3_000_000, 4_000_001, 2)]}
    below = {"count": 1, "sum": 5_000_000, "min": 5_000_000, "max": 5_000_000, "buckets": [(5_000_000, 5_000_001, 1)]}
    both = summarize_signed(above, below, NS_PER_MS)
    assert both is not None
    assert (both.count, both.min, both.max, both.mean) == (3, -5, 4, 2 / 3)
    assert both.histogram == [(-5.0, -4.999999, 1), (3.0, 4.000001, 2)]
    empty = {"count": 0, "sum": 0, "min": None, "max": None, "buckets": []}
    assert summarize_signed(empty, empty, NS_PER_MS) is None
    only_below = summarize_signed(empty, below, NS_PER_MS)
    assert only_below is not None and (only_below.p50, only_below.max) == (-5, -5)
