"""Every mistake that a user can make gives one clear message, the right exit code, and loses nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., subprocess.CompletedProcess[str]]


def told(done: subprocess.CompletedProcess[str]) -> str:
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_plan_with_three_mistakes_names_all_three(netbench: Call, tmp_path: Path) -> None:
    plan = tmp_path / "plan.toml"
    plan.write_text('environments = ["host", "macvlam"]\nprofiles = ["iptv"]\nsamples = 0\nduration = "soon"\n')
    done = netbench("run", str(plan), "-o", str(tmp_path / "out"))

    assert done.returncode == 2
    for place in ("environments.1", "samples", "duration"):
        assert place in told(done)
    assert "3 mistakes" in told(done)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "-e", "macvlam"], ["macvlam", "macvlan"]),
        (["run", "-e", "host:recievers=3"], ["recievers"]),
        (["run", "--profile", "hdtv"], ["hdtv", "iptv"]),
        (["run", "-t", "soon"], ["-t", "soon", "30s"]),
        (["run", "no-such-plan.toml"], ["no-such-plan.toml"]),
        (["run", "--reference", "bridge", "-e", "host"], ["bridge", "host"]),
        (["receive"], ["netbench receive"]),
        (["receive", "-g", "239.1.1"], ["239.1.1"]),
        (["receive", "-g", "239.1.1.1", "-i", "nosuch0"], ["nosuch0", "ip -brief link"]),
        (["receive", "-g", "239.1.1.1", "-i", "a-name-that-is-too-long"], ["a-name-that-is-too-long", "15"]),
        (["receive", "-g", "239.1.1.1", "-B", "ring"], ["-i"]),
        (["receive", "-g", "239.1.1.1", "-B", "xdp"], ["xdp", "ring"]),
        (["send", "127.0.0.1", "-b", "soon"], ["soon", "10M"]),
        (["send", "127.0.0.1", "-b", "1G"], ["--uncapped"]),
        (["inspect", "-i", "nosuch0"], ["nosuch0"]),
        (["report", "nowhere/run.json"], ["nowhere/run.json"]),
        (["frobnicate"], ["frobnicate"]),
        (["run", "--frobnicate"], ["--frobnicate"]),
    ],
)
def test_a_wrong_word_is_named_with_what_is_right(netbench: Call, arguments: list[str], words: list[str]) -> None:
    done = netbench(*arguments)

    assert done.returncode == 2
    for word in words:
        assert word in told(done)


def test_port_in_use(netbench: Call) -> None:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 0))
        port = holder.getsockname()[1]
        done = netbench("receive", f"127.0.0.1:{port}", "-t", "1")

    assert done.returncode == 3
    assert str(port) in told(done)
    assert "in use" in told(done)
    assert "ss -ulnp" in told(done)


def test_no_permission(netbench: Call, tmp_path: Path) -> None:
    powerless = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all", "--no-new-privs"] if os.geteuid() == 0 else []
    done = subprocess.run(
        [*powerless, sys.executable, "-P", "-m", "netbench", "receive", "127.0.0.1:5004", "-i", "lo", "-B", "ring", "-t", "1"],
        capture_output=True,
        text=True,
        timeout=30,
    )

    assert done.returncode == 3
    assert "Operation not permitted" in told(done)
    assert "NET_RAW" in told(done)


@pytest.mark.parametrize(("cut", "word"), [(0.5, "truncated"), (0.0, "truncated")])
def test_a_truncated_run(netbench: Call, tmp_path: Path, cut: float, word: str) -> None:
    sample = Path(__file__).parents[2] / "reports" / "sample" / "run.json"
    text = sample.read_bytes()
    (tmp_path / "run.json").write_bytes(text[: int(len(text) * cut)])
    done = netbench("report", str(tmp_path / "run.json"))

    assert done.returncode == 4
    assert word in told(done)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.json"]


def test_a_run_of_another_version(netbench: Call, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"schema_version": 999}))
    done = netbench("report", str(tmp_path / "run.json"))

    assert done.returncode == 4
    assert "999" in told(done)


def test_a_run_that_cannot_begin_leaves_the_report_before_it_alone(netbench: Call, tmp_path: Path) -> None:
    before = (Path(__file__).parents[2] / "reports" / "sample" / "run.json").read_bytes()
    (tmp_path / "run.json").write_bytes(before)
    no_daemon = {**os.environ, "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    done = netbench("run", "-e", "docker-host", "-q", "-o", str(tmp_path), env=no_daemon)

    assert done.returncode == 3
    assert "no environment of the plan can be built here" in " ".join(told(done).split())
    assert (tmp_path / "run.json").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_a_full_disk_is_told_before_anything_is_measured(tmp_path: Path, lab_permitted: None) -> None:
    """A file system of 64 KiB, mounted in a mount namespace of the test's own."""
    full = tmp_path / "full"
    full.mkdir()
    fill = "head -c 60000 /dev/zero > fill; head -c 5000 /dev/zero > fill2 2>/dev/null"
    script = (
        f"mount -t tmpfs -o size=64k none {full} && cd {full} && {fill}; cd /; {sys.executable} -P -m netbench run -q -o {full}/out"
    )
    done = subprocess.run(["unshare", "--map-root-user", "--mount", "sh", "-c", script], capture_output=True, text=True, timeout=60)

    assert done.returncode == 3, done.stderr
    assert "disk is full" in told(done)
    assert "-o DIR" in told(done)
