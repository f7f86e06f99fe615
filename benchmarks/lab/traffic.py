"""The lab of the benchmarks: the host environment of the product, its agents, and commands of peers at its two sites."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from netbench.agent_client import AgentClient
from netbench.environments import lab, registry
from netbench.environments.base import BuiltEnvironment
from netbench.protocol import Backend, Method, ReceiveJob, SendJob, StreamSpec

GROUP = StreamSpec(1, "239.255.77.1", 5004)
SESSION = 77
SETTLE_S = 0.5


@dataclass(frozen=True)
class Outcome:
    """What was offered, and what a receiver took of it."""

    sent: int
    received: int
    seconds: float
    raw_sent: dict[str, Any]
    raw_received: dict[str, Any]

    @property
    def lost(self) -> int:
        """Packets."""
        return self.sent - self.received

    @property
    def received_pps(self) -> float:
        """Packets per second that were taken, over the time of sending."""
        return self.received / self.seconds


@contextmanager
def host_environment() -> Iterator[BuiltEnvironment]:
    """The environment `host`, standing. The process cannot leave the lab afterwards."""
    lab.enter()
    with registry.environment("host").setup({}) as built:
        yield built


def offer(
    built: BuiltEnvironment,
    *,
    rate_pps: float,
    packets: int,
    backend: Backend = "socket",
    method: Method = "socket",
    streams: int = 1,
) -> Outcome:
    """Send so many packets through the environment to one receiver."""
    specs = tuple(StreamSpec(index + 1, f"239.255.{77 + index // 250}.{1 + index % 250}", GROUP.port) for index in range(streams))
    site = built.receivers[0]
    receive = ReceiveJob(
        listens=specs,
        backend=backend,
        interface=site.interface,
        session=SESSION,
        receive_buffer_bytes=64 << 20,
        read_counters=False,
    )
    send = SendJob(
        streams=specs,
        rate_pps=rate_pps,
        packets=packets,
        session=SESSION,
        method=method,
        interface=built.sender.interface,
        source=built.sender.address,
        source_port=40_000 if method == "frame" else 0,
        read_counters=False,
    )
    with ExitStack() as stack:
        receiver = stack.enter_context(AgentClient("the receiver", receive, site.agent))
        sender = stack.enter_context(AgentClient("the sender", send, built.sender.agent))
        receiver.wait_ready()
        sender.wait_ready()
        sender.start()
        sent = sender.result(120)
        time.sleep(SETTLE_S)
        receiver.stop()
        received = receiver.result(30)
    counts = sent["counts"]
    unique = sum(stream["unique"] for stream in received["streams"])
    return Outcome(counts["sent"], unique, (counts["ended_ns"] - counts["started_ns"]) / 1e9, sent, received)


def at(site_enter: tuple[str, ...], *command: str) -> subprocess.Popen[str]:
    """A peer's command at a site."""
    return subprocess.Popen([*site_enter, *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
