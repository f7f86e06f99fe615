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


@pytest.mark.parametrize("backend", ["socket", "ring", "pcap"])
def test_iperf2_as_a_foreign_load(sites: Callable[[str], Any], step: Any, tmp_path: Path, backend: str) -> None:
    needs("iperf", "tcpdump", "tshark")
    lab = sites("host")
    capture = tmp_path / "capture.pcap"
    tmp_path.chmod(0o777)
    dump = [
        "timeout",
        "-s",
        "INT",
        "5",
        "tcpdump",
        "-i",
        lab.interface,
        "-Z",
        "root",
        "-B",
        "8192",
        "-w",
        str(capture),
        "udp port 5001",
    ]
    dumped, received, sent = lab.run(
        step([*lab.receiver, *dump]),
        step(
            [*lab.receiver, *NETBENCH, "receive", ":5001", "-i", lab.interface, "-B", backend, "-t", "4s", "--json"], "listening on"
        ),
        step([*lab.sender, "iperf", "-c", lab.unicast, "-u", "-b", "10M", "-l", "1316", "-t", "1"], "ready"),
    )

    assert received["exit_code"] == 0, received["errors"]
    got = json.loads(received["output"])
    told = re.search(r"Sent (\d+) datagrams", sent["output"])
    assert told is not None, sent["output"]
    on_the_wire = packets_in(lab, step, capture, "udp.dstport==5001")
    assert "0 packets dropped by kernel" in dumped["errors"]
    assert got["received"]["packets"] == on_the_wire
    # iperf's own count leaves out the datagrams with which it says that it is over, and these it repeats until it is answered.
    assert int(told[1]) <= on_the_wire <= int(told[1]) + 20
    assert got["loss"] is None
    assert got["absent"]["loss"] == "no sequence numbers in this traffic"


def test_tshark_counts_each_group_as_we_do(sites: Callable[[str], Any], step: Any, tmp_path: Path) -> None:
    needs("tcpdump", "tshark")
    lab = sites("host")
    capture = tmp_path / "capture.pcap"
    tmp_path.chmod(0o777)
    dump = [
        "timeout",
        "-s",
        "INT",
        "5",
        "tcpdump",
        "-i",
        lab.interface,
        "-Z",
        "root",
        "-B",
        "8192",
        "-w",
        str(capture),
        "udp port 5004",
    ]
    dumped, received, _ = lab.run(
        step([*lab.receiver, *dump]),
        step(
            [*lab.receiver, *NETBENCH, "receive", "239.9.9.1", "--streams", "20", "-i", lab.interface, "-t", "4s", "--json"],
            "listening on",
        ),
        step(
            [
                *lab.sender,
                *NETBENCH,
                "send",
                "239.9.9.1",
                "--streams",
                "20",
                "-i",
                lab.sender_interface,
                "--pps",
                "150",
                "-t",
                "1s",
            ],
            "ready",
        ),
    )

    assert "0 packets dropped by kernel" in dumped["errors"]
    (listed,) = lab.run(step(["tshark", "-r", str(capture), "-T", "fields", "-e", "ip.dst"]))
    seen = listed["output"].split()
    streams = {stream["destination"]: stream["received_packets"] for stream in json.loads(received["output"])["streams"]}
    assert streams == {group: seen.count(group) for group in set(seen)}
    assert sum(streams.values()) == 3000
