"""Hardware timestamps in real guests: what each emulated card promises, accepts and delivers, and that its setting is put back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCENARIOS = Path(__file__).with_name("stamp_scenarios.py")
NOT_SET, ALL = {"tx_type": 0, "rx_filter": 0}, {"tx_type": 0, "rx_filter": 1}

pytestmark = [pytest.mark.usefixtures("lab_permitted"), pytest.mark.timeout(600)]


def play(scenario: str, environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-P", str(SCENARIOS), scenario, environment], capture_output=True, text=True, timeout=580, check=False
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    if "unavailable" in told:
        pytest.skip(told["unavailable"])
    return told


def passed(ladder: dict[str, Any]) -> list[bool | None]:
    return [rung["passed"] for rung in ladder["rungs"]]


def counts(ladder: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Received packets, and those of them with a hardware stamp."""
    return {item["traffic"]: (item["received_packets"], item["hardware_packets"]) for item in ladder["traffic"]}


def test_e1000e_accepts_and_delivers_nothing() -> None:
    told = play("card", "vm-e1000e")

    ladder = told["ladder"]
    assert passed(ladder) == [True, True, True, False, None, True]
    received = sum(item["received_packets"] for item in ladder["traffic"])
    assert ladder["sentence"] == f"eth0: advertised and accepted, delivered on 0 of all {received:,} packets."
    for traffic, (packets, stamped) in counts(ladder).items():
        assert packets > 0, traffic
        assert stamped == 0, traffic
    assert ladder["restored"] is True
    assert told["before"] == told["after"] == NOT_SET

    # Ctrl-C, SIGTERM, and a kill that no program can answer: its agent puts the setting back when nobody listens any more.
    for ended, status in zip(told["signalled"], (130, 130, -9), strict=True):
        assert ended == {"before": NOT_SET, "during": ALL, "after": NOT_SET, "status": status}

    # A macvlan of that card in a namespace of its own: it tells what the card can, and may not set it.
    accepted = told["macvlan"]["rungs"][2]
    assert passed(told["macvlan"])[:3] == [True, True, False]
    assert "initial network namespace only" in accepted["evidence"]
    assert "on the host: netbench timestamps -i" in accepted["remedy"]
    assert told["macvlan"]["restored"] is None


def test_virtio_advertises_nothing() -> None:
    ladder = play("climb", "vm-virtio")["ladder"]
    assert passed(ladder)[:2] == [False, False]
    assert ladder["sentence"] == "eth0 (virtio_net) advertises no hardware stamps for received packets."
    assert all(stamped == 0 for _, stamped in counts(ladder).values())
    assert counts(ladder)["ptp_ethernet"][0] > 0
    assert ladder["configured"] is False


def test_igb_stamps_ptp_only() -> None:
    ladder = play("climb", "vm-igb")["ladder"]
    assert passed(ladder)[:3] == [True, False, True]
    assert ladder["setting_during"]["rx_filter"].startswith("HWTSTAMP_FILTER_PTP_")
    assert ladder["highest_rung"] == 1
    assert "for some packets only (PTP_" in ladder["sentence"]
    seen = counts(ladder)
    assert all(seen[kind][0] > 0 for kind in ("udp_low_rate", "ptp_ethernet", "ptp_udp"))
    assert seen["udp_low_rate"][1] == 0, "no packet but PTP is stamped"
    assert seen["ptp_ethernet"][1] < seen["ptp_ethernet"][0], "the card's one register holds but one stamp at a time"
    assert ladder["restored"] is True
