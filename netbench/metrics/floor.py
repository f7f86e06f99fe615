"""The floor: what a run cannot see below."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netbench.metrics.distribution import NS_PER_US, summarize
from netbench.result.environment import Floor

_DISTRIBUTIONS = {
    "wakeup_us": ("wakeup", "no absolute sleep was timed"),
    "sender_lateness_us": ("sender_lateness", "no packet was paced over loopback"),
    "idle_iat_error_us": ("idle_iat_error", "no packets came back over loopback"),
}


def build_floor(raw: Mapping[str, Any]) -> Floor:
    """The floor's record from what its agent measured.

    Args:
        raw: clock_cost_ns, clock_step_ns, and the histograms wakeup, sender_lateness and idle_iat_error.

    Raises:
        InvalidDataError: a histogram contradicts itself.
    """
    absent = {"steal_ratio": "known when the run has ended"}
    distributions = {}
    for field, (key, reason) in _DISTRIBUTIONS.items():
        distributions[field] = summarize(raw.get(key), NS_PER_US)
        if distributions[field] is None:
            absent[field] = reason
    for key in ("clock_cost_ns", "clock_step_ns"):
        if raw.get(key) is None:
            absent[key] = "the clock was not measured"
    return Floor(clock_cost_ns=raw.get("clock_cost_ns"), clock_step_ns=raw.get("clock_step_ns"), absent=absent, **distributions)
