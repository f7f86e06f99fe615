"""`netbench send` and `netbench receive` between two shells: groups, sources, unicast, several streams."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

NETBENCH = [sys.executable, "-P", "-m", "netbench"]
READY = "Joined and listening"


@pytest.mark.parametrize("backend", ["socket", "ring", "pcap"])
@pytest.mark.parametrize(
    ("listen", "target", "streams"),
    [
        ("239.9.9.1:5004", "239.9.9.1:5004", 1),
        ("239.9.9.1:5004", "239.9.9.1:5004", 30),
        ("SOURCE,232.9.9.1:5004", "232.9.9.1:5004", 1),
        (":6000", "UNICAST:6000", 3),
    ],
    ids=["group", "thirty groups", "one source", "unicast"],
)
def test_all_that_is_sent_is_received(
    sites: Callable[[str], Any], step: Any, backend: str, listen: str, target: str, streams: int
) -> None:
    lab = sites("host")
    listen = listen.replace("SOURCE", lab.sender_address)
    target = target.replace("UNICAST", lab.unicast)
    count = ["--streams", str(streams)]
    received, sent = lab.run(
        step([*lab.receiver, *NETBENCH, "receive", listen, *count, "-i", lab.interface, "-B", backend, "--json"], until_done=True),
        step(
            [*lab.sender, *NETBENCH, "send", target, *count, "-i", lab.sender_interface, "--pps", "100", "-t", "1s", "--json"],
            READY,
        ),
    )

    assert (received["exit_code"], sent["exit_code"]) == (0, 0), received["errors"] + sent["errors"]
    offered, got = json.loads(sent["output"]), json.loads(received["output"])
    assert offered["sent"]["packets"] == 100 * streams
    assert got["received"]["packets"] == got["received"]["unique_packets"] == 100 * streams
    assert got["loss"]["lost_packets"] == 0
    assert got["loss"]["upper_bound_ratio"] == pytest.approx(3 / (100 * streams))
    assert sorted(stream["stream"] for stream in got["streams"]) == list(range(1, streams + 1))
    assert {stream["received_packets"] for stream in got["streams"]} == {100}
    assert got["capture"]["backend"] == backend


def test_faults_of_the_sender_are_seen_by_the_receiver_alone(sites: Callable[[str], Any], step: Any) -> None:
    lab = sites("host")
    received, sent = lab.run(
        step([*lab.receiver, *NETBENCH, "receive", "239.9.9.1", "-i", lab.interface, "--json"], until_done=True),
        step([*lab.sender, *NETBENCH, "send", "239.9.9.1", "-n", "1001", "--pps", "1000", "--skip-every", "100",
              "--repeat-every", "70", "--swap-every", "30", "--json"], READY),
    )  # fmt: skip

    offered, got = json.loads(sent["output"])["sent"], json.loads(received["output"])
    assert offered["skipped_packets"] == 10
    assert got["loss"]["lost_packets"] == offered["skipped_packets"]
    assert got["loss"]["loss_periods"] == 10
    assert got["loss"]["longest_loss_packets"] == 1
    assert got["received"]["duplicate_packets"] == offered["repeated_packets"] > 0
    assert got["sequence"]["reordered_packets"] == offered["swapped_pairs"] > 0


def test_nothing_arrives(sites: Callable[[str], Any], step: Any) -> None:
    lab = sites("host")
    (received,) = lab.run(step([*lab.receiver, *NETBENCH, "receive", "239.9.9.1", "-i", lab.interface, "-t", "1s", "--json"]))

    assert received["exit_code"] == 4
    got = json.loads(received["output"])
    assert got["received"]["packets"] == 0
    assert got["loss"] is None
    assert "nothing was received" in got["absent"]["loss"]
