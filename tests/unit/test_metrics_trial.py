"""A trial assembled from raw results, as agents deliver them: its numbers, its status, and that it is never lost."""

from __future__ import annotations

import struct
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.metrics.inputs import SiteResult, TrialInputs
from netbench.metrics.trial import build_trial
from netbench.result.plan import Profile, Thresholds

PROFILE = Profile(name="iptv", bits_per_second=10_528_000)  # 1000 packets/s of 1316 bytes
START = 1_700_000_000_000_000_000
IAT = 1_000_000


def one_value(value: int, count: int) -> dict[str, Any]:
    if count == 0:
        return {"count": 0, "sum": 0, "min": None, "max": None, "buckets": []}
    return {"count": count, "sum": value * count, "min": value, "max": value, "buckets": [(value, value + 1, count)]}


def send(sequences: int, *, streams: int = 1, skipped: int = 0, unsent: int = 0, **counts: int) -> dict[str, Any]:
    """What a sender delivers; skipped and unsent are of stream 1."""
    each = sequences // streams
    books = [
        {
            "stream": number,
            "sequences": each,
            "sent": each - (skipped + unsent) * (number == 1),
            "datagrams": each - (skipped + unsent) * (number == 1),
            "skipped": skipped * (number == 1),
            "repeated": 0,
            "swapped": 0,
            "unsent": unsent * (number == 1),
            "refused": unsent * (number == 1),
        }
        for number in range(1, streams + 1)
    ]
    total = {key: sum(stream[key] for stream in books) for key in books[0] if key != "stream"}
    rest = {
        "enobufs": unsent,
        "eagain": 0,
        "other_errors": 0,
        "last_errno": 0,
        "bytes": 1316 * total["datagrams"],
        "system_calls": 1,
        "intended": sequences,
        "started_ns": START,
        "ended_ns": START + (sequences - 1) * IAT,
    }
    return {
        "counts": total | rest | counts,
        "streams": books,
        "lateness": one_value(5_000, sequences),
        "counters": {"before": {}, "after": {}, "absent": {}},
    }


def receive(
    arrived: dict[int, list[int]],
    *,
    backend: str = "socket",
    capture: dict[str, int] | None = None,
    counters: dict[str, int] | None = None,
) -> dict[str, Any]:
    """What a receiver delivers when exactly these sequences of these streams arrive, each on time."""
    streams = []
    for number, sequences in arrived.items():
        if not sequences:
            continue
        seen = sorted(set(sequences))
        runs = [b - a - 1 for a, b in pairwise(seen) if b - a > 1]
        streams.append(
            {
                "probe": True,
                "sequenced": True,
                "session": 1,
                "stream": number,
                "source": "198.18.77.1",
                "destination": f"239.255.77.{number}",
                "source_port": 40_000,
                "destination_port": 5004,
                "packets": len(sequences),
                "bytes": 1316 * len(sequences),
                "unique": len(seen),
                "duplicate": len(sequences) - len(seen),
                "beyond_window": 0,
                "reordered": 0,
                "lost": sum(runs),
                "loss_periods": len(runs),
                "longest_loss": max(runs, default=0),
                "first_sequence": seen[0],
                "last_sequence": seen[-1],
                "first_ns": START + seen[0] * IAT,
                "last_ns": START + seen[-1] * IAT,
                "jitter_ns": 2_000.0,
                "jitter_max_ns": 4_000.0,
                "iat_error_windows": 0,
                "delay_factor_max_ns": 1_052_800.0,
                "iat_ns": {
                    "count": len(seen) - 1,
                    "min": IAT,
                    "max": IAT,
                    "mean": float(IAT),
                    "p50": IAT,
                    "p99": IAT,
                    "p99_9": IAT,
                },
            }
        )
    packets = sum(stream["packets"] for stream in streams)
    moved = counters or {}
    return {
        "backend": backend,
        "stamp_class": "kernel",
        "totals": {
            "packets": packets,
            "bytes": 1316 * packets,
            "tracked": packets,
            "foreign": 0,
            "damaged": 0,
            "refused_streams": 0,
            "logged": packets,
            "log_overflow": 0,
            "stamps_user": 0,
            "stamps_kernel": packets,
            "stamps_hardware": 0,
            "streams": len(streams),
            "first_ns": START,
            "last_ns": START,
        },
        "streams": streams,
        "iat": one_value(IAT, max(0, packets - len(streams))),
        "pdv": one_value(7_000, packets),
        "transit": one_value(50_000, packets),
        "delivery": one_value(20_000, packets),
        "series": [
            {
                "start_ns": START + 100_000_000,
                "packets": 100,
                "bytes": 131_600,
                "iat_count": 99,
                "iat_sum_ns": 99 * IAT,
                "iat_max_ns": IAT,
            }
        ],
        "capture": {"packets": packets, "socket_drops": 0} if capture is None else capture,
        "counters": {"before": dict.fromkeys(moved, 0), "after": moved, "absent": {}},
    }


