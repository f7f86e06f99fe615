"""The control groups of this process: its CPU limit, how often it was held back, and where each controller's files are.

Theory of operation: `ip netns exec` mounts a fresh /sys, which hides the control groups below it. The mount table of the parent
process (the runner, outside) still has them, and its root can be looked through; reading there is all that happens.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from netbench.facts.reading import Reading, Unreadable, read_text

Controller = Literal["cpu", "cpuset", "memory"]
# A file that every group with the controller has, in version 1 or 2.
_MARKS: dict[Controller, tuple[str, ...]] = {
    "cpu": ("cpu.stat",),
    "cpuset": ("cpuset.cpus.effective", "cpuset.cpus"),
    "memory": ("memory.stat",),
}


@dataclass(frozen=True)
class Mount:
    """Where a hierarchy of control groups with a controller is mounted.

    Attributes:
        version: of the hierarchy.
        root: the group that is seen at `point`.
        point: the directory.
    """

    version: Literal[1, 2]
    root: str
    point: str


@dataclass(frozen=True)
class Limit:
    """The tightest CPU limit from a group up to the root.

    Attributes:
        quota_us: CPU time in each period; None: no limit.
        period_us: length of the period.
        group: the group that has it.
    """

    quota_us: int | None
    period_us: int | None
    group: str


def parse_mounts(mountinfo: str, controller: Controller = "cpu") -> list[Mount]:
    """Hierarchies that may have the controller, version 1 with it first, from /proc/*/mountinfo (proc(5))."""
    first: list[Mount] = []
    second: list[Mount] = []
    for line in mountinfo.splitlines():
        fields, dash, behind = line.partition(" - ")
        before, after = fields.split(), behind.split()
        if not dash or len(before) < 5 or len(after) < 3:
            continue
        root, point = before[3], before[4].replace("\\040", " ")
        if after[0] == "cgroup" and controller in after[2].split(","):
            first.append(Mount(1, root, point))
        elif after[0] == "cgroup2":
            second.append(Mount(2, root, point))
    return first + second


def parse_group(membership: str, version: Literal[1, 2], controller: Controller = "cpu") -> str:
    """Path of the process's group in that hierarchy, from /proc/self/cgroup.

    Raises:
        Unreadable: it is in none.
    """
    for line in membership.splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if (version == 2 and number == "0") or (version == 1 and controller in controllers.split(",")):
            return path
    raise Unreadable(f"the process is in no control group of version {version} with control of {controller}")


def parse_cpu_stat(text: str) -> Reading:
    """Counters `cgroup.nr_periods`, `cgroup.nr_throttled` and `cgroup.throttled_usec` from cpu.stat of either version.

    Raises:
        Unreadable: the group has no periods, as the root of version 2.
    """
    fields: dict[str, int] = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if value.strip().isdecimal():
            fields[name] = int(value)
    if "throttled_usec" not in fields and "throttled_time" in fields:
        fields["throttled_usec"] = fields["throttled_time"] // 1000  # version 1 counts nanoseconds
    wanted = ("nr_periods", "nr_throttled", "throttled_usec")
    missing = [name for name in wanted if name not in fields]
    if missing:
        raise Unreadable(f"cpu.stat of this control group has no {', '.join(missing)} (no CPU limit can apply to it)")
    return Reading({f"cgroup.{name}": fields[name] for name in wanted})


def parse_cpu_max(text: str) -> tuple[int | None, int]:
    """Quota (None: `max`) and period in microseconds, from cpu.max of version 2.

    Raises:
        Unreadable: it holds something else.
    """
    columns = text.split()
    if len(columns) == 2 and columns[1].isdecimal() and (columns[0] == "max" or columns[0].isdecimal()):
        return (None if columns[0] == "max" else int(columns[0])), int(columns[1])
    raise Unreadable(f"cpu.max holds {text[:40]!r}")


def read_throttling() -> Reading:
    """Counters of this process's own group."""
    mount, group = _locate()
    return parse_cpu_stat(read_text(f"{mount.point}{_below(mount, group)}/cpu.stat"))


def read_limit() -> tuple[Literal[1, 2], Limit]:
    """Version of the hierarchy, and the tightest limit on this process that can be seen from here."""
    mount, group = _locate()
    path = _below(mount, group)
    tightest = Limit(None, None, group)
    while True:
        try:
            quota_us, period_us = _read_quota(mount, path)
        except Unreadable:
            quota_us, period_us = None, 0  # the root has no such file
        if quota_us is not None and period_us > 0 and _is_tighter(quota_us, period_us, tightest):
            tightest = Limit(quota_us, period_us, path or "/")
        if not path:
            return mount.version, tightest
        path = path.rpartition("/")[0]


def directories(controller: Controller) -> tuple[Literal[1, 2], Iterator[str]]:
    """Version of the hierarchy, and the directories of this process's group and those above it, as far as they are seen from here.

    Raises:
        Unreadable: none is seen.
    """
    mount, group = _locate(controller)

    def upwards() -> Iterator[str]:
        path = _below(mount, group)
        while path:
            yield f"{mount.point}{path}"
            path = path.rpartition("/")[0]
        yield mount.point

    return mount.version, upwards()


def _is_tighter(quota_us: int, period_us: int, than: Limit) -> bool:
    if than.quota_us is None or not than.period_us:
        return True
    return quota_us / period_us < than.quota_us / than.period_us


def _read_quota(mount: Mount, path: str) -> tuple[int | None, int]:
    directory = f"{mount.point}{path}"
    if mount.version == 2:
        return parse_cpu_max(read_text(f"{directory}/cpu.max"))
    try:
        quota_us = int(read_text(f"{directory}/cpu.cfs_quota_us"))
        period_us = int(read_text(f"{directory}/cpu.cfs_period_us"))
    except ValueError as error:
        raise Unreadable(f"{directory}: the quota is no number") from error
    return (quota_us if quota_us > 0 else None), period_us


def _locate(controller: Controller = "cpu") -> tuple[Mount, str]:
    membership = read_text("/proc/self/cgroup")
    for process, root in (("self", ""), (str(os.getppid()), f"/proc/{os.getppid()}/root"), ("1", "/proc/1/root")):
        try:
            mounts = parse_mounts(read_text(f"/proc/{process}/mountinfo"), controller)
        except Unreadable:
            continue
        for mount in mounts:
            seen = Mount(mount.version, mount.root, root + mount.point)
            group = parse_group(membership, seen.version, controller)
            if any(os.access(f"{seen.point}{_below(seen, group)}/{mark}", os.R_OK) for mark in _MARKS[controller]):
                return seen, group
    raise Unreadable(f"no control groups with control of {controller} are mounted where this process can see them")


def _below(mount: Mount, group: str) -> str:
    """The group's path below the mount point; a container sees its own group as the root of the mount."""
    if mount.root != "/" and (group == mount.root or group.startswith(mount.root + "/")):
        group = group[len(mount.root) :]
    return "" if group == "/" or ".." in group.split("/") else group
