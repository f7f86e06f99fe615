"""Ethernet frames with probes in them, written by hand from the RFCs, so that the core's parser meets another's work."""

from __future__ import annotations

import socket
import struct

from netbench import _core

SOURCE = "192.0.2.1"
GROUP = "239.1.2.3"


def udp_frame(
    payload: bytes, *, source: str = SOURCE, destination: str = GROUP, source_port: int = 40000, destination_port: int = 5004
) -> bytes:
    udp = struct.pack("!HHHH", source_port, destination_port, 8 + len(payload), 0) + payload
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 1, 17, 0) + addresses
    return bytes.fromhex("01005e0102030200000000010800") + ip + udp


def probe_frame(sequence: int, sent_ns: int, *, session: int = 7, stream: int = 1, length: int = 100, **flow: str | int) -> bytes:
    probe = _core.probe_encode(session, stream, sequence, sent_ns, sent_ns)
    return udp_frame(probe.ljust(length, b"\0"), **flow)  # type: ignore[arg-type]
