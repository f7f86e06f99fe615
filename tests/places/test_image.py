"""The Dockerfile, built and run by a real daemon that has no network: of a tar of Debian's packages and wheels at hand."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_daemon import DockerDaemon

ROOT = Path(__file__).parents[2]
IMAGE = "netbench-test:latest"
BASE = "netbench-base:latest"
PACKAGES = "gcc,libc6-dev,python3-dev,python3-venv,iproute2,nftables"
BUILD_S = 400

pytestmark = pytest.mark.timeout(600)


def done(*command: str, timeout_s: int = BUILD_S, **more: object) -> str:
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False, **more)  # type: ignore[call-overload]
    assert result.returncode == 0, f"{command}: {result.stderr[-3000:]}"
    return str(result.stdout)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory, docker_daemon: DockerDaemon) -> Iterator[str]:
    """An image of Debian made from this machine's own package source."""
    if shutil.which("mmdebstrap") is None:
        pytest.skip("not installed: mmdebstrap (apt-get install mmdebstrap)")
    sources = next((str(path) for path in Path("/etc/apt/sources.list.d").glob("debian.sources")), "/etc/apt/sources.list")
    release = dict(line.partition("=")[::2] for line in Path("/etc/os-release").read_text().splitlines())["VERSION_CODENAME"]
    archive = tmp_path_factory.mktemp("base") / "base.tar"
    # Its mounts are of a mount namespace that goes with it, also when it is killed.
    done("unshare", "--mount", "mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", release, str(archive), sources)
    done("docker", "-H", docker_daemon.host, "import", str(archive), BASE)
    archive.unlink()
    yield BASE
    docker_daemon.docker("image", "rm", "--force", BASE)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, docker_daemon: DockerDaemon, base: str) -> Iterator[str]:
    """Built from what a fresh clone holds, and the wheels that the build may not fetch."""
    context = tmp_path_factory.mktemp("context")
    files = done("git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard", "-z").rstrip("\0").split("\0")
    for name in files:
        if (ROOT / name).is_file():
            (context / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, context / name)
    pins = str(ROOT / "requirements" / "runtime.txt")
    done(sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "-r", pins, "-d", str(context / "wheels"))
    arguments = ("--build-arg", f"BASE={base}", "--build-arg", "PIP_FLAGS=--no-index --find-links wheels")
    done(
        "docker",
        "-H",
        docker_daemon.host,
        "build",
        *arguments,
        "-t",
        IMAGE,
        str(context),
        env={**os.environ, "DOCKER_BUILDKIT": "0"},
    )
    shutil.rmtree(context)
    yield IMAGE
    docker_daemon.docker("image", "rm", "--force", IMAGE)
    docker_daemon.docker("image", "prune", "--force")


def run(daemon: DockerDaemon, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["docker", "-H", daemon.host, "run", "--rm", "--cap-drop", "ALL", "--cap-add", "NET_RAW", IMAGE, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)


def test_the_image_inspects_the_place_that_its_container_is(docker_daemon: DockerDaemon, image: str) -> None:
    ended = run(docker_daemon, "inspect", "-i", "eth0", "-J")
    told = json.loads(ended.stdout)

    assert told["facts"]["container"]["engine"] == "docker"
    assert told["facts"]["interface"]["kind"] == "veth"
    assert told["facts"]["capabilities"]["NET_RAW"] is True
    assert told["facts"]["capabilities"]["NET_ADMIN"] is False


def test_the_image_sends_and_the_kernel_of_its_container_counts_the_same(docker_daemon: DockerDaemon, image: str) -> None:
    """To its own bridge, which is the end of the world for a daemon without a network."""
    ended = run(docker_daemon, "send", "-i", "eth0", "-g", "239.255.77.1:5004", "--packets", "500", "--pps", "5000", "-J")

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout)["sent"]["packets"] == 500


def test_the_image_is_small_in_what_it_carries_beside_its_base(docker_daemon: DockerDaemon, image: str, tmp_path: Path) -> None:
    """Neither sources nor a compiler's leftovers: the package, its requirements, and the interpreter's environment."""
    listing = tmp_path / "image.tar"
    name = "nb-image-listing"
    docker_daemon.docker("create", "--name", name, IMAGE)
    try:
        with listing.open("wb") as file:
            subprocess.run(["docker", "-H", docker_daemon.host, "export", name], stdout=file, check=True, timeout=90)
    finally:
        docker_daemon.docker("rm", name)
    with tarfile.open(listing) as archive:
        names = archive.getnames()

    assert any(name.startswith("opt/netbench/") and name.endswith("netbench/_core.abi3.so") for name in names)
    assert not [name for name in names if name.startswith("src/")]
