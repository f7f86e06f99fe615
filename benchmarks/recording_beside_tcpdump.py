"""How fast can traffic be recorded to a file without losing a packet, beside tcpdump and dumpcap?

Each tool has the same ring (128 MiB), the same file system and the same sender; they take turns, at rates that rise until one loses
packets twice. A tool's figure is the highest rate at which every packet sent is in its file, as capinfos counts them; where none
was ever lost, it is as fast as the sender got beside that tool. Then all three meet a sender that does not wait. Only the ratios
carry over to other machines, and on two cores the sender and the recording share them.

    make bench        or        .venv/bin/python benchmarks/recording_beside_tcpdump.py
"""

from __future__ import annotations

import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lab.traffic import SESSION, at, host_environment

from netbench.agent_client import AgentClient
from netbench.environments.base import BuiltEnvironment
from netbench.protocol import CaptureJob, SendJob, StreamSpec

RING_MIB = 128
SECONDS = 1.5
RATES_PPS = tuple(round(80_000 * 1.25**step, -3) for step in range(8))  # 80 to 381 kpps
FLOOD_PACKETS = 500_000
FLOOD_ROUNDS = 3
STREAM = StreamSpec(1, "239.255.77.1", 5004)
FILTER = "udp dst port 5004"

Record = Callable[[BuiltEnvironment, Path, Callable[[], None]], None]


def netbench(built: BuiltEnvironment, capture: Path, send: Callable[[], None]) -> None:
    site = built.receivers[0]
    job = CaptureJob(
        interface=site.interface, path=str(capture), format="pcap", expression=FILTER, ring_blocks=RING_MIB, incoming_only=True
    )
    with AgentClient("the capture", job, site.agent) as agent:
        agent.wait_ready()
        send()
        agent.stop()
        agent.result(30)


def peer(*command: str) -> Record:
    def record(built: BuiltEnvironment, capture: Path, send: Callable[[], None]) -> None:
        site = built.receivers[0]
        process = at(
            site.enter, *command, "-i", site.interface, "-w", str(capture), *(("-f",) if command[0] == "dumpcap" else ()), FILTER
        )
        time.sleep(1.0)
        send()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
        if not capture.exists():
            raise SystemExit(f"{command[0]} recorded nothing:\n{output}")

    return record


TOOLS: dict[str, Record] = {
    "netbench": netbench,
    "tcpdump": peer("tcpdump", "-Z", "root", "-n", "-B", str(RING_MIB * 1024), "--time-stamp-precision=nano", "-Q", "in"),
    "dumpcap": peer("dumpcap", "-q", "-P", "-B", str(RING_MIB)),
}


def recorded(built: BuiltEnvironment, record: Record, rate_pps: float, packets: int) -> tuple[int, int, float]:
    """What was sent, what is in the file, and how many seconds the sending took."""
    sent: dict[str, int] = {}

    def send() -> None:
        job = SendJob(
            streams=(STREAM,), rate_pps=rate_pps, packets=packets, session=SESSION, method="frame", burst=16 if rate_pps else 64,
            interface=built.sender.interface, source=built.sender.address, source_port=40_000, read_counters=False,
        )  # fmt: skip
        with AgentClient("the sender", job, built.sender.agent) as sender:
            sender.wait_ready()
            sender.start()
            sent.update(sender.result(60)["counts"])
        time.sleep(0.7)

    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        capture = Path(folder) / "capture.pcap"
        record(built, capture, send)
        told = subprocess.run(
            ["capinfos", "-c", "-M", "-T", "-r", str(capture)], capture_output=True, text=True, check=False
        ).stdout
    return sent["sent"], int(told.split()[-1]), (sent["ended_ns"] - sent["started_ns"]) / 1e9


def highest_lossless(built: BuiltEnvironment) -> tuple[dict[str, float], set[str]]:
    """Packets per second of each tool, and which of them lost packets at last."""
    best = dict.fromkeys(TOOLS, 0.0)
    out: set[str] = set()
    for rate in RATES_PPS:
        for name, record in TOOLS.items():
            if name in out:
                continue
            for _ in range(2):
                sent, kept, seconds = recorded(built, record, rate, round(rate * SECONDS))
                if kept == sent:
                    best[name] = max(best[name], sent / seconds)
                    break
                print(f"{name:>9} at {sent / seconds:>9,.0f} packets/s: lost {sent - kept:,} of {sent:,}", flush=True)
            else:
                out.add(name)
    return best, out


def main() -> None:
    for program in ("tcpdump", "dumpcap", "capinfos"):
        if shutil.which(program) is None:
            raise SystemExit(f"{program} is not installed: make setup-test")
    with host_environment() as built:
        best, reached = highest_lossless(built)
        flood: dict[str, list[tuple[float, float]]] = {name: [] for name in TOOLS}
        for _ in range(FLOOD_ROUNDS):
            for name, record in TOOLS.items():
                sent, kept, seconds = recorded(built, record, 0, FLOOD_PACKETS)
                flood[name].append((kept / seconds, 100 * (sent - kept) / sent))
    print(f"1316-byte payloads recorded whole, ring of {RING_MIB} MiB; highest rate without loss, then a sender that does not wait")
    ours = statistics.median(rate for rate, _ in flood["netbench"])
    for name in TOOLS:
        rate, lost = (statistics.median(values) for values in zip(*flood[name], strict=True))
        print(
            f"{name:>9}: {best[name]:>9,.0f} packets/s without loss{'' if name in reached else ' (the sender got no faster)'}, "
            f"netbench {best['netbench'] / max(best[name], 1):.2f} x; "
            f"{rate:>9,.0f} packets/s of a flood, {lost:.1f} % lost, netbench {ours / rate:.2f} x"
        )


if __name__ == "__main__":
    main()
