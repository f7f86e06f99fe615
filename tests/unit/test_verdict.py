"""From trials to a comparison and to verdicts that name layer, side, packets and remedy."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from run_builder import sent

from netbench.compare.answer import percent, percent_rounded_up
from netbench.compare.comparison import compare, reference_label
from netbench.compare.verdict import exit_code, judge
from netbench.errors import ExitCode
from netbench.result.environment import EnvironmentRecord, Facts, Floor, Tool
from netbench.result.numbers import Distribution, Drop, Loss, Received, Stamps
from netbench.result.plan import EnvironmentPlan, Plan, Profile, Thresholds
from netbench.result.reception import Tap
from netbench.result.run import Run
from netbench.result.trial import Cpu, Trial
from netbench.result.verdict import Comparison, MetricComparison, Verdict

GROUPS = Profile(name="lineup", delivery="multicast")
HOSTS = Profile(name="unicast", delivery="unicast")
SENT = 10_000


def flat(value: float, count: int = SENT) -> Distribution:
    return Distribution(count=count, min=value, mean=value, max=value, p50=value, p99=value, p99_9=value)


def drop(layer: str, packets: int, side: Any = "after_tap") -> Drop:
    return Drop(layer=layer, side=side, packets=packets, counted_packets=packets, evidence=f"{layer} from 0 to {packets} in ns")


def trial(
    environment: str,
    sample: int = 1,
    *,
    profile: str = "lineup",
    drops: list[Drop] | None = None,
    unattributed: int = 0,
    before: int = 0,
    distortion: float | None = 10.0,
    iat: float = 1000.0,
    delivery: float = 20.0,
    hardware: int = 0,
    throttled: int | None = 0,
    status: Any = "ok",
    reason: str | None = None,
) -> Trial:
    """`unattributed` are behind the tap, `before` in front of it."""
    drops = drops or []
    lost = sum(item.packets for item in drops) + unattributed + before
    early = sum(item.packets for item in drops if item.side in ("before_tap", "sender")) + before
    named: dict[str, Any] = {"environment": environment, "profile": profile, "sample": sample, "started_at": "2026-01-01T00:00:00Z"}
    if status in ("error", "unsupported"):
        return Trial(**named, status=status, reason=reason, absent={"loss": str(reason)})
    got = SENT - lost
    return Trial(
        **named,
        status=status,
        reason=reason,
        received=Received(
            packets=got,
            unique_packets=got,
            duplicate_packets=0,
            beyond_window_packets=0,
            foreign_packets=0,
            damaged_packets=0,
            bytes=1316 * got,
            streams=1,
            packets_per_second=got / 2,
            bits_per_second=1316 * 8 * got / 2,
        ),
        loss=Loss(
            expected_packets=SENT,
            lost_packets=lost,
            lost_ratio=lost / SENT,
            lost_percent=100 * lost / SENT,
            upper_bound_ratio=1,
            streams_with_loss=int(lost > 0),
        ),
        drops=drops,
        unattributed_packets=unattributed + before,
        cpu=Cpu(
            steal_ratio=0.0,
            busy_ratio=0.5,
            throttled_periods=throttled,
            absent={"throttled_periods": "no cgroup"} if throttled is None else {},
        ),
        iat_us=flat(iat),
        delivery_us=flat(delivery),
        timestamps=Stamps(used="kernel", hardware_packets=hardware, kernel_packets=got - hardware, user_packets=0),
        tap=Tap(
            packets=SENT - early,
            unique_packets=SENT - early,
            kernel_drops=0,
            lost_before_packets=early,
            lost_after_packets=lost - early,
            matched_packets=got,
            distortion_us=flat(distortion),
        )
        if distortion is not None
        else None,
    )


def run_of(*trials: Trial, records: list[EnvironmentRecord] | None = None, floor: float = 30.0, **plan: Any) -> Run:
    labels = list(dict.fromkeys(item.environment for item in trials)) or ["host"]
    made = [
        EnvironmentRecord(name=label.partition(":")[0], label=label, available=True, interface="mv0", parent_interface="par")
        for label in labels
    ]
    by_label = {record.label: record for record in [*made, *(records or [])]}
    profiles = [profile for profile in (GROUPS, HOSTS) if any(item.profile == profile.name for item in trials)] or [GROUPS]
    options: dict[str, dict[str, Any]] = {label: {} for label in by_label}
    return Run(
        tool=Tool(version="0"),
        status="complete",
        started_at="2026-01-01T00:00:00Z",
        plan=Plan(
            name="test",
            environments=[EnvironmentPlan(name=label, options=options[label]) for label in by_label],
            profiles=profiles,
            **plan,
        ),
        host=Facts(),
        floor=Floor(idle_iat_error_us=flat(floor)),
        environments=list(by_label.values()),
        trials=list(trials),
    )


def judged(run: Run, environment: str) -> Verdict:
    _, verdicts = judge(run)
    return next(verdict for verdict in verdicts if verdict.environment == environment)


def samples(environment: str, count: int = 3, **numbers: Any) -> list[Trial]:
    return [trial(environment, sample, **numbers) for sample in range(1, count + 1)]


def row(comparison: Comparison, environment: str, metric: str) -> MetricComparison:
    return next(item for item in comparison.metrics if (item.environment, item.metric) == (environment, metric))


# Comparison


def test_a_difference_counts_when_significant_and_above_the_tolerance() -> None:
    host = [trial("host", sample, iat=1000.0 + sample) for sample in (1, 2, 3)]
    slow = [trial("macvlan", sample, iat=1500.0 + 2 * sample) for sample in (1, 2, 3)]
    found = row(compare(run_of(*host, *slow)), "macvlan", "iat_us.p99")
    assert found.difference is not None
    assert found.difference.estimate == pytest.approx(502)
    assert (found.tolerance, found.significant, found.relevant) == (250.0, True, True)


def test_significant_but_within_the_tolerance_is_not_relevant() -> None:
    found = row(compare(run_of(*samples("host"), *samples("macvlan", iat=1100.0))), "macvlan", "iat_us.p99")
    assert (found.significant, found.relevant) == (True, False)


def test_the_floor_is_a_tolerance_too() -> None:
    found = row(compare(run_of(*samples("host"), *samples("macvlan", iat=1500.0), floor=900.0)), "macvlan", "iat_us.p99")
    assert (found.tolerance, found.significant, found.relevant) == (900.0, True, False)


def test_two_samples_say_nothing() -> None:
    found = row(compare(run_of(*samples("host", 2), *samples("macvlan", 2, iat=9000.0))), "macvlan", "iat_us.p99")
    assert (found.significant, found.relevant) == (None, None)
    assert found.absent["significant"] == "2 paired samples; it takes 3 (--samples)"


def test_trials_that_are_not_ok_are_left_out() -> None:
    bad = trial("macvlan", 2, iat=9000.0, status="sender-limited", reason="short")
    found = row(compare(run_of(*samples("host"), trial("macvlan", 1), bad, trial("macvlan", 3))), "macvlan", "iat_us.p99")
    assert found.value is not None
    assert (found.value.samples, found.value.estimate) == (2, 1000.0)


def test_the_references_own_rows_have_no_difference() -> None:
    found = row(compare(run_of(*samples("host"))), "host", "loss.lost_ratio")
    assert found.difference is None
    assert found.absent["difference"] == "this is the reference"


def test_a_number_that_nobody_has_is_absent() -> None:
    found = row(compare(run_of(*samples("host"), *samples("macvlan", distortion=None))), "macvlan", "tap.distortion_us.p99")
    assert found.value is None
    assert found.absent["value"] == "no usable trial of 3 has this number"


def test_loss_below_the_resolution_is_not_relevant() -> None:
    lossy = [trial("macvlan", sample, unattributed=lost) for sample, lost in ((1, 0), (2, 1), (3, 0))]
    found = row(compare(run_of(*samples("host"), *lossy)), "macvlan", "loss.lost_ratio")
    assert found.tolerance == pytest.approx(3 / (6 * SENT))
    assert found.relevant is False


def test_the_reference_is_found_by_name() -> None:
    run = run_of(*samples("host"), *samples("macvlan"))
    options = run.plan.model_copy(update={"environments": [EnvironmentPlan(name="host", options={"a": 1})]})
    assert reference_label(run.model_copy(update={"plan": options})) == "host:a=1"


# H1


def test_no_loss_passes_with_its_bound() -> None:
    verdict = judged(run_of(*samples("host")), "host")
    assert verdict.verdict == "pass"
    assert verdict.hypotheses["H1"].verdict == "pass"
    assert verdict.hypotheses["H1"].sentence == "lineup: 0 of 30,000 packets lost (3 trials; at most 0.01 % at 95 %)."
    assert verdict.hypotheses["H1"].numbers["upper_bound_ratio"] == pytest.approx(3 / 30_000)
    assert verdict.sentence == "lost 0 of 30,000 packets; distorts arrival times by 10 µs (p99)"
    assert (verdict.causes, verdict.remedies) == ([], [])


def test_the_macvlan_queue_is_named_with_its_remedy() -> None:
    run = run_of(*samples("host"), *samples("macvlan", drops=[drop("macvlan_broadcast_queue", 1040)]))
    verdict = judged(run, "macvlan")
    assert (verdict.verdict, verdict.sentence) == ("fail", "loses 10.4 % of multicast in the macvlan broadcast queue")
    assert verdict.hypotheses["H1"].sentence == (
        "lineup: 3,120 of 30,000 packets lost (10.4 %, none allowed) in each trial: "
        "3,120 in the macvlan broadcast queue (inside the environment)."
    )
    assert (verdict.causes[0].layer, verdict.causes[0].packets) == ("macvlan_broadcast_queue", 3120)
    assert "macvlan_broadcast_queue from 0 to 1040 in ns" in verdict.causes[0].sentence
    assert verdict.remedies[0].command == "ip link set dev mv0 type macvlan bcqueuelen 100000"
    assert "-e macvlan:bcqueuelen=100000` proves it" in verdict.remedies[0].sentence


def test_what_died_behind_the_tap_makes_mlr_wrong_too() -> None:
    verdict = judged(run_of(*samples("host"), *samples("macvlan", drops=[drop("macvlan_broadcast_queue", 1000)])), "macvlan")
    assert verdict.hypotheses["H3"].verdict == "fail"
    assert "MLR counts 3,000 packets as lost that the wire delivered (10 % of 30,000)" in verdict.hypotheses["H3"].sentence


def test_loss_on_the_wire_is_told_as_such() -> None:
    verdict = judged(run_of(*samples("host", before=100)), "host")
    assert (verdict.verdict, verdict.sentence) == (
        "fail",
        "loses 1 % of multicast before the wire side (the tap missed them too), no counter says where",
    )
    assert verdict.hypotheses["H3"].verdict == "pass"
    assert verdict.causes[0].layer is None
    assert "look at what lies between" in verdict.remedies[0].sentence


def test_several_layers_are_told_the_worst_first() -> None:
    verdict = judged(run_of(*samples("host", drops=[drop("netfilter", 30), drop("udp_socket", 70)], unattributed=5)), "host")
    assert verdict.sentence == "loses 1.05 % of multicast mostly in the probe's UDP socket buffer"
    assert [cause.layer for cause in verdict.causes[:3]] == ["udp_socket", "netfilter", None]
    assert [remedy.command for remedy in verdict.remedies[:2]] == ["sysctl -w net.core.rmem_max=67108864", "nft -a list ruleset"]


def test_injected_loss_is_marked() -> None:
    record = EnvironmentRecord(
        name="host", label="host", available=True, injected="Exactly 1 of 100 UDP packets is dropped on purpose."
    )
    verdict = judged(run_of(*samples("host", drops=[drop("netfilter", 100)]), records=[record]), "host")
    assert verdict.sentence == "loses 1 % of multicast in a netfilter rule (put in on purpose)"
    assert "Exactly 1 of 100" in verdict.causes[0].sentence


def test_the_senders_loss_is_not_the_environments() -> None:
    verdict = judged(run_of(*samples("host", drops=[drop("sender_skip", 100, "sender")])), "host")
    assert verdict.verdict == "pass"
    assert verdict.hypotheses["H1"].numbers["expected_packets"] == 29_700
    assert "300 more were lost by the sender" in verdict.hypotheses["H1"].sentence


def test_the_tools_own_loss_leaves_the_question_open() -> None:
    verdict = judged(run_of(*samples("host", drops=[drop("capture_ring", 100)])), "host")
    assert verdict.verdict == "inconclusive"
    assert verdict.causes[0].layer == "capture_ring"


def test_loss_within_the_threshold_passes() -> None:
    run = run_of(*samples("host", unattributed=1), thresholds=Thresholds(loss_ratio=0.001))
    assert judged(run, "host").verdict == "pass"


def test_sender_limited_trials_decide_nothing() -> None:
    limited = samples("host", unattributed=500, status="sender-limited", reason="The sender offered too few.")
    verdict = judged(run_of(*limited), "host")
    assert verdict.verdict == "inconclusive"
    assert verdict.hypotheses["H1"].sentence == "lineup: no usable trial of 3: sender-limited: The sender offered too few."
    assert verdict.remedies[0].command == "netbench run --method frame"


def test_left_out_trials_are_counted() -> None:
    broken = trial("host", 3, status="error", reason="books do not balance")
    verdict = judged(run_of(trial("host", 1), trial("host", 2), broken), "host")
    assert verdict.verdict == "pass"
    assert verdict.hypotheses["H1"].sentence.startswith("lineup: 0 of 20,000 packets lost (2 of 3 trials;")
    assert (verdict.hypotheses["H1"].numbers["trials_used"], verdict.hypotheses["H1"].numbers["trials_left_out"]) == (2, 1)


def test_a_place_that_stopped_working_is_no_pass() -> None:
    gone = [trial("macvlan", number, status="error", reason="the guest has ended") for number in (2, 3)]
    run = run_of(*samples("host"), trial("macvlan", 1), *gone)
    verdict = judged(run, "macvlan")
    assert verdict.verdict == "inconclusive"
    assert verdict.sentence == "2 of 3 trials ended in an error"
    assert "the guest has ended" in verdict.causes[-1].sentence
    assert judged(run, "host").verdict == "pass"
    assert exit_code(run.model_copy(update={"verdicts": judge(run)[1]})) == 4


def test_a_burst_in_one_trial_is_told_from_loss_that_goes_on() -> None:
    burst = [trial("macvlan", 1), trial("macvlan", 2, drops=[drop("macvlan_broadcast_queue", 900)]), trial("macvlan", 3)]
    verdict = judged(run_of(*samples("host"), *burst), "macvlan")
    assert verdict.sentence == "loses 3 % of multicast in the macvlan broadcast queue, in 1 of 3 trials"
    assert "(3 %, none allowed) in 1 of 3 trials: 900 in" in verdict.hypotheses["H1"].sentence


def test_the_senders_own_loss_strikes_no_trial() -> None:
    mixed = [trial("host", 1, drops=[drop("sender_skip", 100, "sender")]), trial("host", 2, unattributed=7), trial("host", 3)]
    assert judged(run_of(*mixed), "host").sentence.endswith("in 1 of 3 trials")


@pytest.mark.parametrize(
    ("ratio", "nearest", "rounded_up"),
    [
        (0.104496, "10.4 %", "10.5 %"),
        (0.0092119, "0.92 %", "0.93 %"),
        (1.05278e-5, "0.0011 %", "0.0011 %"),
        (0.0001, "0.01 %", "0.01 %"),
    ],
)
def test_a_bound_is_rounded_up_so_that_it_holds(ratio: float, nearest: str, rounded_up: str) -> None:
    assert (percent(ratio), percent_rounded_up(ratio)) == (nearest, rounded_up)


def test_a_sender_that_was_late_where_packets_were_lost_is_told() -> None:
    books = sent(chance=random.Random(1), profile=GROUPS, packets=SENT)
    late = books.model_copy(update={"lateness_us": flat(60_000.0)})
    lossy = [item.model_copy(update={"sent": late}) for item in samples("macvlan", unattributed=5)]
    clean = [item.model_copy(update={"sent": late}) for item in samples("host")]
    run = run_of(*clean, *lossy)
    assert "the sender was up to 60 ms late" in judged(run, "macvlan").causes[1].sentence
    assert judged(run, "host").causes == []


# Unsupported


def unsupported(environment: str) -> list[Trial]:
    return samples(
        environment, status="unsupported", reason="0 of 500 packets arrived at the probe while the tap saw 500: no routing"
    )


def test_unsupported_multicast_is_not_all_lost() -> None:
    verdict = judged(run_of(*unsupported("bridge"), *samples("bridge", profile="unicast")), "bridge")
    assert (verdict.verdict, verdict.hypotheses["H1"].verdict) == ("unsupported", "unsupported")
    assert verdict.sentence == "receives no multicast; lost 0 of 30,000 unicast packets"
    assert "the tap saw 500" in verdict.causes[0].sentence
    assert verdict.remedies[0].command == "netbench run -e host -e macvlan"


def test_why_multicast_does_not_come_in_is_said_once() -> None:
    why = "No one routes groups into the bridge."
    record = EnvironmentRecord(name="bridge", label="bridge", available=True, multicast_unsupported=why)
    reasons = {"lineup": 23_747, "iptv": 475}
    trials = [
        trial("bridge", profile=name, status="unsupported", reason=f"0 of {count} packets arrived at the probe: {why}")
        for name, count in reasons.items()
    ]
    run = run_of(*trials, records=[record])
    plan = run.plan.model_copy(update={"profiles": [GROUPS, Profile(name="iptv", delivery="multicast")]})
    verdict = judged(run.model_copy(update={"plan": plan}), "bridge")
    assert verdict.hypotheses["H1"].sentence == "Multicast (lineup and iptv) does not come in."
    assert [cause.sentence for cause in verdict.causes] == [
        "No one routes groups into the bridge (lineup: 0 of 23747 packets arrived at the probe; "
        "iptv: 0 of 475 packets arrived at the probe)."
    ]


def test_unsupported_alone() -> None:
    verdict = judged(run_of(*unsupported("bridge")), "bridge")
    assert (verdict.verdict, verdict.sentence) == ("unsupported", "receives no multicast")
    assert verdict.hypotheses["H3"].verdict == "not_measured"


def test_what_does_come_in_and_is_lost_fails() -> None:
    verdict = judged(
        run_of(*unsupported("bridge"), *samples("bridge", profile="unicast", drops=[drop("conntrack", 100)])), "bridge"
    )
    assert (verdict.verdict, verdict.sentence) == ("fail", "receives no multicast; loses 1 % of unicast in connection tracking")


# H3


def test_distortion_above_the_threshold_fails() -> None:
    verdict = judged(run_of(*samples("host", distortion=1200.0)), "host")
    assert (verdict.verdict, verdict.sentence) == ("fail", "distorts arrival times by 1.2 ms (p99)")
    assert verdict.remedies[0].command == "ethtool -K mv0 gro off lro off"


def test_distortion_below_the_machines_floor_is_not_judged() -> None:
    verdict = judged(run_of(*samples("host", distortion=400.0), floor=500.0), "host")
    assert verdict.verdict == "inconclusive"
    assert "floor of 500 µs" in verdict.hypotheses["H3"].sentence


def test_too_few_samples_do_not_fail() -> None:
    assert judged(run_of(*samples("host", 2, distortion=1200.0)), "host").verdict == "inconclusive"


def test_a_cpu_limit_that_held_back_is_named_with_its_gaps_and_its_remedy() -> None:
    limited = samples("docker-host", throttled=7, delivery=91_900.0)
    verdict = judged(run_of(*samples("host"), *limited), "docker-host")
    assert verdict.hypotheses["H3"].verdict == "warn"
    assert (
        "a CPU limit (cgroup nr_throttled) held the probe back in 21 of its periods: gaps in its reading, up to 91.9 ms in which "
        "a packet waited." in verdict.hypotheses["H3"].sentence
    )
    assert "docker update --cpus 2 CONTAINER" in [remedy.command for remedy in verdict.remedies]


def test_a_cpu_limit_is_a_cause_of_the_loss_where_it_held_back() -> None:
    limited = samples("docker-host", throttled=7, drops=[drop("udp_socket", 100)])
    verdict = judged(run_of(*samples("host"), *limited), "docker-host")
    assert (
        "lineup: where packets were lost, a CPU limit (cgroup nr_throttled) held processes back in 21 of its periods"
        in "\n".join(cause.sentence for cause in verdict.causes)
    )
    assert [remedy.command for remedy in verdict.remedies].count("docker update --cpus 2 CONTAINER") == 1


@pytest.mark.parametrize("throttled", [0, None])
def test_a_cpu_limit_that_held_nothing_back_is_not_named(throttled: int | None) -> None:
    verdict = judged(run_of(*samples("host", throttled=throttled, drops=[drop("udp_socket", 100)])), "host")
    assert "CPU limit" not in verdict.model_dump_json()


def test_samples_that_differ_too_much_warn() -> None:
    trials = [trial("host", sample, distortion=value) for sample, value in ((1, 10.0), (2, 20.0), (3, 1200.0))]
    assert judged(run_of(*trials), "host").verdict == "warn"


def test_without_a_tap_the_reference_decides() -> None:
    host = samples("host", distortion=None)
    same = judged(run_of(*host, *samples("vm", distortion=None)), "vm")
    assert same.hypotheses["H3"].verdict == "pass"
    slow = judged(run_of(*host, *samples("vm", distortion=None, iat=2000.0)), "vm")
    assert (slow.verdict, slow.sentence) == ("fail", "has an IAT p99 1 ms above host")
    apart = [trial("vm", sample, distortion=None, iat=1000.0 + 400 * (-1) ** sample) for sample in (1, 2, 3)]
    unclear = judged(run_of(*host, *apart), "vm")
    assert (unclear.verdict, unclear.sentence) == ("inconclusive", "has samples that differ too much to judge its timing")
    few = judged(run_of(*samples("host", 2, distortion=None), *samples("vm", 2, distortion=None)), "vm")
    assert few.hypotheses["H3"].verdict == "inconclusive"


def test_a_tap_clears_the_environment_of_what_came_from_the_wire() -> None:
    verdict = judged(run_of(*samples("host"), *samples("macvlan", iat=2000.0)), "macvlan")
    assert verdict.verdict == "pass"
    assert "1 ms above host, on the wire already" in verdict.hypotheses["H3"].sentence


def test_a_stamp_that_is_carried_along_is_told() -> None:
    trials = [
        item.model_copy(
            update={"tap": item.tap and item.tap.model_copy(update={"distortion_us": flat(0.0), "transit_us": flat(0.0)})}
        )
        for item in samples("host")
    ]
    verdict = judged(run_of(*trials), "host")
    assert "gets the kernel's stamp of the wire side" in verdict.hypotheses["H3"].sentence
    assert verdict.sentence == "lost 0 of 30,000 packets; keeps the wire's kernel stamps"
    assert "gets the kernel's stamp" not in judged(run_of(*samples("host")), "host").hypotheses["H3"].sentence


# H4 and H2


def with_stamps(label: str, stamps: dict[str, Any] | None) -> EnvironmentRecord:
    return EnvironmentRecord(name=label, label=label, available=True, interface="mv0", hardware_stamps=stamps)


NONE = {"hardware_receive": False, "rx_filters": ["HWTSTAMP_FILTER_NONE"]}
ALL = {"hardware_receive": True, "rx_filters": ["HWTSTAMP_FILTER_NONE", "HWTSTAMP_FILTER_ALL"]}
PTP = {"hardware_receive": True, "rx_filters": ["HWTSTAMP_FILTER_NONE", "HWTSTAMP_FILTER_PTP_V2_EVENT"]}


def test_no_hardware_stamps_anywhere_take_nothing_away() -> None:
    run = run_of(*samples("host"), *samples("macvlan"), records=[with_stamps("host", NONE), with_stamps("macvlan", NONE)])
    verdict = judged(run, "macvlan")
    assert (verdict.verdict, verdict.hypotheses["H4"].verdict) == ("pass", "fail")
    assert verdict.causes == []


def test_hardware_stamps_that_the_reference_has_are_missed() -> None:
    run = run_of(*samples("host"), *samples("macvlan"), records=[with_stamps("host", ALL), with_stamps("macvlan", NONE)])
    verdict = judged(run, "macvlan")
    assert (verdict.verdict, verdict.sentence) == ("warn", "has no hardware stamps")
    assert verdict.remedies[0].command == "netbench timestamps -i mv0 --configure"
    assert judged(run, "host").hypotheses["H4"].verdict == "warn"


def test_ptp_only_is_not_all_packets() -> None:
    hypothesis = judged(run_of(*samples("host"), records=[with_stamps("host", PTP)]), "host").hypotheses["H4"]
    assert (hypothesis.verdict, hypothesis.sentence) == (
        "fail",
        "mv0 stamps only some packets in hardware: HWTSTAMP_FILTER_PTP_V2_EVENT.",
    )


def test_delivered_outweighs_advertised() -> None:
    run = run_of(*samples("host", hardware=SENT), records=[with_stamps("host", ALL)])
    assert judged(run, "host").hypotheses["H4"].verdict == "pass"
    some = run_of(*samples("host", hardware=1), records=[with_stamps("host", ALL)])
    assert judged(some, "host").hypotheses["H4"].verdict == "fail"


def test_what_was_not_asked_is_not_measured() -> None:
    verdict = judged(run_of(*samples("host")), "host")
    assert (verdict.hypotheses["H4"].verdict, verdict.hypotheses["H2"].verdict) == ("not_measured", "not_measured")


# Exit codes


def finished(run: Run, **changes: Any) -> Run:
    comparison, verdicts = judge(run)
    return run.model_copy(update={"comparison": comparison, "verdicts": verdicts} | changes)


NOT_HERE = EnvironmentRecord(
    name="docker", label="docker", available=False, reason="no dockerd", remedy="apt-get install docker.io"
)


@pytest.mark.parametrize(
    ("run", "code"),
    [
        (run_of(*samples("host")), ExitCode.PASS),
        (run_of(*samples("host"), *unsupported("bridge")), ExitCode.PASS),
        (run_of(*samples("host", unattributed=1)), ExitCode.FAIL),
        (run_of(*samples("host", unattributed=1), *unsupported("bridge")), ExitCode.FAIL),
        (run_of(*samples("host", drops=[drop("capture_ring", 1)])), ExitCode.INCONCLUSIVE),
        (run_of(*samples("host"), records=[NOT_HERE]), ExitCode.INCONCLUSIVE),
        (run_of(records=[NOT_HERE, EnvironmentRecord(name="host", label="host", available=False)]), ExitCode.CANNOT_RUN),
    ],
)
def test_the_exit_code_tells_the_truth(run: Run, code: ExitCode) -> None:
    assert exit_code(finished(run)) == code


def test_an_interrupted_run_says_so() -> None:
    assert exit_code(finished(run_of(trial("host", unattributed=1)), status="interrupted")) == ExitCode.INTERRUPTED


def test_what_could_not_be_built_is_told_with_its_remedy() -> None:
    verdict = judged(run_of(*samples("host"), records=[NOT_HERE]), "docker")
    assert (verdict.verdict, verdict.sentence) == ("inconclusive", "could not be built here: no dockerd")
    assert verdict.remedies[0].command == "apt-get install docker.io"


def test_a_run_without_trials_is_judged_too() -> None:
    verdict = judged(run_of(), "host")
    assert (verdict.verdict, verdict.sentence) == ("inconclusive", "was not measured")


def test_a_verdict_survives_the_file() -> None:
    run = finished(run_of(*samples("host"), *samples("macvlan", drops=[drop("macvlan_broadcast_queue", 1040)])))
    assert Run.model_validate_json(run.model_dump_json()) == run


def test_a_probe_with_a_clock_of_its_own_is_warned_where_packets_wait_for_it() -> None:
    slow = [trial("macvlan", sample, delivery=1500.0 + sample) for sample in (1, 2, 3)]
    run = run_of(*[trial("host", sample, delivery=20.0 + sample) for sample in (1, 2, 3)], *slow)
    _, verdicts = judge(run)
    host, macvlan = verdicts

    assert host.hypotheses["H3"].verdict == "pass"
    assert macvlan.hypotheses["H3"].verdict == "warn"
    assert "lineup: packets reach the application 1.48 ms (p99) later than in host" in macvlan.hypotheses["H3"].sentence
    assert macvlan.verdict == "warn"
    assert any("SO_TIMESTAMPNS" in remedy.sentence for remedy in macvlan.remedies)


def test_delivery_that_cannot_be_told_apart_clears_nobody() -> None:
    host = [trial("host", sample, delivery=20.0 + sample) for sample in (1, 2, 3)]
    apart = [trial("macvlan", sample, delivery=value) for sample, value in ((1, 60_000.0), (2, 30.0), (3, 7_000.0))]
    verdict = judged(run_of(*host, *apart), "macvlan")
    assert verdict.hypotheses["H3"].verdict == "pass"
    assert "sees more jitter than in host is open" in verdict.hypotheses["H3"].sentence
    assert "is open" not in judged(run_of(*host, *samples("macvlan")), "macvlan").hypotheses["H3"].sentence


def test_waiting_within_the_tolerance_is_no_warning() -> None:
    slow = [trial("macvlan", sample, delivery=200.0 + sample) for sample in (1, 2, 3)]
    _, verdicts = judge(run_of(*[trial("host", sample, delivery=20.0 + sample) for sample in (1, 2, 3)], *slow))

    assert [verdict.hypotheses["H3"].verdict for verdict in verdicts] == ["pass", "pass"]


@pytest.mark.parametrize(
    ("label", "typed"),
    [
        ("macvlan", "`-e macvlan:bcqueuelen=100000`"),
        ("macvlan:receivers=3", "`-e macvlan:receivers=3,bcqueuelen=100000`"),
        ("macvlan:bcqueuelen=100,receivers=3", "`-e macvlan:receivers=3,bcqueuelen=100000`"),
    ],
)
def test_the_remedy_can_be_typed_whatever_the_environment_was_told_before(label: str, typed: str) -> None:
    lossy = [trial(label, sample, drops=[drop("macvlan_broadcast_queue", 100)]) for sample in (1, 2, 3)]
    _, verdicts = judge(run_of(*[trial("host", sample) for sample in (1, 2, 3)], *lossy))

    assert any(typed in remedy.sentence for remedy in verdicts[1].remedies)


def test_the_timing_of_an_emulated_processor_is_no_verdict_on_guests() -> None:
    slow = run_of(*samples("host"), *samples("vm-virtio", distortion=900.0, delivery=1500.0))
    guest = next(record for record in slow.environments if record.label == "vm-virtio")
    tcg = Facts(values={"machine": {"cpu_model": "QEMU TCG CPU version 2.5+"}})
    emulated = slow.model_copy(
        update={
            "environments": [
                record.model_copy(update={"facts": tcg}) if record == guest else record for record in slow.environments
            ]
        }
    )

    assert judged(slow, "vm-virtio").hypotheses["H3"].verdict == "fail"
    verdict = judged(emulated, "vm-virtio")
    assert verdict.hypotheses["H1"].verdict == "pass"
    assert verdict.hypotheses["H3"].verdict == "inconclusive"
    assert "distorted by 900" in verdict.hypotheses["H3"].sentence
    assert "says nothing of one with KVM" in verdict.sentence
