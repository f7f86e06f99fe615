"""Other machines as typed; the keeper on its own: what it takes, and what it clears away when it hears nothing more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

import pytest

from netbench.environments.machines import ssh, ssh_keeper
from netbench.environments.machines.machine import Machine, parse_machine
from netbench.environments.machines.ssh_parcel import parcel
from netbench.environments.machines.ssh_refusals import refusal
from netbench.errors import UsageError

KEEPER = Path(ssh_keeper.__file__).read_bytes()
START = [sys.executable, "-P", "-c", f"import sys; exec(sys.stdin.buffer.read({len(KEEPER)}))"]


@pytest.mark.parametrize(
    ("text", "machine", "typed"),
    [
        ("ssh:probe.example", Machine("probe.example"), "ssh probe.example"),
        ("ssh:me@192.0.2.7:2222", Machine("192.0.2.7", "me", 2222), "ssh -p 2222 me@192.0.2.7"),
        ("ssh:me@[2001:db8::7]:22", Machine("2001:db8::7", "me", 22), "ssh -p 22 me@2001:db8::7"),
        (
            "ssh:a,interface=eth1,ssh_config=/x y",
            Machine("a", interface="eth1", ssh_config="/x y"),
            "ssh -F '/x y' a",
        ),
    ],
)
def test_a_machine_as_typed(text: str, machine: Machine, typed: str) -> None:
    assert parse_machine(text, "--sender") == machine
    assert machine.typed == typed


@pytest.mark.parametrize(
    "text",
    ["", "probe", "ssh:", "ssh:@a", "ssh:-oProxyCommand=x", "ssh:-l@a", "ssh:a:0", "ssh:a:65536", "ssh:a b", "ssh:a/b",
     "ssh:a,colour=red", "ssh:a,interface", "ssh:a,python=$(x)"],
)  # fmt: skip
def test_what_is_no_machine_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_machine(text, "--sender")
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("said", "status", "expected"),
    [
        ("ssh: connect to host x port 22: Connection timed out\r\n", 255, "it did not answer"),
        ("ssh: Could not resolve hostname x: Name or service not known\r\n", 255, "its name is not known here"),
        ("kex_exchange_identification: read: Connection reset by peer\n", 255, "what answers at that port is no ssh server"),
        ("something new\n", 255, "it said something new"),
        ("no such command\n", 127, "the command there could not be run. Said was: no such command"),
        ("", None, "nothing in time"),
    ],
)
def test_what_ssh_said_is_told_in_words(said: str, status: int | None, expected: str) -> None:
    error = refusal(Machine("x", "me"), said, status)

    assert expected in error.message
    assert error.remedy
    assert "{" not in error.remedy


def test_pieces_are_of_the_standard_library_half_alone() -> None:
    pieces = parcel()

    assert "netbench/agent.py" in pieces.python
    assert "netbench/_core.abi3.so" in pieces.native
    assert not [name for name in pieces.python if name.split("/")[1] in ("result", "metrics", "report", "cli", "runner.py")]
    assert pieces.least_glibc > (2, 0)


class Keeper:
    """The keeper's text in a Python of its own, as ssh would start it."""

    def __init__(self, home: Path, lease_s: int, fingerprint: str = "of another version") -> None:
        self.process = subprocess.Popen(
            START,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": str(home), "PYTHONPATH": "", "SSH_CONNECTION": "192.0.2.1 5 192.0.2.2 22"},
        )
        pieces = parcel()
        asked = {"lease_s": lease_s, "token": "abc", "pieces": pieces.python, "fingerprint": fingerprint or pieces.fingerprint}
        self.say(KEEPER + json.dumps(asked).encode() + b"\n")
        self.survey = self.answer()

    @property
    def stdin(self) -> IO[bytes]:
        assert self.process.stdin is not None
        return self.process.stdin

    def carry(self) -> Path:
        packed = parcel().packed()
        self.say(json.dumps({"parcel_bytes": len(packed)}).encode() + b"\n" + packed)
        told = self.answer()
        assert told["refusal"] is None
        return Path(told["directory"])

    def say(self, words: bytes) -> None:
        self.stdin.write(words)
        self.stdin.flush()

    def answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        told: dict[str, Any] = json.loads(self.process.stdout.readline().decode().removeprefix(ssh_keeper.MARK))
        return told

    def end(self) -> None:
        self.stdin.close()
        self.process.wait(20)
        assert self.process.stdout is not None
        self.process.stdout.close()


def test_the_keeper_knows_the_same_netbench_and_another_one(tmp_path: Path) -> None:
    for fingerprint, expected in (("", True), ("of another version", False)):
        keeper = Keeper(tmp_path, 60, fingerprint)
        keeper.end()
        assert keeper.survey["installed"] is expected
        assert keeper.survey["ssh_connection"][2] == "192.0.2.2"


def test_what_was_carried_over_is_private_and_goes_with_the_end_of_the_input(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path, 60)
    directory = keeper.carry()
    assert directory.stat().st_mode & 0o077 == 0
    assert (directory / "netbench" / "agent.py").exists()

    keeper.end()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cause", ["silence", "signal"])
def test_a_connection_that_drops_without_a_word_ends_the_agents_too(tmp_path: Path, cause: str) -> None:
    keeper = Keeper(tmp_path, 2 if cause == "silence" else 60)
    keeper.carry()
    deaf = subprocess.Popen(["sleep", "60"], env={**os.environ, ssh_keeper.TOKEN: "abc"})
    stranger = subprocess.Popen(["sleep", "60"], env={**os.environ, ssh_keeper.TOKEN: "abcd"})
    try:
        for _ in range(4 if cause == "silence" else 1):  # while it hears something it stays
            time.sleep(0.7)
            keeper.say(b"\n")
        assert keeper.process.poll() is None
        if cause == "signal":
            keeper.process.send_signal(signal.SIGHUP)
        keeper.process.wait(20)

        assert deaf.wait(5) == -signal.SIGKILL
        assert stranger.poll() is None
        assert list(tmp_path.iterdir()) == []
    finally:
        for process in (deaf, stranger):
            process.kill()
            process.wait()
        keeper.end()


def test_control_sockets_of_the_dead_are_swept_and_those_of_the_living_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = subprocess.Popen(["true"])
    gone.wait()
    living = tmp_path / f"nb-ssh-{os.getpid()}-{ssh_keeper.started(os.getpid())}-x"
    for directory in (
        living,
        tmp_path / f"nb-ssh-{gone.pid}-1-x",
        tmp_path / f"nb-ssh-{os.getpid()}-1-x",
        tmp_path / "nb-ssh-mine",
    ):
        directory.mkdir()
        (directory / "s").touch()

    swept = ssh.sweep()

    assert sorted(name for name in swept if name.endswith("-1-x")) == sorted(
        [f"nb-ssh-{gone.pid}-1-x", f"nb-ssh-{os.getpid()}-1-x"]
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([living.name, "nb-ssh-mine"])
