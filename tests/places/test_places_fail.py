"""Places that stop working in the middle of a run, and runs that are interrupted while places are built: nothing else suffers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from docker_daemon import DockerDaemon

NETBENCH = [sys.executable, "-P", "-m", "netbench"]
SHAPE = ["--profile", "iptv:bitrate=1M", "-t", "1s", "-q"]

pytestmark = [pytest.mark.timeout(400), pytest.mark.usefixtures("docker_daemon", "lab_permitted")]


def started(directory: Path, *environments: str, samples: int) -> subprocess.Popen[str]:
    words = [word for environment in environments for word in ("-e", environment)]
    return subprocess.Popen(
        [*NETBENCH, "run", *words, *SHAPE, "--samples", str(samples), "-o", str(directory)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def awaited(process: subprocess.Popen[str], seen: Callable[[], Any], timeout_s: float = 120) -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := seen()):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def saved(directory: Path) -> Any:
    from netbench.errors import NetbenchError
    from netbench.result import store

    try:
        return store.load(directory)
    except NetbenchError:
        return None


def guests_of(runner: int) -> list[int]:
    """QEMU's processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"qemu-system" in words[0] and any(word.startswith(f"nb-vm-{runner}-".encode()) for word in words):
            found.append(int(path.name))
    return found


def test_a_container_and_a_guest_that_vanish_are_errors_and_the_run_goes_on(tmp_path: Path, docker_daemon: DockerDaemon) -> None:
    before = docker_daemon.holdings()
    process = started(tmp_path, "host", "docker-host", "vm-virtio", samples=4)

    awaited(process, lambda: (run := saved(tmp_path)) and len(run.trials) >= 3)
    (container,) = docker_daemon.docker("ps", "--filter", "label=netbench.owner", "--format", "{{.Names}}").split()
    docker_daemon.docker("rm", "-f", container)
    (guest,) = guests_of(process.pid)
    os.kill(guest, signal.SIGKILL)
    _, errors = process.communicate(timeout=200)

    run = saved(tmp_path)
    assert run.status == "complete", errors
    last = {trial.environment: trial for trial in run.trials if trial.sample == 4}
    assert last["host"].status == "ok"
    assert last["docker-host"].status == last["vm-virtio"].status == "error"
    assert container in last["docker-host"].reason, "no such container, as the engine says"
    assert "no guest here any more" in last["vm-virtio"].reason
    words = {verdict.environment: verdict.verdict for verdict in run.verdicts}
    assert words["docker-host"] == words["vm-virtio"] == "inconclusive", "what worked once is not trusted"
    assert docker_daemon.holdings() == before


@pytest.mark.parametrize("after", ["image", "network", "container"])
def test_ctrl_c_twice_while_containers_are_built_leaves_nothing(tmp_path: Path, docker_daemon: DockerDaemon, after: str) -> None:
    before = docker_daemon.holdings()
    process = started(tmp_path, "docker-macvlan:management=yes", "docker-bridge", samples=1)

    awaited(process, lambda: [held for held in docker_daemon.holdings() if held not in before and held.startswith(after)])
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)

    assert process.returncode == 130, errors
    assert saved(tmp_path).status == "interrupted"
    assert docker_daemon.holdings() == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupt_while_a_guest_boots_ends_it(tmp_path: Path, number: int) -> None:
    process = started(tmp_path, "host", "vm-virtio", samples=1)

    awaited(process, lambda: guests_of(process.pid))
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 130, errors
    assert saved(tmp_path).status == "interrupted"
    assert guests_of(process.pid) == []
    assert list(Path("/tmp").glob(f"nb-vm-{process.pid}-*")) == []
