"""Runs a command in a guest, as `ip netns exec` does in a namespace: `python -m netbench.environments.guests.door DIR COMMAND…`.

Standard input, output, error and the exit status are the command's. When this process ends, in whatever way, so does the command;
when the guest ends, so does this process. See channel.py for the words. Standard library only.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import select
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from netbench.environments.guests.channel import MOST_PENDING_BYTES, PIECE_BYTES, PORTS, Lines, line

EXIT_STATUS_NO_GUEST = 255  # as ssh says it

_FREE_PORT_S = 10.0
_ANSWER_S = 30.0
_RETRY_S = 0.05


class NoGuest(Exception):
    """The guest is not there, or does not answer; the message says which."""


class Door:
    """A way into a guest, for one command.

    Args:
        directory: of the guest, with its ports.
        argv: the command.
        answer_s: how long the guest's answer is waited for.
        check: called meanwhile, several times a second; may raise.
        boots: the guest may not be there yet; otherwise a port where nobody listens means that it has ended.

    Raises:
        NoGuest: no guest, no free port, no answer.
    """

    def __init__(
        self,
        directory: Path,
        argv: Sequence[str],
        answer_s: float = _ANSWER_S,
        check: Callable[[], None] = lambda: None,
        *,
        boots: bool = False,
    ) -> None:
        self._lines = Lines()
        deadline = time.monotonic() + answer_s
        self._lock, number = _take_port(directory)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._connect(directory / f"port-{number}", deadline if boots else 0.0, check)
            session = secrets.token_hex(8)
            self._socket.sendall(b"\n" + line("open", json.dumps({"session": session, "argv": list(argv)}).encode()))
            while (answer := self._lines.next()) != ("opened", session.encode()):
                if answer is None:
                    self._await_more(deadline, check)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave; a command that runs is ended."""
        self._socket.close()
        os.close(self._lock)

    def carry(self, stdin: int, stdout: int, stderr: int) -> int:
        """Carry the command's streams until it has ended.

        Returns:
            its exit status, or the negative number of the signal that ended it.

        Raises:
            NoGuest: the guest ended before the command.
        """
        self._socket.setblocking(False)
        to_guest = bytearray()
        input_open = True
        while True:
            while (word := self._lines.next()) is not None:
                verb, content = word
                if verb == "exit":
                    return int(content)
                if verb in ("out", "err"):
                    _write(stdout if verb == "out" else stderr, content)
            poll = select.poll()
            poll.register(self._socket, select.POLLIN | (select.POLLOUT if to_guest else 0))
            if input_open and len(to_guest) < MOST_PENDING_BYTES:
                poll.register(stdin, select.POLLIN)
            ready = dict(poll.poll())
            if stdin in ready:
                piece = os.read(stdin, PIECE_BYTES)
                input_open = bool(piece)
                to_guest += line("in", piece) if piece else line("eof")
            if to_guest:
                with suppress(BlockingIOError):
                    del to_guest[: self._socket.send(to_guest)]
            if self._socket.fileno() in ready:
                self._receive()

    def _connect(self, path: Path, deadline: float, check: Callable[[], None]) -> None:
        while True:
            try:
                self._socket.connect(os.fspath(path))
            except (FileNotFoundError, ConnectionRefusedError) as error:  # QEMU has not made it yet, or is gone
                check()
                if time.monotonic() > deadline:
                    raise NoGuest("there is no guest here any more") from error
                time.sleep(_RETRY_S)
            else:
                return

    def _await_more(self, deadline: float, check: Callable[[], None]) -> None:
        while not select.select([self._socket], [], [], 0.2)[0]:
            check()
            if time.monotonic() > deadline:
                raise NoGuest("the guest does not answer")
        self._receive()

    def _receive(self) -> None:
        try:
            received = self._socket.recv(4 * PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            received = b""
        if not received:
            raise NoGuest("the guest has ended")
        self._lines.feed(received)


def _take_port(directory: Path) -> tuple[int, int]:
    """A free port: the descriptor that holds its lock, and its number."""
    deadline = time.monotonic() + _FREE_PORT_S
    while True:
        for number in range(PORTS):
            try:
                lock = os.open(directory / f"port-{number}.lock", os.O_RDWR | os.O_CLOEXEC)
            except OSError as error:
                raise NoGuest(f"there is no guest here: {error.strerror}") from error
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(lock)
            else:
                return lock, number
        if time.monotonic() > deadline:
            raise NoGuest(f"all {PORTS} ports of the guest are in use")
        time.sleep(_RETRY_S)


def _write(descriptor: int, content: bytes) -> None:
    while content:
        content = content[os.write(descriptor, content) :]


def main() -> int:
    """Run the command of the command line."""
    directory, *argv = sys.argv[1:]
    try:
        door = Door(Path(directory), argv)
        try:
            status = door.carry(0, 1, 2)
        finally:
            door.close()
    except NoGuest as error:
        print(f"The command cannot be run in the guest, or not to its end: {error}.", file=sys.stderr)
        return EXIT_STATUS_NO_GUEST
    except BrokenPipeError:
        return 1  # who started this has gone
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
