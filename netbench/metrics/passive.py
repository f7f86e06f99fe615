"""What a receiver alone can say: nobody tells it what was sent, so loss before the first and after the last packet is invisible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netbench.metrics.distribution import NS_PER_MS, NS_PER_US, summarize
from netbench.metrics.loss import upper_bound_ratio
from netbench.metrics.mdi import measure_mdi
from netbench.metrics.reception import capture_books, series_points
from netbench.metrics.sending import bits_per_second, rate_pps
from netbench.result.records import Loss, Mdi, Received, Reception, SequenceOrder, Stamps, StreamResult

_NO_SEQUENCE = "no sequence numbers in this traffic"
_NOTHING = "nothing was received"


def passive_reception(raw: Mapping[str, Any], media_rate_bps: float | None = None) -> Reception:
    """The record of a receiver without a sender's books (RFC 3550 A.3: expected = highest - lowest sequence + 1).

    Args:
        raw: the `result` event's data of a receive job.
        media_rate_bps: configured media rate of a stream, or None.
    """
    streams = [stream for stream in raw["streams"] if stream["packets"]]
    sequenced = [stream for stream in streams if stream["sequenced"]]
    packets, unique = _total(streams, "packets"), _total(streams, "unique")
    # Traffic without sequences has neither duplicates nor holes that could be seen: each packet counts as its own.
    unsequenced = packets - unique - _total(streams, "duplicate") - _total(streams, "beyond_window")
    span_s = (
        (max(stream["last_ns"] for stream in streams) - min(stream["first_ns"] for stream in streams)) / 1e9 if streams else 0.0
    )
    pps, octets = rate_pps(packets, span_s), _total(streams, "bytes")
    loss = _loss(sequenced)
    probes = [stream for stream in sequenced if stream["unique"] > 1]
    sections: dict[str, tuple[Any, str]] = {
        "loss": (loss, _NO_SEQUENCE if streams else _NOTHING),
        "iat_us": (summarize(raw["iat"], NS_PER_US), "no stream had two packets with a stamp of the class in use"),
        "pdv_us": (summarize(raw["pdv"], NS_PER_US), "no send stamps in this traffic"),
        "one_way_delay_us": (None, "nobody said that sender and receiver share a clock"),
        "delivery_us": (summarize(raw["delivery"], NS_PER_US), _NOTHING),
        "jitter_ms": (
            sum(s["jitter_ns"] for s in probes) / len(probes) / NS_PER_MS if probes else None,
            "no send stamps in this traffic",
        ),
        "jitter_max_ms": (max((s["jitter_max_ns"] / NS_PER_MS for s in probes), default=None), "no send stamps in this traffic"),
        "mdi": (
            _mdi(streams, media_rate_bps, span_s),
            "no media rate was given (--media-rate), or less than an interval of 1 s arrived",
        ),
        "sequence": (_order(sequenced), _NO_SEQUENCE if streams else _NOTHING),
        "tap": (None, "a receiver by hand has no tap"),
    }
    return Reception(
        receiver="here",
        received=Received(
            packets=packets,
            unique_packets=unique + unsequenced,
            duplicate_packets=_total(streams, "duplicate"),
            beyond_window_packets=_total(streams, "beyond_window"),
            unsequenced_packets=unsequenced,
            foreign_packets=raw["totals"]["foreign"],
            damaged_packets=raw["totals"]["damaged"],
            bytes=octets,
            streams=len(streams),
            packets_per_second=pps,
            bits_per_second=bits_per_second(pps, packets, octets),
        ),
        **{key: value for key, (value, _) in sections.items()},
        timestamps=Stamps(
            used=raw["stamp_class"],
            hardware_packets=raw["totals"]["stamps_hardware"],
            kernel_packets=raw["totals"]["stamps_kernel"],
            user_packets=raw["totals"]["stamps_user"],
        ),
        error_seconds=_total(streams, "iat_error_windows"),
        unattributed_packets=loss.lost_packets if loss else 0,
        capture=capture_books(raw),
        series=series_points(raw),
        streams=[_stream(stream) for stream in streams],
        absent={key: reason for key, (value, reason) in sections.items() if value is None},
    )


def _total(streams: Sequence[Mapping[str, Any]], key: str) -> int:
    return sum(stream[key] for stream in streams)


def _expected(stream: Mapping[str, Any]) -> int:
    return int(stream["last_sequence"] - stream["first_sequence"] + 1) if stream["unique"] else 0


def _loss(streams: Sequence[Mapping[str, Any]]) -> Loss | None:
    expected = sum(_expected(stream) for stream in streams)
    if expected == 0:
        return None
    lost = _total(streams, "lost")
    return Loss(
        expected_packets=expected,
        lost_packets=lost,
        lost_ratio=lost / expected,
        lost_percent=100 * lost / expected,
        upper_bound_ratio=upper_bound_ratio(lost, expected),
        streams_with_loss=sum(stream["lost"] > 0 for stream in streams),
        loss_periods=_total(streams, "loss_periods"),
        longest_loss_packets=max(stream["longest_loss"] for stream in streams),
    )


def _order(streams: Sequence[Mapping[str, Any]]) -> SequenceOrder | None:
    unique = _total(streams, "unique")
    if unique == 0:
        return None
    reordered = _total(streams, "reordered")
    return SequenceOrder(reordered_packets=reordered, reordered_ratio=reordered / unique)


def _mdi(streams: Sequence[Mapping[str, Any]], media_rate_bps: float | None, span_s: float) -> Mdi | None:
    if media_rate_bps is None or not streams:
        return None
    payload_bytes = round(_total(streams, "bytes") / _total(streams, "packets"))
    missing = [stream["lost"] + stream["reordered"] for stream in streams]
    return measure_mdi([stream["delay_factor_max_ns"] for stream in streams], missing, payload_bytes, span_s, media_rate_bps)


def _stream(stream: Mapping[str, Any]) -> StreamResult:
    iat, sequenced = stream["iat_ns"], stream["sequenced"]
    factor = stream["delay_factor_max_ns"]
    numbers: dict[str, tuple[Any, str]] = {
        "sequences_sent": (None, "a receiver by hand does not know it"),
        "lost_packets": (stream["lost"] if sequenced else None, _NO_SEQUENCE),
        "iat_p99_us": (iat["p99"] / NS_PER_US if iat else None, "fewer than two packets"),
        "iat_max_us": (iat["max"] / NS_PER_US if iat else None, "fewer than two packets"),
        "jitter_ms": (
            stream["jitter_ns"] / NS_PER_MS if sequenced and stream["unique"] > 1 else None,
            "fewer than two send stamps",
        ),
        "delay_factor_ms": (
            factor / NS_PER_MS if factor is not None and factor >= 0 else None,
            "no media rate, or less than 1 s arrived",
        ),
    }
    return StreamResult(
        stream=stream["stream"],
        source=stream["source"],
        destination=stream["destination"],
        port=stream["destination_port"],
        received_packets=stream["packets"],
        unique_packets=stream["unique"] if sequenced else stream["packets"],
        duplicate_packets=stream["duplicate"],
        reordered_packets=stream["reordered"],
        error_seconds=stream["iat_error_windows"],
        absent={key: reason for key, (value, reason) in numbers.items() if value is None},
        **{key: value for key, (value, _) in numbers.items()},
    )
