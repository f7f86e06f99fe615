"""What a driver tells by ioctl: answered for the network stack of this process, without ethtool, without privilege.

The structures are those of linux/ethtool.h; each begins with the command, and the kernel fills in the rest.
"""

from __future__ import annotations

import fcntl
import socket
import struct
from dataclasses import dataclass

from netbench.facts.reading import Unreadable

_NAME_LENGTH = 16  # IFNAMSIZ
_GET_HARDWARE_ADDRESS = 0x8927  # SIOCGIFHWADDR
_ETHTOOL = 0x8946  # SIOCETHTOOL
_GET_DRIVER, _GET_COALESCING, _GET_RINGS = 0x03, 0x0E, 0x10
_GET_SEGMENTATION, _GET_GENERIC_SEGMENTATION, _GET_FLAGS, _GET_GENERIC_RECEIVE = 0x1E, 0x23, 0x25, 0x2B
_FLAG_LARGE_RECEIVE = 1 << 15  # ETH_FLAG_LRO
_DRIVER_FORMAT = "=I32s32s32s32s32s12s5I"
_COALESCING_FORMAT = "=23I"
_RINGS_FORMAT = "=9I"
_VALUE_FORMAT = "=2I"


@dataclass(frozen=True)
class Driver:
    """Who drives an interface."""

    name: str
    version: str
    firmware: str
    bus: str


@dataclass(frozen=True)
class Coalescing:
    """How long a NIC holds packets back before it interrupts."""

    rx_usecs: int
    rx_frames: int
    tx_usecs: int
    tx_frames: int
    adaptive_rx: bool
    adaptive_tx: bool


@dataclass(frozen=True)
class Rings:
    """Descriptors of a NIC's rings, and the most that it can have."""

    rx: int
    rx_max: int
    tx: int
    tx_max: int


@dataclass(frozen=True)
class Offloads:
    """What joins or splits packets."""

    generic_receive: bool
    large_receive: bool
    generic_segmentation: bool
    tcp_segmentation: bool


def driver(interface: str) -> Driver:
    """Name and versions of the driver.

    Raises:
        Unreadable: there is no such interface, or its driver does not say.
    """
    return parse_driver(_ask(interface, _GET_DRIVER, struct.calcsize(_DRIVER_FORMAT)))


def parse_driver(answer: bytes) -> Driver:
    """Driver from struct ethtool_drvinfo."""
    fields = struct.unpack(_DRIVER_FORMAT, answer)
    return Driver(_text(fields[1]), _text(fields[2]), _text(fields[3]), _text(fields[4]))


def coalescing(interface: str) -> Coalescing:
    """Interrupt coalescing.

    Raises:
        Unreadable: as for `driver`; interfaces without a NIC have none.
    """
    return parse_coalescing(_ask(interface, _GET_COALESCING, struct.calcsize(_COALESCING_FORMAT)))


def parse_coalescing(answer: bytes) -> Coalescing:
    """Coalescing from struct ethtool_coalesce."""
    fields = struct.unpack(_COALESCING_FORMAT, answer)
    return Coalescing(fields[1], fields[2], fields[5], fields[6], bool(fields[10]), bool(fields[11]))


def rings(interface: str) -> Rings:
    """Sizes of the rings.

    Raises:
        Unreadable: as for `driver`; interfaces without a NIC have none.
    """
    return parse_rings(_ask(interface, _GET_RINGS, struct.calcsize(_RINGS_FORMAT)))


def parse_rings(answer: bytes) -> Rings:
    """Rings from struct ethtool_ringparam."""
    fields = struct.unpack(_RINGS_FORMAT, answer)
    return Rings(rx=fields[5], rx_max=fields[1], tx=fields[8], tx_max=fields[4])


def offloads(interface: str) -> Offloads:
    """Offloads that change what a capture sees.

    Raises:
        Unreadable: there is no such interface.
    """
    return Offloads(
        generic_receive=bool(_value(interface, _GET_GENERIC_RECEIVE)),
        large_receive=bool(_value(interface, _GET_FLAGS) & _FLAG_LARGE_RECEIVE),
        generic_segmentation=bool(_value(interface, _GET_GENERIC_SEGMENTATION)),
        tcp_segmentation=bool(_value(interface, _GET_SEGMENTATION)),
    )


def hardware_address(interface: str) -> str | None:
    """MAC address, or None where there is no such interface."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        try:
            answer = fcntl.ioctl(endpoint, _GET_HARDWARE_ADDRESS, struct.pack(f"{_NAME_LENGTH}s24x", interface.encode()))
        except OSError:
            return None
    return ":".join(f"{byte:02x}" for byte in answer[18:24])  # behind the name and sa_family


def _value(interface: str, command: int) -> int:
    return int(struct.unpack(_VALUE_FORMAT, _ask(interface, command, struct.calcsize(_VALUE_FORMAT)))[1])


def _ask(interface: str, command: int, length: int) -> bytes:
    name = interface.encode()
    if len(name) >= _NAME_LENGTH:
        raise Unreadable(f"{interface!r} is too long for the name of an interface")
    # The kernel writes through the pointer: the buffer must stay where it is until ioctl returns.
    buffer = bytearray(struct.pack("=I", command).ljust(length, b"\0"))
    address = _address_of(buffer)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        try:
            fcntl.ioctl(endpoint, _ETHTOOL, struct.pack(f"{_NAME_LENGTH}sP16x", name, address))
        except OSError as error:
            raise Unreadable(f"the driver of {interface} does not tell: {error.strerror}") from error
    return bytes(buffer)


def _address_of(buffer: bytearray) -> int:
    import ctypes

    return ctypes.addressof((ctypes.c_char * len(buffer)).from_buffer(buffer))


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode(errors="replace")
