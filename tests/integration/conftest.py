"""The product, run as its user runs it: a process of its own, its files read afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
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
        from netbench.result.records import Trial

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


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """After the test: no namespace of ours, no agent."""
    yield
    left = [name for name in _named_namespaces() if name.startswith("nb-") and not name.startswith("nb-test")]
    assert left == []
    assert _agents() == []


def _named_namespaces() -> list[str]:
    return sorted(os.listdir("/run/netns")) if os.path.isdir("/run/netns") else []


def _agents() -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = process.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "netbench.agent" in words:
            found.append(" ".join(words))
    return found
