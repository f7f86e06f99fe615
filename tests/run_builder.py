"""Runs for tests of what reads them: TEST DATA from seeded random numbers, in the shape of what a lab saw; nothing was measured.

host is clean; macvlan with three receivers loses 10.4 % in its parent's multicast queue; bridge carries unicast only.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from netbench.result.environment import EnvironmentRecord, Facts, Finding, Floor, Tool
from netbench.result.numbers import Distribution, Drop, Loss, Mdi, Received, SequenceOrder, SeriesPoint, Stamps
from netbench.result.plan import EnvironmentPlan, Plan, Profile
from netbench.result.reception import Reception, Tap
from netbench.result.run import Run
from netbench.result.trial import Cpu, Sent, Trial
from netbench.result.verdict import Cause, Comparison, Hypothesis, Interval, MetricComparison, Remedy, Verdict

LINEUP = Profile(name="lineup", description="50 groups of 10 Mb/s at once", streams=50, bits_per_second=10_000_000)
IPTV = Profile(name="iptv", description="one channel of 10 Mb/s CBR")
UNICAST = Profile(name="unicast", description="50 unicast streams of 10 Mb/s", delivery="unicast", streams=50)
PROFILES = (IPTV, LINEUP, UNICAST)
MACVLAN = "macvlan:receivers=3"
_STARTED = "2026-11-24T10:13:23+00:00"
_NOBODY_ASKED = "netbench does not measure HTTP timing in this plan"


def distribution(values: Sequence[float]) -> Distribution:
    """Exact figures, and a histogram whose buckets are 1/16 of a power of two wide."""
    ordered = sorted(values)
    buckets: dict[tuple[float, float], int] = {}
    for value in ordered:
        lower, upper = _bucket(value)
        buckets[lower, upper] = buckets.get((lower, upper), 0) + 1

    def rank(permille: int) -> float:
        return ordered[max(0, -(-len(ordered) * permille // 1000) - 1)]

    return Distribution(
        count=len(ordered),
        min=ordered[0],
        mean=sum(ordered) / len(ordered),
        max=ordered[-1],
        p50=rank(500),
        p99=rank(990),
        p99_9=rank(999),
        histogram=[(lower, upper, count) for (lower, upper), count in sorted(buckets.items())],
    )


def _bucket(value: float) -> tuple[float, float]:
    power = 2.0**-10
    if value < power:
        return 0.0, power
    while power * 2 <= value:
        power *= 2
    step = int((value - power) / power * 16)
    return power * (1 + step / 16), power * (1 + (step + 1) / 16)


def loss(expected: int, lost: int) -> Loss:
    """The upper bound is 3/N, or close enough to Clopper-Pearson for a picture."""
    ratio = lost / expected
    bound = 3 / expected if lost == 0 else min(1.0, ratio + 1.645 * (ratio * (1 - ratio) / expected) ** 0.5 + 1.35 / expected)
    return Loss(
        expected_packets=expected,
        lost_packets=lost,
        lost_ratio=ratio,
        lost_percent=100 * ratio,
        upper_bound_ratio=bound,
        streams_with_loss=min(lost, 50),
        loss_periods=lost // 7 + (lost > 0),
        longest_loss_packets=min(lost, 41),
    )


def _noise(chance: random.Random, number: int, middle_us: float, tail_us: float, tail_share: float) -> list[float]:
    """Mostly around the middle, with a long tail."""
    return [
        chance.expovariate(1 / tail_us) + middle_us if chance.random() < tail_share else abs(chance.gauss(0, middle_us)) + 0.04
        for _ in range(number)
    ]


def reception(
    chance: random.Random, profile: Profile, expected: int, lost: int, *, tail_us: float, drops: list[Drop]
) -> dict[str, object]:
    """What one receiver got, as the keywords of a record."""
    number = min(expected, 3000)
    interval_us = 1e6 / profile.stream_packets_per_second
    noise = _noise(chance, number, 3.0, tail_us, 0.03)
    iats = [max(0.5, interval_us + (value if chance.random() < 0.5 else -min(value, interval_us * 0.97))) for value in noise]
    if lost:
        iats = [value + interval_us * (chance.random() < lost / expected) for value in iats]
    unique = expected - lost
    explained = sum(drop.packets for drop in drops)
    return {
        "received": Received(
            packets=unique,
            unique_packets=unique,
            duplicate_packets=0,
            beyond_window_packets=0,
            foreign_packets=0,
            damaged_packets=0,
            bytes=unique * profile.payload_bytes,
            streams=profile.streams,
            packets_per_second=unique / 2,
            bits_per_second=unique * profile.payload_bytes * 4,
        ),
        "loss": loss(expected, lost),
        "iat_us": distribution(iats),
        "jitter_ms": chance.uniform(0.004, 0.02) + tail_us / 50_000,
        "jitter_max_ms": 0.4,
        "pdv_us": distribution(_noise(chance, number, 6.0, tail_us, 0.02)),
        "mdi": Mdi(
            delay_factor_ms=interval_us / 1e3 + tail_us / 1e3,
            media_loss_packets_per_second=7 * lost / 2 / profile.streams,
            media_rate_bps=profile.bits_per_second,
            media_rate_source="configured",
        ),
        "sequence": SequenceOrder(reordered_packets=0, reordered_ratio=0),
        "timestamps": Stamps(used="kernel", hardware_packets=0, kernel_packets=unique, user_packets=0),
        "error_seconds": 0,
        "clock_sync": "same_clock",
        "drops": drops,
        "unattributed_packets": lost - explained,
        "tap": Tap(
            packets=expected,
            unique_packets=expected,
            kernel_drops=0,
            lost_before_packets=0,
            lost_after_packets=lost,
            matched_packets=unique,
            distortion_us=distribution(_noise(chance, number, 1.2, tail_us, 0.025)),
            transit_us=distribution(_noise(chance, number, 9.0, tail_us, 0.02)),
        ),
        "delivery_us": distribution(_noise(chance, number, 8.0, 4 * tail_us, 0.05)),
        "series": _series(chance, unique, lost > 0, interval_us, tail_us),
    }


def _series(chance: random.Random, packets: int, bursty: bool, interval_us: float, tail_us: float) -> list[SeriesPoint]:
    points = []
    for index in range(40):
        here = round(packets / 40 * (chance.uniform(0.82, 1.05) if bursty else chance.uniform(0.998, 1.002)))
        points.append(
            SeriesPoint(
                start_s=index * 0.05,
                packets=here,
                bytes=here * 1316,
                iat_mean_us=interval_us,
                iat_max_us=interval_us + chance.expovariate(1 / (2 * tail_us)),
            )
        )
    return points


def sent(chance: random.Random, profile: Profile, packets: int, *, fell_short_by: int = 0) -> Sent:
    went = packets - fell_short_by
    return Sent(
        intended_packets=packets,
        sequences=went,
        sequences_sent=went,
        packets=went,
        unsent_packets=0,
        skipped_packets=0,
        repeated_packets=0,
        swapped_pairs=0,
        bytes=went * profile.payload_bytes,
        duration_s=2.0,
        packets_per_second=went / 2,
        bits_per_second=went * profile.payload_bytes * 4,
        lateness_us=distribution(_noise(chance, 3000, 0.6, 45 if not fell_short_by else 9000, 0.02)),
    )


def _trial(chance: random.Random, environment: str, profile: Profile, sample: int) -> Trial:
    common = {
        "environment": environment,
        "profile": profile.name,
        "sample": sample,
        "started_at": f"2026-11-24T10:14:{10 + sample:02d}+00:00",
        "duration_s": 2.0,
    }
    if environment == "bridge" and profile.delivery == "multicast":
        reason = "Groups from outside do not pass Docker's NAT bridge: it routes no multicast."
        return Trial(**common, status="unsupported", reason=reason, absent={"loss": reason, "tap": reason})
    packets = round(profile.packets_per_second * 2)
    cpu = Cpu(steal_ratio=0.004, busy_ratio=0.61, throttled_periods=0)
    books = sent(chance, profile, packets)
    if environment == MACVLAN and profile.delivery == "multicast" and profile.streams > 1:
        receivers = [_macvlan_reception(chance, profile, packets, number) for number in range(3)]
        receivers.sort(key=lambda item: -item["loss"].lost_packets)  # type: ignore[attr-defined]
        first, *others = receivers
        return Trial(
            **common,
            status="ok",
            sent=books,
            cpu=cpu,
            **first,
            other_receivers=[Reception(**item) for item in others],
            counters={"host": {"eth0.rx_dropped": sum(item["loss"].lost_packets for item in receivers)}},  # type: ignore[attr-defined]
        )
    tail_us = {"host": 25.0, MACVLAN: 60.0, "bridge": 90.0}.get(environment, 40.0)
    return Trial(
        **common,
        status="ok",
        sent=books,
        cpu=cpu,
        receiver="probe",
        absent={"one_way_delay_us": "the sender's log was not asked for"},
        **reception(chance, profile, packets, 0, tail_us=tail_us, drops=[]),
    )


def _macvlan_reception(chance: random.Random, profile: Profile, packets: int, number: int) -> dict[str, object]:
    lost = round(packets * 0.1045) + chance.randrange(40)
    drop = Drop(
        layer="macvlan_broadcast_queue",
        side="after_tap",
        packets=lost - 2,
        counted_packets=lost - 2,
        evidence=f"rx_dropped of eth0 in the host's namespace grew by {lost - 2} during the trial",
    )
    return {
        "receiver": "probe" if number == 0 else f"probe-{number + 1}",
        **reception(chance, profile, packets, lost, tail_us=310.0, drops=[drop]),
    }


def plan(samples: int = 3) -> Plan:
    return Plan(
        name="default",
        environments=[
            EnvironmentPlan(name="host"),
            EnvironmentPlan(name="macvlan", options={"receivers": 3}),
            EnvironmentPlan(name="bridge"),
        ],
        profiles=list(PROFILES),
        samples=samples,
    )


def environments() -> list[EnvironmentRecord]:
    stamps = {"hardware_receive": False, "so_timestamping": ["SOF_TIMESTAMPING_RX_SOFTWARE", "SOF_TIMESTAMPING_SOFTWARE"]}
    facts = Facts(
        values={
            "interface": {"name": "eth0", "kind": "veth", "mtu_bytes": 1500, "offloads": {"gro": True, "lro": False}},
            "sysctls": {"net.core.netdev_max_backlog": 1000, "net.ipv4.igmp_max_memberships": 20},
            "container": {"runtime": None},
        },
        absent={"interface.rings": "veth has no rings (Operation not supported)"},
    )
    rmem = Finding(
        id="rmem_max",
        severity="warn",
        title="Socket buffers are too small for bursts",
        expected="net.core.rmem_max of 8388608 or more",
        evidence="net.core.rmem_max is 4194304",
        remedy="sysctl -w net.core.rmem_max=8388608",
    )
    gro = Finding(id="gro", severity="ok", title="UDP GRO is off", expected="off", evidence="rx-udp-gro-forwarding: off")
    return [
        EnvironmentRecord(
            name="host",
            label="host",
            available=True,
            description="the probe runs in the host's own network",
            built_by=["ip netns add nb-1-host", "ip link add wire0 type veth peer name eth0 netns nb-1-host"],
            interface="eth0",
            hardware_stamps=stamps,
            facts=facts,
            findings=[gro, rmem],
        ),
        EnvironmentRecord(
            name="macvlan",
            label=MACVLAN,
            available=True,
            description="each probe has a macvlan interface on the host's, as in a Docker macvlan network",
            receivers=3,
            built_by=["ip link add link eth0 name macvlan0 netns nb-1-probe type macvlan mode bridge"],
            interface="macvlan0",
            parent_interface="eth0",
            hardware_stamps=stamps,
            facts=facts,
            findings=[rmem],
        ),
        EnvironmentRecord(
            name="bridge",
            label="bridge",
            available=True,
            description="the probe sits behind a NAT bridge, as in Docker's default network",
            multicast_unsupported="Groups from outside do not pass Docker's NAT bridge: it routes no multicast.",
            built_by=["ip link add docker0 type bridge", "nft add rule ip nat postrouting masquerade"],
            interface="eth0",
            facts=facts,
        ),
    ]


def _hypotheses(h1: Hypothesis, h3: Hypothesis) -> dict[str, Hypothesis]:
    return {
        "H1": h1,
        "H2": Hypothesis(verdict="not_measured", sentence=_NOBODY_ASKED),
        "H3": h3,
        "H4": Hypothesis(
            verdict="fail",
            sentence="The interface advertises no hardware receive stamps; 100 % of the packets have kernel stamps.",
            numbers={"hardware_packets": 0, "hardware_ratio": 0.0},
        ),
    }


def verdicts() -> list[Verdict]:
    return [
        Verdict(
            environment="host",
            verdict="pass",
            sentence="Nothing was lost, and arrival times at the probe are those on the wire within 250 µs.",
            hypotheses=_hypotheses(
                Hypothesis(
                    verdict="pass",
                    sentence="No loss in 284,952 packets (at most 0.0011 % at 95 %).",
                    numbers={"lost_packets": 0, "upper_bound_ratio": 3 / 284_952},
                ),
                Hypothesis(
                    verdict="pass",
                    sentence="Distortion p99 28.1 µs, below the threshold of 250 µs.",
                    numbers={"distortion_p99_us": 28.1, "transit_p99_us": None},
                    absent={"transit_p99_us": "the two clocks differ"},
                ),
            ),
        ),
        Verdict(
            environment=MACVLAN,
            verdict="fail",
            sentence="10.5 % of multicast never reaches the probe, and no counter inside it says so.",
            hypotheses=_hypotheses(
                Hypothesis(
                    verdict="fail",
                    sentence="10.5 % lost at 47.5 kpps in the macvlan broadcast queue; unicast and a single group lose nothing.",
                    numbers={"lost_ratio": 0.1047, "lost_packets": 29_840},
                ),
                Hypothesis(
                    verdict="fail",
                    sentence="Distortion p99 268 µs, above the threshold of 250 µs.",
                    numbers={"distortion_p99_us": 268.0},
                ),
            ),
            causes=[
                Cause(
                    layer="macvlan_broadcast_queue",
                    sentence="29,834 packets died in the macvlan broadcast queue of eth0: all multicast into macvlan goes "
                    "through one queue of 1000 packets per parent.",
                    packets=29_834,
                )
            ],
            remedies=[
                Remedy(
                    sentence="Lengthen the queue of the parent, where the probe sits:",
                    command="ip link set dev macvlan0 type macvlan bcqueuelen 100000",
                ),
                Remedy(
                    sentence="Prove it by measuring again:", command="netbench run -e host -e macvlan:receivers=3,bcqueuelen=100000"
                ),
            ],
        ),
        Verdict(
            environment="bridge",
            verdict="unsupported",
            sentence="Multicast does not arrive behind the NAT bridge; unicast arrives whole.",
            hypotheses=_hypotheses(
                Hypothesis(verdict="unsupported", sentence="No multicast arrives; unicast: no loss in 284,952 packets."),
                Hypothesis(verdict="pass", sentence="Distortion p99 94 µs for unicast, below the threshold of 250 µs."),
            ),
            causes=[Cause(sentence="Groups from outside do not pass Docker's NAT bridge: it routes no multicast.")],
            remedies=[Remedy(sentence="Put the probe into the host's network or macvlan:", command="docker run --network host …")],
        ),
    ]


def comparison() -> Comparison:
    def interval(estimate: float, width: float) -> Interval:
        return Interval(estimate=estimate, low=estimate - width, high=estimate + width, samples=3)

    return Comparison(
        reference="host",
        metrics=[
            MetricComparison(
                environment=MACVLAN,
                profile="lineup",
                metric="loss.lost_ratio",
                unit="ratio",
                value=interval(0.1047, 0.0002),
                reference=interval(0.0, 0.0),
                difference=interval(0.1047, 0.0002),
                tolerance=0.0,
                significant=True,
                relevant=True,
            ),
            MetricComparison(
                environment="bridge",
                profile="unicast",
                metric="iat_us.p99",
                unit="us",
                value=interval(1160, 40),
                reference=interval(1080, 20),
                difference=interval(80, 45),
                tolerance=250.0,
                significant=True,
                relevant=False,
            ),
            MetricComparison(
                environment="bridge",
                profile="lineup",
                metric="iat_us.p99",
                unit="us",
                absent={key: "multicast does not arrive in bridge" for key in ("value", "difference")},
            ),
        ],
    )


def complete_run(seed: int = 1, samples: int = 3) -> Run:
    """host, macvlan with three receivers, bridge; every trial ended as it should."""
    chance = random.Random(seed)
    wanted = plan(samples)
    return Run(
        tool=Tool(version="0.0-test"),
        status="complete",
        started_at=_STARTED,
        ended_at="2026-11-24T10:15:58+00:00",
        command="netbench run -e host -e macvlan:receivers=3 -e bridge   (TEST DATA: nothing was measured)",
        plan=wanted,
        host=Facts(
            values={
                "kernel": {"release": "6.18.0", "architecture": "x86_64"},
                "machine": {"cpu_model": "Test CPU", "usable_cores": 2, "logical_cores": 2},
                "os_release": {"pretty_name": "Debian GNU/Linux 12"},
            },
            absent={"irqbalance_running": "this PID namespace does not see the machine's processes"},
        ),
        floor=Floor(
            clock_cost_ns=41.3,
            clock_step_ns=1,
            wakeup_us=distribution(_noise(chance, 500, 55.0, 200, 0.02)),
            sender_lateness_us=distribution(_noise(chance, 1000, 0.7, 60, 0.02)),
            idle_iat_error_us=distribution(_noise(chance, 1000, 1.5, 40, 0.02)),
            steal_ratio=0.0041,
        ),
        environments=environments(),
        trials=[
            _trial(chance, environment.label, profile, sample)
            for sample in range(1, samples + 1)
            for profile in PROFILES
            for environment in wanted.environments
        ],
        comparison=comparison(),
        verdicts=verdicts(),
    )


def interrupted_run() -> Run:
    """Cut off in the first sample: bridge has no trial and no verdict."""
    run = complete_run()
    return run.model_copy(
        update={
            "status": "interrupted",
            "trials": [trial for trial in run.trials[:5] if trial.environment != "bridge"],
            "verdicts": run.verdicts[:1],
            "comparison": None,
        }
    )


def sender_limited_run() -> Run:
    """In the second sample of macvlan's line-up the sender fell short by 8 %, and so did what came."""
    run = complete_run()
    trials = []
    for trial in run.trials:
        if (trial.environment, trial.profile, trial.sample) == (MACVLAN, "lineup", 2):
            chance = random.Random(2)
            packets = round(LINEUP.packets_per_second * 2)
            trial = Trial(
                environment=MACVLAN,
                profile="lineup",
                sample=2,
                status="sender-limited",
                reason="The sender reached 92.0 % of its rate (43.7 of 47.5 kpps), and 99 % are asked for.",
                started_at=trial.started_at,
                duration_s=2.0,
                sent=sent(chance, LINEUP, packets, fell_short_by=round(packets * 0.08)),
            )
        trials.append(trial)
    return run.model_copy(update={"trials": trials})


