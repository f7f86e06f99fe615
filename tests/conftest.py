"""Fixtures for all tests: a network of one's own, so that no test sends a packet to anyone."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import subprocess
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

pytest_plugins = ["docker_daemon", "lab_fixtures"]

Measured = TypeVar("Measured")
InPrivateNetwork = Callable[[Callable[[], Measured]], Measured]

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000


def pytest_configure() -> None:
    """What a shell starts in the background ignores Ctrl-C, and by nohup SIGHUP; so would all programs that are sent them here."""
    for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)


def _enter_private_network() -> None:
    """Moves this process into a network namespace with nothing but a loopback that is up; ordinary users by a user namespace."""
    libc = ctypes.CDLL(None, use_errno=True)  # os.unshare() came with Python 3.12
    user, group = os.getuid(), os.getgid()
    if libc.unshare(CLONE_NEWNET):
        if libc.unshare(CLONE_NEWUSER | CLONE_NEWNET):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        # Be root in there: else the capabilities are gone as soon as a program (ip) is started.
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def _child(measure: Callable[[], Measured], write_end: int) -> None:
    """Answers ("skip" | "raised" | "measured", what) into the pipe; never returns."""
    answer: tuple[str, object]
    try:
        try:
            _enter_private_network()
        except OSError as error:
            answer = ("skip", f"no network namespace can be made here: {error}")
        else:
            answer = ("measured", measure())
    except BaseException:
        answer = ("raised", traceback.format_exc())
    with os.fdopen(write_end, "wb") as pipe:
        pickle.dump(answer, pipe)
    os._exit(0)  # this is a copy of pytest: nothing of it may go on here


@pytest.fixture
def in_private_network() -> InPrivateNetwork[Measured]:
    """Runs a function in a child process that has a network of its own, and returns what it measured.

    The child measures, the test asserts: so what it returns is plain data, and the namespace ends with the child.
    """

    def run(measure: Callable[[], Measured]) -> Measured:
        read_end, write_end = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read_end)
            _child(measure, write_end)
        os.close(write_end)
        with os.fdopen(read_end, "rb") as pipe:
            written = pipe.read()
        _, status = os.waitpid(child, 0)
        if not written:
            raise AssertionError(f"the child ended with status {os.waitstatus_to_exitcode(status)} and no answer")
        kind, what = pickle.loads(written)
        if kind == "skip":
            pytest.skip(what)
        if kind == "raised":
            raise AssertionError(f"in the private network:\n{what}")
        return what

    return run
