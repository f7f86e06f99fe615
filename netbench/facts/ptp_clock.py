"""The clock of a network card (PHC), read as any program can: /dev/ptpN by clock_gettime."""

from __future__ import annotations

import os
import time
from typing import Any

_CLOCKFD = 3  # linux/posix-timers.h: a file descriptor as a clock's identity
_APART_S = 0.05


def read(index: int) -> dict[str, Any]:
    """Read a clock twice.

    Returns:
        `device`; where it could be read: `advanced_ns` of it and `elapsed_ns` of the system's clock between two readings; else
        `refused`, the system's reason, and its `errno`.
    """
    device = f"/dev/ptp{index}"
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        return {"device": device, "refused": os.strerror(error.errno or 0), "errno": error.errno}
    try:
        clock = (~descriptor << 3) | _CLOCKFD
        began_ns, first_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC), time.clock_gettime_ns(clock)
        time.sleep(_APART_S)
        ended_ns, second_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC), time.clock_gettime_ns(clock)
    except OSError as error:
        return {"device": device, "refused": os.strerror(error.errno or 0), "errno": error.errno}
    finally:
        os.close(descriptor)
    return {"device": device, "advanced_ns": second_ns - first_ns, "elapsed_ns": ended_ns - began_ns}
