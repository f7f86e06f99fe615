"""The program that netbench runs in a guest: it waits at the guest's ports and runs the commands that doors ask for.

Theory of operation. An emulated processor takes seconds to start Python and to import an agent. So this process imports the agent
once and then forks: one server for each port, which forks again for each command. A command line of an agent becomes the agent in
the forked process itself; every other one is executed. A server sleeps while nobody is at its port: a guest that measures is not
disturbed by what waits. See channel.py for the words. Standard library only (and the agent).
"""

from __future__ import annotations

import errno
import fcntl
import gc
import json
import os
import select
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import netbench.agent
from netbench.environments.guests import channel as guest_channel
from netbench.environments.guests.channel import MOST_PENDING_BYTES, PIECE_BYTES, Lines, line

_PORTS = Path("/sys/class/virtio-ports")
_AGENT = ("-P", "-m", "netbench.agent")
_NOT_FOUND = 127  # as a shell says it
_IDLE_S = 30  # a signal tells who comes; this is in case one was lost

_GONE_S = 0.5  # the kernel tells of a door's end and of the next one's coming by another way than what that one says

_MOST_DESCRIPTORS = 4096  # a server has a dozen

_STDIN, _STDOUT, _STDERR = 0, 1, 2


def main() -> None:
    """Serve every port until the machine goes off."""
    gc.freeze()  # what was imported is shared by all that is forked
    servers = {_fork_server(port): port for port in _ports()}
    if not servers:
        sys.exit("this guest has no port of netbench's")
    print(f"netbench guest: {len(servers)} ports are served", flush=True)
    while True:
        process, status = os.wait()
        if process in servers:  # a fault of ours: told on the console, and one command is lost
            port = servers.pop(process)
            print(f"netbench guest: the server of {port} ended ({os.waitstatus_to_exitcode(status)})", flush=True)
            servers[_fork_server(port)] = port


def _ports() -> list[str]:
    """Device files of our ports."""
    names = {path.name: (path / "name").read_text(encoding="ascii").strip() for path in _PORTS.iterdir()}
    return sorted(f"/dev/{device}" for device, name in names.items() if name.startswith(guest_channel.PORT_NAME))


def _fork_server(port: str) -> int:
    child = os.fork()
    if child == 0:
        try:
            _serve(port)
        except BaseException as error:
            print(f"netbench guest: {port}: {type(error).__name__}: {error}", flush=True)
        os._exit(1)
    return child


