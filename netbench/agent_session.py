"""How an agent talks: commands heard, events told, work done in a thread of its own. Standard library only."""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import time
import zlib
from collections.abc import Callable
from typing import Any

PROGRESS_INTERVAL_S = 1.0
EXIT_STATUS_ORPHANED = 3

_MOST_QUIET_PERIODS = 10
_QUIET_POLL_S = 0.02
_LOG_CHUNK_ENTRIES = 200_000
_LOG_ENTRY_BYTES = 16


class Commands:
    """The words that follow the job on standard input, and its end."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self._stopped = False
        self._on_stop: Callable[[], None] | None = None
        self._on_orphaned: Callable[[], None] | None = None
        self._lock = threading.Lock()

    def listen(self) -> None:
        """Read commands in a thread. When standard input closes, the process ends at once, whatever it is doing."""
        threading.Thread(target=self._read, name="commands", daemon=True).start()

    def on_stop(self, stop: Callable[[], None]) -> None:
        """Call `stop` when told to stop; at once when that was said already."""
        with self._lock:
            self._on_stop = stop
            if self._stopped:
                stop()

    def on_orphaned(self, undo: Callable[[], None]) -> None:
        """Call `undo` before the process ends because nobody listens any more."""
        self._on_orphaned = undo

    @property
    def stopped(self) -> bool:
        """`stop` was said."""
        return self._stopped

    def _read(self) -> None:
        for line in sys.stdin:
            word = line.strip()
            if word == "start":
                self.started.set()
            elif word == "stop":
                with self._lock:
                    self._stopped = True
                    if self._on_stop is not None:
                        self._on_stop()
                self.started.set()
        try:
            if self._on_orphaned is not None:
                self._on_orphaned()
        finally:
            os._exit(EXIT_STATUS_ORPHANED)


def emit(event: str, data: dict[str, Any] | None = None) -> None:
    """One event on standard output."""
    line = {"event": event} if data is None else {"event": event, "data": data}
    sys.stdout.write(json.dumps(line, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def work(run: Callable[[], None], progress: Callable[[], dict[str, Any]], first: Callable[[], None] | None = None) -> None:
    """Run in a thread, tell the progress from this one; errors of the thread are raised here.

    Args:
        run: the work.
        progress: data of the progress events.
        first: done here as soon as the work goes on, before any progress is told.
    """
    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            run()
        except BaseException as error:
            failures.append(error)

    worker = threading.Thread(target=guarded, name="work", daemon=True)
    worker.start()
    if first is not None:
        first()
    while True:
        worker.join(PROGRESS_INTERVAL_S)
        if not worker.is_alive():
            break
        emit("progress", progress())
    if failures:
        raise failures[0]


def stop_when_quiet(packets: Callable[[], int], stop: Callable[[], None], quiet_s: float) -> None:
    """Stop when nothing has come for so long, at most ten times that; a thread does the waiting, so that commands are still heard.

    Args:
        packets: how many have come so far.
        stop: called once.
        quiet_s: 0: stop at once.
    """

    def wait() -> None:
        deadline = time.monotonic() + _MOST_QUIET_PERIODS * quiet_s
        seen, since = -1, time.monotonic()
        while time.monotonic() < min(deadline, since + quiet_s):
            if (come := packets()) != seen:
                seen, since = come, time.monotonic()
            time.sleep(_QUIET_POLL_S)
        stop()

    if quiet_s:
        threading.Thread(target=wait, name="quiet", daemon=True).start()
    else:
        stop()


def emit_log(log: bytes) -> None:
    """A packet log, in pieces."""
    step = _LOG_CHUNK_ENTRIES * _LOG_ENTRY_BYTES
    for start in range(0, len(log), step):
        chunk = log[start : start + step]
        packed = base64.b64encode(zlib.compress(chunk, 1)).decode("ascii")
        emit("packet_log", {"entries": len(chunk) // _LOG_ENTRY_BYTES, "zlib_base64": packed})


class Counters:
    """Every counter of this place, before and after."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._before = self._read()

    def read_again(self) -> dict[str, Any]:
        """Both readings, as a result holds them."""
        after = self._read()
        absent = {**self._before.get("absent", {}), **after.get("absent", {})}
        return {"before": self._before.get("values", {}), "after": after.get("values", {}), "absent": absent}

    def _read(self) -> dict[str, dict[str, Any]]:
        if not self._wanted:
            return {}
        from netbench.facts import counters

        reading = counters.read()
        return {"values": reading.values, "absent": reading.absent}
