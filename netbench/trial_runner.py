"""One trial: its agents started together, the traffic sent when all are ready, what they counted made into a record."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from netbench.agent_client import AgentClient
from netbench.environments.base import BuiltEnvironment, Site, on_this_machine
from netbench.facts.drop_reasons import NOT_READ_THERE, KernelDrops
from netbench.metrics.inputs import SiteResult, TrialInputs
from netbench.metrics.packet_log import PacketLogFolder
from netbench.metrics.trial import build_trial
from netbench.protocol import Faults
from netbench.result.plan import Plan, Profile
from netbench.result.trial import Trial
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
    packet_logs: PacketLogFolder | None = None,
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
        packet_logs: where every site's packet log goes, or None.

    Raises:
        NetbenchError: an agent could not do its job, in its own words.
    """
    session = secrets.randbelow(2**32 - 1) + 1
    jobs = trial_jobs(plan, profile, built, session, faults, keep_log=packet_logs is not None)
    if plan.omit_s:
        _warm_up(plan, jobs, built)
    with ExitStack() as stack:
        receivers = [
            (site, stack.enter_context(AgentClient(f"the receiver at {label}/{site.name}", job, site.agent)))
            for site, job in jobs.receive
        ]
        tap = None
        if jobs.tap is not None:
            tap = stack.enter_context(AgentClient(f"the tap of {label}", jobs.tap[1], jobs.tap[0].agent))
        sender = stack.enter_context(AgentClient(f"the sender of {label}", jobs.send, built.sending_site.agent))
        watching = [agent for _, agent in receivers] + ([tap] if tap is not None else [])
        for agent in [*watching, sender]:
            agent.wait_ready()
        kernel = stack.enter_context(KernelDrops(None if on_this_machine(built.receivers) else NOT_READ_THERE))
        sender.start()
        sent = sender.result(jobs.duration_s + _GRACE_S)
        for agent in watching:
            agent.stop()
        delivered = tuple(_delivered(site, agent) for site, agent in receivers)
        at_tap = _delivered(built.tap, tap) if built.tap is not None and tap is not None else None
        inputs = TrialInputs(
            environment=label,
            profile=profile,
            thresholds=plan.thresholds,
            sample=sample,
            started_at=started_at,
            duration_s=jobs.duration_s,
            planned_packets=jobs.send.packets,
            sender=_site_result(built.sending_site, sent),
            receivers=delivered,
            tap=at_tap,
            parent_interface=built.parent_interface,
            multicast_unsupported=built.multicast_unsupported,
            method=plan.method,
            clock_sync="same_clock" if built.one_clock else "unsynced",
            tap_shares_clock=built.tap is None or all(site.clock == built.tap.clock for site in built.receivers),
            kernel=kernel.read(),
            kernel_absent=kernel.absent,
            destinations={spec.stream: (spec.destination, spec.port) for spec in jobs.send.streams},
        )
    if packet_logs is not None:
        _write_logs(packet_logs, inputs)
    return build_trial(inputs)


def _write_logs(folder: PacketLogFolder, inputs: TrialInputs) -> None:
    """One file a site."""
    for result in [*inputs.receivers, *([inputs.tap] if inputs.tap is not None else [])]:
        about: dict[str, str | int] = {
            "environment": inputs.environment,
            "profile": inputs.profile.name,
            "sample": inputs.sample,
            "started_at": inputs.started_at,
            "overflow_packets": result.raw["totals"]["log_overflow"],
        }
        name = f"{inputs.environment}_{inputs.profile.name}_{inputs.sample}_{result.site}"
        folder.write(name, result.site, result.log or b"", about)


def _delivered(site: Site, agent: AgentClient) -> SiteResult:
    raw = agent.result(_GRACE_S)  # the log is complete once the result is there
    return replace(_site_result(site, raw), log=agent.packet_log or None)


def _site_result(site: Site, raw: dict[str, Any]) -> SiteResult:
    return SiteResult(site=site.name, place=site.place, interface=site.interface, raw=raw)


def _warm_up(plan: Plan, jobs: TrialJobs, built: BuiltEnvironment) -> None:
    """The same traffic, for omit_s, with nobody listening: caches, neighbours and connection tracking know it afterwards."""
    job = replace(
        jobs.send,
        session=secrets.randbelow(2**32 - 1) + 1,
        packets=max(1, round(jobs.send.rate_pps * plan.omit_s)),
        faults=Faults(),
        read_counters=False,
    )
    with AgentClient("the warm-up's sender", job, built.sending_site.agent) as sender:
        sender.wait_ready()
        sender.start()
        sender.result(plan.omit_s + _GRACE_S)
