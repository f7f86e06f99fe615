"""The ladder of hardware timestamps of one environment: an agent at the probe counts, one at the sender sends, each once."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from typing import Any

from netbench.agent_client import AgentClient
from netbench.environments.base import BuiltEnvironment, Site
from netbench.metrics.timestamp_ladder import build_ladder
from netbench.protocol import StampTrafficJob, StreamSpec, TimestampsJob
from netbench.result.plan import Plan
from netbench.result.timestamps import StampedTraffic, TimestampLadder

_OURS = "nb-"  # how every place that netbench makes is named
_SLOW_PACKETS, _SLOW_PPS = 200, 500.0
_FULL_SECONDS, _MOST_FULL_PACKETS = 1.0, 20_000
_PTP_PACKETS, _PTP_PPS = 100, 500.0
_FIRST_PORT = 5104
_GROUPS = ("239.255.79.1", "239.255.79.2")
_QUIET_NS = 200_000_000
_LIVE_SECONDS = 3.0
_MARGIN_S = 20.0
_MOST_LISTENS = 64  # NB_STAMP_LISTENS


@dataclass(frozen=True)
class PlannedTraffic:
    """What is sent, and what the probe listens to for it.

    Attributes:
        job: of the sender.
        listens: of the probe.
        names: what each of these is called in the ladder.
    """

    job: StampTrafficJob
    listens: tuple[StreamSpec, ...]
    names: tuple[tuple[StampedTraffic, str | None], ...]

    @property
    def seconds(self) -> float:
        """How long sending takes."""
        job = self.job
        return job.slow_packets / job.slow_pps + job.fast_packets / job.fast_pps + 2 * job.ptp_packets / job.ptp_pps


def measure_ladder(
    plan: Plan,
    label: str,
    built: BuiltEnvironment,
    *,
    configure: bool | None = None,
) -> TimestampLadder:
    """Climb the ladder at the first probe of an environment.

    Args:
        plan: its heaviest profile is the full rate; of live feeds, what comes anyway is counted.
        label: the environment's name, for messages.
        built: the environment, standing.
        configure: have the driver stamp meanwhile; None: where every interface that this reaches was made by netbench.

    Raises:
        NetbenchError: an agent could not do its job, in its own words.
    """
    probe = built.receivers[0]
    job = TimestampsJob(
        interface=probe.interface,
        configure=made_by_us(built) if configure is None else configure,
        quiet_ns=_QUIET_NS,
    )
    if plan.live or built.sender is None:
        feeds = tuple(StreamSpec(number + 1, feed.group, feed.port, feed.source) for number, feed in enumerate(plan.live))
        job = replace(job, listens=feeds[:_MOST_LISTENS])
        listened = live_names(job.listens)
        with AgentClient(f"the timestamps' agent of {label}", job, probe.agent) as agent:
            agent.wait_ready()
            time.sleep(_LIVE_SECONDS)
            agent.stop()
            return build_ladder(agent.result(_MARGIN_S), listened, parent=built.parent_interface)
    traffic = planned_traffic(plan, built, built.sender)
    with (
        AgentClient(f"the timestamps' agent of {label}", replace(job, listens=traffic.listens), probe.agent) as agent,
        AgentClient(f"the timestamps' sender of {label}", traffic.job, built.sender.agent) as sender,
    ):
        agent.wait_ready()
        sender.wait_ready()
        sender.start()
        sent = sender.result(traffic.seconds + _MARGIN_S)
        agent.stop()
        raw = agent.result(_MARGIN_S)
    return build_ladder(raw, traffic.names, _sent_by_kind(sent), parent=built.parent_interface)


def live_names(listens: tuple[StreamSpec, ...]) -> tuple[tuple[StampedTraffic, str | None], ...]:
    """What build_ladder() calls the packets of a feed that was listened to."""
    return tuple(("listen", f"{spec.destination}:{spec.port}") for spec in listens)


def made_by_us(built: BuiltEnvironment) -> bool:
    """Every interface that a probe's setting reaches (its own, its parent) was made by netbench, and none is the user's own."""
    sites = [built.receivers[0], *([built.tap] if built.tap is not None else [])]
    return not built.foreign_interface and all(site.place.startswith(_OURS) for site in sites)


def planned_traffic(plan: Plan, built: BuiltEnvironment, sender: Site) -> PlannedTraffic:
    """By unicast where there is a way in, else by groups."""
    rate_pps = max((profile.packets_per_second for profile in plan.profiles), default=1000.0)
    packets = max(1, min(_MOST_FULL_PACKETS, round(rate_pps * min(_FULL_SECONDS, plan.duration_s))))
    ways = _unicast(built) if built.unicast_destination is not None else _by_groups(built)
    slow, fast = (*ways, None, None)[:2]
    rates: tuple[StampedTraffic, StampedTraffic] = ("udp_low_rate", "udp_full_rate")
    names = tuple((name, None) for name, way in zip(rates, (slow, fast), strict=True) if way is not None)
    to_all = built.unicast_destination is not None
    listens = tuple(
        StreamSpec(way.stream, "0.0.0.0" if to_all else way.destination, way.port) for way in (slow, fast) if way is not None
    )
    job = StampTrafficJob(
        interface=sender.interface,
        source=sender.address,
        session=secrets.randbelow(2**32 - 1) + 1,
        slow=slow,
        fast=fast,
        slow_packets=_SLOW_PACKETS if slow is not None else 0,
        slow_pps=_SLOW_PPS,
        fast_packets=packets if fast is not None else 0,
        fast_pps=rate_pps,
        ptp_packets=_PTP_PACKETS if made_by_us(built) else 0,  # a Sync on the user's own network is heard by the user's own clocks
        ptp_pps=_PTP_PPS,
        ttl=1 + built.router_hops,
    )
    return PlannedTraffic(job, listens, names)


def _unicast(built: BuiltEnvironment) -> tuple[StreamSpec, ...]:
    low, high = built.unicast_ports
    first = _FIRST_PORT if low <= _FIRST_PORT < high else low
    assert built.unicast_destination is not None
    return tuple(StreamSpec(number + 1, built.unicast_destination, first + number) for number in range(2) if first + number <= high)


def _by_groups(built: BuiltEnvironment) -> tuple[StreamSpec, ...]:
    if built.multicast_unsupported is not None:
        return ()
    return tuple(StreamSpec(number + 1, group, _FIRST_PORT) for number, group in enumerate(_GROUPS))


def _sent_by_kind(raw: dict[str, Any]) -> dict[str, int]:
    sent = raw["sent"]
    kinds = {"slow": "udp_low_rate", "fast": "udp_full_rate", "ptp_ethernet": "ptp_ethernet", "ptp_udp": "ptp_udp"}
    return {kinds[role]: number for role, number in sent.items()}
