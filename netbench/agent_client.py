"""An agent as the runner sees it: started at a site, listened to, told to start and stop, never left behind."""

from __future__ import annotations

import base64
import json
import queue
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from netbench.errors import CannotRunError, NetbenchError, UsageError
from netbench.protocol import Job, encode_job

READY_TIMEOUT_S = 45.0  # above what a door waits for its guest, and ssh for its machine: their words say more
_END_GRACE_S = 2.0

Progress = Callable[[dict[str, Any]], None]


# An agent right here. -P: the installed package, not a folder that happens to stand here.
LOCAL_AGENT = (sys.executable, "-P", "-m", "netbench.agent")


class AgentClient:
    """One agent, from its start to its end. A context manager: on exit it is gone, whatever happened.

    Args:
        name: for messages, e.g. "the receiver at probe-2".
        job: what it does.
        command: its command line (Site.agent).
        on_progress: called from a thread with the data of each progress event.

    Raises:
        CannotRunError: it could not be started.
    """

    def __init__(self, name: str, job: Job, command: Sequence[str] = LOCAL_AGENT, on_progress: Progress | None = None) -> None:
        self.name = name
        self._on_progress = on_progress
        self._log = bytearray()
        self._errors = bytearray()
        self._arriving = False
        self._events: queue.Queue[dict[str, Any] | None] = queue.Queue()
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C in the terminal is for the runner alone
            )
        except OSError as error:
            raise CannotRunError(f"cannot start {name}: {error.strerror or error}") from error
        self._threads = [
            threading.Thread(target=self._listen, name=f"{name} events", daemon=True),
            threading.Thread(target=self._collect_errors, name=f"{name} errors", daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        self._say(encode_job(job))

    def __enter__(self) -> AgentClient:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def wait_ready(self, timeout_s: float = READY_TIMEOUT_S) -> None:
        """Return when it said `ready`.

        Raises:
            NetbenchError: it could not do its job, with its own words; or it said nothing in time.
        """
        self._wait_for("ready", timeout_s)

    def arriving(self) -> bool:
        """Whether a receiver that awaits its start has said, since it was ready, that something came; does not wait."""
        while not self._arriving:
            try:
                event = self._events.get_nowait()
            except queue.Empty:
                break
            if event is None or event["event"] == "error":
                self._events.put(event)  # for whoever waits next
                break
            self._arriving = event["event"] == "arriving"
        return self._arriving

    def count(self) -> None:
        """Let a receiver that awaits its start count from now on; returns when it does.

        Raises:
            NetbenchError: it ended, with its own words; or it said nothing in time.
        """
        self._say("start")
        self._wait_for("counting", READY_TIMEOUT_S)

    def start(self) -> None:
        """Let a sender begin."""
        self._say("start")

    def stop(self) -> None:
        """Let a receiver take what is queued and report; let a sender end early and report."""
        self._say("stop")

    def result(self, timeout_s: float | None) -> dict[str, Any]:
        """Wait for its result; None: however long it takes.

        Raises:
            NetbenchError: it failed, with its own words; or it said nothing in time.
        """
        return self._wait_for("result", timeout_s)

    @property
    def process_id(self) -> int:
        """Of the agent, where what stands before its command line (Site.enter) replaces itself by it, as `ip netns exec` does."""
        return self._process.pid

    @property
    def packet_log(self) -> bytes:
        """The packet log, complete once result() returned: entries of 16 bytes (struct nb_log_entry)."""
        return bytes(self._log)

    def close(self) -> None:
        """End it: by its closed input, then by force."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(_END_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for thread in self._threads:
            thread.join(_END_GRACE_S)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()
        except (BrokenPipeError, ValueError):
            pass  # it has ended; its last words are told by the next wait

    def _wait_for(self, wanted: str, timeout_s: float | None) -> dict[str, Any]:
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            try:
                event = self._events.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise CannotRunError(f"{self.name} said nothing for {timeout_s:.0f} s while {wanted!r} was awaited") from None
            if event is None:
                raise CannotRunError(f"{self.name} ended without a word: {self._last_words()}")
            if event["event"] == wanted:
                return dict(event.get("data", {}))
            if event["event"] == "error":
                raise _agent_error(self.name, event["data"])

    def _listen(self) -> None:
        assert self._process.stdout is not None
        try:
            for line in self._process.stdout:
                event = _event(line)
                if event is None:
                    self._errors += line
                elif event["event"] == "progress":
                    if self._on_progress is not None:
                        self._on_progress(event["data"])
                elif event["event"] == "packet_log":
                    self._log += zlib.decompress(base64.b64decode(event["data"]["zlib_base64"]))
                else:
                    self._events.put(event)
        finally:
            self._events.put(None)

    def _collect_errors(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._errors += line

    def _last_words(self) -> str:
        self._threads[1].join(0.5)
        with suppress(subprocess.TimeoutExpired):  # its output ends a moment before it does
            self._process.wait(0.5)
        lines = bytes(self._errors).decode(errors="replace").strip().splitlines()
        status = self._process.poll()
        return lines[-1] if lines else _end_in_words(status)


def _event(line: bytes) -> dict[str, Any] | None:
    """What an agent says in a line; None: it is no agent's, but the greeting of a shell, or a warning."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _end_in_words(status: int | None) -> str:
    """An exit status, or the signal that it tells of; what stands between (docker, ssh, a guest's door) adds 128 to its number."""
    number = 0 if status is None else -status if status < 0 else status - 128
    if number not in set(signal.Signals):
        return f"exit status {status}"
    why = ", as the kernel does when memory runs out" if number == signal.SIGKILL else ""
    return f"it was ended by {signal.Signals(number).name}{why}"


def _agent_error(name: str, data: dict[str, Any]) -> NetbenchError:
    kind: type[NetbenchError] = UsageError if data.get("kind") == "usage" else CannotRunError
    return kind(f"{name} {data['message']}", data.get("remedy"))
