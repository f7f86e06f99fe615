"""What runs in a container: the user's image with its own Python, or ours, mounted read only into any image or an empty one."""

from __future__ import annotations

import io
import os
import shlex
import sys
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import netbench
from netbench.environments.base import Option
from netbench.environments.containers.engine import LABEL, Engine, changing, told
from netbench.environments.netns import Network
from netbench.errors import CannotRunError, UsageError

if TYPE_CHECKING:
    from netbench.result.plan import OptionValue

OPTIONS = (
    Option("image", "", "the image of the container, which the daemon has; empty: one without any file, made for the run"),
    Option("python", "auto", "the image's own Python (3.11 or newer), or this one, mounted", choices=("auto", "image", "mounted")),
)
EMPTY = "netbench-empty"
_PACKAGES = "/opt/netbench"  # where this package is seen by the image's own Python
_OLDEST = (3, 11)
_NAMES = ("python3", "python")
_PROBE_SECONDS = 60
_MOST_LINKS = 40  # as the kernel
_NO_PROGRAM = ("executable file not found", "no such file or directory")  # what the daemon says about it
_TRIAL = (
    "import sys; assert sys.version_info >= (3, 11), 'Python %d.%d is older than 3.11' % sys.version_info[:2]; "
    "import netbench.agent, netbench.core; print(sys.version.split()[0])"
)


@dataclass(frozen=True)
class Image:
    """An image, and how an agent starts in it.

    Attributes:
        name: as the daemon knows it.
        python: the interpreter in there, with its options.
        mounts: (path here, path in there), read only.
        environment: variables of the container.
        remark: for the report.
    """

    name: str
    python: tuple[str, ...]
    mounts: tuple[tuple[str, str], ...]
    environment: tuple[tuple[str, str], ...]
    remark: str


def prepare(network: Network, engine: Engine, chosen: dict[str, OptionValue]) -> Image:
    """The image that was asked for; an empty one is made, and removed when the network is taken down.

    Raises:
        UsageError: the image's own Python was asked for, and no image.
        CannotRunError: the daemon does not have the image, or it has no Python that will do.
    """
    name, python = str(chosen["image"]), str(chosen["python"])
    if not name:
        if python == "image":
            raise UsageError("python=image asks for the Python of an image, and no image is named.", "name it: image=NAME")
        return _ours(_make_empty(network, engine), "an image without any file")
    with told(f"The image {name} cannot be used", f"docker pull {shlex.quote(name)}; docker image ls lists what the daemon has"):
        engine.api.inspect_image(name)
    if python == "mounted":
        return _ours(name, f"the image {name}, whose own files in /usr and /lib it hides")
    image, problem = _own(engine, name, network.name_of("image"))
    if image is not None:
        return image
    if python == "image":
        raise CannotRunError(
            f"The image {name} has no Python that netbench can use: {problem}.",
            f"install Python {_OLDEST[0]}.{_OLDEST[1]} or newer in it, or mount ours: python=mounted",
        )
    return _ours(name, f"the image {name}, whose own files in /usr and /lib it hides ({problem})")


def _ours(name: str, where: str) -> Image:
    return Image(
        name=name,
        python=(sys.executable, "-P"),
        mounts=tuple((path, path) for path in _interpreter()),
        environment=(("PYTHONPATH", str(Path(netbench.__file__).parents[1])), ("PYTHONDONTWRITEBYTECODE", "1")),
        remark=f"The agent runs in the container by the host's Python {sys.version.split()[0]}, mounted read only into {where}.",
    )


def _interpreter() -> list[str]:
    """The folders that our Python needs, none within another."""
    here = Path(netbench.__file__).parents[1]
    wanted = ["/usr", "/lib", "/lib64", "/etc/ld.so.cache", sys.prefix, sys.base_prefix, sys.exec_prefix, str(here)]
    wanted += [str(program.parents[1]) for program in _links(Path(sys.executable))]
    present = sorted({os.path.abspath(path) for path in wanted if os.path.exists(path)})
    return [path for path in present if not any(path != other and path.startswith(f"{other}/") for other in present)]


