"""MPEG-TS, as a receiver saw it: ISO 13818-1 continuity and ETSI TR 101 290 first priority."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netbench.metrics.distribution import NS_PER_MS
from netbench.result.numbers import Mpegts, TransportStream

TS_PACKET_BYTES = 188
NO_TS = "no MPEG-TS in this traffic"

_COUNTS = {
    "ts_packets": "packets",
    "null_packets": "null_packets",
    "pids": "pids",
    "programs": "programs",
    "cc_errors": "cc_errors",
    "ts_lost_estimate": "ts_lost_estimate",
    "duplicate_ts_packets": "duplicates",
    "sync_losses": "sync_losses",
    "sync_byte_errors": "sync_byte_errors",
    "pat_errors": "pat_errors",
    "pmt_errors": "pmt_errors",
    "pid_errors": "pid_errors",
    "transport_errors": "transport_errors",
    "crc_errors": "crc_errors",
    "pcr_interval_errors": "pcr_interval_errors",
    "untracked_ts_packets": "untracked_packets",
}
_INTERVALS = {
    "pat_interval_max_ms": "pat_interval_max_ns",
    "pmt_interval_max_ms": "pmt_interval_max_ns",
    "pcr_interval_max_ms": "pcr_interval_max_ns",
}


def stream_transport(stream: Mapping[str, Any]) -> TransportStream | None:
    """The transport stream inside one stream, or None.

    Args:
        stream: a receiver's raw counts of it (netbench/_core.pyi).
    """
    ts = stream.get("ts")
    return None if ts is None else TransportStream(**_numbers([ts]))


def all_transport(streams: Sequence[Mapping[str, Any]]) -> Mpegts | None:
    """All of a receiver's transport streams together: sums, longest intervals, the sum of the known rates; None without any."""
    inside = [stream["ts"] for stream in streams if stream.get("ts") is not None]
    return Mpegts(streams=len(inside), **_numbers(inside)) if inside else None


def missing_ts_packets(stream: Mapping[str, Any]) -> float:
    """Media packets lost or out of order, as MDI's MLR counts them (RFC 4445 section 3.2).

    With a datagram sequence: datagrams lost or reordered times TS packets in a datagram. Without one: ts_lost_estimate.
    """
    ts = stream.get("ts")
    if stream["sequenced"]:
        if ts is not None:
            per_datagram = ts["packets"] / stream["packets"]
        else:
            per_datagram = float(stream["bytes"] // stream["packets"] // TS_PACKET_BYTES)
        return float((stream["lost"] + stream["reordered"]) * per_datagram)
    return float(ts["ts_lost_estimate"]) if ts is not None else 0.0


def measured_delay_factor_ns(stream: Mapping[str, Any]) -> float | None:
    """MDI's DF at the media rate that the PCR gave after its first second; None without a PCR, or when less than 2 s came."""
    ts = stream.get("ts")
    return None if ts is None or ts["delay_factor_max_ns"] < 0 else float(ts["delay_factor_max_ns"])


def _numbers(inside: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts: dict[str, Any] = {name: sum(ts[key] for ts in inside) for name, key in _COUNTS.items()}
    for name, key in _INTERVALS.items():
        counts[name] = max(ts[key] for ts in inside) / NS_PER_MS or None
    counts["mux_rate_bps"] = sum(ts["mux_rate_bps"] for ts in inside) or None
    return counts
