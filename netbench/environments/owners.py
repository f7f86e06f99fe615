"""Who made a thing that can outlive a killed runner: its name holds process id and start time, so that a sweep can ask."""

from __future__ import annotations

import os
from pathlib import Path


def stamp() -> str:
    """`PID-STARTTIME` of this process, the start time in clock ticks since boot; a part of names."""
    return f"{os.getpid()}-{_started(os.getpid())}"


def is_alive(owner: str) -> bool:
    """Whether the process of a stamp still runs; a later process of the same id is another one. False for what is no stamp."""
    process, _, started = owner.partition("-")
    return process.isdecimal() and started.isdecimal() and _started(int(process)) == int(started)


def _started(process: int) -> int | None:
    try:
        stat = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in ("Z", "X") else int(fields[18])  # field 22 of proc(5)
