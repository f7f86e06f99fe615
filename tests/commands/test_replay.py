"""`netbench send --replay`: what a capture file holds arrives again, byte by byte, as far apart as it was."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NETBENCH = [sys.executable, "-P", "-m", "netbench"]
FIRST_NS = 1_700_000_000_123_456_789


def frame_of(payload: bytes, to: str = "239.1.2.3", port: int = 5004) -> bytes:
    udp = struct.pack(">HHHH", 40_000, port, 8 + len(payload), 0) + payload
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0x4000, 5, 17, 0, socket.inet_aton("192.0.2.1"),
                     socket.inet_aton(to))  # fmt: skip
    return bytes.fromhex("01005e010203") + b"\x02" + bytes(5) + b"\x08\x00" + ip + udp


def pcap_of(packets: list[tuple[int, bytes]], kept_bytes: int = 262_144) -> bytes:
    """A pcap file with nanoseconds: (offset in ns, frame)."""
    file = [struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, kept_bytes, 1)]
    for offset_ns, frame in packets:
        seconds, rest_ns = divmod(FIRST_NS + offset_ns, 1_000_000_000)
        file += [struct.pack("<IIII", seconds, rest_ns, min(len(frame), kept_bytes), len(frame)), frame[:kept_bytes]]
    return b"".join(file)


def replay(path: Path, *arguments: str) -> tuple[list[bytes], dict[str, Any]]:
    """Sent to this host and received; to be called in a network of the test's own."""
    got: list[bytes] = []
    ended = threading.Event()

    def take() -> None:
        while True:
            try:
                got.append(receiver.recv(65536))
            except TimeoutError:
                if ended.is_set():
                    return

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 6000))
        receiver.settimeout(0.2)
        taking = threading.Thread(target=take)
        taking.start()
        done = subprocess.run(
            [*NETBENCH, "send", "127.0.0.1:6000", "-i", "lo", "--json", "--replay", str(path), *arguments],
            capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        ended.set()
        taking.join()
    assert done.returncode == 0, done.stderr
    return got, json.loads(done.stdout)


def test_payloads_arrive_as_they_were(in_private_network: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    payloads = [bytes([index]) * length for index, length in enumerate((1, 1316, 0, 9000, 188, 50))]
    path.write_bytes(pcap_of([(index * 20_000_000, frame_of(payload)) for index, payload in enumerate(payloads)]))

    got, report = in_private_network(lambda: replay(path))

    assert got == payloads
    assert report["sent"]["packets"] == report["sent"]["intended_packets"] == 6
    assert report["sent"]["bytes"] == sum(map(len, payloads))
    # From when the first was due until the last was sent: 100 ms, and whatever this machine was late by.
    assert report["sent"]["duration_s"] >= 0.1
    assert report["replay_notes"] == []


def test_faster_fewer_and_with_faults(in_private_network: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    payloads = [b"%d" % index for index in range(100)]
    path.write_bytes(pcap_of([(index * 1_000_000_000, frame_of(payload)) for index, payload in enumerate(payloads)]))

    got, report = in_private_network(lambda: replay(path, "--speed", "1000", "-n", "60", "--skip-every", "20"))

    assert got == [payload for index, payload in enumerate(payloads[:60]) if (index + 1) % 20]
    assert (report["sent"]["packets"], report["sent"]["skipped_packets"]) == (57, 3)


def test_what_was_not_captured_whole_is_told(in_private_network: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    packets = [(0, frame_of(b"whole")), (5_000_000, frame_of(b"x" * 100)), (4_000_000, frame_of(b"early"))]
    path.write_bytes(pcap_of(packets, kept_bytes=42 + 10) + b"damaged")

    got, report = in_private_network(lambda: replay(path))

    assert got == [b"whole", b"x" * 10 + bytes(90), b"early"]
    cut, damaged, early = report["replay_notes"]
    assert cut == "1 datagrams were captured in part: zeros stand for the rest"
    assert damaged.startswith("the file is damaged, and what came before is sent: ")
    assert early.startswith("1 datagrams with a stamp before that of one that precedes them")


def test_one_of_several_flows_has_to_be_chosen(
    in_private_network: Callable[..., Any], netbench: Callable[..., Any], tmp_path: Path
) -> None:
    path = tmp_path / "two.pcap"
    path.write_bytes(
        pcap_of([(0, frame_of(b"a", "239.1.1.1")), (1, frame_of(b"b", "239.1.1.2")), (2, frame_of(b"c", "239.1.1.1"))])
    )

    refused = netbench("send", "127.0.0.1:6000", "--replay", str(path))
    assert refused.returncode == 2
    assert "2 destinations (239.1.1.1:5004, 239.1.1.2:5004)" in " ".join(refused.stderr.split())
    got, _ = in_private_network(lambda: replay(path, "--replay-only", "239.1.1.1:5004"))
    assert got == [b"a", b"c"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--replay", "NONE.pcap"], "No such file"),
        (["--replay", "EMPTY"], "holds no UDP datagram"),
        (["--replay", "FAST"], "105 Mb/s in the busiest second is above the cap"),
        (["--replay", "FAST", "--speed", "0"], "--speed 0 is not in 0.001..1000"),
        (["--replay", "FAST", "-b", "1M", "-t", "3"], "--replay does not go with -b, -t"),
        (["--replay", "FAST", "--envelope", "rtp"], "does not go with --envelope"),
        (["--replay", "FAST", "--streams", "2"], "--replay sends to one target, and there are 2"),
        (["--replay", "FAST", "--schedule", "x.csv"], "--schedule does not go with --replay"),
        (["--replay", "FAST", "--uncapped", "-n", "20000"], "packets must be 0..10000"),
    ],
)
def test_what_cannot_be_replayed_is_told(netbench: Callable[..., Any], tmp_path: Path, arguments: list[str], told: str) -> None:
    (tmp_path / "EMPTY").write_bytes(pcap_of([]))
    (tmp_path / "FAST").write_bytes(pcap_of([(index, frame_of(bytes(1316))) for index in range(10_000)]))

    done = netbench("send", "127.0.0.1:6000", *arguments, cwd=tmp_path)

    assert done.returncode in (2, 3)
    assert told in " ".join(done.stderr.split())
