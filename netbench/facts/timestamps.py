"""What an interface says it can stamp, in the names of linux/net_tstamp.h. Asked, never set; saying is not delivering."""

from __future__ import annotations

from typing import Any

from netbench.errors import CannotRunError
from netbench.facts.reading import Answer, Unreadable

SOF_TIMESTAMPING = (
    "TX_HARDWARE",
    "TX_SOFTWARE",
    "RX_HARDWARE",
    "RX_SOFTWARE",
    "SOFTWARE",
    "SYS_HARDWARE",
    "RAW_HARDWARE",
    "OPT_ID",
    "TX_SCHED",
    "TX_ACK",
    "OPT_CMSG",
    "OPT_TSONLY",
    "OPT_STATS",
    "OPT_PKTINFO",
    "OPT_TX_SWHW",
    "BIND_PHC",
    "OPT_ID_TCP",
    "OPT_RX_FILTER",
    "TX_COMPLETION",
)
HWTSTAMP_TX = ("OFF", "ON", "ONESTEP_SYNC", "ONESTEP_P2P")
HWTSTAMP_FILTER = (
    "NONE",
    "ALL",
    "SOME",
    "PTP_V1_L4_EVENT",
    "PTP_V1_L4_SYNC",
    "PTP_V1_L4_DELAY_REQ",
    "PTP_V2_L4_EVENT",
    "PTP_V2_L4_SYNC",
    "PTP_V2_L4_DELAY_REQ",
    "PTP_V2_L2_EVENT",
    "PTP_V2_L2_SYNC",
    "PTP_V2_L2_DELAY_REQ",
    "PTP_V2_EVENT",
    "PTP_V2_SYNC",
    "PTP_V2_DELAY_REQ",
    "NTP_ALL",
)
# SOME is what a driver answers, and nobody can ask for.
_WIDEST_FIRST = (
    "ALL",
    "PTP_V2_EVENT",
    "PTP_V2_L2_EVENT",
    "PTP_V2_L4_EVENT",
    "PTP_V2_SYNC",
    "PTP_V2_L2_SYNC",
    "PTP_V2_L4_SYNC",
    "PTP_V2_DELAY_REQ",
    "PTP_V2_L2_DELAY_REQ",
    "PTP_V2_L4_DELAY_REQ",
    "PTP_V1_L4_EVENT",
    "PTP_V1_L4_SYNC",
    "PTP_V1_L4_DELAY_REQ",
    "NTP_ALL",
)


def read(interface: str) -> Answer:
    """Subject `timestamps`."""
    try:
        capabilities = _capabilities(interface)
    except Unreadable as reason:
        return Answer({}, {"timestamps": str(reason)})
    decoded = decode(capabilities)
    absent = {} if "configured" in decoded else {"timestamps.configured": "the driver does not tell what is set (SIOCGHWTSTAMP)"}
    return Answer({"timestamps": decoded}, absent)


def decode(capabilities: dict[str, int | bool]) -> dict[str, Any]:
    """Names for the bits of struct nb_timestamp_caps; `configured` only where the driver told it."""
    phc_index = int(capabilities["phc_index"])
    decoded: dict[str, Any] = {
        "so_timestamping": names_of_bits(int(capabilities["so_timestamping"]), SOF_TIMESTAMPING, "SOF_TIMESTAMPING_"),
        "tx_types": names_of_bits(int(capabilities["tx_types"]), HWTSTAMP_TX, "HWTSTAMP_TX_"),
        "rx_filters": names_of_bits(int(capabilities["rx_filters"]), HWTSTAMP_FILTER, "HWTSTAMP_FILTER_"),
        "phc_index": phc_index if phc_index >= 0 else None,
        "hardware_receive": receives_in_hardware(capabilities),
    }
    if capabilities["configured_known"]:
        decoded["configured"] = {
            "tx_type": name_of_value(int(capabilities["configured_tx_type"]), HWTSTAMP_TX, "HWTSTAMP_TX_"),
            "rx_filter": name_of_value(int(capabilities["configured_rx_filter"]), HWTSTAMP_FILTER, "HWTSTAMP_FILTER_"),
        }
    return decoded


def receives_in_hardware(capabilities: dict[str, int | bool]) -> bool:
    """Whether hardware receive stamps are advertised: taken, handed over raw, and for some filter other than none."""
    needed = 1 << SOF_TIMESTAMPING.index("RX_HARDWARE") | 1 << SOF_TIMESTAMPING.index("RAW_HARDWARE")
    without_none = int(capabilities["rx_filters"]) & ~(1 << HWTSTAMP_FILTER.index("NONE"))
    return int(capabilities["so_timestamping"]) & needed == needed and without_none != 0


def wanted_filter(capabilities: dict[str, int | bool]) -> int | None:
    """The receive filter that covers most of what is advertised; None when there is none to ask for."""
    advertised = int(capabilities["rx_filters"])
    numbers = (HWTSTAMP_FILTER.index(name) for name in _WIDEST_FIRST)
    return next((number for number in numbers if advertised >> number & 1), None)


def setting_names(setting: dict[str, int]) -> dict[str, str]:
    """Names for struct nb_timestamp_config."""
    return {
        "tx_type": name_of_value(setting["tx_type"], HWTSTAMP_TX, "HWTSTAMP_TX_"),
        "rx_filter": name_of_value(setting["rx_filter"], HWTSTAMP_FILTER, "HWTSTAMP_FILTER_"),
    }


def names_of_bits(bits: int, names: tuple[str, ...], prefix: str) -> list[str]:
    """Names of the bits that are set, lowest first; a bit of a newer kernel is told by its number."""
    return [name_of_value(number, names, prefix) for number in range(bits.bit_length()) if bits >> number & 1]


def name_of_value(number: int, names: tuple[str, ...], prefix: str) -> str:
    """Name of one value of an enumeration."""
    return prefix + (names[number] if 0 <= number < len(names) else str(number))


def _capabilities(interface: str) -> dict[str, int | bool]:
    try:
        from netbench.core import timestamp_capabilities
    except (ImportError, CannotRunError) as error:
        raise Unreadable(str(error)) from error
    try:
        return timestamp_capabilities(interface)
    except OSError as error:
        raise Unreadable(f"the driver of {interface} does not tell what it can stamp: {error.strerror}") from error
