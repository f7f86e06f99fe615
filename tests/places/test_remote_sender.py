"""`netbench run -i IF --sender ssh:…`: another machine sends, environments stand on an interface of the user's own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from sshd import Machine, Sshd, drop_at_input, dropped_packets, lossy_cable, switched

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="a second machine with an sshd takes root")

NETBENCH = [sys.executable, "-P", "-m", "netbench"]
HERE, THERE = "10.77.8.1", "10.77.8.2"
QUICK = ["-i", "eth0", "-t", "0.5s", "--samples", "1", "-q", "--profile", "iptv:bitrate=1M"]
PACKETS = 48
EVERY_TENTH = "udp dport 5004 numgen inc mod 10 == 7"


@pytest.fixture
def here() -> Iterator[Machine]:
    with Machine() as machine:
        yield machine


@pytest.fixture
def there() -> Iterator[Machine]:
    with Machine() as machine:
        yield machine


def state(machine: Machine) -> list[str]:
    """Links, addresses and memberships of a machine."""
    shown = [machine.run("ip", "-d", "-j", *what.split(), check=True).stdout for what in ("link", "address", "maddress")]
    links = [{key: value for key, value in link.items() if key != "stats64"} for link in json.loads(shown[0])]
    return [json.dumps(links), *shown[1:]]


def run(here: Machine, sender: str, directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return here.run(*NETBENCH, "run", *QUICK, "--sender", sender, "-o", directory, *arguments)


def trials(directory: Path) -> dict[str, Any]:
    read = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    return {trial["environment"]: trial for trial in read["trials"]}


def test_what_another_machine_sends_is_counted_in_every_environment(here: Machine, there: Machine, tmp_path: Path) -> None:
    with lossy_cable(there, f"{THERE}/24", here, f"{HERE}/24", EVERY_TENTH) as middle, Sshd(there, THERE, tmp_path) as sshd:
        before = state(here)

        done = run(here, sshd.target, tmp_path / "out", "-e", "host", "-e", "macvlan")

        assert done.returncode in (0, 1, 4), done.stderr
        assert state(here) == before
        lost_of_both = dropped_packets(middle)
        assert list(sshd.home.iterdir()) == []

    measured = trials(tmp_path / "out")
    assert set(measured) == {"host", "macvlan"}
    for trial in measured.values():
        lost = trial["loss"]["lost_packets"]
        assert trial["sent"]["sequences_sent"] == PACKETS
        assert trial["received"]["unique_packets"] == PACKETS - lost
        assert lost in (PACKETS // 10, PACKETS // 10 + 1)  # the rule goes on counting from one trial to the next
        assert (trial["tap"]["lost_before_packets"], trial["tap"]["lost_after_packets"]) == (lost, 0)
        assert trial["unattributed_packets"] == lost
        assert trial["clock_sync"] == "unsynced"
        assert trial["one_way_delay_us"] is None
        assert trial["tap"]["transit_us"]["count"] == PACKETS - lost  # from the tap to the probe one clock is enough
    assert sum(trial["loss"]["lost_packets"] for trial in measured.values()) == lost_of_both


def test_a_sender_that_cannot_be_reached_ends_the_run_before_anything_is_built(
    here: Machine, there: Machine, tmp_path: Path
) -> None:
    with lossy_cable(there, f"{THERE}/24", here, f"{HERE}/24", EVERY_TENTH), Sshd(there, THERE, tmp_path) as sshd:
        before = state(here)
        sshd.authorize("other_key")

        done = run(here, sshd.target, tmp_path / "out", "-e", "host")

        assert done.returncode == 3
        assert "accepts none of the keys here" in " ".join(done.stderr.split())
        assert state(here) == before


def test_a_sender_does_not_flood_a_real_network(here: Machine, there: Machine, tmp_path: Path) -> None:
    with lossy_cable(there, f"{THERE}/24", here, f"{HERE}/24", EVERY_TENTH), Sshd(there, THERE, tmp_path) as sshd:
        done = run(here, sshd.target, tmp_path / "out", "-e", "host", "--profile", "lineup")

        assert done.returncode == 2
        assert "--uncapped" in done.stderr
        assert "Accepted" not in sshd.log


def test_a_live_feed_is_compared_between_this_machine_and_another_one(here: Machine, there: Machine, tmp_path: Path) -> None:
    site = [*NETBENCH, "send", "239.1.1.1:5004", "-i", "br0", "-b", "1M", "-t", "60", "-q"]
    with Machine() as feed, switched(feed, {f"{HERE}/24": here, f"{THERE}/24": there}), Sshd(there, THERE, tmp_path) as sshd:
        drop_at_input(there, EVERY_TENTH)
        sender = feed.start(*site, stdout=subprocess.DEVNULL)
        try:
            live = ["-i", "eth0", "--live", "239.1.1.1:5004", "-t", "1s", "--samples", "1", "-q", "-o", tmp_path / "out"]
            done = here.run(*NETBENCH, "run", *live, "-e", "host", "--site", sshd.target)
        finally:
            sender.terminate()
            sender.wait(20)

    assert done.returncode in (0, 1, 4), done.stderr
    measured = trials(tmp_path / "out")
    host = measured.pop("host")
    (remote,) = measured.values()
    for trial in (host, remote):
        assert trial["status"] == "ok", trial["reason"]
        assert trial["received"]["unique_packets"] + trial["loss"]["lost_packets"] == trial["loss"]["expected_packets"] > 50
    assert host["loss"]["lost_packets"] == 0
    assert remote["loss"]["expected_packets"] == host["loss"]["expected_packets"]
    lost = remote["loss"]["lost_packets"]
    assert abs(lost - remote["loss"]["expected_packets"] / 10) <= 1
    assert sum(drop["packets"] for drop in remote["drops"]) + remote["unattributed_packets"] == lost
    assert remote["clock_sync"] == "unsynced"
    assert remote["absent"]["counters.kernel"]
