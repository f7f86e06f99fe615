"""The soak itself, in a process of its own (the lab wants one thread): prints what it saw as JSON.

python -P soak_worker.py SECONDS
"""

from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

from netbench.environments import lab, registry

lab.enter()

from netbench.agent_client import AgentClient  # noqa: E402  only once inside
from netbench.protocol import ReceiveJob, SendJob, StreamSpec  # noqa: E402

GROUPS, RATE_PPS = 500, 20_000
FIRST_SEQUENCE = 65_500  # of each stream: wraps at its 37th packet, and again after every 65 536


def memory_bytes(process_id: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return 1024 * int(line.split()[1])
    raise RuntimeError(f"process {process_id} tells no VmRSS")


def soak(seconds: float) -> dict[str, object]:
    """Send RTP over all groups for so long, receive it, and look at the receiver's memory once a second."""
    streams = tuple(StreamSpec(number + 1, f"239.255.{number // 250}.{number % 250 + 1}", 5004) for number in range(GROUPS))
    wanted = registry.parse(["host"])[0]
    with registry.environment(wanted.name).setup(dict(wanted.options)) as built:
        send = SendJob(
            streams=streams,
            rate_pps=RATE_PPS,
            packets=round(RATE_PPS * seconds),
            session=7,
            payload_bytes=200,
            interface=built.sender.interface,
            source=built.sender.address,
            envelope="rtp",
            rtp_first_sequence=FIRST_SEQUENCE,
        )
        site = built.receivers[0]
        receive = ReceiveJob(
            listens=streams,
            interface=site.interface,
            decode="rtp",
            quiet_ns=500_000_000,
            receive_buffer_bytes=64 << 20,
            max_streams=2 * GROUPS,
            series_ns=1_000_000_000,
        )
        memory: list[int] = []
        over = threading.Event()
        with (
            AgentClient("the receiver", receive, site.agent) as receiver,
            AgentClient("the sender", send, built.sender.agent) as sender,
        ):
            receiver.wait_ready()
            sender.wait_ready()

            def look() -> None:
                while not over.wait(1.0):
                    memory.append(memory_bytes(receiver.process_id))

            looking = threading.Thread(target=look)
            looking.start()
            sender.start()
            began = time.monotonic()
            try:
                sent = sender.result(seconds + 60)
            finally:
                over.set()
                looking.join()
            took_s = time.monotonic() - began
            receiver.stop()
            received = receiver.result(60)
    keys = ("kind", "destination", "packets", "unique", "duplicate", "beyond_window", "lost", "first_sequence", "last_sequence",
            "sequence_restarts")  # fmt: skip
    return {
        "took_s": took_s,
        "memory": memory,
        "sent": {"counts": sent["counts"], "streams": sent["streams"]},
        "totals": received["totals"],
        "capture": received["capture"],
        "counters": received["counters"],
        "streams": [{key: stream[key] for key in keys} for stream in received["streams"]],
    }


if __name__ == "__main__":
    print(json.dumps(soak(float(sys.argv[1]))))
