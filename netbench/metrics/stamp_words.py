"""The words of the ladder of hardware timestamps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from netbench.result.timestamps import StampedPackets, StampedTraffic

ALL_PACKETS = "HWTSTAMP_FILTER_ALL"
NO_PACKETS = "HWTSTAMP_FILTER_NONE"

_WORDS: dict[StampedTraffic, str] = {
    "udp_low_rate": "UDP at a low rate",
    "udp_full_rate": "UDP at full rate",
    "udp": "UDP",
    "ptp_ethernet": "PTP over Ethernet",
    "ptp_udp": "PTP over UDP",
    "other": "other",
    "listen": "UDP",
}


def traffic_words(traffic: StampedTraffic) -> str:
    """What a kind of packets is called."""
    return _WORDS[traffic]


def short(setting: str | None) -> str:
    """`ALL` for HWTSTAMP_FILTER_ALL."""
    return (setting or "").removeprefix("HWTSTAMP_FILTER_").removeprefix("HWTSTAMP_TX_")


def listing(filters: Sequence[str]) -> str:
    """Filters by their short names."""
    return ", ".join(short(name) for name in filters) or "none"


def count(number: int, noun: str = "packet") -> str:
    """`1 packet`, `37,998 packets`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def ratio(part: int, whole: int) -> str:
    """A share in percent, two digits; a share of something is never shown as 0 nor as 100 % when it is not all."""
    if not part or part == whole:
        return f"{100 * part // whole} %"
    value = 100 * part / whole
    return f"{min(value, 99.99):.2g} %" if value < 10 else f"{min(value, 99.99):.4g} %"


def counted(traffic: Iterable[StampedPackets]) -> str:
    """`UDP at full rate 0 of 9,500 at 9,500 pps; PTP over Ethernet 1 of 100`: kinds of which something came."""
    return "; ".join(_one(item) for item in traffic if item.received_packets)


def _one(item: StampedPackets) -> str:
    name = traffic_words(item.traffic) + (f" {item.target}" if item.target else "")
    rate = f" at {item.packets_per_second:,.0f} pps" if item.packets_per_second is not None else ""
    return f"{name} {item.hardware_packets:,} of {item.received_packets:,}{rate}"
