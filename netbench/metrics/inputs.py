"""What a trial is made from: the plan's numbers, and what each agent delivered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from netbench.result.plan import Profile, Thresholds

ClockSync = Literal["same_clock", "ptp", "ntp", "unsynced"]


@dataclass(frozen=True)
class SiteResult:
    """What the agent at one site delivered.

    Attributes:
        site: name of the site.
        place: identity of its network stack; sites of one place share every counter.
        interface: where packets go in or out there.
        raw: its `result` event's data.
        log: its packet log (16 bytes an entry, native), or None when none was kept.
    """

    site: str
    place: str
    interface: str
    raw: Mapping[str, Any]
    log: bytes | None = None


@dataclass(frozen=True)
class TrialInputs:
    """Everything that a trial's record is assembled from.

    Attributes:
        environment: its label.
        sample: from 1.
        started_at: ISO 8601, UTC.
        duration_s: of the traffic, as planned.
        planned_packets: turns of the whole schedule.
        sender, receivers, tap: what the agents delivered; at least one receiver.
        parent_interface: what a macvlan hangs on, in the tap's place.
        multicast_unsupported: why groups from outside do not arrive in this environment, or None.
        method: how it was sent.
        clock_sync: of sender and receivers.
        tap_shares_clock: the tap and the receivers have one clock, whatever the sender's is.
        interrupted: why the trial ended early, or None.
        kernel: `kfree_skb.<reason>` -> packets that the kernel of the runner's machine dropped meanwhile, whoever's they were.
        kernel_absent: why these were not counted, or None.
        destinations: stream number -> (address, port), for streams of which nothing arrived.
    """

    environment: str
    profile: Profile
    thresholds: Thresholds
    sample: int
    started_at: str
    duration_s: float
    planned_packets: int
    sender: SiteResult
    receivers: tuple[SiteResult, ...]
    tap: SiteResult | None = None
    parent_interface: str | None = None
    multicast_unsupported: str | None = None
    method: Literal["socket", "frame"] = "socket"
    clock_sync: ClockSync = "same_clock"
    tap_shares_clock: bool = True
    interrupted: str | None = None
    kernel: Mapping[str, int] = field(default_factory=dict)
    kernel_absent: str | None = None
    destinations: Mapping[int, tuple[str, int]] = field(default_factory=dict)
