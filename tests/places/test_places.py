"""Every kind of place in one run and one report: the host, namespaces, containers of a real daemon, guests of a real hypervisor."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from docker_daemon import DockerDaemon

from netbench.environments import lab

PLACES = ["host", "macvlan", "bridge", "docker-host", "docker-macvlan", "docker-bridge", "vm-virtio", "vm-e1000e"]
BEHIND_TRANSLATION = {"bridge", "docker-bridge"}

pytestmark = [
    pytest.mark.timeout(400),
    pytest.mark.skipif(not lab.has_capabilities(), reason="the daemon's network is entered by root only"),
]


@pytest.fixture(scope="module")
def run(docker_daemon: DockerDaemon, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    directory = tmp_path_factory.mktemp("places")
    # A timing verdict of a shared machine is no matter of this test: any end of a run that was measured to its end will do.
    netbench = [sys.executable, "-P", "-m", "netbench", "run", "places", "--samples", "1", "-t", "1s", "-q", "-o", str(directory)]
    done = subprocess.run(
        netbench, capture_output=True, text=True, timeout=380, check=False, env={**os.environ, "DOCKER_HOST": docker_daemon.host}
    )
    assert done.returncode in (0, 1, 4), done.stderr
    assert docker_daemon.holdings() == []
    written: dict[str, Any] = json.loads((directory / "run.json").read_text(encoding="utf-8"))
    written["page"] = (directory / "index.html").read_text(encoding="utf-8")
    return written


def test_all_of_them_stood(run: dict[str, Any]) -> None:
    assert run["status"] == "complete"
    assert {record["name"]: record["reason"] for record in run["environments"]} == dict.fromkeys(PLACES)


def test_each_was_measured_and_its_books_balance(run: dict[str, Any]) -> None:
    measured = [trial for trial in run["trials"] if trial["status"] != "unsupported"]

    assert {(trial["environment"], trial["profile"]) for trial in run["trials"]} == {
        (place, profile) for place in PLACES for profile in ("iptv", "unicast:streams=2")
    }
    assert {trial["status"] for trial in measured} <= {"ok", "sender-limited"}, [trial["reason"] for trial in measured]
    for trial in measured:
        explained = sum(drop["packets"] for drop in trial["drops"]) + trial["unattributed_packets"]
        assert trial["sent"]["sequences_sent"] == trial["received"]["unique_packets"] + trial["loss"]["lost_packets"]
        assert trial["loss"]["lost_packets"] == explained
        assert trial["received"]["unique_packets"] > 0


def test_groups_behind_address_translation_are_told_apart_from_loss(run: dict[str, Any]) -> None:
    unsupported = [trial for trial in run["trials"] if trial["status"] == "unsupported"]

    assert {(trial["environment"], trial["profile"]) for trial in unsupported} == {(place, "iptv") for place in BEHIND_TRANSLATION}


def test_only_places_with_our_clock_tell_a_one_way_delay(run: dict[str, Any]) -> None:
    for trial in run["trials"]:
        if trial["status"] == "ok":
            guest = trial["environment"].startswith("vm-")
            assert trial["clock_sync"] == ("unsynced" if guest else "same_clock")
            assert (trial["one_way_delay_us"] is None) == guest


def test_each_place_is_told_as_what_it_is(run: dict[str, Any]) -> None:
    facts = {record["name"]: record["facts"]["values"] for record in run["environments"]}

    assert {name: facts[name]["container"]["engine"] for name in PLACES if name.startswith("docker-")} == {
        "docker-host": "docker", "docker-macvlan": "docker", "docker-bridge": "docker",
    }  # fmt: skip
    assert {facts[name]["hypervisor"]["name"] for name in ("vm-virtio", "vm-e1000e")} == {"qemu"}
    assert facts["vm-virtio"]["interface"]["driver"]["name"] == "virtio_net"
    assert facts["vm-e1000e"]["interface"]["driver"]["name"] == "e1000e"


def test_hardware_stamps_are_believed_only_where_packets_carried_them(run: dict[str, Any]) -> None:
    verdicts = {verdict["environment"]: verdict["hypotheses"]["H4"] for verdict in run["verdicts"]}
    ladders = {record["name"]: record["timestamp_ladder"] for record in run["environments"]}

    assert verdicts["vm-e1000e"]["verdict"] == "fail"
    assert [rung["passed"] for rung in ladders["vm-e1000e"]["rungs"]][:4] == [True, True, True, False]
    assert "delivered" in verdicts["vm-e1000e"]["sentence"]
    assert " 0 of " in verdicts["vm-e1000e"]["sentence"]
    for place in ("host", "macvlan", "vm-virtio"):
        assert ladders[place]["rungs"][0]["passed"] is False


def test_one_report_shows_them_all(run: dict[str, Any]) -> None:
    assert all(f">{place}<" in run["page"] or place in run["page"] for place in PLACES)


def test_every_place_counted_packets_for_h4(run: dict[str, Any]) -> None:
    for record in run["environments"]:
        ladder = record["timestamp_ladder"]
        assert ladder is not None, record["timestamp_ladder_absent"]
        received = {item["traffic"]: item["received_packets"] for item in ladder["traffic"]}
        assert received["udp_low_rate"] > 0, record["name"]
        assert sum(item["hardware_packets"] for item in ladder["traffic"]) == 0, record["name"]
