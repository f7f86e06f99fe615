"""Sweeps what a run could have left behind: `netbench environments --clean`.

A run in its private lab leaves nothing (see lab.py). Left-overs come from commands typed again by hand, from setting up an
environment outside a lab, and from agents that hang although their runner is dead.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from netbench.environments.netns import end_occupants, run

_DIRECTORY = Path("/run/netns")
_PREFIX = "nb-"
_AGENT = b"netbench.agent"


@dataclass(frozen=True)
class Removed:
    """What was swept.

    Attributes:
        namespaces: names of network namespaces.
        processes: ids of processes that were in them, and of agents without a runner.
    """

    namespaces: tuple[str, ...]
    processes: tuple[int, ...]


def clean() -> Removed:
    """Remove the namespaces `nb-…` of /run/netns with the processes inside, and agents that have lost their runner.

    Runs that are under way are safe: their namespaces are in private labs, and their agents have a parent.

    Raises:
        CannotRunError: a namespace could not be removed, for lack of permission.
    """
    namespaces = sorted(path.name for path in _DIRECTORY.glob(f"{_PREFIX}*"))
    processes: list[int] = []
    for name in namespaces:
        if os.path.ismount(_DIRECTORY / name):  # a name without a namespace is what a crash of `ip netns add` leaves
            processes += end_occupants(name)
        run(("ip", "netns", "delete", name), f"Removing the namespace {name} failed")
    return Removed(tuple(namespaces), tuple(processes + _end_orphans()))


def _end_orphans() -> list[int]:
    """Kill this user's agents whose parent is the first process of the system, which adopted them."""
    ended = []
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or belongs to another user
            is_agent = _AGENT in (directory / "cmdline").read_bytes().split(b"\0")
            if is_agent and _parent(directory) == 1 and directory.stat().st_uid == os.geteuid():
                os.kill(int(directory.name), signal.SIGKILL)
                ended.append(int(directory.name))
    return ended


def _parent(directory: Path) -> int:
    after_name = (directory / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
    return int(after_name.split()[1])
