"""What every backend offers, and which one a job asks for."""

from __future__ import annotations

from typing import Protocol

from netbench.core import StreamTable
from netbench.protocol import ReceiveJob


class CaptureBackend(Protocol):
    """A capture that is armed: packets are being kept from the moment it exists."""

    @property
    def resolution_ns(self) -> int:
        """Finest step of its receive stamps."""
        ...

    def run(self, table: StreamTable, duration_ns: int) -> None:
        """Feed the table for so long (0: until stop()), then take what is still queued."""
        ...

    def stop(self) -> None:
        """End run() from another thread, within 100 ms and the time that the queue takes."""
        ...

    def counts(self) -> dict[str, int]:
        """The backend's own books. `kernel_drops` or `socket_drops` is what it lost itself."""
        ...

    def close(self) -> None:
        """Leave the groups, give everything back."""
        ...


def open_backend(job: ReceiveJob) -> CaptureBackend:
    """The backend of a job, armed.

    Raises:
        OSError: the system refused, with what failed.
        ValueError: the job asks for what cannot be.
    """
    if job.backend == "socket":
        from netbench.capture.socket import SocketBackend

        return SocketBackend(job)
    if job.backend == "ring":
        from netbench.capture.ring import RingBackend

        return RingBackend(job)
    from netbench.capture.pcap import PcapBackend

    return PcapBackend(job)


_PROBE_SNAPSHOT_BYTES = 256
_WHOLE_SNAPSHOT_BYTES = 65_535


def snapshot_bytes(job: ReceiveJob) -> int:
    """What must be kept of a frame: a bare probe stands at its beginning; a transport stream is looked at packet by packet."""
    return _PROBE_SNAPSHOT_BYTES if job.decode in ("probe", "raw", "iperf2") else _WHOLE_SNAPSHOT_BYTES
