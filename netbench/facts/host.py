"""The machine and its kernel: system, processor, memory."""

from __future__ import annotations

import os
import platform
from typing import Any

from netbench.facts.reading import Answer, Unreadable, collect, read_text
from netbench.facts.virtualisation import sees_machine_processes

_CLOCK_DAEMONS = frozenset(
    {"chronyd", "ntpd", "ntp-daemon", "openntpd", "systemd-timesyn", "ptp4l", "phc2sys", "ts2phc", "timemaster"}
)


def read() -> Answer:
    """Subjects `kernel`, `os_release`, `c_library`, `machine`, `irqbalance_running`, `clock_daemons`."""
    machine = collect(
        {
            "cpu_model": lambda: parse_cpu_model(read_text("/proc/cpuinfo")),
            "logical_cores": _logical_cores,
            "usable_cores": lambda: len(os.sched_getaffinity(0)),
            "physical_cores": _physical_cores,
            "memory_total_bytes": lambda: parse_memory(read_text("/proc/meminfo"))["MemTotal"],
            "memory_available_bytes": lambda: parse_memory(read_text("/proc/meminfo"))["MemAvailable"],
        }
    )
    rest = collect(
        {
            "kernel": lambda: {"release": platform.release(), "version": platform.version(), "architecture": platform.machine()},
            "os_release": lambda: parse_os_release(read_text("/etc/os-release")),
            "c_library": _c_library,
            "irqbalance_running": lambda: "irqbalance" in _programs(),
            "clock_daemons": lambda: sorted(_programs() & _CLOCK_DAEMONS),
        }
    )
    absent = {**rest.absent, **{f"machine.{key}": reason for key, reason in machine.absent.items()}}
    return Answer({**rest.values, "machine": machine.values}, absent)


def parse_cpu_model(cpuinfo: str) -> str:
    """Model of the first processor.

    Raises:
        Unreadable: /proc/cpuinfo names none, as on most ARM machines.
    """
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "cpu model", "Hardware") and value.strip():
            return value.strip()
    raise Unreadable("/proc/cpuinfo names no model")


def parse_memory(meminfo: str) -> dict[str, int]:
    """Total and available memory in bytes.

    Raises:
        Unreadable: one of them is missing.
    """
    fields: dict[str, int] = {}
    for line in meminfo.splitlines():
        name, _, value = line.partition(":")
        columns = value.split()
        if name in ("MemTotal", "MemAvailable") and len(columns) == 2 and columns[0].isdecimal():
            fields[name] = int(columns[0]) * 1024
    if len(fields) != 2:
        raise Unreadable("/proc/meminfo does not tell total and available memory")
    return fields


def parse_os_release(text: str) -> dict[str, str]:
    """Names of the distribution, from os-release(5)."""
    wanted = {"ID": "id", "VERSION_ID": "version_id", "PRETTY_NAME": "pretty_name"}
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and name in wanted:
            found[wanted[name]] = value.strip().strip("\"'")
    return found


def _logical_cores() -> int:
    count = os.cpu_count()
    if count is None:
        raise Unreadable("the system does not tell how many processors it has")
    return count


def _physical_cores() -> int:
    psutil = _psutil()
    count = psutil.cpu_count(logical=False)
    if count is None:
        raise Unreadable("the system does not tell which processors share a core")
    return int(count)


def _c_library() -> dict[str, str]:
    """Name and version of the C library that this interpreter runs on."""
    try:
        told = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        told = None  # musl knows no such name
    if told:
        name, _, version = told.partition(" ")
        return {"name": name, "version": version}
    if any(name.startswith("ld-musl-") for name in _listing("/lib")):
        return {"name": "musl", "version": ""}
    raise Unreadable("the C library does not tell its name")


def _listing(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _programs() -> set[str]:
    """Names of all programs that run on this machine, as the kernel keeps them: at most 15 characters.

    Raises:
        Unreadable: this process does not see the machine's processes.
    """
    if not sees_machine_processes():
        raise Unreadable("this PID namespace does not see the machine's processes")
    names = set()
    for process in filter(str.isdecimal, _listing("/proc")):
        try:
            names.add(read_text(f"/proc/{process}/comm").strip())
        except Unreadable:
            continue  # it has ended
    return names


def _psutil() -> Any:
    try:
        import psutil
    except ImportError as error:
        raise Unreadable("the Python package psutil is not installed here") from error
    return psutil
