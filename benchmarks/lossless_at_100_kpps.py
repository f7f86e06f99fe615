"""Does the tool itself lose anything at 100 kpps of 1316 bytes for 10 s, in an environment that loses nothing?

make bench        or        .venv/bin/python benchmarks/lossless_at_100_kpps.py
"""

from __future__ import annotations

from lab.traffic import host_environment, offer

RATE_PPS = 100_000
SECONDS = 10


def main() -> None:
    print(f"{RATE_PPS:,} packets/s of 1316 bytes for {SECONDS} s, host environment")
    with host_environment() as built:
        for backend in ("socket", "ring"):
            outcome = offer(built, rate_pps=RATE_PPS, packets=RATE_PPS * SECONDS, backend=backend)
            bound = f", so the loss ratio is below {3 / outcome.sent:.1e} with 95 % confidence" if outcome.lost == 0 else ""
            print(
                f"{backend:>7}: sent {outcome.sent:,} at {outcome.sent / outcome.seconds:,.0f} packets/s, "
                f"received {outcome.received:,}, lost {outcome.lost:,}{bound}"
            )


if __name__ == "__main__":
    main()
