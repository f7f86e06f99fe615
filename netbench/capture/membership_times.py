"""Join and leave delay of groups whose streams flow already (Group Join Delay and Group Leave Delay of RFC 2432 and RFC 3918).

Theory of operation. Two views of each group are needed. A socket, a member, with kernel stamps: its first packet ends the join
delay. A ring on the interface, which sees the group whether or not anybody here asked for it: what it sees before the join says
that the group was there unasked (warm), and its last packet after the leave ends the leave delay. Groups are taken one after the
other, for some drivers filter by a hash of the group (macvlan: 256 buckets), so that one member can let another group through.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
import threading
import time
from contextlib import suppress
from types import TracebackType
from typing import Any

from netbench.capture.igmp import QuerierWatch, forced_version, read_memberships
from netbench.capture.membership import join, leave, memberships_per_socket
from netbench.core import RingCapture, StreamTable
from netbench.interface import interface_index
from netbench.protocol import MembershipJob, StreamSpec

_SO_TIMESTAMPNS = 35
_IP_MULTICAST_ALL = 49
_POLL_S = 0.02
_QUIET_INTERVALS = 5  # of the group's packets: so long without one, it has ended
_KEPT_BYTES = 96
_RING_BLOCKS, _RING_BLOCK_BYTES = 8, 1 << 18
_MOST_SENDERS = 64  # of one group


class MembershipTimes:
    """The job `membership`.

    Raises:
        OSError: the system refused, with what failed.
    """

    def __init__(self, job: MembershipJob) -> None:
        self._job = job
        self._index = interface_index(job.interface)
        self._querier = QuerierWatch(job.interface)
        self._stopped = threading.Event()
        self._groups: list[dict[str, Any]] = []

    def run(self) -> None:
        """Every group, one after the other, until stop()."""
        for spec in self._job.groups:
            if self._stopped.is_set():
                return
            measured = self._measure(spec)
            if measured is not None:
                self._groups.append(measured)

    def stop(self) -> None:
        """End run() soon, from another thread; the group in hand is not counted."""
        self._stopped.set()

    def progress(self) -> dict[str, Any]:
        """How far it is."""
        return {"done": len(self._groups), "of": len(self._job.groups)}

    def result(self) -> dict[str, Any]:
        """Stamps of every group that was measured, and what IGMP there was."""
        version, _ = read_memberships(self._job.interface)
        return {
            "groups": self._groups,
            "igmp_version": version,
            "igmp_forced_version": forced_version(self._job.interface),
            "igmp_max_memberships": memberships_per_socket(),
            **self._querier.seen(),
        }

    def close(self) -> None:
        """Give everything back."""
        self._querier.close()

    def _measure(self, spec: StreamSpec) -> dict[str, Any] | None:
        """One group. None: stopped in the middle."""
        job = self._job
        members_before = read_memberships(job.interface)[1].get(spec.destination, 0)
        with _Watch(self._index, spec) as watch, _stamping_socket(spec) as member:
            self._stopped.wait(job.observe_ns / 1e9)
            joined_ns = time.time_ns()
            join(member, self._index, spec.destination, spec.source)
            call_ns = time.time_ns() - joined_ns
            first_ns = self._first_packet(member, joined_ns)
            self._stopped.wait(job.hold_ns / 1e9)
            interval_ns = watch.interval_ns()
            left_ns = time.time_ns()
            leave(member, self._index, spec.destination, spec.source)
            quiet_ns = max(job.quiet_ns, _QUIET_INTERVALS * (interval_ns or 0))
            self._wait_for_quiet(watch, joined_ns, left_ns, quiet_ns)
            watched_until_ns = time.time_ns()
            seen = watch.end()
        if self._stopped.is_set():
            return None
        return {
            "group": spec.destination,
            "port": spec.port,
            "source": spec.source,
            "members_before": members_before,
            "joined_ns": joined_ns,
            "join_call_ns": call_ns,
            "first_ns": first_ns,
            "left_ns": left_ns,
            "watched_until_ns": watched_until_ns,
            "interval_ns": interval_ns,
            "quiet_ns": quiet_ns,
            **seen,
        }

    def _first_packet(self, member: socket.socket, joined_ns: int) -> int | None:
        """Kernel stamp of the first packet from the join on; None: none came in time."""
        deadline_ns = time.monotonic_ns() + self._job.join_timeout_ns
        poller = select.poll()
        poller.register(member, select.POLLIN)
        while not self._stopped.is_set() and time.monotonic_ns() < deadline_ns:
            if not poller.poll(1000 * _POLL_S):
                continue
            stamp_ns = _read_stamp(member)
            if stamp_ns is not None and stamp_ns >= joined_ns:
                return stamp_ns
        return None

    def _wait_for_quiet(self, watch: _Watch, joined_ns: int, left_ns: int, quiet_ns: int) -> None:
        """Until the group has ended at the interface, or it is clear that it will not.

        A group that came unasked goes on after the leave, too; it gets time to show that it is not so.
        """
        warm = watch.first_ns() is not None and (watch.first_ns() or 0) < joined_ns
        deadline_ns = left_ns + (2 * quiet_ns if warm else max(self._job.leave_timeout_ns, 2 * quiet_ns))
        while not self._stopped.is_set() and (now_ns := time.time_ns()) < deadline_ns:
            if now_ns - max(watch.last_ns() or 0, left_ns) >= quiet_ns:
                return
            self._stopped.wait(_POLL_S)


class _Watch:
    """A ring that sees one group at the interface, members or not; works from its creation on."""

    def __init__(self, index: int, spec: StreamSpec) -> None:
        self._table = StreamTable(max_streams=_MOST_SENDERS, decode="raw")
        self._ring = RingCapture(
            interface_index=index, filter=group_filter(spec), blocks=_RING_BLOCKS, block_bytes=_RING_BLOCK_BYTES
        )
        self._failures: list[OSError] = []
        self._thread = threading.Thread(target=self._work, name="watch", daemon=True)

    def __enter__(self) -> _Watch:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ring.stop()
        self._thread.join()

    def _work(self) -> None:
        try:
            self._ring.run(self._table, 0)
        except OSError as error:  # the interface is gone, say
            self._failures.append(error)

    def first_ns(self) -> int | None:
        """Stamp of the first packet, or None."""
        return self._table.totals()["first_ns"] or None

    def last_ns(self) -> int | None:
        """Stamp of the latest one that was handed over, or None."""
        return self._table.totals()["last_ns"] or None

    def interval_ns(self) -> int | None:
        """Mean time between packets up to now; None when there were fewer than two."""
        totals = self._table.totals()
        if totals["packets"] < 2:
            return None
        return max(1, (totals["last_ns"] - totals["first_ns"]) // (totals["packets"] - 1))

    def end(self) -> dict[str, Any]:
        """Take what is queued; then all that was seen.

        Raises:
            OSError: the ring had failed.
        """
        self._ring.stop()
        self._thread.join()
        if self._failures:
            raise self._failures[0]
        counts = self._ring.counts()
        return {
            "interface_first_ns": self.first_ns(),
            "interface_last_ns": self.last_ns(),
            "interface_packets": counts["frames"],
            "kernel_drops": counts["kernel_drops"],
        }


def group_filter(spec: StreamSpec) -> list[tuple[int, int, int, int]]:
    """Classic BPF over Ethernet: IPv4 of one group, of one source where the spec names one. Fragments of it pass, too."""
    load_half, load_word, jump_if_equal, give = 0x28, 0x20, 0x15, 0x06
    wanted = [(load_half, 12, 0x0800), (load_word, 30, _number(spec.destination))]
    if spec.source is not None:
        wanted.append((load_word, 26, _number(spec.source)))
    program = []
    for position, (load, offset, value) in enumerate(wanted):
        behind = 2 * (len(wanted) - position) - 1  # instructions to the refusing one
        program += [(load, 0, 0, offset), (jump_if_equal, 0, behind, value)]
    return [*program, (give, 0, 0, _KEPT_BYTES), (give, 0, 0, 0)]


def _number(address: str) -> int:
    return int(struct.unpack("!I", socket.inet_aton(address))[0])


def _stamping_socket(spec: StreamSpec) -> socket.socket:
    """A UDP socket that gets this group alone once it is a member, with kernel stamps."""
    member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        member.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        member.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        member.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
        member.bind((spec.destination, spec.port))
    except OSError as error:
        member.close()
        raise OSError(error.errno, f"bind UDP {spec.destination}:{spec.port}") from error
    return member


def _read_stamp(member: socket.socket) -> int | None:
    """Kernel stamp of the next packet in the socket; None when there is none."""
    timespec = struct.Struct("@ll")
    with suppress(BlockingIOError):
        _, ancillary, _, _ = member.recvmsg(1, socket.CMSG_SPACE(timespec.size))
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == _SO_TIMESTAMPNS and len(data) >= timespec.size:
                seconds, nanoseconds = timespec.unpack_from(data)
                return int(seconds) * 1_000_000_000 + int(nanoseconds)
        raise OSError(errno.EPROTO, "read a kernel stamp of a received packet")
    return None
