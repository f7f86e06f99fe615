"""A connection to another machine: one master ssh, a keeper at its far end, agents beside it.

    with connect(machine) as connection:
        site = connection.site("probe", "eth1", "192.0.2.7", place)
        AgentClient("the receiver", job, site.agent)

Theory of operation. One ssh process authenticates once and is the master of all later ones, which pass through its control socket.
Its own session runs the keeper (ssh_keeper.py), whose standard input is the lease of everything there. When this process ends, in
whatever way, that input ends, and the keeper removes what was carried over; agents end by their own standard input. When the
connection drops without a word, the keeper misses the heartbeat and does the same. Here, a shell around ssh removes the control
socket's directory when ssh ends, whoever ended it.
"""

from __future__ import annotations

import json
import os
import queue
import re
import secrets
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from netbench.environments.base import Site
from netbench.environments.interrupts import held_back
from netbench.environments.machines import ssh_keeper
from netbench.environments.machines.machine import Machine
from netbench.environments.machines.ssh_door import SEPARATOR
from netbench.environments.machines.ssh_keeper import started
from netbench.environments.machines.ssh_parcel import Parcel, parcel
from netbench.environments.machines.ssh_refusals import refusal
from netbench.errors import CannotRunError

LEASE_S = 60
_CONNECT_S = 10
_ANSWER_S = 60.0
_END_S = 10.0
_END_UNSETTLED_S = 1.0  # it waits for an answer, or was refused: nothing is there yet that its keeper has to remove in peace
_NOTHING = "netbench-keeper-nothing "
_DIRECTORY_PREFIX = "nb-ssh-"
_DIRECTORY = re.compile(rf"{_DIRECTORY_PREFIX}(?P<process>\d+)-(?P<started>\d+)-")
_SHORT_BASE = "/tmp"
_LONGEST_BASE = 45  # a socket's path has at most 107 characters, and ssh adds a suffix of its own while it makes it
_UNTIL_IT_ENDS = '"$@"; status=$?; rm -rf -- "$0"; exit $status'

# Nothing of ours is offered there, nothing is asked of a person, no key is accepted or stored silently.
_OPTIONS = (
    *("-T", "-x", "-a", "-oBatchMode=yes", f"-oConnectTimeout={_CONNECT_S}", "-oStrictHostKeyChecking=yes", "-oUpdateHostKeys=no"),
    *("-oClearAllForwardings=yes", "-oPermitLocalCommand=no", "-oEscapeChar=none", "-oLogLevel=INFO"),
)
_MASTER = ("-M", "-oControlPersist=no", "-oServerAliveInterval=5", "-oServerAliveCountMax=4", "-oTCPKeepAlive=yes")
# A session whose master is gone must not make a connection of its own.
_SESSION = ("-oControlMaster=no", "-oProxyJump=none", "-oProxyCommand=false")
_PYTHONS = ("python3", "python3.14", "python3.13", "python3.12", "python3.11")


