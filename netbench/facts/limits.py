"""What the control groups leave to this process: memory, cores, and how often it was held back so far."""

from __future__ import annotations

import os
from typing import Any

from netbench.facts import cgroups
from netbench.facts.interrupts import parse_cpu_list
from netbench.facts.reading import Answer, Unreadable, collect, read_number, read_text

_NO_LIMIT = 1 << 60  # version 1 says a number near 2^63 where there is none


def read() -> Answer:
    """Subject `limits`: `memory` (limit_bytes, None: none; used_bytes), `cpus` (those that the group allows), `throttled`."""
    answer = collect({"memory": _memory, "cpus": _cpus, "throttled": _throttled})
    return Answer({"limits": answer.values}, {f"limits.{key}": reason for key, reason in answer.absent.items()})


def parse_memory_limit(text: str) -> int | None:
    """Limit in bytes from memory.max or memory.limit_in_bytes; None: none.

    Raises:
        Unreadable: it holds something else.
    """
    word = text.strip()
    if word == "max":
        return None
    if not word.isdecimal():
        raise Unreadable(f"the memory limit is {word[:40]!r}")
    return int(word) if int(word) < _NO_LIMIT else None


def _memory() -> dict[str, Any]:
    version, directories = cgroups.directories("memory")
    names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
    limits: list[int] = []
    used: int | None = None
    for directory in directories:
        try:
            limit = parse_memory_limit(read_text(f"{directory}/{names[0]}"))
            used = read_number(f"{directory}/{names[1]}") if used is None else used
        except Unreadable:
            continue  # the root of version 2 has no such files
        if limit is not None:
            limits.append(limit)
    return {"limit_bytes": min(limits, default=None), "used_bytes": used}


def _cpus() -> list[int]:
    version, directories = cgroups.directories("cpuset")
    directory = next(directories)
    names = ("cpuset.cpus.effective",) if version == 2 else ("cpuset.effective_cpus", "cpuset.cpus")
    told = next((name for name in names if os.path.exists(f"{directory}/{name}")), names[-1])
    return parse_cpu_list(read_text(f"{directory}/{told}"))


def _throttled() -> dict[str, int]:
    return {key.removeprefix("cgroup."): value for key, value in cgroups.read_throttling().values.items()}
