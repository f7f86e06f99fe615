"""Capture files written by hand from the formats' drafts, so that the core's reader meets another's work."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from core_frames import probe_frame

START_NS = 1_700_000_000_000_000_000
STEP_NS = 1_000_000

Packets = Iterable[tuple[int, bytes]]  # stamp in nanoseconds, frame


def pcap(packets: Packets, *, nano: bool = True, link: int = 1, order: str = "<") -> bytes:
    header = struct.pack(f"{order}IHHIIII", 0xA1B23C4D if nano else 0xA1B2C3D4, 2, 4, 0, 0, 262144, link)
    return header + b"".join(record(stamp, frame, nano=nano, order=order) for stamp, frame in packets)


def record(stamp: int, frame: bytes, *, nano: bool = True, order: str = "<") -> bytes:
    fraction = stamp % 10**9 // (1 if nano else 1000)
    return struct.pack(f"{order}IIII", stamp // 10**9, fraction, len(frame), len(frame)) + frame


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def section(order: str = "<") -> bytes:
    return block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)


def interface(link: int = 1, unit: int = 9, order: str = "<") -> bytes:
    return block(1, struct.pack(f"{order}HHIHHBxxxI", link, 0, 0, 9, 1, unit, 0), order)


def enhanced(stamp: int, frame: bytes, number: int = 0, order: str = "<") -> bytes:
    return block(6, struct.pack(f"{order}IIIII", number, stamp >> 32, stamp & 0xFFFFFFFF, len(frame), len(frame)) + frame, order)


def pcapng(packets: Packets) -> bytes:
    return section() + interface() + b"".join(enhanced(stamp, frame) for stamp, frame in packets)


def probes(sequences: Iterable[int], *, delay_ns: int = 0, **flow: int) -> list[tuple[int, bytes]]:
    """Probe frames, sent STEP_NS apart by their sequence and seen delay_ns later."""
    return [
        (START_NS + sequence * STEP_NS + delay_ns, probe_frame(sequence, START_NS + sequence * STEP_NS, **flow))  # type: ignore[arg-type]
        for sequence in sequences
    ]
