"""What this process may do, tried, not read from a list: seccomp and namespaces refuse where a capability does not.

Each socket is closed at once; none is bound, so nothing is captured and nothing is sent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import Any

from netbench.facts.reading import Answer, collect

_SO_RCVBUFFORCE = 33  # asm-generic/socket.h
_SOME_BYTES = 4096


def read() -> Answer:
    """Subject `permitted`: what is tried -> {"allowed", "reason"}."""
    return collect({"permitted": _permitted})


def _permitted() -> dict[str, dict[str, Any]]:
    return {"packet_socket": _attempt(_packet_socket), "receive_buffer_force": _attempt(_receive_buffer_force)}


def _attempt(work: Callable[[], None]) -> dict[str, Any]:
    try:
        work()
    except OSError as error:
        return {"allowed": False, "reason": os.strerror(error.errno or 0)}
    return {"allowed": True, "reason": None}


def _packet_socket() -> None:
    socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()  # protocol 0: it receives nothing


def _receive_buffer_force() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as endpoint:
        endpoint.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _SOME_BYTES)
