"""Multicast of one environment: its groups are sent, joined and left, then as many as can be at once."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from netbench.agent_client import AgentClient
from netbench.environments import registry
from netbench.environments.base import BuiltEnvironment
from netbench.errors import CannotRunError, NetbenchError, UsageError
from netbench.metrics.multicast import measure_place
from netbench.protocol import GroupCapacityJob, MembershipJob, SendJob, StreamSpec
from netbench.result.multicast import MulticastPlace
from netbench.result.plan import EnvironmentPlan

_MARGIN_S = 15.0
_GROUP_S = 15.0
_ATTEMPTS = 40
_PAYLOAD_BYTES = 200


@dataclass(frozen=True)
class MulticastPlan:
    """What is measured in each environment.

    Attributes:
        times_of: groups that are joined and left, one after the other.
        limit_of: groups of the capacity search; empty: none.
        group_pps: packets per second of each group while delays are measured: no delay is seen finer.
        capacity_pps: over all groups, while the capacity is searched.
    """

    times_of: tuple[StreamSpec, ...]
    limit_of: tuple[StreamSpec, ...]
    group_pps: float
    capacity_pps: float = 6000.0


def measure_environment(plan: MulticastPlan, wanted: EnvironmentPlan, step: Callable[[str], None]) -> MulticastPlace:
    """Build an environment, measure, take it down. What the system refuses is told in the record.

    The process must have entered the lab (netbench.environments.lab).

    Args:
        plan: what to measure.
        wanted: the environment.
        step: told what is being done.

    Raises:
        UsageError: an option does not fit the environment.
    """
    environment = registry.environment(wanted.name)
    unavailable = environment.available()
    if unavailable is not None:
        reason = f"{unavailable.reason} ({unavailable.remedy})" if unavailable.remedy else unavailable.reason
        return _without_numbers(wanted, "unavailable", reason)
    step(f"building {wanted.label}")
    try:
        with environment.setup(dict(wanted.options)) as built:
            return _measure(plan, wanted.label, built, step)
    except UsageError:
        raise
    except CannotRunError as error:
        return _without_numbers(wanted, "unavailable", error.message)
    except NetbenchError as error:
        return _without_numbers(wanted, "error", error.message)


def _measure(plan: MulticastPlan, label: str, built: BuiltEnvironment, step: Callable[[str], None]) -> MulticastPlace:
    interface = built.receivers[0].interface
    unsupported = built.multicast_unsupported
    times_of = plan.times_of[:1] if unsupported else plan.times_of  # one group shows it
    step(f"{label}: join and leave delay of {len(times_of)} groups")
    job = MembershipJob(groups=times_of, interface=interface)
    memberships = _while_sending(built, times_of, plan.group_pps * len(times_of), job, _GROUP_S * len(times_of), label)
    capacity = None
    if plan.limit_of and not (unsupported and memberships["groups"][0]["first_ns"] is None):
        step(f"{label}: capacity up to {len(plan.limit_of)} groups")
        rate_pps = max(plan.capacity_pps, 5.0 * len(plan.limit_of))
        search = GroupCapacityJob(groups=plan.limit_of, interface=interface)
        capacity = _while_sending(built, plan.limit_of, rate_pps, search, _ATTEMPTS * search.wait_ns / 1e9, label)
    return measure_place(label, interface, memberships, capacity, unsupported=unsupported)


def _while_sending(
    built: BuiltEnvironment,
    groups: tuple[StreamSpec, ...],
    rate_pps: float,
    job: MembershipJob | GroupCapacityJob,
    expected_s: float,
    label: str,
) -> dict[str, Any]:
    """Send the groups for as long as a job at the first receiver takes; the job's result."""
    send = SendJob(
        streams=groups,
        rate_pps=rate_pps,
        packets=0,
        session=secrets.randbelow(2**32 - 1) + 1,
        payload_bytes=_PAYLOAD_BYTES,
        interface=built.sending_site.interface,
        source=built.sending_site.address,
        ttl=1 + built.router_hops,
        read_counters=False,
    )
    site = built.receivers[0]
    with AgentClient(f"the sender of {label}", send, built.sending_site.agent) as sender:
        sender.wait_ready()
        sender.start()
        with AgentClient(f"the receiver at {label}/{site.name}", job, site.agent) as receiver:
            receiver.wait_ready()
            result = receiver.result(expected_s + _MARGIN_S)
        sender.stop()
        sender.result(_MARGIN_S)
    return result


def _without_numbers(wanted: EnvironmentPlan, status: Any, reason: str) -> MulticastPlace:
    absent = dict.fromkeys(("igmp", "join_delay", "leave_delay", "capacity"), "nothing was measured")
    return MulticastPlace(environment=wanted.label, interface=None, status=status, reason=reason, absent=absent)
