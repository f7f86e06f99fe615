"""The container engine: where its daemon listens, whether it can be used here, and which network it stands in.

Theory of operation. The daemon is asked over its socket (DOCKER_HOST, or the default one) through the docker SDK. Its network
namespace is that of the process at the other end of the socket, which the kernel tells (SO_PEERCRED): the daemon itself or, where
systemd listens for it, the system's first process, whose network it shares. So a daemon that stands in a namespace of its own is
found as well as the one that everybody has.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from netbench.environments import abilities, lab
from netbench.environments.base import Parent, Unavailable
from netbench.environments.interrupts import held_back
from netbench.environments.ownership import owner
from netbench.errors import CannotRunError

LABEL = "netbench.owner"
_DEFAULT = "unix:///var/run/docker.sock"
_TIMEOUT_S = 30
_PEER = struct.Struct("3i")  # struct ucred of socket(7): process, user, group
_START = "sudo systemctl start docker (without systemd: sudo dockerd), or install it: apt-get install docker.io"


@dataclass(frozen=True)
class Engine:
    """A daemon that answers.

    Attributes:
        address: of its socket, `unix://…`.
        api: docker.APIClient.
        process: whose network namespace is the daemon's.
        version: of the daemon.
    """

    address: str
    api: Any
    process: int
    version: str

    @property
    def client(self) -> tuple[str, ...]:
        """What stands before a command of the docker command line."""
        return ("docker", "-H", self.address)

    @property
    def labels(self) -> dict[str, str]:
        """What everything carries that this runner makes there."""
        return {LABEL: owner()}

    @property
    def chooses_mac(self) -> bool:
        """Whether MAC addresses are the engine's choice (Docker 25 and newer); older ones derive them from the IPv4 address."""
        from docker.utils import version_gte

        return bool(version_gte(self.api.api_version, "1.44"))

    @property
    def kernel_identity(self) -> tuple[int, int]:
        """Of the daemon's network namespace."""
        return _namespace(self.process)


@contextmanager
def connect() -> Iterator[Engine]:
    """The daemon of this machine.

    Raises:
        CannotRunError: there is none, it may not be asked, or it is none that can be measured from here.
    """
    path = _socket_path()
    _check_client()
    process = _listener(path)
    address = f"unix://{path}"
    import docker  # costs 0.3 s

    with told(f"The Docker daemon at {address} does not answer"):
        api = docker.APIClient(base_url=address, version="auto", timeout=_TIMEOUT_S)
    try:
        with told(f"The Docker daemon at {address} does not tell about itself"):
            about = api.info()
        _check_daemon(address, about)
        yield Engine(address, api, process, str(about.get("ServerVersion", "unknown")))
    finally:
        api.close()


def unavailable(*needs: str) -> Unavailable | None:
    """Why the daemon cannot be used here, or None; `needs` are the abilities of the lab that are needed beside it."""
    lacking = abilities.missing("namespaces", "veth", *needs)
    if lacking is not None:
        return lacking
    try:
        with connect():
            return None
    except CannotRunError as error:
        return Unavailable(error.message, error.remedy)


def check_parent(engine: Engine, parent: Parent) -> None:
    """An interface of the user's own has to be the daemon's as well.

    Raises:
        CannotRunError: the daemon stands in another network.
    """
    here = os.stat("/proc/self/ns/net")
    if (here.st_dev, here.st_ino) != engine.kernel_identity:
        raise CannotRunError(
            f"{parent.interface} is not in the network namespace of the Docker daemon at {engine.address}, "
            "whose containers can only use interfaces that are.",
            f"run netbench where the daemon runs: {lab.as_root('nsenter', f'--net=/proc/{engine.process}/ns/net')}",
        )


@contextmanager
def changing(doing: str, remedy: str | None = None) -> Iterator[None]:
    """As told(), for requests that make something: Ctrl-C waits for the daemon's answer, since the daemon goes on without us.

    Raises:
        CannotRunError: as told().
    """
    with held_back(), told(doing, remedy):
        yield


@contextmanager
def told(doing: str, remedy: str | None = None) -> Iterator[None]:
    """Tell what the daemon refuses as an error of ours.

    Args:
        doing: the beginning of the message: what failed.
        remedy: what to type next.

    Raises:
        CannotRunError: the daemon refused, or did not answer.
    """
    import docker.errors
    import requests.exceptions

    try:
        yield
    except docker.errors.APIError as error:
        said = " ".join(str(error.explanation or error).split())
        raise CannotRunError(f"{doing}: the daemon says: {said}", remedy or _remedy(said)) from error
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise CannotRunError(f"{doing}: {' '.join(str(error).split())}", remedy or _START) from error