def log(arrived: dict[int, list[int]], delay_ns: int = 0) -> bytes:
    return b"".join(
        struct.pack("=qII", START + sequence * IAT + delay_ns, stream, sequence)
        for stream, sequences in arrived.items()
        for sequence in sequences
    )


def site(name: str, place: str, raw: dict[str, Any], interface: str = "eth0", packet_log: bytes | None = None) -> SiteResult:
    return SiteResult(site=name, place=place, interface=interface, raw=raw, log=packet_log)


def trial_of(sender: dict[str, Any], *receivers: dict[str, Any], tap: dict[str, Any] | None = None, **changes: Any) -> TrialInputs:
    inputs = TrialInputs(
        environment="macvlan",
        profile=PROFILE,
        thresholds=Thresholds(),
        sample=1,
        started_at="2026-01-01T00:00:00Z",
        duration_s=1.0,
        planned_packets=1000,
        sender=site("wire", "ns-wire", sender, "wire0"),
        receivers=tuple(site(f"probe-{index}", f"ns-probe-{index}", raw) for index, raw in enumerate(receivers, 1)),
        tap=site("tap", "ns-host", tap, "par") if tap is not None else None,
        parent_interface="par",
        destinations={1: ("239.255.77.1", 5004), 2: ("239.255.77.2", 5004)},
    )
    return replace(inputs, **changes)


def ring(arrived: dict[int, list[int]], *, drops: int = 0, counters: dict[str, int] | None = None) -> dict[str, Any]:
    return receive(arrived, backend="ring", capture={"frames": 1, "kernel_drops": drops}, counters=counters)


ALL = list(range(1000))
WITHOUT_100TH = [sequence for sequence in ALL if sequence % 100 != 99]


def test_a_clean_trial() -> None:
    tap = site("tap", "ns-host", ring({1: ALL}), "par", log({1: ALL}))
    probe = site("probe", "ns-probe", receive({1: ALL}), packet_log=log({1: ALL}, 3_000))
    trial = build_trial(replace(trial_of(send(1000)), receivers=(probe,), tap=tap))
    assert (trial.status, trial.reason) == ("ok", None)
    assert trial.loss is not None
    assert (trial.loss.expected_packets, trial.loss.lost_packets, trial.loss.upper_bound_ratio) == (1000, 0, 0.003)
    assert trial.sent is not None
    assert trial.sent.packets_per_second == pytest.approx(1000)
    assert trial.sent.bits_per_second == pytest.approx(10_528_000)
    assert trial.received is not None
    assert trial.received.packets_per_second == pytest.approx(1000)
    assert trial.iat_us is not None
    assert (trial.iat_us.count, trial.iat_us.p99) == (999, 1000.0)
    assert (trial.jitter_ms, trial.jitter_max_ms) == (0.002, 0.004)
    assert trial.mdi is not None
    assert (trial.mdi.delay_factor_ms, trial.mdi.media_loss_packets_per_second) == (1.0528, 0.0)
    assert trial.tap is not None
    assert (trial.tap.lost_before_packets, trial.tap.lost_after_packets, trial.tap.matched_packets) == (0, 0, 1000)
    assert trial.tap.distortion_us is not None
    assert (trial.tap.distortion_us.count, trial.tap.distortion_us.max) == (999, 0.0)
    assert trial.tap.transit_us is not None
    assert trial.tap.transit_us.p50 == 3.0
    assert trial.one_way_delay_us is not None
    assert trial.series[0].start_s == pytest.approx(0.1)
    assert (trial.drops, trial.unattributed_packets) == ([], 0)
    assert trial.capture == {"backend": "socket", "packets": 1000, "socket_drops": 0}


