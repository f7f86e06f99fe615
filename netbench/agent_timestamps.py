"""The job at a site that climbs the ladder of hardware timestamps: asks, sets where it is told to, counts, puts back."""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
import time
from contextlib import suppress
from types import FrameType
from typing import Any

from netbench.agent_session import Commands, emit, stop_when_quiet, work
from netbench.capture.stamp_setting import StampSetting
from netbench.core import StampCapture, timestamp_capabilities
from netbench.facts import interface as interface_facts
from netbench.facts import ptp_clock
from netbench.facts.timestamps import HWTSTAMP_FILTER, decode, name_of_value, setting_names, wanted_filter
from netbench.interface import interface_index
from netbench.protocol import StreamSpec, TimestampsJob

_PTP_GROUP = "224.0.1.129"  # IEEE 1588: PTP over UDP
_SETTLE_S = 0.1  # what the card took before the setting held is still on its way


def climb(job: TimestampsJob, commands: Commands) -> None:
    """Do the job, to its result. The old setting is back before the result is told, and also when there is none.

    Raises:
        OSError: the system refused (no such interface, a port in use), with what failed.
    """
    index = interface_index(job.interface)
    setting = StampSetting(job.interface)
    commands.on_orphaned(setting.restore)
    signal.signal(signal.SIGTERM, _terminated)
    try:
        asked = _ask(job.interface)
        skipped = _set(job, asked, setting)
        with _PtpGroup(index):
            capture, frames_refused = _open(job, index)
            emit("ready")
            began_ns = time.monotonic_ns()
            if capture is not None:
                counting = capture
                commands.on_stop(lambda: stop_when_quiet(lambda: counting.counts()["packets"], counting.stop, job.quiet_ns / 1e9))
                work(lambda: counting.run(job.duration_ns), counting.counts)
            observed_ns = time.monotonic_ns() - began_ns
        clock = ptp_clock.read(asked["phc_index"]) if asked.get("phc_index") is not None else None
    finally:
        setting.restore()
    emit(
        "result",
        {
            "interface": job.interface,
            "link": _link(job.interface),
            "capabilities": asked.get("advertised"),
            "capabilities_refused": asked.get("refused"),
            "configure": job.configure,
            "setting": _told(setting, asked.get("wanted"), skipped),
            "listens": [] if capture is None else capture.listens(),
            "frames": None if capture is None else capture.frames(),
            "frames_refused": frames_refused,
            "capture": {"packets": 0, "drops": 0} if capture is None else capture.counts(),
            "observed_ns": observed_ns,
            "clock": clock,
        },
    )


def _terminated(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _ask(interface: str) -> dict[str, Any]:
    """What is advertised, in names; the filter to ask for; the number of the clock."""
    try:
        capabilities = timestamp_capabilities(interface)
    except OSError as error:
        return {"refused": os.strerror(error.errno or 0)}
    advertised = decode(capabilities)
    wanted = wanted_filter(capabilities) if advertised["hardware_receive"] else None
    return {"advertised": advertised, "wanted": wanted, "phc_index": advertised["phc_index"]}


def _set(job: TimestampsJob, asked: dict[str, Any], setting: StampSetting) -> str | None:
    """Have the driver stamp. Returns why it was not asked to, or None."""
    wanted = asked.get("wanted")
    if not job.configure:
        return "not_asked_for"
    if wanted is None:
        return "nothing_to_ask_for"
    if setting.before is None:
        return "cannot_be_put_back"
    setting.change(wanted)
    if setting.answered is not None:
        time.sleep(_SETTLE_S)
    return None


def _told(setting: StampSetting, wanted: int | None, skipped: str | None) -> dict[str, Any]:
    def named(value: dict[str, int] | None) -> dict[str, str] | None:
        return None if value is None else setting_names(value)

    return {
        "wanted": None if wanted is None else name_of_value(wanted, HWTSTAMP_FILTER, "HWTSTAMP_FILTER_"),
        "before": named(setting.before),
        "unreadable": setting.unreadable,
        "skipped": skipped,
        "answered": named(setting.answered),
        "read_back": named(setting.read_back),
        "refused": setting.refused,
        "restored": setting.restored,
        "not_restored": setting.not_restored,
    }


def _open(job: TimestampsJob, index: int) -> tuple[StampCapture | None, str | None]:
    """The capture, None where nothing can be counted; and why it has no packet socket, or None."""
    listens = [_listen(spec) for spec in job.listens]

    def opened(frames: bool) -> StampCapture:
        return StampCapture(
            interface_index=index, listens=listens or None, frames=frames, receive_buffer_bytes=job.receive_buffer_bytes
        )

    if not job.frames:
        return (opened(False) if listens else None), "it was not asked for"
    try:
        return opened(True), None
    except PermissionError as error:
        if error.errno != errno.EPERM:
            raise  # a port below 1024, not the packet socket
        return (opened(False) if listens else None), os.strerror(errno.EPERM)


def _listen(spec: StreamSpec) -> tuple[str, str, int]:
    return spec.destination, spec.source or "0.0.0.0", spec.port


class _PtpGroup:
    """A member of PTP's group, so that it gets here; nothing is bound. Where groups are refused, PTP over UDP does not come."""

    def __init__(self, index: int) -> None:
        self._index = index

    def __enter__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        request = struct.pack("=4s4si", socket.inet_aton(_PTP_GROUP), bytes(4), self._index)
        with suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)

    def __exit__(self, *exception: object) -> None:
        self._socket.close()


def _link(interface: str) -> dict[str, Any]:
    """Kind, driver and parent, as far as they can be read."""
    facts = interface_facts.read(interface).values.get("interface", {})
    driver = facts.get("driver") or {}
    return {"kind": facts.get("kind"), "driver": driver.get("name"), "parent": facts.get("parent")}