def _serve(device: str) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGIO})
    port = os.open(device, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.fcntl(port, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(port, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)  # the driver signals when the host's side opens or closes
    lines = Lines()
    asked: bytes | None = None
    while True:
        asked = _Session(port, lines, asked or _request(port, lines)).run()


def _request(port: int, lines: Lines) -> bytes:
    """Wait until somebody asks for a command."""
    while True:
        while (word := lines.next()) is not None:
            if word[0] == "open":
                return word[1]
        try:
            received = os.read(port, PIECE_BYTES)
        except BlockingIOError:  # somebody is there, and says nothing yet
            select.select([port], [], [])
            continue
        lines.feed(received)
        if not received:
            signal.sigtimedwait({signal.SIGIO}, _IDLE_S)


class _Session:
    """One command, from its start until it has ended or its door has."""

    def __init__(self, port: int, lines: Lines, asked: bytes) -> None:
        request = json.loads(asked)
        self._port = port
        self._lines = lines
        self._to_host = bytearray(b"\n" + line("opened", str(request["session"]).encode()))
        self._to_child = bytearray()
        self._input_ended = False
        self._next: bytes | None = None
        child_in, self._stdin = os.pipe()
        self._stdout, child_out = os.pipe()
        self._stderr, child_err = os.pipe()
        self._process = _fork_command([str(word) for word in request["argv"]], child_in, child_out, child_err)
        for descriptor in (child_in, child_out, child_err):
            os.close(descriptor)
        for descriptor in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(descriptor, False)
        self._ended = os.pidfd_open(self._process)
        self._open = {self._stdin, self._stdout, self._stderr, self._ended}

    def run(self) -> bytes | None:
        """Carry its streams. Returns the request of the next door, when this one went and another one came in its place."""
        status = None
        try:
            if not self._hear():
                return self._next
            while status is None or self._to_host:
                ready = self._wait(status is not None)
                if ready.get(self._port) and not self._listen():
                    return self._next
                if self._port in ready and ready[self._port] & select.POLLOUT:
                    self._send()
                if status is not None:
                    continue
                for descriptor, verb in ((self._stdout, "out"), (self._stderr, "err")):
                    if descriptor in ready:
                        self._take(descriptor, verb)
                if self._stdin in ready:
                    self._give()
                if self._ended in ready:
                    status = self._finish()
            return None
        finally:
            if status is None:
                with suppress(ProcessLookupError):
                    os.killpg(self._process, signal.SIGKILL)
                os.waitpid(self._process, 0)
            for descriptor in tuple(self._open):
                self._close(descriptor)

    def _wait(self, over: bool) -> dict[int, int]:
        poll = select.poll()
        wanted = select.POLLIN if len(self._to_child) < MOST_PENDING_BYTES else 0
        poll.register(self._port, wanted | (select.POLLOUT if self._to_host else 0))  # and always: the door has gone
        if not over:
            poll.register(self._ended, select.POLLIN)
            if len(self._to_host) < MOST_PENDING_BYTES:
                for descriptor in (self._stdout, self._stderr):
                    if descriptor in self._open:
                        poll.register(descriptor, select.POLLIN)
            if self._stdin in self._open and self._to_child:
                poll.register(self._stdin, select.POLLOUT)
        return dict(poll.poll())

    def _listen(self) -> bool:
        """What the door says; False when it has gone."""
        deadline = time.monotonic() + _GONE_S
        while True:
            try:
                received = os.read(self._port, PIECE_BYTES)
            except BlockingIOError:
                return True
            if received:
                self._lines.feed(received)
                return self._hear()
            # Nobody is there; or the door before has gone, and that is told only now, when the next one has long asked.
            if (left := deadline - time.monotonic()) <= 0:
                return False
            signal.sigtimedwait({signal.SIGIO}, left)

    def _hear(self) -> bool:
        """The lines that have come; False when the door has gone and another one is there."""
        while (word := self._lines.next()) is not None:
            verb, content = word
            if verb == "open":  # the door before was killed, and we have not noticed
                self._next = content
                return False
            if verb == "in" and self._stdin in self._open:
                self._to_child += content
            if verb == "eof":
                self._input_ended = True
        if self._to_child or self._input_ended:
            self._give()
        return True

    def _send(self) -> None:
        with suppress(BlockingIOError):
            sent = os.write(self._port, self._to_host[:PIECE_BYTES])
            del self._to_host[:sent]

    def _give(self) -> None:
        """The command's input, as far as it takes it."""
        if self._stdin not in self._open:
            return
        try:
            while self._to_child:
                del self._to_child[: os.write(self._stdin, self._to_child[:PIECE_BYTES])]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._to_child.clear()
            self._close(self._stdin)
            return
        if self._input_ended:
            self._close(self._stdin)

    def _take(self, descriptor: int, verb: str) -> bool:
        """A piece of the command's output; False when there is none now."""
        try:
            piece = os.read(descriptor, PIECE_BYTES)
        except BlockingIOError:
            return False
        if not piece:
            self._close(descriptor)
            return False
        self._to_host += line(verb, piece)
        return True

    def _finish(self) -> int:
        """The command has ended: what is left of its output, and its exit status."""
        for descriptor, verb in ((self._stdout, "out"), (self._stderr, "err")):
            while descriptor in self._open and self._take(descriptor, verb):
                pass
        status = os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])
        self._to_host += line("exit", str(status).encode())
        return status

    def _close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.remove(descriptor)
            os.close(descriptor)


def _fork_command(argv: list[str], child_in: int, child_out: int, child_err: int) -> int:
    process = os.fork()
    if process:
        with suppress(OSError):
            os.setpgid(process, process)  # here and there: whoever comes first
        return process
    status = _NOT_FOUND
    try:
        os.setpgid(0, 0)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGIO})
        for own, wanted in ((child_in, _STDIN), (child_out, _STDOUT), (child_err, _STDERR)):
            os.dup2(own, wanted)
        os.closerange(3, _MOST_DESCRIPTORS)
        status = _become(argv)
    except OSError as error:
        said = "not found" if error.errno == errno.ENOENT else error.strerror
        os.write(_STDERR, f"{argv[0] if argv else 'nothing'}: {said}\n".encode())
    except BaseException as error:
        os.write(_STDERR, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(status)
    return process


def _become(argv: list[str]) -> int:
    """An agent, which is here already, or any other program."""
    if tuple(argv[1:]) != _AGENT or argv[0] != sys.executable:
        os.execvp(argv[0], argv)
    sys.stdin, sys.stdout, sys.stderr = (
        os.fdopen(_STDIN, "r", encoding="utf-8", closefd=False),
        os.fdopen(_STDOUT, "w", encoding="utf-8", closefd=False),
        os.fdopen(_STDERR, "w", encoding="utf-8", closefd=False, buffering=1),
    )
    gc.enable()
    try:
        return netbench.agent.main()
    finally:
        sys.stdout.flush()


if __name__ == "__main__":
    main()