def test_every_100th_dropped_behind_the_tap() -> None:
    rule = {"nft.ip.t.input.4.drops": 10}
    trial = build_trial(trial_of(send(1000), receive({1: WITHOUT_100TH}, counters=rule), tap=ring({1: ALL})))
    assert trial.status == "ok"
    assert trial.tap is not None
    assert (trial.tap.lost_before_packets, trial.tap.lost_after_packets) == (0, 10)
    assert [(drop.layer, drop.side, drop.packets) for drop in trial.drops] == [("netfilter", "after_tap", 10)]
    assert trial.loss is not None
    assert (trial.loss.loss_periods, trial.loss.longest_loss_packets) == (10, 1)
    assert trial.mdi is not None
    assert trial.mdi.media_loss_packets_per_second == 70.0
    assert trial.counters == {"ns-probe-1": rule}


def test_every_100th_lost_on_the_wire() -> None:
    trial = build_trial(trial_of(send(1000), receive({1: WITHOUT_100TH}), tap=ring({1: WITHOUT_100TH})))
    assert trial.tap is not None
    assert (trial.tap.lost_before_packets, trial.tap.lost_after_packets) == (10, 0)
    assert (trial.drops, trial.unattributed_packets) == ([], 10)


def test_macvlan_with_three_receivers_tells_the_worst_first() -> None:
    raw = [receive({1: ALL[:keep]}) for keep in (900, 890, 895)]
    trial = build_trial(trial_of(send(1000), *raw, tap=ring({1: ALL}, counters={"link.par.rx_dropped": 110})))
    assert [reception.receiver for reception in trial.receptions] == ["probe-2", "probe-3", "probe-1"]
    assert [reception.drops[0].layer for reception in trial.receptions] == ["macvlan_broadcast_queue"] * 3
    assert [reception.drops[0].packets for reception in trial.receptions] == [110, 105, 100]
    assert trial.receiver == "probe-2"


def test_skipped_on_purpose_is_told_as_the_senders() -> None:
    trial = build_trial(trial_of(send(1000, skipped=10), receive({1: WITHOUT_100TH}), tap=ring({1: WITHOUT_100TH})))
    assert (trial.status, trial.unattributed_packets) == ("ok", 0)
    assert [(drop.layer, drop.side, drop.packets) for drop in trial.drops] == [("sender_skip", "sender", 10)]


def test_a_tap_that_lost_packets_itself_is_not_exact() -> None:
    trial = build_trial(
        trial_of(send(1000), receive({1: ALL[:990]}, capture={"socket_drops": 10}), tap=ring({1: ALL[:700]}, drops=300))
    )
    assert trial.tap is not None
    assert trial.tap.kernel_drops == 300
    assert [(drop.layer, drop.packets) for drop in trial.drops] == [("udp_socket", 10)]


def test_a_stream_that_never_arrived_is_in_the_list() -> None:
    trial = build_trial(trial_of(send(1000, streams=2), receive({1: ALL[:500]})))
    assert [(stream.stream, stream.lost_packets, stream.destination) for stream in trial.streams] == [
        (1, 0, "239.255.77.1"),
        (2, 500, "239.255.77.2"),
    ]
    assert trial.loss is not None
    assert (trial.loss.streams_with_loss, trial.loss.loss_periods, trial.loss.longest_loss_packets) == (1, 1, 500)
    assert trial.absent["tap"] == "this environment has no tap"


def test_strangers_are_foreign() -> None:
    raw = receive({1: ALL, 9: ALL[:20]})
    trial = build_trial(trial_of(send(1000), raw))
    assert trial.received is not None
    assert (trial.received.unique_packets, trial.received.foreign_packets) == (1000, 20)


# Status


def test_a_sender_that_fell_short_is_limited_not_lossy() -> None:
    trial = build_trial(trial_of(send(900), receive({1: ALL[:900]})))
    assert trial.status == "sender-limited"
    assert trial.reason == (
        "The sender offered 900 of 1,000 planned packets, 10.0% too few. "
        "Lower the rate (-b, or the profile's bitrate or streams), or send whole frames: --method frame."
    )


def test_refused_packets_are_named() -> None:
    trial = build_trial(trial_of(send(1000, unsent=50), receive({1: ALL[50:]}), method="frame"))
    assert trial.status == "sender-limited"
    assert trial.reason is not None
    assert "50 were refused by its own stack (ENOBUFS 50)" in trial.reason
    assert "--method frame" not in trial.reason
    assert trial.loss is not None
    assert trial.loss.lost_packets == 0


def test_a_few_refusals_are_within_the_allowance() -> None:
    assert build_trial(trial_of(send(1000, unsent=10), receive({1: ALL[10:]}))).status == "ok"


