"""The product, run as its user runs it: a process of its own, its files read afterwards."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

NETBENCH = [sys.executable, "-P", "-m", "netbench"]


def _why_no_lab() -> str | None:
    script = "from netbench.environments import lab; lab.enter()"
    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, timeout=30)
    return None if done.returncode == 0 else f"no lab can be built here: {done.stderr.strip().splitlines()[-1]}"


@pytest.fixture(scope="session")
def lab_permitted() -> None:
    """Skips, with the system's own reason, where neither root nor a user namespace gives network namespaces."""
    reason = _why_no_lab()
    if reason is not None:
        pytest.skip(reason)


@dataclass(frozen=True)
class Measured:
    """A `netbench run` that is over."""

    exit_code: int
    run: Any  # netbench.result.run.Run
    directory: Path
    output: str
    errors: str


Measure = Callable[..., Measured]


@pytest.fixture
def measure(tmp_path: Path, lab_permitted: None) -> Measure:
    """`netbench run ARGUMENTS -o DIRECTORY`, and its run.json."""

    def measure_now(*arguments: str, timeout_s: float = 90) -> Measured:
        from netbench.result import store

        directory = tmp_path / f"report-{len(list(tmp_path.iterdir()))}"
        done = subprocess.run(
            [*NETBENCH, "run", *arguments, "-q", "-o", str(directory)], capture_output=True, text=True, timeout=timeout_s
        )
        assert (directory / "run.json").exists(), done.stderr
        return Measured(done.returncode, store.load(directory), directory, done.stdout, done.stderr)

    return measure_now


@pytest.fixture
def netbench() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Any other command line of the product."""

    def call(*arguments: str, timeout_s: float = 60, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run([*NETBENCH, *arguments], capture_output=True, text=True, timeout=timeout_s, **options)

    return call


TRIAL_SCRIPT = """
import json, sys
from netbench.environments import lab, registry

asked = json.loads(sys.argv[1])
lab.enter()
from netbench.plans.loader import default_plan, parse_profile
from netbench.protocol import Faults
from netbench.trial_runner import run_trial

plan = default_plan(lambda text: registry.parse([text])[0]).model_copy(
    update={"duration_s": asked["duration_s"], "backend": asked["backend"], "method": asked["method"]}
)
wanted = registry.parse([asked["environment"]])[0]
with registry.environment(wanted.name).setup(dict(wanted.options)) as built:
    trial = run_trial(
        plan, parse_profile(asked["profile"]), wanted.label, built, sample=1, started_at="now", faults=Faults(**asked["faults"])
    )
print(trial.model_dump_json())
"""


@pytest.fixture
def run_one_trial(lab_permitted: None) -> Callable[..., Any]:
    """One trial with faults that the sender makes on purpose, in a process of its own."""

    def run(
        environment: str, profile: str, *, duration_s: float = 1.0, backend: str = "socket", method: str = "socket", **faults: int
    ) -> Any:
        from netbench.result.trial import Trial

        asked = {
            "environment": environment,
            "profile": profile,
            "duration_s": duration_s,
            "backend": backend,
            "method": method,
            "faults": faults,
        }
        done = subprocess.run(
            [sys.executable, "-P", "-c", TRIAL_SCRIPT, json.dumps(asked)], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return Trial.model_validate_json(done.stdout)

    return run


SITES_SCRIPT = """
import json, signal, subprocess, sys, time
from netbench.environments import lab, registry

