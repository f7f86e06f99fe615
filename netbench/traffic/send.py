"""Build the sender that a job asks for."""

from __future__ import annotations

from array import array
from typing import Any

from netbench import core
from netbench.interface import interface_index
from netbench.protocol import SendJob
from netbench.traffic import schedule


def create_sender(
    job: SendJob, replayed: tuple[array[int], bytes, array[int]] | None = None
) -> core.SocketSender | core.FrameSender:
    """The sender of a job, ready to run.

    Args:
        job: what to send.
        replayed: where the job names a replay: when each payload is due ("q", ns), the payloads, and where each ends ("Q").

    Raises:
        OSError: the system refused (no such interface, no permission, port in use), with what failed.
        ValueError: the job asks for what cannot be.
    """
    streams = [(spec.stream, spec.destination, spec.port) for spec in job.streams]
    shape: dict[str, Any] = {
        "streams": streams,
        "rate_pps": job.rate_pps,
        "packets": job.packets,
        "session": job.session,
        "payload_bytes": job.payload_bytes,
        "burst": job.burst,
        "skip_every": job.faults.skip_every,
        "repeat_every": job.faults.repeat_every,
        "swap_every": job.faults.swap_every,
        "ttl": job.ttl,
        "dscp": job.dscp,
        "envelope": job.envelope,
        "rtp_first_sequence": job.rtp_first_sequence,
    }
    if job.schedule is not None:
        offsets_ns, turn_streams = schedule.unpack(job.schedule)
        shape |= {"schedule": offsets_ns.tobytes(), "schedule_streams": turn_streams.tobytes()}
    if replayed is not None:
        due_ns, payloads, ends = replayed
        shape |= {"schedule": due_ns.tobytes(), "payloads": payloads, "payload_ends": ends.tobytes()}
    if job.method == "socket":
        return core.SocketSender(
            **shape,
            interface_index=interface_index(job.interface),
            source=job.source or "0.0.0.0",
            source_port=job.source_port,
        )
    if job.interface is None or job.source is None:
        raise ValueError("sending whole frames needs an interface and a source address")
    return core.FrameSender(
        **shape,
        interface_index=interface_index(job.interface),
        source=job.source,
        source_port=job.source_port or 40_000,
        next_hop=job.next_hop or "",
    )
