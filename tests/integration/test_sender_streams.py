"""What `netbench send` puts on the wire, judged by others: ffprobe, tshark, and a demultiplexer of the test's own."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from netbench import core

NETBENCH = [sys.executable, "-P", "-m", "netbench"]
TS_BYTES = 188
PROBE_PID, CLOCK_PID, PAT_PID, PMT_PID, NULL_PID = 0x1FF0, 0x100, 0, 0x1000, 0x1FFF


@dataclass
class Received:
    """Datagrams of one `netbench send`, and what it said about them."""

    datagrams: list[bytes] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)
    told: str = ""


def receive_all(receiver: socket.socket, into: list[bytes], ended: threading.Event) -> None:
    receiver.settimeout(0.2)
    while True:
        try:
            into.append(receiver.recv(65536))
        except TimeoutError:
            if ended.is_set():
                return


def send(*arguments: str, port: int = 5004) -> Received:
    """`netbench send` to this host, all of it received. To be called in a network of the test's own."""
    got, ended = Received(), threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        receiver.bind(("127.0.0.1", port))
        taking = threading.Thread(target=receive_all, args=(receiver, got.datagrams, ended))
        taking.start()
        done = subprocess.run(
            [*NETBENCH, "send", f"127.0.0.1:{port}", "-i", "lo", "--json", *arguments], capture_output=True, text=True, timeout=60
        )
        ended.set()
        taking.join()
    assert done.returncode == 0, done.stderr
    got.report, got.told = json.loads(done.stdout)["sent"], done.stderr
    return got


def packets_of(datagrams: list[bytes], skip: int = 0) -> list[bytes]:
    return [datagram[at : at + TS_BYTES] for datagram in datagrams for at in range(skip, len(datagram), TS_BYTES)]


def pid_of(packet: bytes) -> int:
    return (packet[1] & 0x1F) << 8 | packet[2]


def pcr_of(packet: bytes) -> int:
    base = int.from_bytes(packet[6:10], "big") << 1 | packet[10] >> 7
    return base * 300 + ((packet[10] & 1) << 8 | packet[11])


def probes_of(datagrams: list[bytes], offset: int) -> list[dict[str, int]]:
    probes = [core.probe_decode(datagram[offset:]) for datagram in datagrams]
    assert None not in probes
    return [probe for probe in probes if probe is not None]


