"""From a profile and an environment that stands to the jobs of a trial's agents."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from ipaddress import IPv4Address

from netbench.environments.base import BuiltEnvironment, Site
from netbench.errors import UsageError
from netbench.metrics.packet_log import MOST_LOGGED_PACKETS
from netbench.protocol import Faults, ReceiveJob, SendJob, StreamSpec
from netbench.result.plan import Plan, Profile

PROOF_DURATION_S = 0.5
_SERIES_NS = 100_000_000
_RECEIVE_BUFFER_BYTES = 64 << 20  # asked for; an ordinary user gets rmem_max of it


@dataclass(frozen=True)
class TrialJobs:
    """The jobs of one trial.

    Attributes:
        streams: how many there are.
        duration_s: of the traffic.
        proving_unsupported: it is expected that nothing arrives, and a short trial shows it.
    """

    send: SendJob
    receive: tuple[tuple[Site, ReceiveJob], ...]
    tap: tuple[Site, ReceiveJob] | None
    streams: int
    duration_s: float
    proving_unsupported: bool


def trial_jobs(
    plan: Plan,
    profile: Profile,
    built: BuiltEnvironment,
    session: int,
    faults: Faults | None = None,
    *,
    keep_log: bool = False,
) -> TrialJobs:
    """What each agent has to do.

    Args:
        plan: thresholds, duration, backend, how the sender sends.
        profile: the traffic.
        built: where.
        session: that the probes carry.
        faults: that the sender makes.
        keep_log: every receiver keeps a packet log, as long as there is room; else only where a tap is there to compare with.

    Raises:
        UsageError: the profile does not fit the environment, with what to change.
    """
    multicast = profile.delivery == "multicast"
    proving_unsupported = multicast and built.multicast_unsupported is not None
    duration_s = min(plan.duration_s, PROOF_DURATION_S) if proving_unsupported else plan.duration_s
    streams = group_streams(profile) if multicast else _unicast_streams(profile, built)
    receivers = built.receivers if multicast else built.receivers[:1]
    packets = max(profile.streams, math.ceil(profile.packets_per_second * duration_s))
    send = SendJob(
        streams=streams,
        rate_pps=profile.packets_per_second,
        packets=packets,
        session=session,
        payload_bytes=profile.payload_bytes,
        burst=profile.burst_packets,
        method=plan.method,
        interface=built.sending_site.interface,
        source=built.sending_site.address,
        source_port=40_000 if plan.method == "frame" else 0,
        ttl=1 + built.router_hops,
        next_hop=built.next_hop,
        envelope=profile.envelope,
        rtp_first_sequence=session & 0xFFFF,  # anywhere, as RFC 3550 wants it
        faults=faults or Faults(),
    )
    logged = packets + packets // 20 + 1000
    watch = ReceiveJob(
        listens=streams,
        backend="ring",
        join=False,
        session=session,
        decode="auto" if profile.envelope.endswith("mpegts") else "probe",
        quiet_ns=round(plan.settle_s * 1e9),
        max_streams=max(256, 2 * profile.streams),
        media_rate_bps=profile.bits_per_second,
        error_iat_ns=round(plan.thresholds.iat_error_ms * 1e6),
        series_ns=_SERIES_NS,
        log_capacity=_log_capacity(logged, keep_log, built.tap is not None),
    )
    listens = streams if multicast else tuple(StreamSpec(spec.stream, "0.0.0.0", spec.port) for spec in streams)
    take_part = replace(watch, listens=listens, backend=plan.backend, join=True, receive_buffer_bytes=_RECEIVE_BUFFER_BYTES)
    receive = tuple((site, replace(take_part, interface=site.interface)) for site in receivers)
    tap = None if built.tap is None else (built.tap, replace(watch, interface=built.tap.interface))
    return TrialJobs(send, receive, tap, profile.streams, duration_s, proving_unsupported)


def _log_capacity(packets: int, keep: bool, tapped: bool) -> int:
    """Two points are compared whole or not at all; a log that is kept for its own sake may be full."""
    if keep:
        return min(packets, MOST_LOGGED_PACKETS)
    return packets if tapped and packets <= MOST_LOGGED_PACKETS else 0


def group_streams(profile: Profile) -> tuple[StreamSpec, ...]:
    """One group a stream, counted up from the profile's first.

    Raises:
        UsageError: the groups would leave the multicast range.
    """
    first = IPv4Address(profile.first_group)
    last = first + (profile.streams - 1)
    if not (first.is_multicast and last.is_multicast):
        raise UsageError(
            f"profile {profile.name}: groups {first} to {last} are not all multicast addresses",
            "choose a first_group from 224.0.0.0/4, e.g. 239.255.77.1",
        )
    return tuple(StreamSpec(index + 1, str(first + index), profile.port) for index in range(profile.streams))


def _unicast_streams(profile: Profile, built: BuiltEnvironment) -> tuple[StreamSpec, ...]:
    """One port a stream."""
    if built.unicast_destination is None:
        raise UsageError(f"profile {profile.name}: this environment has no way in for unicast", "leave the profile out for it")
    low, high = built.unicast_ports
    first = profile.port if low <= profile.port <= high else low
    if first + profile.streams - 1 > high:
        raise UsageError(
            f"profile {profile.name}: {profile.streams} streams from port {first} on pass the last port "
            f"that reaches the probe ({high})",
            "take fewer streams, or publish more ports (-e bridge:ports=…)",
        )
    return tuple(StreamSpec(index + 1, built.unicast_destination, first + index) for index in range(profile.streams))
