"""What a process at a site does in these tests: sends, receives or watches numbered UDP packets. Standard library only.

Prints one line of JSON when it is ready and one when it is done. A receiver ends when it has what it expects, or after a silence;
one that expects nothing ends when its standard input closes.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

SO_RCVBUFFORCE = 33  # asm-generic/socket.h; Python has no name for it
RECEIVE_BUFFER_BYTES = 1 << 20  # a burst of all packets fits, whatever a driver adds to each (igb: 2 kB, and a guest is slow)
IP_RECVERR = 11  # linux/in.h; with it a drop that the sender's own stack notices comes back as an error
FIRST_S = 15.0  # until the first packet: others may need their time to start (in a guest)
SILENCE_S = 1.5
AFTER_LAST_S = 0.1  # for what should not come: duplicates


def tell(**data: Any) -> None:
    print(json.dumps(data), flush=True)


def own_interfaces() -> dict[str, str]:
    """Interface -> MAC address, as this place's /sys shows it."""
    found = {}
    for name in sorted(os.listdir("/sys/class/net")):
        path = f"/sys/class/net/{name}/address"
        if os.path.exists(path):
            with open(path, encoding="ascii") as file:
                found[name] = file.read().strip()
    return found


def collect(receiver: socket.socket, expected: int, decode: Any) -> list[int]:
    numbers: list[int] = []
    while True:
        if expected == 0 and sys.stdin in select.select([sys.stdin, receiver], [], [])[0]:
            return numbers
        receiver.settimeout(FIRST_S if not numbers else SILENCE_S if len(numbers) < expected else AFTER_LAST_S)
        try:
            packet, sender = receiver.recvfrom(2048)
        except TimeoutError:
            return numbers
        number = decode(packet, sender)
        if number is not None:
            numbers.append(number)


def receive(interface: str, address: str, group: str, port: int, expected: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        for option in (socket.SO_RCVBUF, SO_RCVBUFFORCE):
            with suppress(PermissionError):  # an ordinary user gets what rmem_max allows
                receiver.setsockopt(socket.SOL_SOCKET, option, RECEIVE_BUFFER_BYTES)
        receiver.setsockopt(socket.IPPROTO_IP, 49, 0)  # IP_MULTICAST_ALL: only groups that this socket has joined
        receiver.bind((address if group == "-" else "", port))  # two may share a stack, as containers in host mode do
        if group != "-":
            membership = struct.pack("=4s4si", socket.inet_aton(group), socket.inet_aton(address), socket.if_nametoindex(interface))
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
            own.bind((address, 0))  # refused where the address does not live
        tell(ready=True, interfaces=own_interfaces())
        tell(numbers=collect(receiver, expected, lambda packet, _: struct.unpack("!I", packet[:4])[0]))


def watch(interface: str, port: int, expected: int) -> None:
    def decode(frame: bytes, sender: Any) -> int | None:
        _, protocol, kind, *_ = sender
        if protocol != 0x0800 or kind == socket.PACKET_OUTGOING or frame[9] != socket.IPPROTO_UDP:
            return None
        datagram = frame[4 * (frame[0] & 15) :]
        return struct.unpack("!I", datagram[8:12])[0] if struct.unpack("!H", datagram[2:4])[0] == port else None

    every_protocol = 0x0003  # ETH_P_ALL: a socket for IPv4 alone stands behind macvlan, which takes unicast away before it
    with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(every_protocol)) as tap:
        tap.bind((interface, every_protocol))
        tell(ready=True, interfaces=own_interfaces())
        tell(numbers=collect(tap, expected, decode))


def send(address: str, destination: str, port: int, count: int, ttl: int) -> None:
    refused = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.bind((address, 0))
        sender.setsockopt(socket.IPPROTO_IP, IP_RECVERR, 1)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, ttl)
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        for number in range(count):
            try:
                sender.sendto(struct.pack("!I", number), (destination, port))
            except OSError:
                refused += 1
    tell(sent=count - refused, refused=refused)


if __name__ == "__main__":
    arguments = [int(word) if word.isdecimal() else word for word in sys.argv[2:]]
    {"receive": receive, "watch": watch, "send": send}[sys.argv[1]](*arguments)  # type: ignore[operator]
