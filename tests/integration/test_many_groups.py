"""A thousand groups through one receive loop: every group's count is right, memory does not grow with packets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def test_a_thousand_groups_counted_one_by_one(run_one_trial: Callable[..., Any]) -> None:
    trial = run_one_trial("host", "lineup:streams=1000,pps=20000", duration_s=2.0)

    assert trial.received.streams == 1000
    assert len(trial.streams) == 1000
    assert {stream.stream for stream in trial.streams} == set(range(1, 1001))
    assert len({stream.destination for stream in trial.streams}) == 1000
    for stream in trial.streams:
        assert stream.sequences_sent == 40
        assert stream.unique_packets + stream.lost_packets == 40
    assert sum(stream.lost_packets for stream in trial.streams) == trial.loss.lost_packets
    assert trial.loss.lost_packets == sum(drop.packets for drop in trial.drops) + trial.unattributed_packets