def injected_run() -> Run:
    """Loss was put into host on purpose."""
    run = complete_run()
    first, *rest = run.environments
    sentence = "Exactly 1 of 100 UDP packets to the ports 1024-65535 is dropped on purpose at the probe, behind the tap."
    return run.model_copy(update={"environments": [first.model_copy(update={"injected": sentence}), *rest]})


def one_stamp_run() -> Run:
    """As in a lab of veth: what the tap and a probe in host read is one kernel stamp, so their distortion is 0 for every packet."""
    run = complete_run()
    zero = distribution([0.0] * 1000)
    trials = [
        trial.model_copy(update={"tap": trial.tap.model_copy(update={"distortion_us": zero, "transit_us": zero})})
        if trial.environment == "host" and trial.tap
        else trial
        for trial in run.trials
    ]
    return run.model_copy(update={"trials": trials})


def hostile_run() -> Run:
    """Every text that came from elsewhere tries to break out of its format."""
    attack = "<script>alert(1)</script><img src=http://evil.example/x onerror=alert(1)> | `x` \x1b[31mred\x1b[0m [bold]b[/bold] ](http://evil.example)"
    run = complete_run(samples=1)
    environment = run.environments[0].model_copy(
        update={
            "description": attack,
            "built_by": [attack],
            "injected": attack,
            "facts": Facts(values={attack: attack}, absent={attack: attack}),
        }
    )
    verdict = run.verdicts[0].model_copy(
        update={"sentence": attack, "causes": [Cause(sentence=attack)], "remedies": [Remedy(sentence=attack, command=attack)]}
    )
    trials = [run.trials[0].model_copy(update={"status": "error", "reason": attack}), *run.trials[1:]]
    return run.model_copy(
        update={
            "environments": [environment, *run.environments[1:]],
            "verdicts": [verdict, *run.verdicts[1:]],
            "trials": trials,
            "command": attack,
        }
    )
