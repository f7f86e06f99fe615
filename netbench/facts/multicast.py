"""Groups here: which are joined, where each would be joined, and whether a socket gets groups that it never joined.

Theory of operation: IP_MULTICAST_ALL is on unless a program turns it off; then a socket bound to any address and a port gets every
group that any socket of this network stack joined. Whether that is so here is seen with one datagram, over loopback, TTL 0, to a
group that one socket joins on loopback for the purpose, beside two that join nothing: one as it comes, one with the option off.
"""

from __future__ import annotations

import ipaddress
import json
import select
import socket
import struct
from contextlib import ExitStack
from typing import Any

from netbench.facts.programs import Program
from netbench.facts.reading import Answer, Unreadable, collect, read_text
from netbench.protocol import StreamSpec

_IP_MULTICAST_ALL = 49  # linux/in.h
_GROUP = "239.255.73.90"  # of the local scope (RFC 2365); it never leaves loopback
_LOOPBACK = "127.0.0.1"
_DEADLINE_S = 0.5


def read(interface: str | None, streams: tuple[StreamSpec, ...] = ()) -> Answer:
    """Subject `multicast`: `unjoined` (what sockets get that join nothing), `memberships`, `routes` (of each stream)."""
    asked = [(item, Program("ip", "-json", "route", "get", item.destination)) for item in streams]
    back = [Program("ip", "-json", "route", "get", item.source) if item.source else None for item in streams]
    answer = collect(
        {
            "unjoined": _unjoined,
            "memberships": lambda: count_memberships(read_text("/proc/net/igmp"), interface),
        }
    )
    values = dict(answer.values)
    values["routes"] = [
        {
            "stream": f"{item.destination}:{item.port}",
            "source": item.source,
            "out": _device(program),
            "back": _device(returning) if returning is not None else None,
        }
        for (item, program), returning in zip(asked, back, strict=True)
    ]
    return Answer({"multicast": values}, {f"multicast.{key}": reason for key, reason in answer.absent.items()})


def count_memberships(text: str, interface: str | None) -> dict[str, Any]:
    """Groups that are joined, those of every host (224.0.0.1) left out, from /proc/net/igmp.

    Returns:
        `here` and `elsewhere` (how many, on the interface and on others), `igmp_version` of the interface (None: not among them).
    """
    here = elsewhere = 0
    version: str | None = None
    device = ""
    for line in text.splitlines()[1:]:
        columns = line.split()
        if not line.startswith("\t") and len(columns) >= 3:
            device = columns[1].rstrip(":")
            if device == interface:
                version = columns[-1]
        elif columns and _group(columns[0]) != "224.0.0.1":
            if device == interface:
                here += 1
            else:
                elsewhere += 1
    return {"here": here, "elsewhere": elsewhere, "igmp_version": version}


def parse_route(text: str) -> str | None:
    """Interface of the first route in the output of `ip -json route get`; None: it names none.

    Raises:
        Unreadable: it is no list of routes.
    """
    try:
        routes = json.loads(text)
        device = routes[0].get("dev")
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        raise Unreadable("the output of ip is no list of routes") from error
    return str(device) if device is not None else None


def _device(program: Program) -> dict[str, str | None]:
    try:
        return {"interface": parse_route(program.output()), "reason": None}
    except Unreadable as reason:
        return {"interface": None, "reason": str(reason)}


def _group(column: str) -> str:
    return str(ipaddress.IPv4Address(struct.pack("=I", int(column, 16))))


def _unjoined() -> dict[str, bool]:
    """Whether a datagram came to a socket that joined nothing: `by_default`, and with IP_MULTICAST_ALL `off`."""
    with ExitStack() as stack:
        joined, by_default, off = (stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(3))
        try:
            port = _bind(joined, 0)
            joined.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(_GROUP) + socket.inet_aton(_LOOPBACK))
            _bind(by_default, port)
            _bind(off, port)
            off.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
            _send(port)
        except OSError as error:
            raise Unreadable(f"no group could be joined and sent to on loopback: {error.strerror}") from error
        if not _came(joined, _DEADLINE_S):
            raise Unreadable("a datagram to a group over loopback did not come back: the firewall keeps it, or loopback is down")
        # Loopback hands it to all of them in one go: what has not come by now does not come.
        return {"by_default": _came(by_default, 0), "off": _came(off, 0)}


def _bind(endpoint: socket.socket, port: int) -> int:
    endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    endpoint.bind(("0.0.0.0", port))
    return int(endpoint.getsockname()[1])


def _send(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(_LOOPBACK))
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 0)
        sender.sendto(b"netbench: which sockets get this?", (_GROUP, port))


def _came(endpoint: socket.socket, timeout_s: float) -> bool:
    return bool(select.select([endpoint], [], [], timeout_s)[0])