asked = json.loads(sys.argv[1])
lab.enter()
wanted = registry.parse([asked["environment"]])[0]
with registry.environment(wanted.name).setup(dict(wanted.options)) as built:
    print(json.dumps({
        "sender": built.sender.enter, "sender_interface": built.sender.interface, "sender_address": built.sender.address,
        "receivers": [site.enter for site in built.receivers], "interface": built.receivers[0].interface,
        "unicast": built.unicast_destination,
    }), flush=True)
    for line in sys.stdin:
        answers = []
        running, until_done = [], []
        for step in json.loads(line):
            if step["wait_for"]:
                seen = ""
                while step["wait_for"] not in seen:
                    piece = running[-1].stderr.readline()
                    if not piece:
                        break
                    seen += piece
            running.append(subprocess.Popen(step["command"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
            until_done.append(step["until_done"])
        for process, waits in zip(running, until_done):
            if not waits:
                process.wait(60)
        time.sleep(0.5)
        for process, waits in zip(running, until_done):
            if waits:
                process.send_signal(signal.SIGINT)
        for process in running:
            out, err = process.communicate(timeout=60)
            answers.append({"exit_code": process.returncode, "output": out, "errors": err})
        print(json.dumps(answers), flush=True)
"""


class Sites:
    """An environment that stands, in a process of its own; commands are run at its sites, side by side."""

    def __init__(self, environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", SITES_SCRIPT, json.dumps({"environment": environment})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        first = self._line()
        self.sender: list[str] = first["sender"]
        self.sender_interface: str = first["sender_interface"]
        self.sender_address: str = first["sender_address"]
        self.receiver: list[str] = first["receivers"][0]
        self.interface: str = first["interface"]
        self.unicast: str = first["unicast"]

    def run(self, *steps: Step) -> list[dict[str, Any]]:
        """Start the commands in order, each when the one before has said its word; wait for all of them.

        Returns:
            exit_code, output and errors of each.
        """
        assert self._process.stdin is not None
        words = [{"command": step.command, "wait_for": step.when_told, "until_done": step.until_done} for step in steps]
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        answers: list[dict[str, Any]] = self._line()
        return answers

    def close(self) -> None:
        """Tear it down."""
        _, errors = self._process.communicate(timeout=30)
        assert self._process.returncode == 0, errors

    def _line(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(self._process.communicate()[1])
        return json.loads(line)


@dataclass(frozen=True)
class Step:
    """A command at a site.

    Attributes:
        command: words.
        when_told: it is started when the one before it has printed this on its standard error; empty: at once.
        until_done: it goes on until those without this have ended, and then gets Ctrl-C.
    """

    command: list[str]
    when_told: str = ""
    until_done: bool = False


@pytest.fixture
def sites(lab_permitted: None) -> Iterator[Callable[[str], Sites]]:
    """Environments that stand until the test is over."""
    standing: list[Sites] = []

    def stand(environment: str) -> Sites:
        standing.append(Sites(environment))
        return standing[-1]

    yield stand
    for item in standing:
        item.close()


@pytest.fixture
def step() -> type[Step]:
    """The class of a command at a site."""
    return Step


@pytest.fixture
def sweeping() -> Iterator[None]:
    """One test at a time leaves things behind for the sweep to find, which takes what any dead run has left."""
    lock = os.open(Path(__file__).parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """After the test: no namespace of ours; and soon, for an orphan needs a moment to notice, no agent."""
    yield
    left = [name for name in _named_namespaces() if name.startswith("nb-") and not name.startswith("nb-test")]
    assert left == []
    deadline = time.monotonic() + 10
    while _agents() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _agents() == []


def _named_namespaces() -> list[str]:
    return sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else []


def _agents() -> list[str]:
    """Agents that have outlived their runner; those of somebody else's run, on the same machine, have one."""
    return [
        words for process in Path("/proc").glob("[0-9]*") if "netbench.agent" in (words := _words(process)) and _is_orphan(process)
    ]


def _is_orphan(process: Path) -> bool:
    """Whether its runner is gone. Agents in containers, and those of a test that runs beside this one, have other parents."""
    try:
        ancestors = _ancestors(process)
    except OSError:
        return False
    beside = set(_children(os.getppid())) - {str(os.getpid())}
    parent = _words(Path("/proc") / ancestors[0])
    return "netbench" not in parent and "containerd-shim" not in parent and not beside.intersection(ancestors)


def _ancestors(process: Path) -> list[str]:
    """Parent, its parent… up to the first process."""
    found = [_parent(process)]
    while found[-1] not in ("0", "1"):
        found.append(_parent(Path("/proc") / found[-1]))
    return found


def _children(process: int) -> list[str]:
    return Path(f"/proc/{process}/task/{process}/children").read_text().split()


def _parent(process: Path) -> str:
    """Raises OSError when the process is gone."""
    return (process / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]


def _words(process: Path) -> str:
    try:
        return (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
    except OSError:
        return ""
