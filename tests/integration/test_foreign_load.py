"""Traffic and captures by programs that nobody here wrote agree with our counts, to the packet."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NETBENCH = [sys.executable, "-P", "-m", "netbench"]


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed; make setup-test installs it")


def packets_in(sites: Any, step: Any, capture: Path, filter_text: str) -> int:
    (answer,) = sites.run(step(["tshark", "-r", str(capture), "-q", "-z", f"io,stat,0,{filter_text}"]))
    row = re.search(r"<>\s*[\d.]+\s*\|\s*(\d+)\s*\|", answer["output"]) or re.search(
        r"\|\s*[\d.]+ <> [\d.a-zA-Z]+\s*\|\s*(\d+)", answer["output"]
    )
    assert row is not None, answer["output"] + answer["errors"]
    return int(row[1])


def dump_to(lab: Any, capture: Path, filter_text: str) -> list[str]:
    capture.parent.chmod(0o777)
    # Immediate mode: otherwise libpcap holds a second's worth of packets back, and Ctrl-C loses them.
    options = ["-i", lab.interface, "-Z", "root", "-B", "8192", "--immediate-mode", "-w", str(capture), filter_text]
    return [*lab.receiver, "tcpdump", *options]


@pytest.mark.parametrize("backend", ["socket", "ring", "pcap"])
def test_iperf2_as_a_foreign_load(sites: Callable[[str], Any], step: Any, tmp_path: Path, backend: str) -> None:
    """iperf2 sends and iperf2 receives; tshark counts what tcpdump took; we count the same group at the same place."""
    needs("iperf", "tcpdump", "tshark")
    lab, capture, group = sites("host"), tmp_path / "capture.pcap", "239.9.9.9"
    rate = ["-u", "-b", "10M", "-l", "1316", "-t", "1", "-T", "1"]
    dumped, served, received, _ = lab.run(
        step(dump_to(lab, capture, "udp port 5001"), until_done=True),
        step([*lab.receiver, "iperf", "-s", "-u", "-B", group, "-l", "1316", "-t", "8"], "listening on"),
        step([*lab.receiver, *NETBENCH, "receive", f"{group}:5001", "-i", lab.interface, "-B", backend, "--json"], until_done=True),
        step([*lab.sender, "iperf", "-c", group, *rate], "Joined and listening"),
    )

    assert received["exit_code"] == 0, received["errors"]
    got = json.loads(received["output"])
    told = re.search(r"0/\s*(\d+) \(0%\)", served["output"])
    assert told is not None, served["output"]
    assert "0 packets dropped by kernel" in dumped["errors"]
    assert int(told[1]) > 900
    assert got["received"]["packets"] == packets_in(lab, step, capture, "udp.dstport==5001") == int(told[1])
    assert got["loss"] is None
    assert got["absent"]["loss"] == "no sequence numbers in this traffic"


def test_tshark_counts_each_group_as_we_do(sites: Callable[[str], Any], step: Any, tmp_path: Path) -> None:
    needs("tcpdump", "tshark")
    lab = sites("host")
    capture = tmp_path / "capture.pcap"
    twenty = ["239.9.9.1", "--streams", "20"]
    dumped, received, _ = lab.run(
        step(dump_to(lab, capture, "udp port 5004"), until_done=True),
        step([*lab.receiver, *NETBENCH, "receive", *twenty, "-i", lab.interface, "--json"], "listening on", until_done=True),
        step(
            [*lab.sender, *NETBENCH, "send", *twenty, "-i", lab.sender_interface, "--pps", "150", "-t", "1s"],
            "Joined and listening",
        ),
    )

    assert "0 packets dropped by kernel" in dumped["errors"]
    (listed,) = lab.run(step(["tshark", "-r", str(capture), "-T", "fields", "-e", "ip.dst"]))
    seen = listed["output"].split()
    streams = {stream["destination"]: stream["received_packets"] for stream in json.loads(received["output"])["streams"]}
    assert streams == {group: seen.count(group) for group in set(seen)}
    assert sum(streams.values()) == 3000