def _links(program: Path) -> Iterator[Path]:
    """A program, and what it is a link to, step by step: each must be there for the next to be found."""
    for _ in range(_MOST_LINKS):
        yield program
        if not program.is_symlink():
            return
        program = Path(os.path.normpath(program.parent / program.readlink()))


def _own(engine: Engine, name: str, trial: str) -> tuple[Image | None, str]:
    """The image with its own Python, tried in a container that is called so; or None, and why not."""
    mounts = [(str(Path(netbench.__file__).parent), f"{_PACKAGES}/netbench")]
    import psutil

    if Path(psutil.__file__).parent.joinpath("_psutil_linux.abi3.so").exists():  # fits every Python 3
        mounts.append((str(Path(psutil.__file__).parent), f"{_PACKAGES}/psutil"))
    environment = (("PYTHONPATH", _PACKAGES), ("PYTHONDONTWRITEBYTECODE", "1"))
    problem = ""
    for python in _NAMES:
        status, said = _try(engine, name, trial, (python, "-c", _TRIAL), mounts, environment)
        if status == 0:
            remark = f"The agent runs in the container by the image's own Python {said} ({name}); netbench is mounted read only."
            return Image(name, (python, "-P"), tuple(mounts), environment, remark), ""
        if status is not None or not problem:
            problem = said
        if status is not None:
            break
    return None, problem


def _try(
    engine: Engine,
    name: str,
    called: str,
    command: tuple[str, ...],
    mounts: Iterable[tuple[str, str]],
    environment: Iterable[tuple[str, str]],
) -> tuple[int | None, str]:
    """Run a command in the image, without any network. Returns its exit status (None: it is not there) and its last line."""
    import docker.errors

    settings = engine.api.create_host_config(
        mounts=binds(mounts), network_mode="none", cap_drop=["ALL"], security_opt=["no-new-privileges"]
    )
    doing = f"The image {name} could not be tried"
    try:
        with changing(doing):
            engine.api.create_container(
                name,
                name=called,
                entrypoint=list(command[:1]),
                command=list(command[1:]),
                environment=dict(environment),
                host_config=settings,
                labels=engine.labels,
                user="0",
            )
        with told(doing):
            try:
                engine.api.start(called)
            except docker.errors.APIError as error:
                if not any(words in str(error).lower() for words in _NO_PROGRAM):
                    raise
                return None, f"it has no program {command[0]}"
            status = int(engine.api.wait(called, timeout=_PROBE_SECONDS)["StatusCode"])
            lines = engine.api.logs(called).decode(errors="replace").strip().splitlines()
        return status, lines[-1] if lines else f"{command[0]} ended with status {status}"
    finally:
        with changing(f"Removing the container {called} failed"), suppress(docker.errors.NotFound):
            engine.api.remove_container(called, force=True, v=True)


def binds(mounts: Iterable[tuple[str, str]]) -> list[Any]:
    """Mounts, read only, as the SDK takes them."""
    from docker.types import Mount

    return [Mount(target, source, type="bind", read_only=True) for source, target in mounts]


def _make_empty(network: Network, engine: Engine) -> str:
    """An image without any file: all of it is mounted."""
    reference = f"{EMPTY}:{network.token}"
    network.undo(remove_image, engine, reference)
    archive = io.BytesIO()
    tarfile.open(fileobj=archive, mode="w").close()
    label = f"LABEL {LABEL}={engine.labels[LABEL]}"
    with changing("An empty image could not be made"):
        engine.api.import_image_from_data(archive.getvalue(), repository=EMPTY, tag=network.token, changes=[label])
    importing = shlex.join([*engine.client, "import", "--change", label, "-", reference])
    network.commands.append(f"tar -cf - -T /dev/null | {importing}")
    return reference


def remove_image(engine: Engine, reference: str) -> None:
    """Remove an image, if it is there."""
    import docker.errors

    with told(f"Removing the image {reference} failed"), suppress(docker.errors.ImageNotFound):
        engine.api.remove_image(reference, noprune=False)
