"""The record of foreign streams, from frames through the C table: worked out on paper."""

from __future__ import annotations

import struct
from typing import Any

from core_frames import udp_frame

from netbench.core import StreamTable
from netbench.metrics.passive import passive_reception
from netbench.result.reception import Reception

MS = 1_000_000
START = 1_700_000_000_000_000_000


def ts_packet(pid: int, counter: int) -> bytes:
    return bytes([0x47, pid >> 8, pid & 0xFF, 0x10 | counter & 15]) + bytes([counter & 255]) * 184


def rtp(sequence: int, media_time: int, payload: bytes, payload_type: int = 33, ssrc: int = 0xABCD) -> bytes:
    return struct.pack(">BBHII", 0x80, payload_type, sequence & 0xFFFF, media_time & 0xFFFFFFFF, ssrc) + payload


def received(payloads: list[bytes], decode: str = "auto", gap_ns: int = 10 * MS) -> tuple[Reception, list[dict[str, Any]]]:
    table = StreamTable(decode=decode)
    for position, payload in enumerate(payloads):
        frame = udp_frame(payload)
        assert table.feed(frame, START + position * gap_ns, len(frame)) == "datagram"
    table.finish()
    names = ("iat", "pdv", "transit", "delivery", "ipdv_above", "ipdv_below")
    raw: dict[str, Any] = {name: table.histogram(name) for name in names}
    raw |= {"stamp_class": "kernel", "backend": "socket", "totals": table.totals(), "capture": {}, "series": []}
    raw["streams"] = table.streams(histograms=True)
    return passive_reception(raw), raw["streams"]


def test_rtp_across_its_wrap() -> None:
    """65534, (65535 is lost), 0, 1: 4 expected; each 10 ms by both clocks, so no jitter."""
    sequences = [65533, 65534, 65536, 65537]
    record, raw = received([rtp(s, 900 * p, bytes(100), payload_type=96) for p, s in enumerate(sequences)])

    (stream,) = record.streams
    assert (stream.kind, stream.stream, stream.payload_type, stream.sequence_restarts) == ("rtp", 0xABCD, 96, 0)
    assert (stream.received_packets, stream.lost_packets) == (4, 1)
    assert record.loss is not None
    assert (record.loss.expected_packets, record.loss.lost_packets) == (5, 1)
    assert record.jitter_ms == 0.0
    assert record.one_way_delay_us is None
    assert stream.ts is None
    assert "MPEG-TS" in stream.absent["ts"]
    assert raw[0]["media_clock_hz"] == 90_000


def test_a_transport_stream_has_no_datagram_loss_but_continuity() -> None:
    """Counters 0 1 | 2 3 | 6 7: two packets are missing, which is one event."""
    datagrams = [ts_packet(256, start) + ts_packet(256, start + 1) for start in (0, 2, 6)]
    record, _ = received(datagrams)

    (stream,) = record.streams
    assert (stream.kind, stream.lost_packets, stream.cc_errors, stream.ts_lost_estimate) == ("mpegts", None, 1, 2)
    assert record.loss is None
    assert record.absent["loss"] == "no sequence numbers in this traffic"
    assert record.mpegts is not None
    assert (record.mpegts.streams, record.mpegts.ts_packets, record.mpegts.cc_errors) == (1, 6, 1)


def test_the_mlr_of_a_transport_stream_is_its_lost_estimate() -> None:
    """Of 3 s at one datagram per 10 ms, counters jump by 5 once: 4 TS packets missing over 2.99 s."""
    table = StreamTable(media_rate_bps=188 * 8 * 100.0)
    for position in range(300):
        frame = udp_frame(ts_packet(256, position + (4 if position >= 150 else 0)))
        table.feed(frame, START + position * 10 * MS, len(frame))
    table.finish()
    names = ("iat", "pdv", "transit", "delivery", "ipdv_above", "ipdv_below")
    raw: dict[str, Any] = {name: table.histogram(name) for name in names}
    raw |= {"stamp_class": "kernel", "backend": "socket", "totals": table.totals(), "capture": {}, "series": []}
    raw["streams"] = table.streams(histograms=True)
    mdi = passive_reception(raw, media_rate_bps=188 * 8 * 100.0).mdi

    assert mdi is not None
    assert mdi.media_rate_source == "configured"
    assert abs(mdi.media_loss_packets_per_second - 4 / 2.99) < 1e-9
    assert abs(mdi.delay_factor_ms - 10.0) < 1e-6  # RFC 4445: perfect CBR gives B / MR


def test_asked_for_raw_nothing_is_looked_into() -> None:
    record, _ = received([ts_packet(256, 0)], decode="raw")
    assert [(stream.kind, stream.ts) for stream in record.streams] == [("raw", None)]
    assert record.mpegts is None
