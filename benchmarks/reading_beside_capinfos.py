"""How fast are packets measured from a capture file, beside what `capinfos -c` takes to count them and tshark to list them?

One file of 1316-byte probes; each program reads it in turns, the file in the page cache. `core` is the C reader alone, with the
stream table behind it; `analyze` the whole command, start of Python included. Only the ratios carry over to other machines.

    make bench        or        .venv/bin/python benchmarks/reading_beside_capinfos.py
"""

from __future__ import annotations

import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from netbench import core

PACKETS = 200_000
ROUNDS = 3
PAYLOAD_BYTES = 1316
START_NS = 1_700_000_000_000_000_000
STEP_NS = 10_000


def write_file(path: Path) -> None:
    """A nanosecond pcap of UDP over IPv4 over Ethernet."""
    udp = struct.pack("!HHHH", 40_000, 5004, 8 + PAYLOAD_BYTES, 0)
    ip = struct.pack("!BBHHHBBH4B4B", 0x45, 0, 28 + PAYLOAD_BYTES, 0, 0, 1, 17, 0, 10, 0, 0, 1, 239, 1, 1, 1)
    header = bytes.fromhex("01005e0101010200000000010800") + ip + udp
    length = len(header) + PAYLOAD_BYTES
    with path.open("wb") as file:
        file.write(struct.pack("<IHHIIII", 0xA1B23C4D, 2, 4, 0, 0, 262_144, 1))
        for sequence in range(PACKETS):
            sent_ns = START_NS + sequence * STEP_NS
            probe = core.probe_encode(1, 1, sequence, sent_ns, sent_ns)
            file.write(struct.pack("<IIII", sent_ns // 10**9, sent_ns % 10**9, length, length))
            file.write(header + probe.ljust(PAYLOAD_BYTES, b"\0"))


def read_by_core(path: Path) -> None:
    """The reader alone."""
    table, reader = core.StreamTable(), core.CaptureReader()
    with path.open("rb", buffering=0) as file:
        while piece := file.read(1 << 20):
            reader.feed(piece, table)
    reader.finish()
    assert table.totals()["tracked"] == PACKETS


def command(*words: str) -> Callable[[], None]:
    """A program that reads the file."""

    def run() -> None:
        subprocess.run(words, check=True, capture_output=True)

    return run


def main() -> None:
    if shutil.which("capinfos") is None or shutil.which("tshark") is None:
        raise SystemExit("capinfos and tshark are not installed: make setup-test")
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "probes.pcap"
        write_file(path)
        name = str(path)
        readers: dict[str, Callable[[], None]] = {
            "capinfos -c": command("capinfos", "-c", name),
            "core": lambda: read_by_core(path),
            "analyze": command(sys.executable, "-P", "-m", "netbench", "analyze", name, "--json"),
            "tshark": command("tshark", "-n", "-r", name, "-q", "-z", "io,stat,0"),
        }
        took: dict[str, list[float]] = {key: [] for key in readers}
        for _ in range(ROUNDS):
            for key, read in readers.items():
                before = time.perf_counter()
                read()
                took[key].append(time.perf_counter() - before)
        size_mb = path.stat().st_size / 1e6
    base = statistics.median(took["capinfos -c"])
    print(f"{PACKETS:,} packets, {size_mb:.0f} MB, median of {ROUNDS} rounds in turn")
    for key, values in took.items():
        median = statistics.median(values)
        print(f"{key:>12}: {PACKETS / median:>10,.0f} packets/s ({median:.2f} s), {median / base:.2f} x the time of capinfos -c")


if __name__ == "__main__":
    main()
