"""Ctrl-C at a moment that suits; ends of environments that fail; what agents say that is not theirs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from netbench.agent_client import AgentClient
from netbench.environments import ownership
from netbench.environments.interrupts import held_back, ignored
from netbench.errors import CannotRunError
from netbench.protocol import FloorJob
from netbench.standing import _TakenDown


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_what_is_held_back_takes_effect_afterwards() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), held_back():
        interrupt()
        done.append("first")
        with held_back():
            interrupt()
        done.append("second")

    assert done == ["first", "second"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_is_ignored_has_no_effect() -> None:
    with ignored(), held_back():
        interrupt()

    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_error_and_an_interrupt_at_once_are_an_interrupt() -> None:
    with pytest.raises(KeyboardInterrupt), held_back():
        interrupt()
        raise CannotRunError("refused")


def test_an_end_that_fails_is_written_down_and_the_others_end() -> None:
    ended: list[str] = []

    @contextmanager
    def place(name: str, failure: Exception | None) -> Iterator[Any]:
        try:
            yield None
        finally:
            ended.append(name)
            if failure is not None:
                raise failure

    not_removed: dict[str, str] = {}
    with pytest.raises(KeyboardInterrupt), ExitStack() as stack:
        for name, failure in (("host", None), ("docker-host", CannotRunError("the daemon is gone")), ("bridge", None)):
            stack.enter_context(_TakenDown(place(name, failure), name, not_removed))
        raise KeyboardInterrupt

    assert ended == ["bridge", "docker-host", "host"]
    assert not_removed == {"docker-host": "the daemon is gone"}


def test_a_process_that_is_dead_but_not_buried_owns_nothing() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        identity = f"{process.pid}:{ownership._start_time(process.pid)}"
        assert not ownership.is_dead(identity)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert ownership.is_dead(identity)


@pytest.mark.parametrize("greeting", ["42", '"hello"', "[1]", "{}", '{"event": 1}', "Welcome!"])
def test_lines_that_are_no_agents_are_its_last_words_at_most(greeting: str) -> None:
    command = [sys.executable, "-c", f"print({greeting!r})"]
    with AgentClient("the agent", FloorJob(), command) as agent, pytest.raises(CannotRunError) as caught:
        agent.result(10)

    assert caught.value.message == f"the agent ended without a word: {greeting}"


@pytest.mark.parametrize(
    ("script", "told"),
    [
        ("import os; os.kill(os.getpid(), 9)", "it was ended by SIGKILL, as the kernel does when memory runs out"),
        ("import sys; sys.exit(137)", "it was ended by SIGKILL, as the kernel does when memory runs out"),
        ("import sys; sys.exit(143)", "it was ended by SIGTERM"),
        ("import sys; sys.exit(3)", "exit status 3"),
    ],
)
def test_an_end_without_words_is_told_by_its_signal(script: str, told: str) -> None:
    command = [sys.executable, "-c", script]
    with AgentClient("the agent", FloorJob(), command) as agent, pytest.raises(CannotRunError, match=told):
        agent.result(10)
