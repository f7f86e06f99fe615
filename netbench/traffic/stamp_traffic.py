"""What a ladder of hardware timestamps counts: UDP slowly and fast, PTP over Ethernet and over UDP. A bounded number of each."""

from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Callable

from netbench import core
from netbench.interface import interface_index
from netbench.protocol import StampTrafficJob, StreamSpec

PTP_ETHERTYPE = 0x88F7
PTP_EVENT_PORT = 319
PTP_GROUP = "224.0.1.129"
_PTP_ADDRESS = bytes.fromhex("011b19000000")  # IEEE 1588 annex F
_SYNC_BYTES = 44
_TWO_STEP = 0x0200


def sync_message(identity: bytes, sequence: int) -> bytes:
    """A PTPv2 Sync of domain 0 (IEEE 1588-2008, 13.3 and 13.6), two-step, so that its origin stamp may be zero.

    Args:
        identity: 8 bytes, of the clock that sends.
        sequence: modulo 65536.
    """
    header = struct.pack(">BBHBBHqI8sHHBb", 0x0, 0x2, _SYNC_BYTES, 0, 0, _TWO_STEP, 0, 0, identity, 1, sequence & 0xFFFF, 0, 0)
    return header + bytes(10)


class StampTraffic:
    """Sends it, once.

    Raises:
        OSError: the system refused, with what failed.
        ValueError: the job asks for what cannot be.
    """

    def __init__(self, job: StampTrafficJob) -> None:
        self._job = job
        self._index = interface_index(job.interface)
        self._stopped = False
        self._sent = {"slow": 0, "fast": 0, "ptp_ethernet": 0, "ptp_udp": 0}
        self._refused: dict[str, str] = {}
        self._senders = {
            role: self._sender(stream, packets, rate)
            for role, stream, packets, rate in (
                ("slow", job.slow, job.slow_packets, job.slow_pps),
                ("fast", job.fast, job.fast_packets, job.fast_pps),
            )
            if stream is not None
        }
        self._identity = os.urandom(8)

    def run(self) -> None:
        """Send everything. What the system refuses of PTP is told in sent(), for the rest can be counted without."""
        for role, sender in self._senders.items():
            if self._stopped:
                return
            sender.run()
            self._sent[role] = int(sender.counts()["sent"])
        for role, send in (("ptp_ethernet", self._send_frames), ("ptp_udp", self._send_datagrams)):
            if self._stopped or not self._job.ptp_packets:
                return
            try:
                send()
            except OSError as error:
                self._refused[role] = os.strerror(error.errno or 0)

    def stop(self) -> None:
        """End early."""
        self._stopped = True
        for sender in self._senders.values():
            sender.stop()

    def sent(self) -> dict[str, dict[str, int] | dict[str, str]]:
        """Packets that the local stack accepted, by role; what it refused, with the reason."""
        return {"sent": dict(self._sent), "refused": dict(self._refused)}

    def _sender(self, stream: StreamSpec, packets: int, rate_pps: float) -> core.SocketSender:
        return core.SocketSender(
            streams=[(stream.stream, stream.destination, stream.port)],
            rate_pps=rate_pps,
            packets=packets,
            session=self._job.session,
            payload_bytes=self._job.payload_bytes,
            interface_index=self._index,
            source=self._job.source,
            ttl=self._job.ttl,
        )

    def _send_frames(self) -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, 0) as sender:
            address = (self._job.interface, PTP_ETHERTYPE, 0, 0, _PTP_ADDRESS)
            self._paced("ptp_ethernet", lambda message: sender.sendto(message, address))

    def _send_datagrams(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            member = struct.pack("=4s4si", bytes(4), socket.inet_aton(self._job.source), self._index)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            self._paced("ptp_udp", lambda message: sender.sendto(message, (PTP_GROUP, PTP_EVENT_PORT)))

    def _paced(self, role: str, send: Callable[[bytes], object]) -> None:
        began, interval_s = time.monotonic(), 1 / self._job.ptp_pps
        for sequence in range(self._job.ptp_packets):
            if self._stopped:
                return
            time.sleep(max(0.0, began + sequence * interval_s - time.monotonic()))
            send(sync_message(self._identity, sequence))
            self._sent[role] += 1
