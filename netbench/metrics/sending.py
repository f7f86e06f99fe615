"""The sender's books, and whether it offered what was planned."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from typing import Any

from netbench.errors import InvalidDataError
from netbench.metrics.distribution import NS_PER_US, summarize
from netbench.metrics.inputs import TrialInputs
from netbench.result.trial import Sent

_LAST_WAKE_UP_S = 0.05
"""The last packets may be this late, and the rate still counts as kept: one late wake-up is no shortfall."""


def measure_sent(raw: Mapping[str, Any]) -> Sent:
    """The sender's record.

    Raises:
        InvalidDataError: its books do not balance.
    """
    counts = raw["counts"]
    parts = counts["sent"] + counts["skipped"] + counts["unsent"]
    if counts["sequences"] != parts:
        raise InvalidDataError(
            f"books do not balance: the sender used {counts['sequences']} sequences, sent + skipped + unsent {parts}"
        )
    span_s = max(0, counts["ended_ns"] - counts["started_ns"]) / 1e9 if counts["ended_ns"] else 0.0
    packets_per_second = rate_pps(counts["datagrams"], span_s)
    return Sent(
        intended_packets=counts["intended"],
        sequences=counts["sequences"],
        sequences_sent=counts["sent"],
        packets=counts["datagrams"],
        unsent_packets=counts["unsent"],
        skipped_packets=counts["skipped"],
        repeated_packets=counts["repeated"],
        swapped_pairs=counts["swapped"],
        bytes=counts["bytes"],
        duration_s=span_s,
        packets_per_second=packets_per_second,
        bits_per_second=bits_per_second(packets_per_second, counts["datagrams"], counts["bytes"]),
        lateness_us=summarize(raw.get("lateness"), NS_PER_US),
        refusals=_refusals(counts),
    )


def refused_after_a_drop(raw: Mapping[str, Any]) -> int:
    """Datagrams that a layer of the sender's stack dropped and refused, so that the sender knows.

    EAGAIN is not among them: there the socket's buffer was full, and no layer dropped anything.
    """
    counts = raw["counts"]
    return int(counts.get("enobufs", 0) + counts.get("other_errors", 0))


def shortfall(inputs: TrialInputs, sent: Sent) -> str | None:
    """Why the sender, not the environment, limited this trial, and what to type; None when it offered what was planned."""
    planned, allowed = inputs.planned_packets, inputs.thresholds.sender_shortfall_ratio
    offered = sent.sequences - sent.unsent_packets
    planned_s = planned / inputs.profile.packets_per_second
    late_s = sent.duration_s - planned_s
    if offered < planned * (1 - allowed):
        refused = ", ".join(f"{name} {count:,}" for name, count in sent.refusals.items())
        how = (
            f"; {sent.unsent_packets:,} were refused by its own stack ({refused or 'reason unknown'})"
            if sent.unsent_packets
            else ""
        )
        what = f"The sender offered {offered:,} of {planned:,} planned packets, {(planned - offered) / planned:.1%} too few{how}."
    elif late_s > max(planned_s * allowed, _LAST_WAKE_UP_S):
        what = (
            f"The sender took {sent.duration_s:.2f} s for the {planned:,} packets of {planned_s:.2f} s: "
            f"{sent.packets_per_second:,.0f} packets/s instead of {inputs.profile.packets_per_second:,.0f}."
        )
    else:
        return None
    lower = "Lower the rate (-b, or the profile's bitrate or streams)"
    return f"{what} {lower}." if inputs.method == "frame" else f"{what} {lower}, or send whole frames: --method frame."


def rate_pps(packets: int, span_s: float) -> float:
    """Packets per second from first to last packet: n packets have n - 1 intervals; 0.0 with fewer than two."""
    return (packets - 1) / span_s if packets > 1 and span_s > 0 else 0.0


def bits_per_second(packets_per_second: float, packets: int, octets: int) -> float:
    """Bits of UDP payload per second, by the mean size of the packets."""
    return packets_per_second * 8 * octets / packets if packets else 0.0


def _refusals(counts: Mapping[str, Any]) -> dict[str, int]:
    other = errno.errorcode.get(abs(int(counts.get("last_errno", 0))), "other")
    named = {"ENOBUFS": counts.get("enobufs", 0), "EAGAIN": counts.get("eagain", 0)}
    if counts.get("other_errors"):
        named[other] = named.get(other, 0) + counts["other_errors"]
    return {name: count for name, count in named.items() if count}
