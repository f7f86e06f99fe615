"""How evenly does the sender pace, beside iperf2 at the same rate, judged by tcpdump's nanosecond stamps?

make bench        or        .venv/bin/python benchmarks/pacing_beside_iperf2.py
"""

from __future__ import annotations

import math
import shutil
import struct
import subprocess
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from lab.traffic import GROUP, SESSION, at, host_environment

from netbench.agent_client import AgentClient
from netbench.environments.base import BuiltEnvironment
from netbench.protocol import SendJob, StreamSpec

RATES_PPS = (950, 9_500, 47_500)
SECONDS = 3
LENGTH = 1316


def stamps_ns(capture: Path) -> list[int]:
    """Receive stamps of a nanosecond pcap file, in the file's order."""
    data = capture.read_bytes()
    magic = struct.unpack("<I", data[:4])[0]
    if magic != 0xA1B23C4D:
        raise SystemExit(f"{capture} is no nanosecond pcap file of this machine's byte order")
    stamps, offset = [], 24
    while offset + 16 <= len(data):
        seconds, nanoseconds, captured, _ = struct.unpack_from("<IIII", data, offset)
        stamps.append(seconds * 1_000_000_000 + nanoseconds)
        offset += 16 + captured
    return stamps


def judged(built: BuiltEnvironment, capture: Path, send: object) -> str:
    """Let `send` send while tcpdump watches; the error of the inter-arrival times."""
    site = built.receivers[0]
    options = ["-i", site.interface, "--time-stamp-precision=nano", "-s", "64", "-B", "65536", "-Z", "root", "-w", str(capture)]
    dump = at(site.enter, "tcpdump", *options, "udp", "dst", "portrange", "5000-5010")
    time.sleep(0.7)
    rate = send()  # type: ignore[operator]
    time.sleep(0.5)
    dump.terminate()
    dump.communicate(timeout=20)
    errors_us = sorted(abs(later - earlier - 1e9 / rate) / 1000 for earlier, later in pairwise(stamps_ns(capture)))
    p50, p99, p99_9 = (errors_us[math.ceil(share * len(errors_us)) - 1] for share in (0.5, 0.99, 0.999))
    return f"{p50:10.2f} {p99:10.1f} {p99_9:10.1f}   ({len(errors_us) + 1:,} packets)"


def main() -> None:
    for program in ("iperf", "tcpdump"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is not installed: make setup-test")
    print(f"{'':>22}error of the inter-arrival time, us: p50, p99, p99.9")
    with host_environment() as built, tempfile.TemporaryDirectory() as folder:
        capture = Path(folder) / "capture.pcap"
        target = GROUP.destination  # to a group: to a host that does not answer, iperf2 repeats its goodbye 10 ms apart
        for rate in RATES_PPS:

            def ours(rate: int = rate) -> float:
                job = SendJob(
                    streams=(StreamSpec(1, target, 5004),), rate_pps=rate, packets=rate * SECONDS, session=SESSION,
                    interface=built.sender.interface, read_counters=False,
                )  # fmt: skip
                with AgentClient("the sender", job, built.sender.agent) as sender:
                    sender.wait_ready()
                    sender.start()
                    sender.result(60)
                return rate

            def iperf2(rate: int = rate) -> float:
                bits = rate * 8 * LENGTH
                client = at(
                    built.sender.enter,
                    "iperf",
                    "-c",
                    target,
                    "-u",
                    "-p",
                    "5001",
                    "-b",
                    str(bits),
                    "-l",
                    str(LENGTH),
                    "-t",
                    str(SECONDS),
                )
                try:
                    client.communicate(timeout=60)
                except subprocess.TimeoutExpired:
                    client.kill()
                return rate

            for name, send in (("netbench", ours), ("iperf2", iperf2)):
                print(f"{rate:>7,} pps {name:>9}: {judged(built, capture, send)}", flush=True)


if __name__ == "__main__":
    main()
