"""Loss located: each way to lose packets is provoked for real, and the product says where it happened. A confusion matrix."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from netbench.result.trial import Trial

SCENARIOS_FILE = Path(__file__).with_name("loss_scenarios.py")
ENTER_LAB = (
    "from netbench.environments import lab; lab.enter(); import runpy, sys; runpy.run_path(sys.argv[1], run_name='__main__')"
)
SCENARIOS = (
    *("nothing", "sender skip", "sender qdisc, told", "sender qdisc, silent", "queue on the wire", "before the tap"),
    *("macvlan queue", "backlog", "backlog inside", "somebody else's backlog", "nft rule", "nft rule, bridge", "reverse path"),
    *("UDP socket", "stopped reader", "capture ring", "rule and buffer", "skip, wire and rule"),
)
TWO_CPUS = {"backlog", "backlog inside", "somebody else's backlog"}
REASONS = {  # what the kernel itself calls it
    "netfilter": "NETFILTER_DROP",
    "udp_socket": "SOCKET_RCVBUFF",
    "sender_qdisc": "QDISC_DROP",
    "unsent": "QDISC_DROP",
    "backlog": "CPU_BACKLOG",
    "link_transmit": "CPU_BACKLOG",
    "ip": "IP_RPFILTER",
}


@dataclass(frozen=True)
class Outcome:
    """One scenario, played.

    Attributes:
        refused: what this system could not do, or empty.
        injected: layer -> packets, by counters that do not come from the product.
    """

    refused: str
    injected: Counter[str]
    trial: Trial | None

    @property
    def attributed(self) -> Counter[str]:
        """Layer -> packets, as the product says; what it attributes to nobody by the tap's side."""
        trial = self.trial
        assert trial is not None and trial.sent is not None and trial.tap is not None
        found: Counter[str] = Counter(unsent=trial.sent.unsent_packets)
        before, after = trial.tap.lost_before_packets, trial.tap.lost_after_packets
        for drop in trial.drops:
            found[drop.layer] += drop.packets
            if drop.side == "after_tap":
                after -= drop.packets
            else:
                before -= drop.packets
        assert before + after == trial.unattributed_packets
        return found + Counter({"unattributed before_tap": before, "unattributed after_tap": after})


@pytest.fixture(scope="module")
def outcomes(lab_permitted: None) -> dict[str, Outcome]:
    """All scenarios, one after the other."""
    played = subprocess.run(
        [sys.executable, "-P", "-c", ENTER_LAB, str(SCENARIOS_FILE)], capture_output=True, text=True, timeout=240
    )
    assert played.returncode == 0, played.stderr
    found = {}
    for line in played.stdout.splitlines():
        told = json.loads(line)
        trial = Trial.model_validate(told["trial"]) if "trial" in told else None
        found[told["scenario"]] = Outcome(told.get("refused", ""), +Counter(told.get("injected", {})), trial)
    return found


def matrix(outcomes: dict[str, Outcome]) -> str:
    """Rows: what was injected; columns: what it was attributed to."""
    measured = {name: outcome for name, outcome in outcomes.items() if outcome.trial is not None}
    columns = sorted({layer for outcome in measured.values() for layer in outcome.injected | outcome.attributed})
    lines = ["".join(f"{text:>26}" for text in ("injected \\ attributed", *columns))]
    for name, outcome in measured.items():
        attributed = outcome.attributed
        for injected, packets in (outcome.injected or {"nothing": 0}).items():
            cells = "".join(f"{attributed[layer] or '·':>26}" for layer in columns)
            lines.append(f"{name}: {packets} {injected}\n{'':>26}{cells}")
    return "\n".join(lines)


def test_every_scenario_was_played(outcomes: dict[str, Outcome]) -> None:
    assert set(outcomes) == set(SCENARIOS)


@pytest.mark.parametrize("name", SCENARIOS)
def test_loss_is_attributed_to_where_it_was_injected_and_to_nothing_else(outcomes: dict[str, Outcome], name: str) -> None:
    if name in TWO_CPUS and (os.cpu_count() or 1) < 2:
        pytest.skip("a backlog that another CPU has to empty needs two")
    outcome = outcomes[name]
    if outcome.refused:
        pytest.skip(f"this system cannot lose packets so: {outcome.refused}")
    trial = outcome.trial
    assert trial is not None and trial.status in ("ok", "sender-limited"), trial

    assert bool(outcome.injected) == (name != "nothing")
    assert outcome.attributed == outcome.injected, f"\n{matrix(outcomes)}\n{trial.drops}"


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_kernels_own_reasons_stand_beside_the_counters(outcomes: dict[str, Outcome], name: str) -> None:
    outcome = outcomes[name]
    if outcome.trial is None:
        pytest.skip(f"this system cannot lose packets so: {outcome.refused}")
    if "counters.kernel" in outcome.trial.absent:
        assert "kernel" not in outcome.trial.counters
        pytest.skip(outcome.trial.absent["counters.kernel"])

    told = outcome.trial.counters.get("kernel", {})
    # The whole machine's, so never fewer than injected; others may have dropped as well.
    for layer, packets in outcome.injected.items():
        if layer in REASONS:
            assert told.get(f"kfree_skb.{REASONS[layer]}", 0) >= packets, told
