"""The same lab for an ordinary user, in an unprivileged user namespace."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NOBODY = 65_534


def as_nobody(script: list[str], home: Path) -> subprocess.CompletedProcess[str]:
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    environment = {"PATH": os.environ["PATH"], "HOME": str(home)}
    return subprocess.run([*drop, *script], capture_output=True, text=True, timeout=90, cwd=home, env=environment)


def interpreter_for_nobody(home: Path) -> list[str]:
    """Our own interpreter where nobody may read it, else the system's with a copy of what is installed here."""
    own = [sys.executable, "-P"]
    if as_nobody([*own, "-c", "import netbench.core"], home).returncode == 0:
        return own
    packages = home / "packages"
    shutil.copytree(Path(sys.executable).parents[1] / "lib" / f"python3.{sys.version_info.minor}" / "site-packages", packages)
    script = home / "python"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={packages} exec /usr/bin/python3 "$@"\n')
    script.chmod(0o755)
    done = as_nobody([str(script), "-P", "-c", "import netbench.core"], home)
    if done.returncode != 0:
        pytest.skip(f"no interpreter that an ordinary user can start: {done.stderr.strip().splitlines()[-1]}")
    return [str(script), "-P"]


def test_an_ordinary_user_measures_the_same_environments(tmp_path_factory: pytest.TempPathFactory) -> None:
    from netbench.result import store

    home = Path("/tmp") / f"nb-test-{os.getpid()}"
    home.mkdir(mode=0o755)
    try:
        os.chown(home, NOBODY if os.geteuid() == 0 else os.geteuid(), -1)
        python = interpreter_for_nobody(home)
        done = as_nobody(
            [
                *python,
                "-m",
                "netbench",
                "run",
                "--samples",
                "1",
                "-t",
                "1s",
                "--profile",
                "iptv",
                "--profile",
                "unicast:pps=2000",
                "-q",
                "-o",
                "out",
            ],
            home,
        )
        if "user namespace" in done.stderr and done.returncode == 3:
            pytest.skip(done.stderr)
        run = store.load(home / "out")

        assert run.status == "complete", done.stderr
        assert [(record.label, record.available) for record in run.environments] == [
            ("host", True),
            ("macvlan", True),
            ("bridge", True),
        ]
        assert {(trial.environment, trial.profile, trial.status) for trial in run.trials} == {
            ("host", "iptv", "ok"),
            ("macvlan", "iptv", "ok"),
            ("bridge", "iptv", "unsupported"),
            ("host", "unicast:pps=2000", "ok"),
            ("macvlan", "unicast:pps=2000", "ok"),
            ("bridge", "unicast:pps=2000", "ok"),
        }
        for trial in run.trials:
            if trial.status == "ok":
                assert trial.loss is not None and trial.received is not None
                assert trial.loss.expected_packets == trial.received.unique_packets + trial.loss.lost_packets
        assert (home / "out" / "index.html").stat().st_uid == (NOBODY if os.geteuid() == 0 else os.geteuid())
    finally:
        shutil.rmtree(home)
