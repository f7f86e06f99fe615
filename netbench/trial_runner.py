"""One trial: its agents started together, the traffic sent when all are ready, what they counted made into a record."""

from __future__ import annotations

import secrets
import time
from contextlib import ExitStack
from dataclasses import replace

from netbench.agent_client import AgentClient
from netbench.environments.base import BuiltEnvironment
from netbench.metrics.trial import Observation, SenderObservation, TrialHeader, build_trial
from netbench.protocol import Faults
from netbench.result.plan import Plan, Profile
from netbench.result.records import Trial
from netbench.trial_jobs import TrialJobs, trial_jobs

_GRACE_S = 20.0


def run_trial(
    plan: Plan,
    profile: Profile,
    label: str,
    built: BuiltEnvironment,
    *,
    sample: int,
    started_at: str,
    faults: Faults | None = None,
) -> Trial:
    """Measure one profile in one environment.

    Args:
        plan: thresholds, duration, backend, how the sender sends.
        profile: the traffic.
        label: the environment's name in the record.
        built: the environment, standing.
        sample: number of the sample, from 1.
        started_at: ISO 8601.
        faults: exact faults that the sender makes, to prove the receivers.

    Raises:
        NetbenchError: an agent could not do its job, in its own words.
    """
    session = secrets.randbelow(2**32 - 1) + 1
    jobs = trial_jobs(plan, profile, built, session, faults)
    if plan.omit_s:
        _warm_up(plan, jobs, built)
    header = TrialHeader(environment=label, profile=profile, sample=sample, started_at=started_at, duration_s=jobs.duration_s)
    with ExitStack() as stack:
        receivers = [
            (site, stack.enter_context(AgentClient(f"the receiver at {label}/{site.name}", job, site.enter))) for site, job in jobs.receive
        ]
        tap = None
        if jobs.tap is not None:
            tap = stack.enter_context(AgentClient(f"the tap of {label}", jobs.tap[1], jobs.tap[0].enter))
        sender = stack.enter_context(AgentClient(f"the sender of {label}", jobs.send, built.sender.enter))
        watching = [agent for _, agent in receivers] + ([tap] if tap is not None else [])
        for agent in [*watching, sender]:
            agent.wait_ready()
        sender.start()
        sent = sender.result(jobs.duration_s + _GRACE_S)
        time.sleep(plan.settle_s)
        for agent in watching:
            agent.stop()
        results = [(site, agent, agent.result(_GRACE_S)) for site, agent in receivers]
        tapped = None
        if tap is not None and built.tap is not None:
            tapped = Observation(site=built.tap.name, place=built.tap.place, raw=tap.result(_GRACE_S), log=tap.packet_log)
        return build_trial(
            header,
            plan.thresholds,
            SenderObservation(place=built.sender.place, interface=built.sender.interface, raw=sent, planned_packets=jobs.send.packets),
            [Observation(site=site.name, place=site.place, raw=raw, log=agent.packet_log) for site, agent, raw in results],
            tapped,
            parent_interface=built.parent_interface,
            tap_interface=built.tap.interface if built.tap else None,
            multicast_unsupported=built.multicast_unsupported if jobs.proving_unsupported else None,
            clock_sync="same_clock",
        )


def _warm_up(plan: Plan, jobs: TrialJobs, built: BuiltEnvironment) -> None:
    """The same traffic, for omit_s, with nobody listening: caches, neighbours and connection tracking know it afterwards."""
    job = replace(
        jobs.send,
        session=secrets.randbelow(2**32 - 1) + 1,
        packets=max(1, round(jobs.send.rate_pps * plan.omit_s)),
        faults=Faults(),
        read_counters=False,
    )
    with AgentClient("the warm-up's sender", job, built.sender.enter) as sender:
        sender.wait_ready()
        sender.start()
        sender.result(plan.omit_s + _GRACE_S)
