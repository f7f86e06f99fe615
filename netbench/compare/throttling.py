"""A limit of CPU time (cgroup quota, docker run --cpus) as a cause: processes stand still for the rest of each period."""

from __future__ import annotations

from collections.abc import Sequence

from netbench.result.trial import Trial
from netbench.result.verdict import Remedy

REMEDY = Remedy(
    sentence="Give the probe's container more CPU time, or no limit: within one it stands still for the rest of each period in "
    "which its share is used up.",
    command="docker update --cpus 2 CONTAINER",
)


def throttled_periods(trials: Sequence[Trial]) -> int:
    """In how many periods of the quota processes were held back (nr_throttled), over these trials."""
    return sum(trial.cpu.throttled_periods or 0 for trial in trials if trial.cpu is not None)


def longest_wait_us(trials: Sequence[Trial]) -> float | None:
    """The longest that a packet waited for the application in trials in which something was held back; None: not measured."""
    held_back = [trial for trial in trials if throttled_periods([trial])]
    return max((trial.delivery_us.max for trial in held_back if trial.delivery_us is not None), default=None)
