"""What a receiver alone can say: nobody tells it what was sent, so loss before the first and after the last packet is invisible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netbench.metrics.distribution import NS_PER_MS, NS_PER_US, summarize
from netbench.metrics.loss import upper_bound_ratio
from netbench.metrics.mdi import worst_interval
from netbench.metrics.patterns import measure_ipdv, measure_loss_pattern, measure_order, stream_patterns
from netbench.metrics.reception import capture_books, series_points
from netbench.metrics.sending import bits_per_second, rate_pps
from netbench.metrics.transport_stream import (
    NO_TS,
    TS_PACKET_BYTES,
    all_transport,
    measured_delay_factor_ns,
    missing_ts_packets,
    stream_transport,
)
from netbench.result.numbers import Loss, Mdi, Received, Stamps
from netbench.result.reception import Reception, StreamResult

_NO_SEQUENCE = "no sequence numbers in this traffic"
_NOTHING = "nothing was received"
_NO_STAMPS = "no send stamps, nor media time, in this traffic"


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
    stamped = [stream for stream in sequenced if stream["unique"] > 1]
    sections: dict[str, tuple[Any, str]] = {
        "loss": (loss, _NO_SEQUENCE if streams else _NOTHING),
        "iat_us": (summarize(raw["iat"], NS_PER_US), "no stream had two packets with a stamp of the class in use"),
        "pdv_us": (summarize(raw["pdv"], NS_PER_US), _NO_STAMPS),
        "one_way_delay_us": (None, "nobody said that sender and receiver share a clock"),
        "delivery_us": (summarize(raw["delivery"], NS_PER_US), _NOTHING),
        "jitter_ms": (
            sum(s["jitter_ns"] for s in stamped) / len(stamped) / NS_PER_MS if stamped else None,
            _NO_STAMPS,
        ),
        "jitter_max_ms": (max((s["jitter_max_ns"] / NS_PER_MS for s in stamped), default=None), _NO_STAMPS),
        "mdi": (
            _mdi(streams, media_rate_bps, span_s),
            "no media rate was given (--media-rate) nor found in a PCR, or less than an interval of 1 s arrived",
        ),
        "mpegts": (all_transport(streams), NO_TS if streams else _NOTHING),
        "ipdv_us": measure_ipdv(raw),
        "sequence": (measure_order(raw, sequenced) if sequenced else None, _NO_SEQUENCE if streams else _NOTHING),
        "loss_pattern": (measure_loss_pattern(raw, sequenced), _NO_SEQUENCE if streams else _NOTHING),
        "tap": (None, "a receiver by hand has no tap"),
    }
    return Reception(
        receiver="here",
        received=Received(
            packets=packets,
            unique_packets=unique + unsequenced,
            duplicate_packets=_total(streams, "duplicate"),
            replicated_packets=_total(sequenced, "replicated") if sequenced else None,
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


def _mdi(streams: Sequence[Mapping[str, Any]], media_rate_bps: float | None, span_s: float) -> Mdi | None:
    """RFC 4445 of the worst stream: at the configured media rate, else at the one that its PCR tells."""
    media = [stream for stream in streams if stream["ts"] or stream["bytes"] // stream["packets"] >= TS_PACKET_BYTES]
    factors = {index: _delay_factor_ns(stream, media_rate_bps) for index, stream in enumerate(media)}
    known = {index: factor for index, factor in factors.items() if factor is not None}
    if not known or span_s <= 0:
        return None
    worst = max(known, key=lambda index: known[index])
    return Mdi(
        delay_factor_ms=known[worst] / NS_PER_MS,
        media_loss_packets_per_second=max(missing_ts_packets(stream) for stream in media) / span_s,
        media_rate_bps=media_rate_bps or media[worst]["ts"]["media_rate_bps"],
        media_rate_source="configured" if media_rate_bps else "measured",
        **(worst_interval(media) if media_rate_bps else {}),
    )


def _delay_factor_ns(stream: Mapping[str, Any], media_rate_bps: float | None) -> float | None:
    if media_rate_bps is None:
        return measured_delay_factor_ns(stream)
    factor = stream["delay_factor_max_ns"]
    return float(factor) if factor is not None and factor >= 0 else None


def _stream(stream: Mapping[str, Any]) -> StreamResult:
    iat, sequenced = stream["iat_ns"], stream["sequenced"]
    configured = stream["delay_factor_max_ns"]
    factor = measured_delay_factor_ns(stream) if configured is None or configured < 0 else configured
    ts = stream_transport(stream)
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
            factor / NS_PER_MS if factor is not None else None,
            "no media rate, or less than 1 s arrived",
        ),
        "payload_type": (stream["payload_type"], "no RTP"),
        "cc_errors": (ts.cc_errors if ts else None, NO_TS),
        "ts_lost_estimate": (ts.ts_lost_estimate if ts else None, NO_TS),
        "ts": (ts, NO_TS),
    }
    patterns, no_patterns = stream_patterns([stream])
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
        kind=stream["kind"],
        sequence_restarts=stream["sequence_restarts"],
        absent={key: reason for key, (value, reason) in numbers.items() if value is None} | no_patterns,
        **{key: value for key, (value, _) in numbers.items()},
        **patterns,
    )
