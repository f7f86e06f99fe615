"""The one door to the C core: everything of the package that touches packets comes through here.

The core and the Python files are built and installed together; where they do not fit, or the core is missing, importing this module
says so and what to type. What each name does stands in netbench/_core.pyi.
"""

from __future__ import annotations

from typing import TypedDict

from netbench.errors import CannotRunError

EXPECTED_ABI_VERSION = 4  # of netbench/_core.pyi; raised together with ABI_VERSION in c_ext/module.c

_REMEDY = "type: make setup"

try:
    from netbench import _core
except ImportError as error:
    raise CannotRunError(f"the C core of netbench is not built here ({error})", _REMEDY) from error

if EXPECTED_ABI_VERSION != _core.ABI_VERSION:
    raise CannotRunError(
        f"the compiled C core has interface version {_core.ABI_VERSION}, but these Python files need {EXPECTED_ABI_VERSION}: "
        "they come from different builds",
        _REMEDY,
    )

from netbench._core import (  # noqa: E402  only a core that fits is handed on
    PROBE_LENGTH,
    CaptureReader,
    FrameSender,
    Histogram,
    PcapWriter,
    RingCapture,
    SocketCapture,
    SocketSender,
    StampCapture,
    StreamTable,
    clock_cost_ns,
    clock_step_ns,
    probe_decode,
    probe_encode,
    set_timestamp_setting,
    timestamp_capabilities,
    timestamp_setting,
    wakeup_latency,
)


class HistogramData(TypedDict):
    """Counts of nanoseconds, as the core tells them.

    Attributes:
        count: recorded values.
        sum: of all of them, exact.
        min: smallest, exact; None when there is none.
        max: largest, exact; None when there is none.
        buckets: (lower, upper, count) with lower <= value < upper; only those that count.
    """

    count: int
    sum: int
    min: int | None
    max: int | None
    buckets: list[tuple[int, int, int]]


DISTRIBUTIONS = (
    "ipdv_above",
    "ipdv_below",
    "loss_length_packets",
    "loss_length_ns",
    "loss_between_packets",
    "loss_between_ns",
    "reorder_extent_packets",
    "reorder_late_ns",
)
"""Patterns that StreamTable.histogram() gives over all streams, besides IAT, PDV, transit and delivery."""

__all__ = [
    "DISTRIBUTIONS",
    "EXPECTED_ABI_VERSION",
    "PROBE_LENGTH",
    "CaptureReader",
    "FrameSender",
    "Histogram",
    "HistogramData",
    "PcapWriter",
    "RingCapture",
    "SocketCapture",
    "SocketSender",
    "StampCapture",
    "StreamTable",
    "clock_cost_ns",
    "clock_step_ns",
    "probe_decode",
    "probe_encode",
    "set_timestamp_setting",
    "timestamp_capabilities",
    "timestamp_setting",
    "wakeup_latency",
]
