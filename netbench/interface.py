"""Interfaces by name, as the system knows them here."""

from __future__ import annotations

import errno
import socket

MAX_NAME_LENGTH = 15  # IFNAMSIZ - 1


def interface_index(name: str | None) -> int:
    """Index of an interface here; 0 for None.

    Raises:
        OSError: there is none of that name, or the name is longer than any can be.
    """
    if name is None:
        return 0
    if len(name.encode()) > MAX_NAME_LENGTH:
        raise OSError(errno.ENAMETOOLONG, f"find interface {name!r}: a name has at most {MAX_NAME_LENGTH} characters")
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        raise OSError(errno.ENODEV, f"find interface {name!r}") from error


def interface_names() -> list[str]:
    """Every interface here, in the system's order."""
    return [name for _, name in socket.if_nameindex()]
