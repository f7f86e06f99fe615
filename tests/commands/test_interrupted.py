"""Ctrl-C saves what was measured; kill -9 leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

NETBENCH = [sys.executable, "-P", "-m", "netbench"]
SHAPE = ["-e", "host", "-e", "macvlan", "--profile", "iptv", "--samples", "20", "-t", "1s"]


def trials_in(path: Path) -> int:
    from netbench.errors import NetbenchError
    from netbench.result import store

    try:
        return len(store.load(path).trials)
    except NetbenchError:
        return 0


def started(directory: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [*NETBENCH, "run", *SHAPE, "-q", "-o", str(directory)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 40
    while trials_in(directory / "run.json") < 2:
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_measured_is_saved_and_reported(tmp_path: Path, lab_permitted: None, nothing_left: None, number: int) -> None:
    from netbench.result import store

    process = started(tmp_path)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)

    assert process.returncode == 130, errors
    run = store.load(tmp_path)
    assert run.status == "interrupted"
    assert len([trial for trial in run.trials if trial.status == "ok"]) >= 2
    assert run.verdicts
    assert "interrupted" in (tmp_path / "index.html").read_text()
    assert "interrupted" in (tmp_path / "summary.md").read_text()


def test_a_killed_runner_leaves_nothing(tmp_path: Path, lab_permitted: None, nothing_left: None) -> None:
    from netbench.result import store

    process = started(tmp_path)
    namespace = os.readlink(f"/proc/{process.pid}/ns/mnt")
    process.kill()
    process.communicate(timeout=10)

    deadline = time.monotonic() + 10
    while _processes_in(namespace):
        assert time.monotonic() < deadline, f"still running: {_processes_in(namespace)}"
        time.sleep(0.1)
    assert store.load(tmp_path).status == "running"  # a partial run is readable


def _processes_in(mount_namespace: str) -> list[str]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.readlink(entry / "ns" / "mnt") == mount_namespace:
                found.append((entry / "cmdline").read_bytes().decode(errors="replace").replace("\0", " "))
        except OSError:
            continue
    return found
