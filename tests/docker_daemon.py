"""A real Docker daemon for tests, in a network of its own: nothing that it does is seen outside, and nothing of it is left.

`unshare` gives it a network namespace, so that its bridges and rules stay there, and a mount namespace, which takes its mounts
along when it ends. Its files lie in a directory of the test, its control groups below one of its own.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import pytest

_START_S = 60.0
_END_S = 60.0
_OWN_NETWORK = ("unshare", "--net", "--mount", "--propagation", "private")
_MADE_ELSEWHERE = ("/etc/docker/key.json", "/etc/docker", "/opt/containerd/bin", "/opt/containerd/lib", "/opt/containerd")
_SCRIPT = 'mount -t tmpfs none /run && ip link set lo up && exec dockerd "$@"'


class DockerDaemon:
    """A dockerd that runs until it is closed.

    Args:
        directory: for its files; removed when it is closed. Keep it short: the path of a socket has at most 107 bytes.
        enter: what stands before its command line; it makes or enters the network namespace, and makes a mount namespace.
        options: further ones of dockerd.
    """

    def __init__(self, directory: Path, enter: Sequence[str] = _OWN_NETWORK, options: Sequence[str] = ()) -> None:
        self.directory = directory
        self.host = f"unix://{directory}/docker.sock"
        self._group = f"nb-test-{os.getpid()}-{directory.name}"
        self._made_elsewhere = [Path(path) for path in _MADE_ELSEWHERE if not os.path.exists(path)]
        directory.mkdir(parents=True, exist_ok=True)
        arguments = ["--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec", "--pidfile", f"{directory}/pid"]
        arguments += ["--host", self.host, "--cgroup-parent", f"/{self._group}", "--group", "0", *options]
        self._log = (directory / "log").open("wb")
        self._process = subprocess.Popen(
            [*enter, "sh", "-c", _SCRIPT, "dockerd", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.close()
            raise

    @property
    def process_id(self) -> int:
        return self._process.pid

    def docker(self, *arguments: str) -> str:
        """What the command line says."""
        done = subprocess.run(["docker", "-H", self.host, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def load(self, name: str, archive: bytes, *changes: str) -> str:
        """Make an image of a tar file."""
        words = [word for change in changes for word in ("--change", change)]
        subprocess.run(
            ["docker", "-H", self.host, "import", *words, "-", name], input=archive, check=True, capture_output=True, timeout=120
        )
        return name

    def holdings(self) -> list[str]:
        """Containers, networks and images that are there, other than the engine's own."""
        containers = self.docker("ps", "--all", "--format", "container {{.Names}}").splitlines()
        networks = self.docker("network", "ls", "--filter", "type=custom", "--format", "network {{.Name}}").splitlines()
        images = self.docker("image", "ls", "--all", "--format", "image {{.Repository}}:{{.Tag}}").splitlines()
        return sorted([*containers, *networks, *images])

    def close(self) -> None:
        """End it, its containers and what helps it; remove its files and control groups."""
        if self._process.poll() is None:
            left = subprocess.run(
                ["docker", "-H", self.host, "ps", "-aq"], capture_output=True, text=True, timeout=60
            ).stdout.split()
            if left:
                subprocess.run(["docker", "-H", self.host, "rm", "-f", *left], capture_output=True, timeout=_END_S)
            self._process.terminate()
            try:
                self._process.wait(_END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._log.close()
        for process in self._helpers():
            os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + _END_S
        while self._helpers() and time.monotonic() < deadline:
            time.sleep(0.05)
        shutil.rmtree(self.directory)
        for path in self._made_elsewhere:
            with suppress(OSError):  # another daemon, of a test at the same time, may have it still
                path.rmdir() if path.is_dir() else path.unlink()
        for hierarchy in Path("/sys/fs/cgroup").rglob(self._group):
            for group in (*sorted(hierarchy.rglob("*/"), reverse=True), hierarchy):
                if group.is_dir():
                    group.rmdir()

    def _helpers(self) -> list[int]:
        """Processes of its own: containerd, shims, proxies; they name its directory."""
        mark = f"{self.directory}/".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            program = os.path.basename(words[0])
            if program.startswith((b"containerd", b"dockerd")) and any(mark in word for word in words):
                found.append(int(entry.name))
        return found

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + _START_S
        while subprocess.run(["docker", "-H", self.host, "version"], capture_output=True, timeout=_START_S).returncode != 0:
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"dockerd does not answer:\n{(self.directory / 'log').read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)


def why_no_daemon() -> str | None:
    """Why no daemon can be started here, or None."""
    if os.geteuid() != 0:
        return "a Docker daemon is started by root only"
    lacking = [program for program in ("dockerd", "docker", "containerd", "runc") if shutil.which(program) is None]
    return f"not installed: {', '.join(lacking)} (apt-get install docker.io iptables)" if lacking else None


@pytest.fixture(scope="session")
def docker_daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerDaemon]:
    """A daemon in a network of its own, which DOCKER_HOST names while the session goes on."""
    reason = why_no_daemon()
    if reason is not None:
        pytest.skip(reason)
    daemon = DockerDaemon(tmp_path_factory.mktemp("docker"))
    before = os.environ.get("DOCKER_HOST")
    os.environ["DOCKER_HOST"] = daemon.host
    try:
        yield daemon
    finally:
        if before is None:
            del os.environ["DOCKER_HOST"]
        else:
            os.environ["DOCKER_HOST"] = before
        daemon.close()
