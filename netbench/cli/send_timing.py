"""When the packets of `netbench send` go out: at a rate, as a file says, or as a capture had them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from netbench.cli.options import bits_per_second, duration_s, stream_specs
from netbench.errors import UsageError
from netbench.protocol import Replay, Schedule, StreamSpec

RATE_CAP_BPS = 100e6
_SPEED_MOST = 1000.0


@dataclass(frozen=True)
class Timing:
    """When packets go out, as a job says it.

    Attributes:
        rate_pps: over all streams; 0: as the schedule or the replay says.
        packets: in all; 0: endless, or all that the schedule or the replay has.
        endless: only Ctrl-C ends it.
    """

    rate_pps: float
    packets: int
    endless: bool = False
    schedule: Schedule | None = None
    replay: Replay | None = None


def at_a_rate(
    bitrate: str | None, pps: float | None, duration: str | None, packets: int, *, streams: int, payload_bytes: int, uncapped: bool
) -> Timing:
    """A steady rate of each stream.

    Raises:
        UsageError: the rate is named twice, is none, or above the cap.
    """
    if bitrate is not None and pps is not None:
        raise UsageError("-b and --pps both name the rate", "leave one out")
    stream_pps = pps if pps is not None else bits_per_second(bitrate or "10M") / (8 * payload_bytes)
    total_pps = stream_pps * streams
    _check_cap(total_pps * 8 * payload_bytes, "in all", uncapped)
    seconds = duration_s("10" if duration is None else duration)
    packets = packets or math.ceil(total_pps * seconds)
    return Timing(total_pps, packets, endless=packets == 0)


def by_a_schedule(path: Path, packets: int, *, streams: int, payload_bytes: int, uncapped: bool) -> Timing:
    """The packets of a schedule's file, or the first so many of them.

    Raises:
        UsageError: the file is no schedule, or above the cap.
    """
    from netbench.traffic.schedule import pack
    from netbench.traffic.schedule_file import read_schedule

    written = read_schedule(path, streams)
    if packets:
        written = written.head(packets)
    _check_cap(written.busiest_second_packets() * 8.0 * payload_bytes, "in the busiest second", uncapped)
    return Timing(0.0, len(written.offsets_ns), schedule=pack(written))


def by_a_replay(
    path: Path, speed: float, only: str | None, packets: int, *, streams: tuple[StreamSpec, ...], uncapped: bool
) -> Timing:
    """The datagrams of a capture file; the agent reads it.

    Raises:
        UsageError: it cannot be sent so.
    """
    if not 1 / _SPEED_MOST <= speed <= _SPEED_MOST:
        raise UsageError(f"--speed {speed:g} is not in {1 / _SPEED_MOST:g}..{_SPEED_MOST:g}")
    if len(streams) != 1:
        raise UsageError(f"--replay sends to one target, and there are {len(streams)}", "name one")
    flows = () if only is None else stream_specs([only], 0, 1)
    cap_bps = 0.0 if uncapped else RATE_CAP_BPS
    return Timing(0.0, packets, replay=Replay(str(path.absolute()), speed, flows, cap_bps))


def refuse_beside(option: str, others: dict[str, bool]) -> None:
    """Raises UsageError when an option of which another takes the place was given too."""
    given = [name for name, was_given in others.items() if was_given]
    if given:
        raise UsageError(f"{option} does not go with {', '.join(given)}", f"leave {' and '.join(given)} out")


def _check_cap(bits_per_s: float, where: str, uncapped: bool) -> None:
    if bits_per_s > RATE_CAP_BPS and not uncapped:
        raise UsageError(
            f"{bits_per_s / 1e6:.0f} Mb/s {where} is above the cap of {RATE_CAP_BPS / 1e6:.0f} Mb/s that protects a network in use",
            "lower the rate, or add --uncapped when the network is yours to load",
        )
