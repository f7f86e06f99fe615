"""The clock that stamps packets: what drives it, whether it follows another one, and CPU time that the hypervisor took."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from netbench.facts import cgroups, processor
from netbench.facts.reading import Answer, Unreadable, collect, read_text

_CLOCKSOURCE = "/sys/devices/system/clocksource/clocksource0"
_PTP = "/sys/class/ptp"
_STA_UNSYNC = 0x0040
_STA_NANO = 0x2000


class _Timex(ctypes.Structure):
    """struct timex (adjtimex(2)) as far as the status, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 256),
    )


def read() -> Answer:
    """Subjects `clock` and `cpu`."""
    clock = collect(
        {
            "source": lambda: read_text(f"{_CLOCKSOURCE}/current_clocksource").strip(),
            "available_sources": lambda: read_text(f"{_CLOCKSOURCE}/available_clocksource").split(),
            "synchronisation": _synchronisation,
            "ptp_clocks": _ptp_clocks,
        }
    )
    cpu = collect({"steal_ratio": lambda: steal_ratio(processor.read_cpu_time().values), "limit": _limit})
    absent = {f"clock.{key}": reason for key, reason in clock.absent.items()}
    absent.update({f"cpu.{key}": reason for key, reason in cpu.absent.items()})
    return Answer({"clock": clock.values, "cpu": cpu.values}, absent)


def steal_ratio(ticks: dict[str, int]) -> float:
    """Share of all CPU time since the start that the hypervisor gave to others.

    Raises:
        Unreadable: no time has passed.
    """
    if ticks["cpu.total_ticks"] <= 0:
        raise Unreadable("no CPU time has been counted yet")
    return ticks["cpu.steal_ticks"] / ticks["cpu.total_ticks"]


def judge_status(status: int, max_error_us: int, estimated_error_us: int) -> dict[str, bool | int]:
    """What the kernel's clock discipline says (RFC 5905 section 12)."""
    return {
        "synchronised": not status & _STA_UNSYNC,
        "nanosecond_mode": bool(status & _STA_NANO),
        "max_error_us": max_error_us,
        "estimated_error_us": estimated_error_us,
    }


def _synchronisation() -> dict[str, bool | int]:
    library = ctypes.CDLL(None, use_errno=True)
    try:
        adjtimex = library.adjtimex
    except AttributeError as error:
        raise Unreadable("this C library has no adjtimex") from error
    timex = _Timex()  # modes 0: asks, changes nothing
    if adjtimex(ctypes.byref(timex)) < 0:
        raise Unreadable(f"adjtimex: {os.strerror(ctypes.get_errno())}")
    return judge_status(timex.status, timex.maxerror, timex.esterror)


def _ptp_clocks() -> list[dict[str, str]]:
    """Clocks that ptp4l and phc2sys can use: of a NIC, or of the hypervisor (KVM, Hyper-V)."""
    try:
        names = sorted(os.listdir(_PTP))
    except OSError:
        return []
    return [{"name": name, "clock": read_text(f"{_PTP}/{name}/clock_name").strip()} for name in names]


def _limit() -> dict[str, Any]:
    version, limit = cgroups.read_limit()
    cores = limit.quota_us / limit.period_us if limit.quota_us is not None and limit.period_us else None
    return {
        "cgroup_version": version,
        "group": limit.group,
        "quota_us": limit.quota_us,
        "period_us": limit.period_us,
        "limit_cores": cores,
    }