def test_a_stream_of_ours_passes_ffprobe(in_private_network: Callable[..., Any], tmp_path: Path) -> None:
    if shutil.which("ffprobe") is None:
        pytest.skip("ffprobe is not installed: apt-get install ffmpeg")

    got: Received = in_private_network(lambda: send("--envelope", "mpegts", "-b", "10M", "-t", "1"))

    assert got.report["packets"] == len(got.datagrams) == 950
    path = tmp_path / "stream.ts"
    path.write_bytes(b"".join(got.datagrams))
    judged = subprocess.run(["ffprobe", "-v", "error", path], capture_output=True, text=True, timeout=60)
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")
    shown = subprocess.run(
        ["ffprobe", "-v", "error", "-of", "json", "-show_programs", "-show_streams", "-show_format", path],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    facts = json.loads(shown.stdout)
    assert facts["format"]["format_name"] == "mpegts"
    assert [(item["program_num"], item["pmt_pid"], item["pcr_pid"]) for item in facts["programs"]] == [(1, PMT_PID, CLOCK_PID)]
    assert [(item["id"], item["codec_tag_string"]) for item in facts["streams"]] == [(hex(PROBE_PID), "NBPR")]


def test_tables_and_clock_come_as_often_as_they_must(in_private_network: Callable[..., Any]) -> None:
    got: Received = in_private_network(lambda: send("--envelope", "mpegts", "-b", "10M", "-t", "1"))

    packets = packets_of(got.datagrams)
    assert len(packets) == 950 * 7
    assert {packet[0] for packet in packets} == {0x47}
    places = {pid: [at for at, packet in enumerate(packets) if pid_of(packet) == pid] for pid in map(pid_of, packets)}
    assert set(places) == {PROBE_PID, CLOCK_PID, PAT_PID, PMT_PID, NULL_PID}
    # 10 Mb/s of 188 bytes: 100 ms are 664.9 packets, and 40 ms are 265.9.
    for pid, most in ((PAT_PID, 664), (PMT_PID, 664), (CLOCK_PID, 265)):
        edges = [0, *places[pid], len(packets)]
        assert max(later - earlier for earlier, later in pairwise(edges)) <= most
    for pid in (PROBE_PID, PAT_PID, PMT_PID):
        counters = [packets[at][3] & 0x0F for at in places[pid]]
        assert counters == [index % 16 for index in range(len(counters))]
    # TR 101 290 2.4, PCR accuracy: the clock against a constant rate, within 500 ns; 10 Mb/s of bytes at 27 MHz.
    for at in places[CLOCK_PID]:
        ideal_ticks = (at - places[CLOCK_PID][0]) * TS_BYTES * 8 * 27_000_000 / 10_000_000
        assert abs(pcr_of(packets[at]) - ideal_ticks) * 1000 / 27 <= 500
    assert [probe["sequence"] for probe in probes_of(got.datagrams, 4)] == list(range(950))


@pytest.mark.parametrize("envelope", ["rtp", "rtp-mpegts"])
def test_tshark_counts_the_same_loss(in_private_network: Callable[..., Any], tmp_path: Path, envelope: str) -> None:
    if shutil.which("tshark") is None:
        pytest.skip("tshark is not installed: apt-get install tshark")
    capture = tmp_path / "rtp.pcapng"

    def measure() -> tuple[Received, str]:
        recording = subprocess.Popen(
            ["tshark", "-q", "-i", "lo", "-f", "udp port 5004", "-w", str(capture)],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert recording.stderr is not None
        while "Capture started" not in (line := recording.stderr.readline()):
            assert line, "tshark ended before it captured"
        got = send("--envelope", envelope, "--pps", "1000", "-n", "1001", "--skip-every", "50", "--rtp-sequence", "65500")
        time.sleep(0.5)  # what tshark still holds
        recording.terminate()
        recording.communicate(timeout=20)
        told = subprocess.run(
            ["tshark", "-q", "-r", str(capture), "-d", "udp.port==5004,rtp", "-z", "rtp,streams"],
            capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        return got, told.stdout

    got, told = in_private_network(measure)
    rows = [line.split() for line in told.splitlines() if " 0x" in line]
    assert len(rows) == 1, told
    words = rows[0]
    ssrc, lost_at = int(next(word for word in words if word.startswith("0x")), 16), words.index("(2.0%)")
    packets, lost = int(words[lost_at - 2]), int(words[lost_at - 1])

    # 1001 sequences, of which 50, 100 … 1000 are left out (counted from 1): 20. The wrap is crossed at the 36th.
    assert got.report["skipped_packets"] == lost == 20
    assert got.report["packets"] == packets == len(got.datagrams) == 981
    probes = probes_of(got.datagrams, 12 if envelope == "rtp" else 16)
    assert ssrc == probes[0]["session"] ^ probes[0]["stream"]
    for datagram, probe in zip(got.datagrams, probes, strict=True):
        first, kind, sequence, ticks, source = struct.unpack_from(">BBHII", datagram)
        assert (first, kind, source) == (0x80, 96 if envelope == "rtp" else 33, ssrc)
        assert sequence == (65500 + probe["sequence"]) % 65536
        assert ticks == (ssrc + probe["sequence"] * 90) % 2**32  # 1000 packets/s at 90 kHz
    if envelope == "rtp-mpegts":  # of type 96 tshark does not know the clock
        ours = measured_by_us(capture)
        assert ours["lost"] == lost
        assert abs(ours["jitter_max_ns"] / 1e6 - float(words[lost_at + 6])) <= 0.001  # tshark prints three decimals


def measured_by_us(capture: Path) -> dict[str, Any]:
    """The only RTP stream of a capture file, by its RTP header alone, as the core measures it."""
    reader, table = core.CaptureReader(), core.StreamTable(decode="rtp")
    assert reader.feed(capture.read_bytes(), table)
    reader.finish()
    table.finish()
    streams = [stream for stream in table.streams() if stream["kind"] == "rtp"]
    assert len(streams) == 1
    return streams[0]


def is_skipped(sequence: int) -> bool:
    return (sequence + 1) % 50 == 0


def is_swapped(sequence: int) -> bool:
    """With its successor; skipping wins, and leaves the partner where it was: 148 and 149 are no pair."""
    return (sequence + 2) % 30 == 0 and not is_skipped(sequence) and not is_skipped(sequence + 1)


def test_faults_keep_rtp_and_probe_in_step(in_private_network: Callable[..., Any]) -> None:
    got: Received = in_private_network(
        lambda: send("--envelope", "rtp-mpegts", "--pps", "2000", "-n", "500", "--skip-every", "50", "--repeat-every", "35",
                     "--swap-every", "30", "--rtp-sequence", "0")
    )  # fmt: skip

    order = [struct.unpack_from(">H", datagram, 2)[0] for datagram in got.datagrams]
    assert order == [probe["sequence"] for probe in probes_of(got.datagrams, 16)]
    assert order == [
        sequence
        for turn in range(500)
        for sequence in [turn + 1 if is_swapped(turn) else turn - 1 if is_swapped(turn - 1) else turn]
        if not is_skipped(sequence)
        for _ in range(2 if (sequence + 1) % 35 == 0 else 1)
    ]
    # The probe's continuity counter belongs to the sequence, whatever the order.
    assert [datagram[12 + 3] & 0x0F for datagram in got.datagrams] == [sequence % 16 for sequence in order]


def test_a_written_schedule_goes_out_as_written(in_private_network: Callable[..., Any], tmp_path: Path) -> None:
    gaps_ms = [0, *([1] * 20 + [50]) * 3]
    path = tmp_path / "step.csv"
    path.write_text("gap_s\n" + "".join(f"{gap / 1000}\n" for gap in gaps_ms))

    got: Received = in_private_network(lambda: send("--schedule", str(path)))

    assert got.report["packets"] == got.report["intended_packets"] == len(got.datagrams) == len(gaps_ms)
    probes = probes_of(got.datagrams, 0)
    assert [probe["sequence"] for probe in probes] == list(range(len(gaps_ms)))
    scheduled = [probe["scheduled_ns"] for probe in probes]
    assert [later - earlier for earlier, later in pairwise(scheduled)] == [gap * 1_000_000 for gap in gaps_ms[1:]]
    assert all(probe["sent_ns"] >= probe["scheduled_ns"] - 1_000_000 for probe in probes)  # never before its time


def test_a_written_schedule_says_whose_turn_it_is(in_private_network: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "turns.csv"
    path.write_text("stream,offset_ns\n2,0\n2,1000000\n1,1000000\n2,9000000\n")

    got: Received = in_private_network(
        lambda: send("127.0.0.1:5004", "--schedule", str(path), "--envelope", "mpegts")  # the same target as streams 1 and 2
    )

    probes = probes_of(got.datagrams, 4)
    assert [(probe["stream"], probe["sequence"]) for probe in probes] == [(2, 0), (2, 1), (1, 0), (2, 2)]
    assert [probe["scheduled_ns"] - probes[0]["scheduled_ns"] for probe in probes] == [0, 1_000_000, 1_000_000, 9_000_000]
    # The clock follows the schedule: 27 ticks a microsecond, in each datagram, in second place.
    assert [pcr_of(datagram[TS_BYTES:]) for datagram in got.datagrams] == [0, 27_000, 27_000, 243_000]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--envelope", "mp4"], "there is no such envelope"),
        (["--envelope", "mpegts", "-l", "1328"], "1328 bytes does not fit mpegts"),
        (["--envelope", "rtp-mpegts", "-l", "1316"], "such as 1328"),
        (["--envelope", "rtp", "-l", "50"], "takes 60 or more"),
        (["--schedule", "NONE.csv"], "there is no schedule NONE.csv"),
        (["--schedule", "NONE.csv", "-b", "5M", "-t", "3"], "--schedule does not go with -b, -t"),
    ],
)
def test_what_does_not_fit_is_told(netbench: Callable[..., Any], arguments: list[str], told: str) -> None:
    done = netbench("send", "127.0.0.1:5004", *arguments)

    assert done.returncode == 2
    assert told in " ".join(done.stderr.split())


def test_a_schedule_above_the_cap_is_refused(netbench: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "burst.csv"
    path.write_text("offset_ns\n" + "0\n" * 20_000)
    done = netbench("send", "127.0.0.1:5004", "--schedule", str(path))

    assert done.returncode == 2
    assert "211 Mb/s" in done.stderr  # 20,000 packets of 1316 bytes within a second
