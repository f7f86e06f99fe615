"""RTP and MPEG-TS that ffmpeg makes, with datagrams taken away at known places: measured exactly, and as tshark does."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

NETBENCH = [sys.executable, "-P", "-m", "netbench"]
PORT = 5004
EVERY, AT = 50, 7  # nft's numgen: of each 50 datagrams the eighth is dropped
TS_PACKET = 188
NULL_PID = 0x1FFF

TEST_PICTURE = ["-f", "lavfi", "-i", "testsrc=size=320x240:rate=25", "-f", "lavfi", "-i", "sine=frequency=440", "-t", "3"]
CODECS = ["-c:v", "mpeg2video", "-b:v", "1M", "-c:a", "mp2"]


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed; make setup-test installs it")


@dataclass(frozen=True)
class Network:
    """A network namespace with nothing but loopback."""

    name: str

    def command(self, *words: str) -> list[str]:
        return ["ip", "netns", "exec", self.name, *words]

    def run(self, *words: str) -> str:
        done = subprocess.run(self.command(*words), capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def network() -> Iterator[Network]:
    needs("ffmpeg", "tcpdump", "tshark", "nft")
    if os.geteuid() != 0:
        pytest.skip("a network namespace of its own needs root here")
    made = Network(f"nb-test-foreign-{os.getpid()}")
    subprocess.run(["ip", "netns", "add", made.name], check=True)
    try:
        made.run("ip", "link", "set", "lo", "up")
        yield made
    finally:
        subprocess.run(["ip", "netns", "del", made.name], check=True)


def drop(network: Network, table: str) -> None:
    """Take each EVERYth datagram away and count it."""
    rule = f"udp dport {PORT} numgen inc mod {EVERY} == {AT} counter drop"
    network.run("nft", f"add table {table}; add chain {table} loss {{ {HOOKS[table]} }}; add rule {table} loss {rule}")


HOOKS = {
    "inet behind": "type filter hook input priority 0 ;",  # after packet sockets have seen it
    "netdev before": "type filter hook egress device lo priority 0 ;",  # before they do
}


def dropped(network: Network, table: str) -> int:
    match = re.search(r"counter packets (\d+)", network.run("nft", "list", "table", *table.split()))
    assert match is not None
    return int(match[1])


@dataclass(frozen=True)
class Seen:
    """What netbench says, and what tcpdump kept beside it."""

    record: Any
    payloads: list[bytes]
    capture: Path


def wait_for(process: subprocess.Popen[str], word: str) -> None:
    """Until it says the word on its standard error."""
    assert process.stderr is not None
    for line in process.stderr:
        if word in line:
            return
    raise AssertionError(f"{process.args} ended without saying {word!r}")


def measure(network: Network, tmp_path: Path, container: str, url: str, *options: str) -> Seen:
    """ffmpeg sends; netbench and tcpdump listen at the same place."""
    capture = tmp_path / "capture.pcap"
    tmp_path.chmod(0o777)
    dump = subprocess.Popen(
        network.command("tcpdump", "-Z", "root", "-U", "-i", "lo", "-w", str(capture), f"udp port {PORT}"),
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(dump, "listening on")
    receiver = subprocess.Popen(
        network.command(*NETBENCH, "receive", "-p", str(PORT), "-i", "lo", "-t", "6s", "--json", *options),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_for(receiver, "Joined and listening")
    network.run("ffmpeg", "-v", "error", "-re", *TEST_PICTURE, *CODECS, "-f", container, url)
    output, errors = receiver.communicate(timeout=30)
    assert receiver.returncode == 0, errors
    time.sleep(0.2)
    dump.send_signal(signal.SIGINT)
    told = dump.communicate(timeout=10)[1]
    assert "0 packets dropped by kernel" in told
    return Seen(json.loads(output), list(udp_payloads(capture.read_bytes())), capture)


def udp_payloads(pcap: bytes) -> Iterator[bytes]:
    """Of a pcap file of Ethernet frames with IPv4 without options."""
    assert pcap[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1")
    position = 24
    while position < len(pcap):
        (length,) = struct.unpack_from("<I", pcap, position + 8)
        frame = pcap[position + 16 : position + 16 + length]
        position += 16 + length
        yield frame[14 + 20 + 8 :]


def survivors(payloads: list[bytes]) -> list[bytes]:
    return [payload for index, payload in enumerate(payloads) if index % EVERY != AT]


def continuity(datagrams: list[bytes]) -> tuple[int, int, int]:
    """The slow model, straight from ISO 13818-1: cc errors, lost estimate, TS packets."""
    errors = lost = packets = 0
    latest: dict[int, bytes] = {}
    copied: dict[int, bool] = {}
    for datagram in datagrams:
        for start in range(0, len(datagram), TS_PACKET):
            packet = datagram[start : start + TS_PACKET]
            assert packet[0] == 0x47
            packets += 1
            pid = (packet[1] & 0x1F) << 8 | packet[2]
            if pid == NULL_PID or not packet[3] & 0x10:
                continue
            adaptation = packet[3] & 0x20 and packet[4] > 0
            excused = bool(adaptation and packet[5] & 0x80)
            before = latest.get(pid)
            if before is not None and not excused:
                missing = (packet[3] - before[3] - 1) % 16
                if missing == 15 and before == packet:
                    errors += copied[pid]
                    copied[pid] = True
                    continue
                errors += missing > 0
                lost += missing
            latest[pid], copied[pid] = packet, False
    return errors, lost, packets


def missing_per_pid(payloads: list[bytes]) -> int:
    """TS packets with payload in the datagrams that were dropped; each PID's at most 15 in a row, so that nothing hides."""
    total = 0
    for index, datagram in enumerate(payloads):
        if index % EVERY == AT:
            headers = [datagram[start : start + 4] for start in range(0, len(datagram), TS_PACKET)]
            total += sum(bool(h[3] & 0x10) and ((h[1] & 0x1F) << 8 | h[2]) != NULL_PID for h in headers)
    return total


