"""The case that sells this tool: macvlan loses multicast in a queue that no counter inside the container shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SHAPE = ("--profile", "lineup:pps=50000", "--samples", "1", "-t", "2s")


def test_the_broadcast_queue_is_found_and_the_remedy_cures_it(measure: Callable[..., Any]) -> None:
    # A queue of 20 loses on any machine; the kernel's own 1000 loses only where receivers are slower than the wire.
    sick = measure("-e", "macvlan:receivers=3,bcqueuelen=20", *SHAPE)
    cured = measure("-e", "macvlan:receivers=3,bcqueuelen=100000", *SHAPE)

    (trial,) = sick.run.trials
    queue_drops = next(grown["link.eth0.rx_dropped"] for grown in trial.counters.values() if "link.eth0.rx_dropped" in grown)
    assert queue_drops > 0
    assert len(trial.receptions) == 3
    for reception in trial.receptions:
        assert reception.loss.lost_packets == queue_drops
        assert [(drop.layer, drop.side, drop.packets) for drop in reception.drops] == [
            ("macvlan_broadcast_queue", "after_tap", queue_drops)
        ]
        assert reception.unattributed_packets == 0
    (verdict,) = sick.run.verdicts
    assert verdict.verdict == "fail"
    assert any("bcqueuelen" in (remedy.command or "") for remedy in verdict.remedies)
    assert sick.exit_code == 1

    (trial,) = cured.run.trials
    assert all(drop.layer != "macvlan_broadcast_queue" for reception in trial.receptions for drop in reception.drops)
    assert "link.eth0.rx_dropped" not in {name for grown in trial.counters.values() for name in grown}