def _remedy(said: str) -> str | None:
    """What to type about the commonest refusals."""
    if taken := re.search(r'container name "/?([^"]+)" is already in use', said, re.IGNORECASE):
        return f"remove what has the name: docker rm -f {taken[1]}; or choose another: name=OTHER"
    lowered = said.lower()
    if "already using parent interface" in lowered:
        return (
            "find the network that has the interface: docker network ls --filter driver=macvlan; remove it: docker network rm NAME"
        )
    if "port is already allocated" in lowered or "address already in use" in lowered:
        return "choose other ports: ports=FIRST-LAST; docker ps and ss -ulnp tell who holds them"
    if "bind source path does not exist" in lowered:
        return "the daemon does not see this machine's files (a snap, or another machine's daemon): use the distribution's docker"
    return None


def _socket_path() -> str:
    try:
        import docker  # noqa: F401  # whether it is there
    except ImportError:
        raise CannotRunError("The Python package docker is not installed.", "pip install 'netbench[docker]'") from None
    address = os.environ.get("DOCKER_HOST") or _DEFAULT
    scheme, separator, path = address.partition("://")
    if scheme != "unix" or not separator:
        raise CannotRunError(
            f"DOCKER_HOST={address}: the daemon is on another machine, or shall be reached as if it were.",
            "run netbench on the daemon's machine: unset DOCKER_HOST",
        )
    return path


def _check_client() -> None:
    if shutil.which("docker") is None:
        raise CannotRunError(
            "There is no program `docker` here, by which the agent is started inside its container.",
            "apt-get install docker-cli (Debian 12 and Ubuntu: docker.io)",
        )


def _listener(path: str) -> int:
    """The process at the other end of the daemon's socket."""
    try:
        is_socket = stat.S_ISSOCK(os.stat(path).st_mode)
    except FileNotFoundError:
        raise CannotRunError(f"No Docker daemon runs here: there is no socket {path}.", _START) from None
    except PermissionError:
        raise _not_permitted(path) from None
    if not is_socket:
        raise CannotRunError(f"No Docker daemon runs here: {path} is no socket.", _START)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_TIMEOUT_S)
            connection.connect(path)
            process, _, _ = _PEER.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
    except PermissionError:
        raise _not_permitted(path) from None
    except OSError as error:
        raise CannotRunError(f"No Docker daemon runs here: {path} does not answer ({error.strerror or error}).", _START) from error
    if lab.privilege() != "root":
        raise CannotRunError(
            "Docker's environments are built in the daemon's own network, into which an ordinary user may not reach.",
            f"run it as root: {lab.as_root()}",
        )
    if process == 0 or not os.path.exists(f"/proc/{process}/ns/net"):
        raise CannotRunError(
            f"The Docker daemon behind {path} cannot be seen from here: netbench runs in a container that was given its socket.",
            "run netbench on the host itself, or give the container --pid host",
        )
    return int(process)


def _not_permitted(path: str) -> CannotRunError:
    return CannotRunError(f"The Docker daemon may not be asked: access to {path} is denied.", f"run it as root: {lab.as_root()}")


def _check_daemon(address: str, about: dict[str, Any]) -> None:
    """Refuse daemons whose containers are not on this machine's own network.

    Raises:
        CannotRunError: it is one of these.
    """
    if any("name=rootless" in option for option in about.get("SecurityOptions") or ()):
        raise CannotRunError(
            f"The Docker daemon at {address} is rootless: its containers are behind a network of user space, in every mode.",
            "measure with the system's daemon: sudo systemctl start docker; unset DOCKER_HOST",
        )
    here = os.uname().release
    if about.get("OperatingSystem") == "Docker Desktop" or about.get("KernelVersion") != here:
        raise CannotRunError(
            f"The Docker daemon at {address} runs in another machine ({about.get('OperatingSystem')}, kernel "
            f"{about.get('KernelVersion')}; here it is {here}), as that of Docker Desktop does.",
            "run netbench in that machine, or install the engine here: apt-get install docker.io",
        )


def _namespace(process: int) -> tuple[int, int]:
    seen = os.stat(f"/proc/{process}/ns/net")
    return seen.st_dev, seen.st_ino
