"""What an agent needs on a machine that has no netbench: the standard-library half of the package, the C core, and psutil."""

from __future__ import annotations

import io
import re
import tarfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import netbench
from netbench.environments.machines.ssh_keeper import digest
from netbench.errors import CannotRunError

_MODULES = ("__init__", "agent", "agent_jobs", "agent_session", "core", "errors", "interface", "protocol", "refusals")
_PACKAGES = ("traffic", "capture", "facts")
_CORE = "_core.abi3.so"
_SYMBOL_VERSION = re.compile(rb"GLIBC_(\d+)\.(\d+)")


@dataclass(frozen=True)
class Parcel:
    """The pieces.

    Attributes:
        root: the directory that the names are relative to.
        python: names of the files of netbench that are the same on every machine.
        native: names of what was compiled for this one, psutil with it.
    """

    root: Path
    python: tuple[str, ...]
    native: tuple[str, ...]

    @property
    def fingerprint(self) -> str:
        """Of the Python files: what is installed elsewhere with the same one speaks the same protocol."""
        found = digest(self.root, list(self.python))
        assert found is not None, "the pieces were listed from what is there"
        return found

    @property
    def least_glibc(self) -> tuple[int, int]:
        """The glibc that the compiled pieces were linked for."""
        versions = [
            (int(major), int(minor))
            for name in self.native
            if name.endswith(".so")
            for major, minor in _SYMBOL_VERSION.findall((self.root / name).read_bytes())
        ]
        return max(versions, default=(2, 0))

    def packed(self) -> bytes:
        """All of it, as a compressed tar."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=6) as archive:
            for name in (*self.python, *self.native):
                archive.add(self.root / name, arcname=name, filter=_nobodys)
        return packed.getvalue()


def _nobodys(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0  # who owns them here means nothing there
    member.uname = member.gname = ""
    return member


def parcel() -> Parcel:
    """The pieces of the netbench that runs here.

    Raises:
        CannotRunError: its C core is not built.
    """
    home = Path(netbench.__file__).parent
    if not (home / _CORE).exists():
        raise CannotRunError(f"The C core of netbench is not built here: there is no {_CORE} to carry over.", "make setup")
    files = [home / f"{module}.py" for module in _MODULES]
    for package in _PACKAGES:
        files += sorted((home / package).rglob("*.py"))
    python = tuple(str(path.relative_to(home.parent)) for path in files)
    return Parcel(home.parent, python, (f"{home.name}/{_CORE}", *_psutil(home.parent)))


def _psutil(root: Path) -> tuple[str, ...]:
    """The files of psutil, where it stands beside netbench; facts tell what is absent without it."""
    spec = find_spec("psutil")
    if spec is None or spec.origin is None or Path(spec.origin).parent.parent != root:
        return ()
    files = [path for path in Path(spec.origin).parent.iterdir() if path.suffix in (".py", ".so")]
    return tuple(sorted(str(path.relative_to(root)) for path in files))
