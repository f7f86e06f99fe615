"""`netbench analyze` beside the field's own tools: files that tcpdump and dumpcap made, turned about by editcap and mergecap."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from capture_bytes import START_NS, STEP_NS, pcap, probes
from core_frames import udp_frame

NETBENCH = [sys.executable, "-P", "-m", "netbench"]
READY = "Joined and listening"
TOOLS = ("tcpdump", "dumpcap", "editcap", "mergecap", "capinfos", "tshark", "text2pcap")
STREAMS, PACKETS = 3, 200  # of each stream; every 50th of all sequences is left out
PORT = 5004

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS),
    reason="needs tcpdump, and the programs of Wireshark (Debian: tshark)",
)


def tool(*command: str, text_in: str | None = None) -> str:
    done = subprocess.run(command, input=text_in, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def capinfos_packets(path: Path) -> int:
    return int(re.findall(r"\d+", tool("capinfos", "-c", "-M", "-T", "-r", "-q", str(path)).split("\t")[-1])[-1])


def tshark_datagrams(path: Path) -> int:
    statistics = tool("tshark", "-r", str(path), "-q", "-z", f"io,stat,0,udp.dstport=={PORT}")
    rows = re.findall(r"<>[^|]*\|\s*(\d+)\s*\|", statistics)
    assert len(rows) == 1, statistics
    return int(rows[0])


@pytest.fixture
def captured(sites: Callable[[str], Any], step: Any, tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """The directory of files that several programs captured of one run, and what the live receiver said of it."""
    lab = sites("host")
    targets = ["239.9.9.1:5004", "--streams", str(STREAMS)]

    def tcpdump(name: str, *options: str) -> list[str]:
        command = ["timeout", "-s", "INT", "6", "tcpdump", "-Z", "root", "-U", "-n", *options, "-w", str(tmp_path / name)]
        return [*lab.receiver, *command, "udp"]

    link = ("-i", lab.interface)
    dumpcap = [*lab.receiver, "timeout", "-s", "INT", "6", "dumpcap", "-q", *link, "-w", str(tmp_path / "dumpcap.pcapng")]
    answers = lab.run(
        step(tcpdump("micro.pcap", *link)),
        step(tcpdump("nano.pcap", *link, "--time-stamp-precision=nano"), "listening on"),
        step(tcpdump("cooked.pcap", "-i", "any", "-y", "LINUX_SLL"), "listening on"),
        step(tcpdump("cooked2.pcap", "-i", "any", "-y", "LINUX_SLL2"), "listening on"),
        step(dumpcap, "listening on"),
        step([*lab.receiver, *NETBENCH, "receive", *targets, "-i", lab.interface, "-t", "3s", "--json"], "File:"),
        step([*lab.sender, *NETBENCH, "send", *targets, "-i", lab.sender_interface, "--pps", str(PACKETS), "-t", "1s",
              "--skip-every", "50", "--json"], READY),
    )  # fmt: skip
    assert [answer["exit_code"] for answer in answers[-2:]] == [0, 0], answers
    return tmp_path, json.loads(answers[-2]["output"])


def test_files_and_the_live_receiver_and_the_fields_tools_agree(
    captured: tuple[Path, dict[str, Any]], netbench: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    directory, live = captured
    nano = directory / "nano.pcap"

    def derived(name: str, *command: str) -> None:
        tool(*command, str(directory / name))

    derived("converted.pcapng", "editcap", "-F", "pcapng", str(nano))
    derived("converted.pcap", "editcap", "-F", "pcap", str(nano))
    derived("cut.pcap", "editcap", "-s", "100", str(nano))
    derived("cut.pcapng", "editcap", "-F", "pcapng", "-s", "100", str(directory / "dumpcap.pcapng"))
    packed = directory / "packed.pcap.gz"
    packed.write_bytes(b"".join((subprocess.run(["gzip", "-c", str(nano)], capture_output=True, check=True).stdout,)))

    expected = live["received"]["packets"]
    assert expected == STREAMS * PACKETS - STREAMS * PACKETS // 50
    for path in sorted(directory.iterdir()):
        done = netbench("analyze", str(path), "-p", str(PORT), "--json")
        assert done.returncode == 0, (path, done.stderr)
        got = json.loads(done.stdout)
        (book,) = got["files"]
        assert book["records"] == capinfos_packets(path), path
        assert book["datagrams"] == tshark_datagrams(path) == expected, path
        assert got["received"]["packets"] == got["received"]["unique_packets"] == expected, path
        assert got["loss"]["lost_packets"] == live["loss"]["lost_packets"], path
        assert got["loss"]["expected_packets"] == live["loss"]["expected_packets"], path
        assert got["received"]["bytes"] == live["received"]["bytes"], path
        assert got["timestamps"]["used"] == "kernel"
        assert book["resolution_ns"] == (1000 if path.name in MICROSECONDS else 1), path
        assert (book["cut_packets"] > 0) == path.name.startswith("cut."), path


MICROSECONDS = {"micro.pcap", "cooked.pcap", "cooked2.pcap", "converted.pcap"}


def test_merged_files_hold_several_interfaces_of_several_link_types(
    captured: tuple[Path, dict[str, Any]], netbench: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    directory, live = captured
    both = directory / "both.pcapng"
    tool("mergecap", "-w", str(both), *(str(directory / name) for name in ("nano.pcap", "cooked.pcap", "cooked2.pcap")))
    got = json.loads(netbench("analyze", str(both), "-p", str(PORT), "--json").stdout)

    (book,) = got["files"]
    packets = live["received"]["packets"]
    assert book["interfaces"] == 3
    assert book["records"] == capinfos_packets(both)
    assert book["datagrams"] == tshark_datagrams(both) == 3 * packets
    assert (got["received"]["unique_packets"], got["received"]["duplicate_packets"]) == (packets, 2 * packets)
    assert got["loss"]["lost_packets"] == live["loss"]["lost_packets"]


def test_two_points_tell_what_lies_between(
    captured: tuple[Path, dict[str, Any]], netbench: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    directory, live = captured
    first, second = directory / "nano.pcap", directory / "second.pcap"
    # Packets 100, 200 and 300 to 302 are gone, in the middle of all streams; all others are 250 ms later.
    tool("editcap", "-F", "nsecpcap", "-t", "0.25", str(first), str(second), "100", "200", "300-302")
    done = netbench("analyze", "--tap", str(first), "--same-clock", "--json", str(second), "-p", str(PORT))
    got = json.loads(done.stdout)

    packets = live["received"]["packets"]
    assert done.returncode == 0
    assert got["points"] == {
        "matched": packets - 5,
        "lost_between": 5,
        "outside": 0,
        "missed_by_first": 0,
        "absent_streams": 0,
        "absent_packets": 0,
    }
    tap = got["tap"]
    assert tap["lost_after_packets"] == 5
    assert tap["lost_before_packets"] == live["loss"]["lost_packets"]
    assert got["loss"]["lost_packets"] == live["loss"]["lost_packets"] + 5
    assert (tap["distortion_us"]["min"], tap["distortion_us"]["max"]) == (0, 0)
    assert (tap["transit_us"]["min"], tap["transit_us"]["max"]) == (250_000, 250_000)


def test_a_damaged_file_tells_where_and_counts_what_came_before(
    captured: tuple[Path, dict[str, Any]], netbench: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    directory, _ = captured
    whole = (directory / "nano.pcap").read_bytes()
    cut = directory / "truncated.pcap"
    cut.write_bytes(whole[:-1])
    packets = capinfos_packets(directory / "nano.pcap")
    done = netbench("analyze", str(cut))

    assert done.returncode == 4
    assert f"{packets - 1} packets" in done.stdout.replace("\u202f", "").replace("\xa0", "")
    assert "the file ends within a packet" in " ".join(done.stdout.split())


def test_the_books_of_probes_rtp_and_traffic_without_sequences_in_one_file_balance(
    tmp_path: Path, netbench: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    # 5 of the probes 0..5, 9 of the RTP packets 65530..65539 (across the wrap), 4 datagrams without any sequence.
    def rtp(number: int) -> bytes:
        return struct.pack("!BBHII", 0x80, 33, number & 0xFFFF, 900 * number, 0xCAFE) + b"\x47" + bytes(187)

    packets = [
        *probes([0, 1, 2, 4, 5]),
        *((START_NS + STEP_NS * n, udp_frame(rtp(65_530 + n), destination_port=5006)) for n in range(10) if n != 7),
        *((START_NS + STEP_NS * n, udp_frame(b"name?", destination_port=53)) for n in range(4)),
    ]
    path, second = tmp_path / "mixed.pcap", tmp_path / "second.pcap"
    path.write_bytes(pcap(sorted(packets)))
    done = netbench("analyze", str(path), "--json")
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)

    assert (got["received"]["packets"], got["received"]["unsequenced_packets"]) == (18, 4)
    assert (got["loss"]["expected_packets"], got["loss"]["lost_packets"]) == (16, 2)

    # The second point comes in after the wrap of RTP, and misses one more packet of it.
    gone = START_NS + 8 * STEP_NS
    late = [(stamp + 500, frame) for stamp, frame in packets[5:14] if stamp >= START_NS + 6 * STEP_NS and stamp != gone]
    second.write_bytes(pcap([*late, *((stamp + 500, frame) for stamp, frame in packets[:5])]))
    points = json.loads(netbench("analyze", "--tap", str(path), str(second), "--json").stdout)["points"]
    assert points["matched"] == 5 + len(late)
    assert (points["lost_between"], points["outside"]) == (1, 6)


def test_text2pcap_fragments_and_a_tag_by_hand(tmp_path: Path, netbench: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    # A datagram of 24 bytes of payload in two fragments of 16 bytes (UDP header included), then a whole one behind a tag of VLAN 5.
    ip = "45 00 00 24 00 07 {offset} 40 11 00 00 0a 01 02 03 ef 01 02 03"
    ethernet = "01 00 5e 01 02 03 02 00 00 00 00 01"
    payload = " ".join(["00"] * 8)
    first = f"{ethernet} 08 00 {ip.format(offset='20 00')} 0f a0 13 8c 00 20 00 00 {payload}"
    second = f"{ethernet} 08 00 {ip.format(offset='00 02')} {payload} {payload}"
    whole = f"{ethernet} 81 00 00 05 08 00 {ip.format(offset='00 00')} 0f a0 13 8c 00 10 00 00 {payload}"
    path = tmp_path / "hand.pcapng"
    tool("text2pcap", "-q", "-", str(path), text_in="\n".join(f"0000 {frame}" for frame in (first, second, whole)) + "\n")
    got = json.loads(netbench("analyze", str(path), "--json").stdout)

    (book,) = got["files"]
    assert (book["records"], book["datagrams"], book["first_fragments"], book["fragments"]) == (3, 2, 1, 1)
    assert capinfos_packets(path) == 3
    assert got["received"]["bytes"] == 24 + 8
    assert got["loss"] is None
    assert "no sequence numbers" in got["absent"]["loss"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["gone.pcap"], 2, "there is no gone.pcap"),
        (["-"], 2, "standard input"),
        ([], 2, "Missing argument"),
    ],
)
def test_mistakes_are_told(
    netbench: Callable[..., subprocess.CompletedProcess[str]], arguments: list[str], code: int, words: str
) -> None:
    done = netbench("analyze", *arguments)

    assert done.returncode == code
    assert words in done.stderr


def test_what_is_no_capture_is_told(tmp_path: Path, netbench: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    path = tmp_path / "page.html"
    path.write_text("<html>")
    done = netbench("analyze", str(path))

    assert done.returncode == 4
    assert "neither pcap nor pcapng" in " ".join(done.stdout.split())
