"""Whose things are: containers, networks and other things outside of the lab carry the identity of the runner that made them."""

from __future__ import annotations

import os
from pathlib import Path


def owner() -> str:
    """This process, as `PID:STARTTIME`: process ids come again, with another start time (clock ticks since boot, proc(5))."""
    return f"{os.getpid()}:{_start_time(os.getpid())}"


def is_dead(identity: str) -> bool:
    """Whether the process of an `owner()` is gone. What is no such identity is not ours to judge, so it counts as alive."""
    process, _, start_time = identity.partition(":")
    if not (process.isdecimal() and start_time.isdecimal()):
        return False
    return _start_time(int(process)) != start_time


def _start_time(process: int) -> str | None:
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = stat.rpartition(")")[2].split()  # from field 3 on: the name, which may hold anything, ends at the last parenthesis
    return None if fields[0] in ("Z", "X") else fields[19]  # dead, but nobody has asked how it ended
