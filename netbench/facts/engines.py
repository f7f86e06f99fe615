"""Container engines that this process can reach: asked for their version, over Docker's own API where its socket may be read."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
from collections.abc import Mapping
from typing import Any

from netbench.facts.programs import Program
from netbench.facts.reading import Answer, Unreadable, collect

_CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
_TIMEOUT_S = 2.0
_MOST_BYTES = 1 << 20
_VERSION = re.compile(r"\d+\.\d+(?:\.\d+)?")


def read() -> Answer:
    """Subject `engines`: `docker`, `podman`, `containerd`; those that are not here are absent with the reason."""
    podman = Program("podman", "--version")
    answer = collect(
        {
            "docker": lambda: ask_docker(socket_path(os.environ)),
            "podman": lambda: parse_version(podman.output()),
            "containerd": _containerd,
        }
    )
    return Answer({"engines": answer.values}, {f"engines.{key}": reason for key, reason in answer.absent.items()})


def _containerd() -> dict[str, str]:
    """Its version, where it runs: its program alone, tens of megabytes, is everywhere where Docker is installed."""
    if not os.path.exists(_CONTAINERD_SOCKET):
        raise Unreadable(f"{_CONTAINERD_SOCKET} is not there: no containerd runs here")
    return parse_version(Program("containerd", "--version").output())


def socket_path(environment: Mapping[str, str]) -> str:
    """Where Docker's socket is: DOCKER_HOST, else that of a rootless daemon when it is there, else the system's.

    Raises:
        Unreadable: DOCKER_HOST names another machine.
    """
    host = environment.get("DOCKER_HOST", "")
    if host.startswith("unix://"):
        return host.removeprefix("unix://")
    if host:
        raise Unreadable(f"DOCKER_HOST is {host}: no socket of this machine")
    rootless = os.path.join(environment.get("XDG_RUNTIME_DIR") or "/nonexistent", "docker.sock")
    return rootless if os.path.exists(rootless) else "/var/run/docker.sock"


def ask_docker(path: str) -> dict[str, Any]:
    """What a Docker daemon says of itself.

    Raises:
        Unreadable: there is no daemon, it does not let this user ask, or it answers something else.
    """
    version, info = _get(path, "/version"), _get(path, "/info")
    return {"socket": path, **judge_docker(version, info)}


def judge_docker(version: dict[str, Any], info: dict[str, Any]) -> dict[str, Any]:
    """The facts of a daemon from its answers to /version and /info."""
    options = [str(option) for option in info.get("SecurityOptions") or []]
    runtimes = info.get("Runtimes")
    return {
        "version": version.get("Version"),
        "api_version": version.get("ApiVersion"),
        "kernel": version.get("KernelVersion"),
        "operating_system": info.get("OperatingSystem"),
        "rootless": any("name=rootless" in option for option in options),
        "user_namespace": any("name=userns" in option for option in options),
        "default_runtime": info.get("DefaultRuntime"),
        "runtimes": sorted(runtimes) if isinstance(runtimes, dict) else None,
        "live_restore": info.get("LiveRestoreEnabled"),
        "cgroup_version": info.get("CgroupVersion"),
    }


def parse_version(printed: str) -> dict[str, str]:
    """Version in what `podman --version` or `containerd --version` prints.

    Raises:
        Unreadable: there is none.
    """
    found = _VERSION.search(printed)
    if found is None:
        raise Unreadable(f"no version in {printed[:60]!r}")
    return {"version": found.group()}


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket file."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_S)
        self.sock.connect(self._path)


def _get(path: str, question: str) -> dict[str, Any]:
    connection = _UnixConnection(path)
    try:
        connection.request("GET", question)
        response = connection.getresponse()
        answer = json.loads(response.read(_MOST_BYTES))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unreadable(f"{path}: {getattr(error, 'strerror', None) or str(error) or type(error).__name__}") from error
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK or not isinstance(answer, dict):
        raise Unreadable(f"{path}: the daemon answered {question} with status {response.status}")
    return answer
