"""The backend `pcap`: libpcap by pcapy-ng, what a libpcap-based probe sees. Stamps in microseconds."""

from __future__ import annotations

import errno
import select
import threading
import time
from typing import Any

from netbench.capture.backend import snapshot_bytes
from netbench.capture.membership import Memberships
from netbench.core import StreamTable
from netbench.interface import interface_index
from netbench.protocol import ReceiveJob

_TIMEOUT_MS = 10  # libpcap hands a block over at least this often
_POLL_MS = 50
_QUIET_POLLS_AT_END = 4


class PcapBackend:
    """Active once constructed; groups are joined after it, so that none is missed."""

    resolution_ns = 1000

    def __init__(self, job: ReceiveJob) -> None:
        if job.interface is None:
            raise ValueError("the pcap backend needs an interface: -i NAME")
        interface_index(job.interface)  # libpcap's own words for a missing interface carry no errno
        import pcapy

        low, high = job.port_range
        try:
            self._pcap: Any = pcapy.create(job.interface)
            self._pcap.set_snaplen(snapshot_bytes(job))
            self._pcap.set_promisc(0)
            self._pcap.set_timeout(_TIMEOUT_MS)
            if job.ring_blocks:
                self._pcap.set_buffer_size(job.ring_blocks << 20)
            else:
                self._pcap.set_buffer_size(64 << 20)
            self._pcap.activate()
            # next() on an idle interface never returns and ignores signals: poll instead, and take what is there.
            self._pcap.setnonblock(1)
            self._pcap.setdirection(pcapy.PCAP_D_IN)
            self._pcap.setfilter(f"udp and dst portrange {low}-{high}" if high else "udp")
        except pcapy.PcapError as error:
            raise _refused(job.interface, str(error)) from error
        self._link_is_ethernet = self._pcap.datalink() == pcapy.DLT_EN10MB
        if not self._link_is_ethernet:
            raise ValueError(f"the pcap backend reads Ethernet, and {job.interface} is of another link type; take -B socket")
        self._memberships = Memberships(job.listens, job.interface) if job.join else None
        self._stop = threading.Event()
        self._frames = 0
        self._datagrams = 0
        self._damaged = 0

    def run(self, table: StreamTable, duration_ns: int) -> None:
        """See CaptureBackend."""
        deadline_ns = time.monotonic_ns() + duration_ns if duration_ns else None
        poller = select.poll()
        poller.register(self._pcap.getfd(), select.POLLIN)

        def take(header: Any, data: bytes) -> None:
            seconds, microseconds = header.getts()
            self._frames += 1
            kind = table.feed(data, seconds * 1_000_000_000 + microseconds * 1000, header.getlen(), "kernel", time.time_ns())
            if kind == "datagram":
                self._datagrams += 1
            elif kind == "damaged":
                self._damaged += 1

        while not self._stop.is_set() and (deadline_ns is None or time.monotonic_ns() < deadline_ns):
            poller.poll(_POLL_MS)
            self._pcap.dispatch(-1, take)
        quiet = 0
        while quiet < _QUIET_POLLS_AT_END:  # a block that is not full is handed over after the timeout
            before = self._frames
            poller.poll(_TIMEOUT_MS)
            self._pcap.dispatch(-1, take)
            quiet = quiet + 1 if self._frames == before else 0

    def stop(self) -> None:
        """See CaptureBackend."""
        self._stop.set()

    def counts(self) -> dict[str, int]:
        """frames, datagrams, damaged; kernel_packets and kernel_drops as libpcap says them."""
        received, dropped, _ = self._pcap.stats()
        return {
            "frames": self._frames,
            "datagrams": self._datagrams,
            "damaged": self._damaged,
            "kernel_packets": int(received),
            "kernel_drops": int(dropped),
        }

    def close(self) -> None:
        """See CaptureBackend."""
        if self._memberships is not None:
            self._memberships.close()
        self._pcap.close()


def _refused(interface: str, message: str) -> OSError:
    if "permission" in message.lower() or "not permitted" in message.lower():
        return OSError(errno.EPERM, "open a packet socket")
    return OSError(errno.EIO, f"open {interface} with libpcap: {message}")
