"""One sample of a live feed: every environment and the tap listen at the same time, and each environment gets its trial.

The order is what makes the books exact. All join; the feed is waited for; the probes begin to count, then the tap; after the sample
the tap ends first, and the probes only when what is under way has had time to arrive. So every packet that the tap counted had its
chance at every probe. A second log at the tap begins before the probes do, and ends after them, so that whatever they saw is in it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from netbench.agent_client import AgentClient
from netbench.environments.base import BuiltEnvironment, Site, on_this_machine
from netbench.errors import NetbenchError
from netbench.facts.drop_reasons import NOT_READ_THERE, KernelDrops
from netbench.metrics.feed import LiveInputs
from netbench.metrics.inputs import SiteResult
from netbench.metrics.live import build_live_trial, live_trial_without_numbers
from netbench.metrics.packet_log import MOST_LOGGED_PACKETS
from netbench.protocol import ReceiveJob, StreamSpec
from netbench.result.plan import Plan
from netbench.result.trial import Trial

FEED_WAIT_S = 5.0
"""How long the first packet is waited for: an IGMP querier's worst answer takes seconds."""

_POLL_S = 0.05
_UNREAD_S = 0.1
"""What the tap's ring holds and has not handed over when the tap begins to count is no older: it hands over each 10 ms."""
_GRACE_S = 60.0
_SERIES_NS = 100_000_000
_RECEIVE_BUFFER_BYTES = 64 << 20
_STREAMS_A_FEED = 16


@dataclass(frozen=True)
class _Listening:
    """The probes of one environment."""

    label: str
    built: BuiltEnvironment
    agents: tuple[tuple[Site, AgentClient], ...]


def run_live_sample(
    plan: Plan, standing: Sequence[tuple[str, BuiltEnvironment]], tap: Site, *, sample: int, started_at: str
) -> list[Trial]:
    """Listen in all environments at once.

    Args:
        plan: the feeds, duration, settling time, backend of the probes.
        standing: label and environment, each.
        tap: where the parent interface is watched.
        sample: number of the sample, from 1.
        started_at: ISO 8601.

    Returns:
        A trial of each environment, in their order.

    Raises:
        NetbenchError: the tap could not do its job, in its own words. What a probe cannot do is its environment's trial alone.
    """
    seed = secrets.randbelow(2**32 - 1) + 1
    refused: dict[str, str] = {}
    with ExitStack() as stack:
        watch = AgentClient("the tap", _job(plan, tap, seed, at_tap=True), tap.agent)
        stack.enter_context(watch)
        around = stack.enter_context(
            AgentClient("the longer log at the tap", _job(plan, tap, seed, at_tap=True, sample=False), tap.agent)
        )
        listening = [_listen(plan, label, built, seed, stack) for label, built in standing]
        watch.wait_ready()
        around.wait_ready()
        listening = [item for item in listening if _told(item, refused, lambda agent: agent.wait_ready())]
        waited_s = _await_feed([watch, *(agent for item in listening for _, agent in item.agents)])
        time.sleep(plan.omit_s)
        listening = [item for item in listening if _told(item, refused, lambda agent: agent.count())]
        kernel = stack.enter_context(KernelDrops())
        time.sleep(_UNREAD_S)
        watch.count()
        time.sleep(plan.duration_s)
        watch.stop()
        at_tap = _result(tap, watch)
        time.sleep(plan.settle_s)
        dropped = kernel.read()
        for item in listening:
            for _, agent in item.agents:
                agent.stop()
        delivered: dict[str, tuple[SiteResult, ...]] = {}
        for item in listening:
            try:
                delivered[item.label] = tuple(_result(site, agent) for site, agent in item.agents)
            except NetbenchError as error:
                refused[item.label] = error.message
        around.stop()
        all_at_tap = _result(tap, around)
    anything = any(_saw(plan, result) for result in (at_tap, *(result for results in delivered.values() for result in results)))
    return [
        build_live_trial(
            LiveInputs(
                environment=label,
                sample=sample,
                started_at=started_at,
                duration_s=plan.duration_s,
                feeds=plan.live,
                tap=at_tap,
                around=all_at_tap,
                receivers=delivered[label],
                same_clock=all(site.clock == tap.clock for site in built.receivers),
                parent_interface=built.parent_interface,
                multicast_unsupported=built.multicast_unsupported,
                anything=anything,
                waited_s=waited_s,
                kernel=dropped if on_this_machine(built.receivers) else {},
                kernel_absent=kernel.absent if on_this_machine(built.receivers) else NOT_READ_THERE,
            )
        )
        if label in delivered
        else live_trial_without_numbers(label, sample, started_at, plan.duration_s, "error", refused[label])
        for label, built in standing
    ]


def _job(plan: Plan, site: Site, seed: int, *, at_tap: bool, sample: bool = True) -> ReceiveJob:
    """The tap joins as well: where no environment's join gets through, it still has to see what there is."""
    return ReceiveJob(
        listens=tuple(StreamSpec(number + 1, feed.group, feed.port, feed.source) for number, feed in enumerate(plan.live)),
        backend="ring" if at_tap else plan.backend,
        interface=site.interface,
        receive_buffer_bytes=0 if at_tap else _RECEIVE_BUFFER_BYTES,
        max_streams=max(256, _STREAMS_A_FEED * len(plan.live)),
        error_iat_ns=round(plan.thresholds.iat_error_ms * 1e6),
        series_ns=_SERIES_NS if sample else 0,
        log_capacity=MOST_LOGGED_PACKETS,
        content_seed=seed,
        await_start=sample,
        read_counters=sample,
    )


def _listen(plan: Plan, label: str, built: BuiltEnvironment, seed: int, stack: ExitStack) -> _Listening:
    return _Listening(
        label,
        built,
        tuple(
            (
                site,
                stack.enter_context(
                    AgentClient(f"the receiver at {label}/{site.name}", _job(plan, site, seed, at_tap=False), site.agent)
                ),
            )
            for site in built.receivers
        ),
    )


def _told(item: _Listening, refused: dict[str, str], tell: Callable[[AgentClient], None]) -> bool:
    """Whether all probes of an environment did as they were told; else its trial is over, and why is kept."""
    try:
        for _, agent in item.agents:
            tell(agent)
    except NetbenchError as error:
        refused[item.label] = f"{error.message} ({error.remedy})" if error.remedy else error.message
        return False
    return True


def _await_feed(agents: Sequence[AgentClient]) -> float:
    """Until anybody saw the feed, for FEED_WAIT_S at most. Returns how long that was."""
    since = time.monotonic()
    while (waited_s := time.monotonic() - since) < FEED_WAIT_S and not any(agent.arriving() for agent in agents):
        time.sleep(_POLL_S)
    return waited_s


def _result(site: Site, agent: AgentClient) -> SiteResult:
    raw = agent.result(_GRACE_S)  # the log is complete once the result is there
    return SiteResult(site=site.name, place=site.place, interface=site.interface, raw=raw, log=agent.packet_log)


def _saw(plan: Plan, result: SiteResult) -> bool:
    return any(
        stream["packets"] and feed.carries(stream["source"], stream["destination"], stream["destination_port"])
        for stream in result.raw["streams"]
        for feed in plan.live
    )
