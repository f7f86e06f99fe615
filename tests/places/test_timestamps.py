"""`netbench timestamps` as its user runs it, on interfaces that stamp nothing in hardware: counts, refusals, exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netbench.environments import lab

NETBENCH = [sys.executable, "-P", "-m", "netbench"]
LAB = Path(__file__).with_name("stamp_lab.py")
NOBODY = 65_534

pytestmark = pytest.mark.usefixtures("lab_permitted")


def in_lab(scenario: str) -> dict[str, Any]:
    done = subprocess.run([sys.executable, "-P", str(LAB), scenario], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def command(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NETBENCH, "timestamps", *arguments], capture_output=True, text=True, timeout=60, check=False, cwd="/", **options
    )


def traffic(ladder: dict[str, Any]) -> dict[str, tuple[int, int, int]]:
    keys = ("received_packets", "hardware_packets", "kernel_packets")
    return {item["traffic"]: tuple(item[key] for key in keys) for item in ladder["traffic"]}


@pytest.mark.parametrize("environment", ["host", "macvlan"])
def test_every_kind_of_packet_is_counted_by_hand(environment: str) -> None:
    told = in_lab(environment)
    ladder = told["by_hand"]
    sent = told["sent"]
    assert [rung["passed"] for rung in ladder["rungs"]] == [False, False, None, False, None, False]
    assert traffic(ladder)["udp"] == (sent["slow"] + sent["fast"], 0, sent["slow"] + sent["fast"])
    assert traffic(ladder)["ptp_ethernet"] == (sent["ptp_ethernet"], 0, sent["ptp_ethernet"])
    assert traffic(ladder)["ptp_udp"] == (sent["ptp_udp"], 0, sent["ptp_udp"])
    assert ladder["restored"] is None
    assert told["exit_code"] == 1


def test_a_run_counts_what_it_sent() -> None:
    told = in_lab("measured")
    assert {item["traffic"]: item["received_packets"] for item in told["traffic"]} == {
        item["traffic"]: item["sent_packets"] for item in told["traffic"]
    }
    assert {item["traffic"] for item in told["traffic"]} == {"udp_low_rate", "udp_full_rate", "ptp_ethernet", "ptp_udp"}
    assert all(item["hardware_packets"] == 0 for item in told["traffic"])


def test_nothing_came() -> None:
    told = in_lab("silence")
    assert told["by_hand"]["rungs"][3]["passed"] is None
    assert told["by_hand"]["rungs"][3]["evidence"].startswith("no packet came in 1 s")


@pytest.mark.skipif(not lab.has_capabilities(), reason="becoming another user takes root")
def test_an_ordinary_user_is_told_and_goes_on() -> None:
    def become_nobody() -> None:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)

    done = command("-i", "lo", "-t", "1", "-J", preexec_fn=become_nobody)
    ladder = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert ladder["rungs"][0]["passed"] is False
    assert "no group or port was named" in ladder["rungs"][3]["evidence"]
    counted = json.loads(command("-i", "lo", "-t", "1", "-p", "50999", "-J", preexec_fn=become_nobody).stdout)
    assert [item["traffic"] for item in counted["traffic"]] == ["listen"]
    assert "Operation not permitted" in counted["absent"]["traffic"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "no interface is named"),
        (("-i", "nb-none"), "cannot find interface 'nb-none'"),
        (("-i", "lo", "-t", "0"), "at least some time must be watched"),
        (("-i", "lo", "-t", "soon"), "-t/--duration"),
        (("-i", "lo", "-g", "nonsense:1"), "is no IPv4 address"),
        (("-i", "lo", "-p", "70000"), "less than or equal to 65535"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], words: str) -> None:
    done = command(*arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "try:" in done.stderr or len(done.stderr.splitlines()) == 1
