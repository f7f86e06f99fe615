"""Joins groups 239.7.7.1, .2 … and tells which arrived, or sends to each; run at a site by `python -c`: no imports of ours.

receive INTERFACE PORT GROUPS | send ADDRESS PORT GROUPS COPIES
"""

import json
import socket
import struct
import sys
import time

SILENCE_S, FIRST_S = 2.0, 20.0


def group(number: int) -> bytes:
    return bytes((239, 7, 7, number))


def receive(interface: str, port: int, groups: int) -> None:
    with open("/proc/sys/net/ipv4/igmp_max_memberships", "w") as limit:
        limit.write("100")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.IPPROTO_IP, 49, 0)  # IP_MULTICAST_ALL: only what this socket has joined
        receiver.bind(("", port))
        for number in range(1, groups + 1):
            membership = struct.pack("=4s4si", group(number), b"\0" * 4, socket.if_nametoindex(interface))
            receiver.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        print("ready", flush=True)
        heard = set()
        receiver.settimeout(FIRST_S)
        while True:
            try:
                heard.add(int(receiver.recv(64)))
            except TimeoutError:
                break
            receiver.settimeout(SILENCE_S)
        print(json.dumps(sorted(heard)))


def send(address: str, port: int, groups: int, copies: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(address))
        for _ in range(copies):
            for number in range(1, groups + 1):
                sender.sendto(b"%d" % number, (socket.inet_ntoa(group(number)), port))
                time.sleep(0.005)  # a guest is slow; copies make up for what its socket may lose


if __name__ == "__main__":
    role, where, *numbers = sys.argv[1:]
    if role == "receive":
        receive(where, *map(int, numbers))
    else:
        send(where, *map(int, numbers))
