"""Patterns of loss (RFC 3357), of reordering (RFC 4737) and of delay (RFC 5481), from the core's distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netbench.metrics.distribution import NS_PER_MS, NS_PER_US, largest, summarize, summarize_signed
from netbench.result.numbers import Distribution, LossPattern, SequenceOrder
from netbench.result.reception import StreamWindow

RawStream = Mapping[str, Any]

_PACKETS = 1
_TOO_FEW_PAIRS = "no two packets with successive sequences had a send stamp and a receive stamp"


def _distribution(raw: Mapping[str, Any], name: str, per_unit: int) -> Distribution | None:
    return summarize((raw.get("distributions") or {}).get(name), per_unit)


def measure_order(raw: Mapping[str, Any], streams: Sequence[RawStream]) -> SequenceOrder:
    """How packets were reordered, over all streams.

    Args:
        raw: the `result` event's data of a receiver.
        streams: those of its streams that count.
    """
    unique, reordered = _total(streams, "unique"), _total(streams, "reordered")
    return SequenceOrder(
        reordered_packets=reordered,
        reordered_ratio=reordered / unique if unique else 0.0,
        three_reordered_packets=_total(streams, "three_reordered"),
        extent_packets=_distribution(raw, "reorder_extent_packets", _PACKETS),
        late_ms=_distribution(raw, "reorder_late_ns", NS_PER_MS),
    )


def measure_loss_pattern(raw: Mapping[str, Any], streams: Sequence[RawStream]) -> LossPattern | None:
    """In which runs packets were lost, as the receiver sees it: between the first and the last packet of each stream.

    Args:
        raw: the `result` event's data of a receiver.
        streams: those of its streams that have sequences.

    Returns:
        The record; None when no stream has sequences.
    """
    if not streams:
        return None
    lost, noticeable = _total(streams, "lost"), _total(streams, "noticeable_losses")
    none, lonely = "no loss that packets before and after it show", "no stream had two loss periods"
    numbers: dict[str, tuple[Any, str]] = {
        "noticeable_ratio": (noticeable / lost if lost else None, "nothing was lost"),
        "period_packets": (_distribution(raw, "loss_length_packets", _PACKETS), none),
        "period_ms": (_distribution(raw, "loss_length_ns", NS_PER_MS), none),
        "between_packets": (_distribution(raw, "loss_between_packets", _PACKETS), lonely),
        "between_ms": (_distribution(raw, "loss_between_ns", NS_PER_MS), lonely),
    }
    return LossPattern(
        lost_packets=lost,
        loss_periods=_total(streams, "loss_periods"),
        longest_loss_packets=max((stream.get("longest_loss", 0) for stream in streams), default=0),
        loss_distance_packets=raw.get("loss_distance", 0),
        noticeable_packets=noticeable,
        **{key: value for key, (value, _) in numbers.items()},
        absent={key: reason for key, (value, reason) in numbers.items() if value is None},
    )


def measure_ipdv(raw: Mapping[str, Any]) -> tuple[Distribution | None, str]:
    """Inter-packet delay variation over all streams, microseconds, signed; and why there is none.

    IPDV(i) = D(i) - D(i-1) of successive sequences that both arrived, in whatever order (RFC 5481 section 4.1). It needs no
    agreement of clocks.
    """
    distributions = raw.get("distributions") or {}
    return summarize_signed(distributions.get("ipdv_above"), distributions.get("ipdv_below"), NS_PER_US), _TOO_FEW_PAIRS


def stream_patterns(parts: Sequence[RawStream]) -> tuple[dict[str, Any], dict[str, str]]:
    """Fields of a StreamResult that say how one stream was lost, reordered and delayed; and why some are null.

    Args:
        parts: the stream as it arrived; several where its source address or port changed on the way.
    """
    sequenced = [part for part in parts if part["sequenced"]]
    no_sequence = "no sequence numbers in this traffic" if parts else "nothing was received"
    extents, lates = _all(sequenced, "reorder_extent_packets"), _all(sequenced, "reorder_late_ns")
    ipdvs, iats = _all(sequenced, "ipdv_ns"), _all(parts, "iat_ns")
    numbers: dict[str, tuple[Any, str]] = {
        "loss_periods": (_total(sequenced, "loss_periods") if sequenced else None, no_sequence),
        "longest_loss_packets": (largest([part["longest_loss"] for part in sequenced]), no_sequence),
        "noticeable_losses": (_total(sequenced, "noticeable_losses") if sequenced else None, no_sequence),
        "reorder_extent_max_packets": (largest([extent["max"] for extent in extents]), "no packet was reordered"),
        "reorder_late_max_ms": (largest([late["max"] / NS_PER_MS for late in lates]), "no packet was reordered"),
        "iat_mean_us": (largest([iat["mean"] / NS_PER_US for iat in iats]), "fewer than two packets"),
        "ipdv_min_us": (_least([ipdv["min"] / NS_PER_US for ipdv in ipdvs]), _TOO_FEW_PAIRS),
        "ipdv_p99_us": (largest([ipdv["p99"] / NS_PER_US for ipdv in ipdvs]), _TOO_FEW_PAIRS),
        "ipdv_max_us": (largest([ipdv["max"] / NS_PER_US for ipdv in ipdvs]), _TOO_FEW_PAIRS),
    }
    fields = {key: value for key, (value, _) in numbers.items()}
    fields["windows"] = [window for part in parts for window in _windows(part)]
    return fields, {key: reason for key, (value, reason) in numbers.items() if value is None}


def _windows(part: RawStream) -> list[StreamWindow]:
    return [
        StreamWindow(
            number=window["number"],
            packets=window["packets"],
            bytes=window["bytes"],
            missing_packets=window["missing"],
            iat_mean_us=window["iat_sum_ns"] / window["iat_count"] / NS_PER_US if window["iat_count"] else None,
            iat_max_us=window["iat_max_ns"] / NS_PER_US if window["iat_count"] else None,
        )
        for window in part.get("kept_windows") or []
    ]


def _all(parts: Sequence[RawStream], key: str) -> list[Mapping[str, Any]]:
    return [part[key] for part in parts if part.get(key)]


def _least(values: Sequence[float]) -> float | None:
    return min(values, default=None)


def _total(streams: Sequence[RawStream], key: str) -> int:
    return sum(stream.get(key, 0) for stream in streams)
