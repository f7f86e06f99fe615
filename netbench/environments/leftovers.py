"""Sweeps what a run could have left behind: `netbench environments --clean`.

A run in its private lab leaves no namespace (see lab.py). Left-overs come from commands typed again by hand, from setting up an
environment outside a lab, from agents that hang although their runner is dead, and from what lives outside of the lab: containers,
networks of a container engine, virtual machines. Each kind of them has a sweeper: a function that removes what runs that are dead
have left, never what belongs to one under way, and tells what it removed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from netbench.environments.netns import end_occupants, run

_DIRECTORY = Path("/run/netns")
_OURS = "nb-[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]-*"  # see Network.name_of; `nb-…` alone may be anybody's
_AGENT = b"netbench.agent"
_RUNNER = b"netbench"


@dataclass(frozen=True)
class Removed:
    """One thing that was swept.

    Attributes:
        kind: `namespace`, `process`, `container`…
        name: or the id of a process.
    """

    kind: str
    name: str


def clean() -> list[Removed]:
    """Remove what runs that are dead have left. Runs that are under way are safe.

    Raises:
        CannotRunError: something could not be removed, for lack of permission.
    """
    return [removed for sweep in _SWEEPERS for removed in sweep()]


def _sweep_namespaces() -> list[Removed]:
    """The namespaces `nb-TOKEN-…` of /run/netns with the processes inside; those of runs under way are in private labs."""
    swept = []
    for name in sorted(path.name for path in _DIRECTORY.glob(_OURS)):
        if os.path.ismount(_DIRECTORY / name):  # a name without a namespace is what a crash of `ip netns add` leaves
            swept += [Removed("process", str(process)) for process in end_occupants(name)]
        run(("ip", "netns", "delete", name), f"Removing the namespace {name} failed")
        swept.append(Removed("namespace", name))
    return swept


def _sweep_orphans() -> list[Removed]:
    """Kill this user's agents whose parent is the first process of the system, which adopted them."""
    ended: list[Removed] = []
    with suppress(OSError):
        first = Path("/proc/1/cmdline").read_bytes().split(b"\0")
        if _RUNNER in map(os.path.basename, first):
            return ended  # a container whose first process is the runner: these are its agents, at work
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or belongs to another user
            is_agent = _AGENT in (directory / "cmdline").read_bytes().split(b"\0")
            if is_agent and _parent(directory) == 1 and directory.stat().st_uid == os.geteuid():
                os.kill(int(directory.name), signal.SIGKILL)
                ended.append(Removed("process", directory.name))
    return ended


def _sweep_docker() -> list[Removed]:
    """Containers, their networks and images, and rules in the daemon's network."""
    from netbench.environments.containers import leftovers as containers  # it asks us for nothing; its own imports cost

    return [Removed(kind, name) for kind, name in containers.sweep()]


def _parent(directory: Path) -> int:
    after_name = (directory / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
    return int(after_name.split()[1])


def _sweep_guests() -> list[Removed]:
    """Virtual machines of runs that are dead, and the directories of their ports and logs."""
    from netbench.environments.guests import virtual_machine

    return [Removed(kind, name) for kind, name in virtual_machine.sweep()]


def _sweep_control_sockets() -> list[Removed]:
    """Directories of ssh connections whose process is dead, and so is the shell that should have removed them."""
    from netbench.environments.machines import ssh

    return [Removed("directory", name) for name in ssh.sweep()]


_SWEEPERS: tuple[Callable[[], list[Removed]], ...] = (
    _sweep_docker,
    _sweep_guests,
    _sweep_namespaces,
    _sweep_orphans,
    _sweep_control_sockets,
)
