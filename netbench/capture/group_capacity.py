"""Multicast group capacity: the most groups that are all delivered at once (Multicast Group Capacity of RFC 2432 and RFC 3918)."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from typing import Any

from netbench.capture.membership import memberships_per_socket
from netbench.core import SocketCapture, StreamTable
from netbench.interface import interface_index
from netbench.protocol import GroupCapacityJob, StreamSpec

_POLL_S = 0.02
_LIMITS = {errno.ENOBUFS, errno.ENOMEM, errno.EMFILE, errno.ENFILE}  # a join refused by these is a result; by others, an error


class GroupCapacity:
    """The job `group_capacity`.

    An attempt joins the first n groups, spread over as many sockets as net.ipv4.igmp_max_memberships asks for, and passes when each
    group delivers a packet after the last join. The limit is the number of groups of the job: a capacity equal to it is a lower
    bound.

    Raises:
        OSError: the system refused, with what failed.
    """

    def __init__(self, job: GroupCapacityJob) -> None:
        self._job = job
        self._index = interface_index(job.interface)
        self._stopped = threading.Event()
        self._attempts: list[dict[str, Any]] = []
        self._capacity: int | None = None

    def run(self) -> None:
        """Search until it is found, or stop()."""
        found = search(len(self._job.groups), self._passes)
        self._capacity = None if self._stopped.is_set() else found

    def stop(self) -> None:
        """End run() soon, from another thread, without a capacity."""
        self._stopped.set()

    def progress(self) -> dict[str, Any]:
        """The attempts so far."""
        return {"attempts": list(self._attempts)}

    def result(self) -> dict[str, Any]:
        """The capacity, and every attempt."""
        return {
            "capacity": self._capacity,
            "limit": len(self._job.groups),
            "attempts": self._attempts,
            "igmp_max_memberships": memberships_per_socket(),
        }

    def close(self) -> None:
        """Nothing is held between attempts."""

    def _passes(self, count: int) -> bool:
        if self._stopped.is_set():
            return False
        attempt = self._attempt(self._job.groups[:count])
        self._attempts.append(attempt)
        return bool(attempt["delivered"] == count)

    def _attempt(self, groups: tuple[StreamSpec, ...]) -> dict[str, Any]:
        answer = {"groups": len(groups), "delivered": 0, "sockets": 0, "socket_drops": 0, "refused": None}
        try:
            capture = SocketCapture(
                listens=[(spec.destination, spec.source or "0.0.0.0", spec.port) for spec in groups],
                interface_index=self._index,
                receive_buffer_bytes=self._job.receive_buffer_bytes,
            )
        except OSError as error:
            if error.errno not in _LIMITS:
                raise
            return {**answer, "refused": str(error)}
        joined_ns = time.time_ns()
        table = StreamTable(max_streams=4 * len(groups), decode="raw")
        receiving = threading.Thread(target=capture.run, args=(table, 0), name="receive", daemon=True)
        receiving.start()
        deadline_ns = time.monotonic_ns() + self._job.wait_ns
        wanted = {(spec.destination, spec.port) for spec in groups}
        while not self._stopped.is_set() and time.monotonic_ns() < deadline_ns:
            if table.totals()["streams"] >= len(groups) and len(_delivered(table, joined_ns) & wanted) == len(groups):
                break
            self._stopped.wait(_POLL_S)
        capture.stop()
        receiving.join()
        counts = capture.counts()
        return {
            **answer,
            "delivered": len(_delivered(table, joined_ns) & wanted),
            "sockets": counts["sockets"],
            "socket_drops": counts["socket_drops"],
        }


def search(limit: int, passes: Callable[[int], bool]) -> int:
    """The largest number up to a limit that passes, when all below it do and none above: 1, 2, 4… then by halves; 0: not even 1."""
    good, bad, count = 0, limit + 1, 1
    while good + 1 < bad:
        if passes(count):
            good = count
        else:
            bad = count
        count = min(2 * good, limit) if bad > limit else (good + bad) // 2
    return good


def _delivered(table: StreamTable, since_ns: int) -> set[tuple[object, object]]:
    """Groups of which a packet came at or after a moment."""
    return {
        (stream["destination"], stream["destination_port"]) for stream in table.streams() if int(str(stream["last_ns"])) >= since_ns
    }
