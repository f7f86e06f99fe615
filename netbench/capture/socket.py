"""The backend `socket`: UDP sockets with kernel stamps, what an application sees."""

from __future__ import annotations

from netbench.core import SocketCapture, StreamTable
from netbench.interface import interface_index
from netbench.protocol import ReceiveJob


class SocketBackend:
    """Bound and joined once constructed."""

    resolution_ns = 1

    def __init__(self, job: ReceiveJob) -> None:
        if not job.join:
            raise ValueError("a tap watches the wire: take the backend ring or pcap")
        self._capture = SocketCapture(
            listens=[(spec.destination, spec.source or "0.0.0.0", spec.port) for spec in job.listens],
            interface_index=interface_index(job.interface),
            receive_buffer_bytes=job.receive_buffer_bytes,
        )

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
        """The sockets close with the object."""
        del self._capture
