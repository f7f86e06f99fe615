"""IGMP at an interface: the version in use, who is a member already, and whether a querier asks (RFC 2236, RFC 3376)."""

from __future__ import annotations

import socket
import struct
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

_PROC_IGMP = Path("/proc/net/igmp")
_CONF = Path("/proc/sys/net/ipv4/conf")
_QUERY = 0x11
_SHORTEST_V3_QUERY_BYTES = 12


def parse_memberships(text: str, interface: str) -> tuple[int | None, dict[str, int]]:
    """Version and members of one interface, from the text of /proc/net/igmp.

    Returns:
        The IGMP version that the kernel speaks there (None: it is not listed), and group -> number of members here.
    """
    version: int | None = None
    members: dict[str, int] = {}
    here = False
    for line in text.splitlines()[1:]:
        words = line.split()
        if line[:1].isdigit() and len(words) >= 4:
            here = words[1].rstrip(":") == interface
            if here and words[-1][:1] == "V" and words[-1][1:].isdigit():
                version = int(words[-1][1:])
        elif here and len(words) >= 2:
            with suppress(ValueError, OSError, struct.error):
                group = socket.inet_ntoa(struct.pack("=I", int(words[0], 16)))  # printed as the number that the memory holds
                members[group] = int(words[1])
    return version, members


def read_memberships(interface: str) -> tuple[int | None, dict[str, int]]:
    """The same, as it is now; (None, {}) where the kernel has no multicast."""
    try:
        return parse_memberships(_PROC_IGMP.read_text(encoding="ascii", errors="replace"), interface)
    except OSError:
        return None, {}


def forced_version(interface: str) -> int | None:
    """What force_igmp_version holds for an interface (`all` wins over it); 0: not forced, None: unreadable."""
    values = []
    for name in ("all", interface):
        try:
            values.append(int((_CONF / name / "force_igmp_version").read_text(encoding="ascii")))
        except (OSError, ValueError):
            return None
    return values[0] or values[1]


class QuerierWatch:
    """Collects the queries that reach an interface, from its creation on.

    A raw socket: the kernel keeps every query in it. A querier asks every 125 s by default: none seen in a short time proves
    nothing.

    Raises:
        OSError: the system refused.
    """

    def __init__(self, interface: str) -> None:
        self._began_ns = time.monotonic_ns()
        self._queries: dict[tuple[str, int], int] = {}
        try:
            self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, socket.IPPROTO_IGMP)
        except OSError as error:
            raise OSError(error.errno, "open a raw socket for IGMP queries") from error
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode() + b"\0")

    def seen(self) -> dict[str, Any]:
        """Queries by querier and version so far, and how long was watched."""
        with suppress(BlockingIOError):
            while True:
                packet, (address, _) = self._socket.recvfrom(256)
                version = query_version(packet)
                if version is not None:
                    self._queries[address, version] = self._queries.get((address, version), 0) + 1
        return {
            "queriers": [{"address": who[0], "version": who[1], "queries": count} for who, count in sorted(self._queries.items())],
            "observed_ns": time.monotonic_ns() - self._began_ns,
        }

    def close(self) -> None:
        """Stop watching."""
        self._socket.close()


def query_version(packet: bytes) -> int | None:
    """IGMP version of a query, IP header included; None when it is none (RFC 3376 section 7.1)."""
    if not packet:
        return None
    message = packet[4 * (packet[0] & 0x0F) :]
    if len(message) < 8 or message[0] != _QUERY:
        return None
    if len(message) >= _SHORTEST_V3_QUERY_BYTES:
        return 3
    return 2 if message[1] else 1
