"""The backend `ring`: AF_PACKET with TPACKET_V3, what a capture sees."""

from __future__ import annotations

from netbench.capture.backend import snapshot_bytes
from netbench.capture.membership import Memberships
from netbench.core import RingCapture, StreamTable
from netbench.interface import interface_index
from netbench.protocol import ReceiveJob


class RingBackend:
    """The ring keeps packets once constructed; groups are joined after it, so that none is missed."""

    resolution_ns = 1

    def __init__(self, job: ReceiveJob) -> None:
        if job.interface is None:
            raise ValueError("the ring backend needs an interface: -i NAME")
        low, high = job.port_range
        self._capture = RingCapture(
            interface_index=interface_index(job.interface),
            port_low=low,
            port_high=high,
            blocks=job.ring_blocks,
            snapshot_bytes=snapshot_bytes(job),
        )
        self._memberships = Memberships(job.listens, job.interface) if job.join else None

    def run(self, table: StreamTable, duration_ns: int) -> None:
        """See CaptureBackend."""
        self._capture.run(table, duration_ns)

    def stop(self) -> None:
        """See CaptureBackend."""
        self._capture.stop()

    def counts(self) -> dict[str, int]:
        """See CaptureBackend."""
        return self._capture.counts()

    def close(self) -> None:
        """See CaptureBackend."""
        if self._memberships is not None:
            self._memberships.close()
        del self._capture
