"""Daemons whose containers are not on this machine's network, as they tell about themselves; and whose things are whose."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from netbench.environments import ownership
from netbench.environments.containers import engine as docker_engine
from netbench.errors import CannotRunError

# What `docker info` told, cut down to what is asked for.
ENGINE = {
    "ServerVersion": "20.10.24+dfsg1",
    "OperatingSystem": "Debian GNU/Linux 12 (bookworm)",
    "KernelVersion": os.uname().release,
    "SecurityOptions": ["name=seccomp,profile=default"],
}
ROOTLESS = {**ENGINE, "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"]}
DESKTOP = {**ENGINE, "OperatingSystem": "Docker Desktop", "KernelVersion": "6.6.87.2-microsoft-standard-WSL2"}


def test_the_systems_own_daemon_is_taken() -> None:
    docker_engine._check_daemon("unix:///run/docker.sock", ENGINE)


@pytest.mark.parametrize(
    ("about", "reason", "remedy"),
    [
        (ROOTLESS, "is rootless", "unset DOCKER_HOST"),
        (DESKTOP, "runs in another machine (Docker Desktop, kernel 6.6.87.2-microsoft-standard-WSL2", "install the engine here"),
    ],
)
def test_a_daemon_with_another_network_is_refused(about: dict[str, Any], reason: str, remedy: str) -> None:
    with pytest.raises(CannotRunError) as caught:
        docker_engine._check_daemon("unix:///run/docker.sock", about)

    assert reason in caught.value.message
    assert remedy in (caught.value.remedy or "")


def test_the_owner_is_alive_while_its_process_is() -> None:
    assert not ownership.is_dead(ownership.owner())
    process, _, start = ownership.owner().partition(":")
    assert (int(process), start.isdecimal()) == (os.getpid(), True)


def test_the_owner_is_dead_when_its_process_is_gone_or_another_has_its_number() -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        stat = Path(f"/proc/{other.pid}/stat").read_text().rpartition(")")[2].split()
        identity = f"{other.pid}:{stat[19]}"
        assert not ownership.is_dead(identity)
        other.kill()
    assert ownership.is_dead(identity)
    process, _, start = ownership.owner().partition(":")
    assert ownership.is_dead(f"{process}:{int(start) - 1}")


@pytest.mark.parametrize("text", ["", "somebody", "12", "12:", ":34", "1 2:3"])
def test_what_is_no_identity_is_nobodys_to_remove(text: str) -> None:
    assert not ownership.is_dead(text)


def test_the_name_that_somebody_has_is_told_as_it_is_written() -> None:
    said = 'Conflict. The container name "/MyProbe" is already in use by container "0a1b". You have to remove (or rename) it.'

    assert "docker rm -f MyProbe;" in (docker_engine._remedy(said) or "")
