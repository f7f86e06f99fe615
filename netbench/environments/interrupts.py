"""Ctrl-C at a moment that suits: what is made outside of the lab is known before it is undone, and undoing is not cut off.

Users press Ctrl-C twice. The second one would land in the middle of the taking down that the first one began; and one that lands
in a request to a daemon leaves a container that the daemon makes a moment after its removal was asked for.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

INTERRUPTS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def held_back() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP take effect when the block has ended, and only one of each. Keep it short."""
    came: set[int] = set()
    handled = [number for number in INTERRUPTS if _is_handled(number)]
    before = {number: signal.signal(number, lambda which, _: came.add(which)) for number in handled}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for came_meanwhile in sorted(came):
            signal.raise_signal(came_meanwhile)


@contextmanager
def ignored() -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP have no effect any more: all that the block does is what they would ask for."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in INTERRUPTS if _is_handled(number)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _is_handled(number: int) -> bool:
    """Whether a signal does something, which only the main thread may change (nohup: SIGHUP does nothing)."""
    return threading.current_thread() is threading.main_thread() and signal.getsignal(number) not in (signal.SIG_IGN, None)
