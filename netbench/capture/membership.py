"""Hold group memberships and unicast ports for a capture that reads below the sockets.

A ring or libpcap sees what reaches the interface; somebody must still ask for the groups (IGMP), and own the unicast ports, or the
kernel answers each datagram with an ICMP error. These sockets do that. A filter lets nothing into them, so they cost no memory and
overflow nothing.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from ipaddress import IPv4Address
from pathlib import Path

from netbench.interface import interface_index
from netbench.protocol import StreamSpec

_MCAST_JOIN_GROUP = 42
_MCAST_LEAVE_GROUP = 45
_MCAST_JOIN_SOURCE_GROUP = 46
_MCAST_LEAVE_SOURCE_GROUP = 47
_SO_ATTACH_FILTER = 26
_DEFAULT_MEMBERSHIPS = 20


class Memberships:
    """Joined once constructed; left by close().

    Args:
        listens: groups, or local addresses for unicast.
        interface: where groups are joined; None: by routing.

    Raises:
        OSError: a group could not be joined or a port is in use, with which.
    """

    def __init__(self, listens: tuple[StreamSpec, ...], interface: str | None) -> None:
        self._sockets: list[socket.socket] = []
        try:
            index = interface_index(interface)
            groups = sorted({(spec.destination, spec.source) for spec in listens if IPv4Address(spec.destination).is_multicast})
            self._join(groups, index)
            for address, port in sorted(
                {(spec.destination, spec.port) for spec in listens if not IPv4Address(spec.destination).is_multicast}
            ):
                self._own_port(address, port)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave every group."""
        for held in self._sockets:
            held.close()
        self._sockets.clear()

    def _join(self, groups: list[tuple[str, str | None]], index: int) -> None:
        most = memberships_per_socket()
        for position, (group, source) in enumerate(groups):
            if position % most == 0:
                self._sockets.append(_deaf_socket())
            join(self._sockets[-1], index, group, source)

    def _own_port(self, address: str, port: int) -> None:
        held = _deaf_socket()
        self._sockets.append(held)
        try:
            held.bind((address, port))
        except OSError as error:
            raise OSError(error.errno, f"bind UDP port {port}") from error


def join(member: socket.socket, index: int, group: str, source: str | None = None) -> None:
    """Make a socket a member of a group, of all its sources or of one.

    Args:
        member: a UDP socket.
        index: of the interface; 0: by routing.
        group: IPv4.
        source: SSM source, or None.

    Raises:
        OSError: the system refused, with which group.
    """
    if source is None:
        _ask(member, _MCAST_JOIN_GROUP, _group_request(index, group), f"join group {group}")
    else:
        request = _group_request(index, group) + _socket_address(source)
        _ask(member, _MCAST_JOIN_SOURCE_GROUP, request, f"join group {group} of source {source}")


def leave(member: socket.socket, index: int, group: str, source: str | None = None) -> None:
    """The opposite of join(), with the same arguments.

    Raises:
        OSError: it was no member.
    """
    if source is None:
        _ask(member, _MCAST_LEAVE_GROUP, _group_request(index, group), f"leave group {group}")
    else:
        request = _group_request(index, group) + _socket_address(source)
        _ask(member, _MCAST_LEAVE_SOURCE_GROUP, request, f"leave group {group} of source {source}")


def memberships_per_socket() -> int:
    """net.ipv4.igmp_max_memberships of this network namespace."""
    try:
        return max(1, int(Path("/proc/sys/net/ipv4/igmp_max_memberships").read_text()))
    except (OSError, ValueError):
        return _DEFAULT_MEMBERSHIPS


def _deaf_socket() -> socket.socket:
    held = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    keep_nothing = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0
    program = struct.pack("HL", 1, ctypes.addressof(keep_nothing))  # copied by the kernel at once
    held.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
    return held


def _ask(member: socket.socket, option: int, request: bytes, what: str) -> None:
    try:
        member.setsockopt(socket.IPPROTO_IP, option, request)
    except OSError as error:
        raise OSError(error.errno, what) from error


def _socket_address(address: str) -> bytes:
    """Struct sockaddr_storage of an IPv4 address."""
    return struct.pack("=HH4s120x", socket.AF_INET, 0, socket.inet_aton(address))


def _group_request(index: int, group: str) -> bytes:
    """The begin of struct group_req and group_source_req: an interface index, padded, then the group."""
    return struct.pack("=I4x", index) + _socket_address(group)
