"""How many packets per second does each backend take from a sender that does not wait, beside iperf2 on the same link?

The sender sends as fast as it can (AF_PACKET for ours, its own socket for iperf2), for the same number of packets, in turns; the
figure is what was received per second of sending, and its ratio to iperf2's. Only the ratios carry over to other machines.

    make bench        or        .venv/bin/python benchmarks/receiving_beside_iperf2.py
"""

from __future__ import annotations

import re
import shutil
import statistics
import time

from lab.traffic import at, host_environment, offer

from netbench.environments.base import BuiltEnvironment

ROUNDS = 3
PACKETS = 400_000
IPERF_SECONDS = 3


def iperf2(built: BuiltEnvironment) -> tuple[float, float]:
    """Packets per second that iperf2's server received, and its loss in percent."""
    server = at(built.receivers[0].enter, "iperf", "-s", "-u", "-l", "1316", "-w", "4M")
    time.sleep(0.5)
    client = at(
        built.sender.enter, "iperf", "-c", str(built.unicast_destination), "-u", "-b", "10G", "-l", "1316", "-t", str(IPERF_SECONDS)
    )
    output, _ = client.communicate(timeout=60)
    server.terminate()
    server.communicate(timeout=10)
    report = re.search(r"(\d+)/\s*(\d+) \(([\d.e+-]+)%\)", output)
    if report is None:
        raise SystemExit(f"iperf2 gave no server report:\n{output}")
    lost, total = int(report[1]), int(report[2])
    return (total - lost) / IPERF_SECONDS, 100 * lost / total


def main() -> None:
    if shutil.which("iperf") is None:
        raise SystemExit("iperf (version 2) is not installed: make setup-test")
    rates: dict[str, list[float]] = {"iperf2": [], "socket": [], "ring": []}
    losses: dict[str, list[float]] = {name: [] for name in rates}
    with host_environment() as built:
        for _ in range(ROUNDS):
            pps, lost_percent = iperf2(built)
            rates["iperf2"].append(pps)
            losses["iperf2"].append(lost_percent)
            for backend in ("socket", "ring"):
                outcome = offer(built, rate_pps=0, packets=PACKETS, backend=backend, method="frame")
                rates[backend].append(outcome.received_pps)
                losses[backend].append(100 * outcome.lost / outcome.sent)
    base = statistics.median(rates["iperf2"])
    print(f"1316-byte payloads, median of {ROUNDS} rounds in turn")
    for name, values in rates.items():
        median = statistics.median(values)
        print(
            f"{name:>7}: {median:>9,.0f} packets/s received ({min(values):,.0f} to {max(values):,.0f}), "
            f"{statistics.median(losses[name]):.1f} % lost, {median / base:.2f} x iperf2"
        )


if __name__ == "__main__":
    main()