def test_a_transport_stream_of_ffmpeg(network: Network, tmp_path: Path) -> None:
    drop(network, "inet behind")
    seen = measure(network, tmp_path, "mpegts", f"udp://127.0.0.1:{PORT}?pkt_size=1316")

    left = survivors(seen.payloads)
    assert dropped(network, "inet behind") == len(seen.payloads) - len(left) > 0
    (stream,) = seen.record["streams"]
    assert (stream["kind"], stream["received_packets"]) == ("mpegts", len(left))
    # No datagram sequence: loss cannot be told, continuity can.
    assert seen.record["loss"] is None
    assert seen.record["absent"]["loss"] == "no sequence numbers in this traffic"
    errors, lost, packets = continuity(left)
    assert errors > 0
    assert (stream["cc_errors"], stream["ts_lost_estimate"], stream["ts"]["ts_packets"]) == (errors, lost, packets)
    # At most 7 in a row of one PID are in a datagram: modulo 16 hides nothing. The first and the last PID's packets could hide,
    # were a dropped datagram the first or the last of the stream; it is neither.
    assert lost == missing_per_pid(seen.payloads)
    assert continuity(seen.payloads)[:2] == (0, 0)
    assert seen.record["mpegts"]["cc_errors"] == errors
    assert (stream["ts"]["sync_losses"], stream["ts"]["crc_errors"], stream["ts"]["programs"]) == (0, 0, 1)


def test_rtp_of_ffmpeg(network: Network, tmp_path: Path) -> None:
    drop(network, "inet behind")
    seen = measure(network, tmp_path, "rtp_mpegts", f"rtp://127.0.0.1:{PORT}?pkt_size=1328")

    count = dropped(network, "inet behind")
    assert count > 0
    (stream,) = seen.record["streams"]
    assert (stream["kind"], stream["payload_type"]) == ("rtp", 33)
    assert stream["received_packets"] == len(seen.payloads) - count
    assert (seen.record["loss"]["lost_packets"], seen.record["loss"]["expected_packets"]) == (count, len(seen.payloads))
    assert (seen.record["loss"]["loss_periods"], seen.record["loss"]["longest_loss_packets"]) == (count, 1)
    assert seen.record["one_way_delay_us"] is None
    errors, lost, packets = continuity([payload[12:] for payload in survivors(seen.payloads)])
    assert (stream["cc_errors"], stream["ts_lost_estimate"], stream["ts"]["ts_packets"]) == (errors, lost, packets)
    assert lost == missing_per_pid([payload[12:] for payload in seen.payloads])


@pytest.mark.parametrize(("backend", "decode"), [("socket", "auto"), ("ring", "rtp")])
def test_tshark_counts_the_same_rtp(network: Network, tmp_path: Path, backend: str, decode: str) -> None:
    """Dropped before the wire: tcpdump, tshark and we see the same packets."""
    drop(network, "netdev before")
    seen = measure(network, tmp_path, "rtp_mpegts", f"rtp://127.0.0.1:{PORT}?pkt_size=1328", "--decode", decode, "-B", backend)

    count = dropped(network, "netdev before")
    told = subprocess.run(
        ["tshark", "-r", str(seen.capture), "-d", f"udp.port=={PORT},rtp", "-q", "-z", "rtp,streams"],
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    row = re.search(r"0x([0-9A-Fa-f]{8})\s+.*?\s(\d+)\s+(\d+) \(", told)
    assert row is not None, told
    (stream,) = seen.record["streams"]
    assert (f"{stream['stream']:08X}", stream["received_packets"]) == (row[1].upper(), int(row[2]))
    assert stream["lost_packets"] == int(row[3]) == count > 0


def test_raw_is_raw_when_asked_for(network: Network, tmp_path: Path) -> None:
    seen = measure(network, tmp_path, "mpegts", f"udp://127.0.0.1:{PORT}?pkt_size=1316", "--decode", "raw")

    (stream,) = seen.record["streams"]
    assert (stream["kind"], stream["received_packets"], stream["ts"]) == ("raw", len(seen.payloads), None)
    assert seen.record["mpegts"] is None