class Connection:
    """A machine that is connected, and the agents' pieces on it. Made by connect().

    Attributes:
        machine: as typed.
        survey: what the keeper told about it (ssh_keeper.survey).
        command: the master's command line.
        token: by which the agents of this run are known there.
    """

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.survey: dict[str, Any] = {}
        self.token = secrets.token_hex(8)
        self._carried_to: str | None = None
        self._said = bytearray()
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._settled, self._closing = threading.Event(), threading.Event()
        self._local = _control_directory()
        self._keeper = Path(ssh_keeper.__file__).read_bytes()
        self.command = (*self._ssh(*_MASTER), _remote_command(machine.python, len(self._keeper)))
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", _UNTIL_IT_ENDS, str(self._local), *self.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,  # Ctrl-C in the terminal is for the runner alone
        )
        self._threads = [
            threading.Thread(target=work, name=f"ssh {machine.destination}", daemon=True)
            for work in (self._listen, self._collect, self._beat)
        ]
        for thread in self._threads:
            thread.start()

    def site(self, name: str, interface: str, address: str, place: str) -> Site:
        """A place there where agents can be started."""
        session = (*self._ssh(*_SESSION), SEPARATOR)
        door = (sys.executable, "-P", "-m", "netbench.environments.machines.ssh_door")
        path = (f"PYTHONPATH={self._carried_to}",) if self._carried_to else ()
        return Site(
            name=name,
            interface=interface,
            address=address,
            enter=(*door, *session, "/usr/bin/env", f"{ssh_keeper.TOKEN}={self.token}", *path),
            place=place,
            python=(self.survey["executable"], "-sP"),
            clock=f"{self.machine.destination}:{self.machine.port or 'ssh'}",
        )

    def close(self) -> None:
        """End it: by the end of the keeper's input, then by force."""
        self._closing.set()
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(_END_S if self._settled.is_set() else _END_UNSETTLED_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, 9)
            self._process.wait()
        for thread in self._threads:
            thread.join(1.0)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        _remove(self._local)

    def _ssh(self, *options: str) -> tuple[str, ...]:
        machine = self.machine
        configured = ("-F", machine.ssh_config) if machine.ssh_config else ()
        port = ("-p", str(machine.port)) if machine.port else ()
        return ("ssh", *configured, *port, *_OPTIONS, *options, "-S", str(self._local / "s"), machine.destination)

    def settle(self) -> None:
        """Hear what that machine is, and bring an agent there if need be.

        Raises:
            CannotRunError: it cannot be reached, or an agent cannot run there, with the reason and what to type.
        """
        pieces = parcel()
        asked = {"lease_s": LEASE_S, "token": self.token, "pieces": pieces.python, "fingerprint": pieces.fingerprint}
        self._write(self._keeper + json.dumps(asked).encode() + b"\n")
        self.survey = self._answer()
        packed = b""
        if not self.survey["installed"]:
            self._check(pieces)
            packed = pieces.packed()
        self._write(json.dumps({"parcel_bytes": len(packed)}).encode() + b"\n" + packed)
        told = self._answer()
        self._carried_to = told["directory"]
        if told["refusal"] is not None:
            raise CannotRunError(
                f"The agent was carried over to {self.machine.destination}, but does not start there: {told['refusal']}.",
                f"install netbench there (pip install .), then try: {self.machine.typed} python3 -m netbench --version",
            )
        self._settled.set()

    def _check(self, pieces: Parcel) -> None:
        """Refuse where the compiled pieces cannot run.

        Raises:
            CannotRunError: another architecture or C library.
        """
        there, here = self.survey, os.uname().machine
        remedy = f"install this netbench on {self.machine.destination} (pip install .): what is installed there is used"
        if there["machine"] != here or there["bits"] != 64:
            raise CannotRunError(
                f"The C core of this machine ({here}) cannot be carried over to {self.machine.destination} "
                f"({there['machine']}, {there['bits']}-bit Python), and the same netbench is not installed there.",
                remedy,
            )
        name, _, version = (there["libc"] or "").partition(" ")
        least = ".".join(map(str, pieces.least_glibc))
        if name != "glibc" or tuple(map(int, version.split(".")[:2])) < pieces.least_glibc:
            raise CannotRunError(
                f"The C core needs glibc {least} or newer, and {self.machine.destination} has "
                f"{there['libc'] or 'no glibc (musl?)'}; the same netbench is not installed there.",
                remedy,
            )

    def _answer(self) -> dict[str, Any]:
        """The keeper's next words.

        Raises:
            CannotRunError: ssh or the machine refused, in words.
        """
        deadline = time.monotonic() + _ANSWER_S
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise refusal(self.machine, "", None) from None
            if line is None:
                status = self._process.wait()
                self._threads[1].join(1.0)
                raise refusal(self.machine, bytes(self._said).decode(errors="replace"), status)
            if line.startswith(ssh_keeper.MARK):
                told: dict[str, Any] = json.loads(line.removeprefix(ssh_keeper.MARK))
                return told
            if line.startswith(_NOTHING):
                tried = self.machine.python or "python3"
                raise CannotRunError(
                    f"There is no Python 3.11 or newer on {self.machine.destination}: {tried} said: "
                    f"{line.removeprefix(_NOTHING).strip() or 'nothing'}.",
                    "install python3 there, or name one: …,python=/path/to/python3",
                )

    def _write(self, data: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(OSError, ValueError):  # it has ended; why is told by the next answer
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.decode(errors="replace"))
        self._lines.put(None)

    def _collect(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said += line

    def _beat(self) -> None:
        while not self._closing.wait(LEASE_S / 6):
            if self._settled.is_set():
                self._write(b"\n")


@contextmanager
def connect(machine: Machine) -> Iterator[Connection]:
    """Connect to a machine; nothing of it is left there on exit.

    Raises:
        CannotRunError: it cannot be reached, or an agent cannot run there, with the reason and what to type.
    """
    if shutil.which("ssh") is None:
        raise CannotRunError("There is no program `ssh` here.", "apt-get install openssh-client")
    connection = Connection(machine)
    try:
        connection.settle()
        yield connection
    finally:
        with held_back():
            connection.close()


def sweep() -> list[str]:
    """Remove the control sockets' directories of processes that are dead. Returns their names."""
    swept = []
    for base in {tempfile.gettempdir(), _SHORT_BASE}:
        for directory in Path(base).glob(f"{_DIRECTORY_PREFIX}*"):
            match = _DIRECTORY.match(directory.name)
            with suppress(OSError):
                if match and directory.stat().st_uid == os.geteuid() and started(int(match["process"])) != match["started"]:
                    _remove(directory)
                    swept.append(directory.name)
    return swept


def _control_directory() -> Path:
    """For the control socket, whose path must be short; its name tells whose it is."""
    base = tempfile.gettempdir()
    process = os.getpid()
    prefix = f"{_DIRECTORY_PREFIX}{process}-{started(process)}-"
    return Path(tempfile.mkdtemp(prefix=prefix, dir=base if len(base) <= _LONGEST_BASE else _SHORT_BASE))


def _remote_command(python: str, length: int) -> str:
    """Find a Python there and give it the keeper's text, of a length, from standard input; for any login shell."""
    fits = '-c "import sys; sys.exit(sys.version_info < (3, 11))" </dev/null 2>/dev/null'
    start = f'-P -c "import sys; exec(sys.stdin.buffer.read({length}))"'
    names = (python,) if python else _PYTHONS
    tried = f"for p in {' '.join(names)}; do if command -v $p >/dev/null 2>&1 && $p {fits}; then exec $p {start}; fi; done"
    return "exec /bin/sh -c " + shlex.quote(f'{tried}; echo "{_NOTHING}$({names[0]} --version 2>&1)"')


def _remove(directory: Path) -> None:
    for path in directory.glob("*"):
        path.unlink(missing_ok=True)
    with suppress(OSError):
        directory.rmdir()