def test_a_sender_that_took_twice_as_long_is_limited() -> None:
    trial = build_trial(trial_of(send(1000, ended_ns=START + 2_000_000_000), receive({1: ALL})))
    assert trial.status == "sender-limited"
    assert trial.reason is not None
    assert "2.00 s for the 1,000 packets of 1.00 s" in trial.reason


def test_unsupported_has_evidence_and_no_loss() -> None:
    trial = build_trial(trial_of(send(1000), receive({}), tap=ring({1: ALL}), multicast_unsupported="No one routes groups in."))
    assert trial.status == "unsupported"
    assert trial.reason == "0 of 1,000 packets arrived at the probe while the tap saw 1,000: No one routes groups in."
    assert (trial.loss, trial.received, trial.drops) == (None, None, [])
    assert trial.tap is not None
    assert trial.absent["loss"].startswith("unsupported: 0 of 1,000")


def test_unsupported_is_not_proven_when_the_wire_was_silent() -> None:
    trial = build_trial(trial_of(send(1000), receive({}), tap=ring({}), multicast_unsupported="No one routes groups in."))
    assert trial.status == "ok"
    assert trial.loss is not None
    assert trial.loss.lost_ratio == 1.0


def test_what_does_arrive_is_not_unsupported() -> None:
    assert build_trial(trial_of(send(1000), receive({1: ALL}), multicast_unsupported="No.")).status == "ok"


def test_interrupted_keeps_its_numbers() -> None:
    trial = build_trial(trial_of(send(300), receive({1: ALL[:300]}), interrupted="Ctrl-C"))
    assert (trial.status, trial.reason) == ("interrupted", "Ctrl-C")
    assert trial.loss is not None
    assert trial.loss.lost_packets == 0


# Never lost, never a traceback


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda inputs: inputs.receivers[0].raw["streams"][0].update(unique=1001), "1001 unique packets"),
        (lambda inputs: inputs.receivers[0].raw["streams"][0].update(duplicate=1), "books do not balance: received 1000"),
        (lambda inputs: inputs.receivers[0].raw["totals"].update(tracked=999), "tracked 999 packets"),
        (lambda inputs: inputs.sender.raw["counts"].update(unsent=1), "sent + skipped + unsent 1001"),
        (lambda inputs: inputs.receivers[0].raw.pop("totals"), "KeyError: 'totals'"),
        (lambda inputs: inputs.receivers[0].raw.update(iat=one_value(1, 5) | {"count": 6}), "do not add up"),
        (lambda inputs: inputs.receivers[0].raw["streams"][0].update(bytes=None), "TypeError"),
    ],
)
def test_books_that_do_not_balance_are_an_error(change: Any, reason: str) -> None:
    inputs = trial_of(send(1000), receive({1: ALL}))
    change(inputs)
    trial = build_trial(inputs)
    assert trial.status == "error"
    assert trial.reason is not None
    assert reason in trial.reason
    assert (trial.received, trial.loss, trial.sent) == (None, None, None)
    assert trial.absent["loss"] == trial.reason


@given(
    arrived=st.lists(st.sets(st.integers(0, 49)), min_size=1, max_size=3),
    seen_at_tap=st.sets(st.integers(0, 49)) | st.none(),
    skipped=st.integers(0, 5),
    queue=st.integers(0, 60),
    socket=st.integers(0, 60),
)
def test_whatever_arrives_the_books_balance(
    arrived: list[set[int]], seen_at_tap: set[int] | None, skipped: int, queue: int, socket: int
) -> None:
    """Skipped sequences are 0 .. skipped - 1, which nobody sees."""
    raw = [
        receive({1: sorted(number for number in each if number >= skipped)}, capture={"socket_drops": socket}) for each in arrived
    ]
    tap = None
    if seen_at_tap is not None:
        tap = ring({1: sorted(number for number in seen_at_tap if number >= skipped)}, counters={"link.par.rx_dropped": queue})
    trial = build_trial(trial_of(send(50, skipped=skipped), *raw, tap=tap, planned_packets=50))
    assert trial.status == "ok", trial.reason
    assert len(trial.receptions) == len(arrived)
    for reception in trial.receptions:
        assert reception.loss is not None
        assert sum(drop.packets for drop in reception.drops) + reception.unattributed_packets == reception.loss.lost_packets
    lost = [reception.loss.lost_packets for reception in trial.receptions if reception.loss]
    assert lost == sorted(lost, reverse=True)
