"""The words between a door (door.py, on the host) and a guest (supervisor.py): commands in, what they print out.

Theory of operation. A guest has a pool of virtio-serial ports, each a Unix socket of QEMU on the host. A door takes a free one by a
lock on a file beside it, and has it for one command. Such a port carries bytes and knows no half close, and bytes of the door
before may still be in it when the next one comes. So both sides speak lines, which find their beginning again after anything that
was cut off, and a door believes nothing until it hears its own session's number. A line is a verb and, after a blank, base64:

    host to guest:  open JSON {session, argv}    in BYTES    eof
    guest to host:  opened SESSION    out BYTES    err BYTES    exit STATUS

When the host's side of a port closes, the guest ends its command: a dead runner leaves nothing running. What a door says may come
before the guest is told that the door before has gone (virtio tells that by another queue), so an end is believed only when it
lasts. Standard library only.
"""

from __future__ import annotations

import base64
from collections import deque
from contextlib import suppress

PORT_NAME = "netbench."  # and a number: what a port is called, on both sides
PORTS = 8  # commands that run in a guest at the same time
PIECE_BYTES = 48 << 10  # of a command's input or output, in one line
MOST_PENDING_BYTES = 1 << 20  # waiting to be taken by the other side; no more is read meanwhile

_LONGEST_LINE_BYTES = 4 << 20


def line(verb: str, content: bytes = b"") -> bytes:
    """One line, with its end."""
    return verb.encode("ascii") + b" " + base64.b64encode(content) + b"\n"


class Lines:
    """Takes bytes as they come, gives the lines that are complete. What is no line of ours is passed over."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._complete: deque[bytes] = deque()

    def feed(self, received: bytes) -> None:
        """Take what came."""
        self._rest += received
        if b"\n" in received:
            *complete, rest = bytes(self._rest).split(b"\n")
            self._complete.extend(complete)
            self._rest = bytearray(rest)
        elif len(self._rest) > _LONGEST_LINE_BYTES:
            self._rest.clear()

    def next(self) -> tuple[str, bytes] | None:
        """Verb and content of the next line; None: no other is complete."""
        while self._complete:
            verb, _, packed = self._complete.popleft().partition(b" ")
            with suppress(ValueError):  # cut off: what a door left that was killed
                return verb.decode("ascii"), base64.b64decode(packed, validate=True)
        return None
