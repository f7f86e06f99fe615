"""The media delivery index, DF:MLR (RFC 4445)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from netbench.metrics.distribution import NS_PER_MS
from netbench.result.numbers import Mdi

TS_PACKET_BYTES = 188


def worst_interval(streams: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Fields of an Mdi record that count whole intervals; none where no interval of the configured media rate has closed.

    MLR is what was lost or out of order in an interval (RFC 4445 section 3.2); a datagram is missing in the interval in which that
    showed, whether it came later or never.
    """
    told = [stream for stream in streams if stream.get("intervals")]
    if not told:
        return {}
    return {
        "intervals": sum(stream["intervals"] for stream in told),
        "worst_interval_missing_datagrams": max(stream["interval_missing_max"] for stream in told),
    }


def measure_mdi(
    delay_factors_ns: Iterable[float | None],
    missing_datagrams: Iterable[int],
    payload_bytes: int,
    duration_s: float,
    media_rate_bps: float,
    intervals: Mapping[str, int] | None = None,
) -> Mdi | None:
    """The index of the worst stream; DF and MLR may be of different streams.

    Args:
        delay_factors_ns: of each stream, its largest DF; None or negative where it has none.
        missing_datagrams: of each stream, datagrams lost or out of order.
        payload_bytes: UDP payload; payload_bytes // 188 TS packets are in a datagram.
        duration_s: of the traffic.
        media_rate_bps: configured rate of the UDP payload of one stream.
        intervals: what worst_interval() says.

    Returns:
        The index; None when no stream has a delay factor, or a datagram holds no TS packet.
    """
    factors = [factor for factor in delay_factors_ns if factor is not None and factor >= 0]
    ts_packets = payload_bytes // TS_PACKET_BYTES
    if not factors or ts_packets == 0 or duration_s <= 0:
        return None
    return Mdi(
        delay_factor_ms=max(factors) / NS_PER_MS,
        media_loss_packets_per_second=max(missing_datagrams, default=0) * ts_packets / duration_s,
        media_rate_bps=media_rate_bps,
        media_rate_source="configured",
        **(intervals or {}),
    )
