"""Loss of a known size, put in on purpose: counted to the packet, on the right side of the tap, in the right layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

PROFILE = "iptv:pps=5000"


def nft_drops(trial: Any) -> int:
    """What nft's own counters grew by, wherever they stand."""
    return sum(
        grown
        for counters in trial.counters.values()
        for name, grown in counters.items()
        if name.startswith("nft.") and name.endswith(".drops")
    )


def test_every_hundredth_packet_behind_the_tap(measure: Callable[..., Any]) -> None:
    result = measure("-e", "host:inject_drop_every=100", "--profile", PROFILE, "--samples", "1", "-t", "2s")

    (trial,) = result.run.trials
    assert trial.status == "ok"
    assert trial.sent.packets == 10_000
    assert trial.loss.lost_packets == nft_drops(trial) == 100
    assert trial.tap.lost_before_packets == 0
    assert trial.tap.lost_after_packets == 100
    assert [(drop.layer, drop.side, drop.packets) for drop in trial.drops] == [("netfilter", "after_tap", 100)]
    assert trial.unattributed_packets == 0
    assert result.exit_code == 1


def test_every_hundredth_packet_before_the_wire_side(measure: Callable[..., Any]) -> None:
    result = measure("-e", "host:inject_drop_every=100,inject_at=sender", "--profile", PROFILE, "--samples", "1", "-t", "2s")

    (trial,) = result.run.trials
    assert trial.loss.lost_packets == 100
    assert trial.tap.unique_packets == 9_900
    assert trial.tap.lost_before_packets == 100
    assert trial.tap.lost_after_packets == 0
    assert "before the wire side" in (result.directory / "index.html").read_text()


@pytest.mark.parametrize("backend", ["socket", "ring", "pcap"])
def test_sequences_skipped_repeated_and_swapped(run_one_trial: Callable[..., Any], backend: str) -> None:
    trial = run_one_trial("host", "iptv:pps=2000", duration_s=1.5, backend=backend, skip_every=50, repeat_every=40, swap_every=30)

    assert trial.status == "ok"
    assert trial.sent.sequences == 3000
    assert trial.sent.skipped_packets == 60
    assert trial.loss.lost_packets == trial.sent.skipped_packets
    assert [(drop.layer, drop.packets) for drop in trial.drops] == [("sender_skip", 60)]
    assert trial.received.duplicate_packets == trial.sent.repeated_packets > 0
    assert trial.sequence.reordered_packets == trial.sent.swapped_pairs > 0
    assert trial.received.packets == trial.sent.packets


@pytest.mark.parametrize("method", ["socket", "frame"])
@pytest.mark.parametrize("environment", ["host", "macvlan", "bridge"])
def test_nothing_is_lost_where_nothing_drops(run_one_trial: Callable[..., Any], environment: str, method: str) -> None:
    trial = run_one_trial(environment, "unicast:streams=10,pps=5000", method=method)

    assert trial.status == "ok"
    assert trial.sent.packets == 5000
    assert trial.received.unique_packets == 5000
    assert trial.loss.lost_packets == 0
    assert trial.loss.upper_bound_ratio == pytest.approx(3 / 5000)
    assert trial.tap.unique_packets == trial.tap.matched_packets == 5000
    assert {stream.unique_packets for stream in trial.streams} == {500}
