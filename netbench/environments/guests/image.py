"""The kernel and the first file system of a guest: made from what the distribution has, and kept in the user's cache.

The initramfs holds a static busybox, `init.sh` as its first program, and the kernel's modules that netbench uses. All the
rest of a guest is the host's own file system, shared read only, so a guest runs the same Python and the same netbench.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import json
import lzma
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from netbench.environments import lab
from netbench.environments.base import Unavailable
from netbench.environments.guests import kernel as guest_kernel
from netbench.environments.guests.kernel import REQUIRED, WANTED, Kernel, find_program, module_name
from netbench.environments.guests.unpacked import unpacked
from netbench.errors import CannotRunError

_INIT = Path(__file__).with_name("init.sh")
_KERNEL = "kernel"
_APPLETS = frozenset({"chroot", "modprobe", "mount", "poweroff", "printf", "sh"})
_PROGRAM_SECONDS = 60.0
_MAKING = ".making-"
_GUESTS = "vm-"  # how the names of guests begin
_PACKAGES = {"busybox": "busybox-static", "cpio": "cpio", "depmod": "kmod"}


@dataclass(frozen=True)
class GuestImage:
    """What a guest boots from.

    Attributes:
        kernel: an ELF file that QEMU enters directly where the kernel allows it, else the bzImage.
        initramfs: for it; its first program is init.sh.
        version: of the kernel, as `uname -r` tells it in the guest.
        modules: kernel modules that the guest can load or has built in; names have `_`, never `-`.
        origin: `installed` (the machine's own kernel) or `package` (fetched).
    """

    kernel: Path
    initramfs: Path
    version: str
    modules: frozenset[str]
    origin: str


def missing() -> Unavailable | None:
    """Why no guest can be made here, or None; reads only, and fetches nothing."""
    for program, package in _PACKAGES.items():
        if find_program(program) is None:
            return Unavailable(f"There is no program `{program}` here, of which a guest is made.", f"apt-get install {package}")
    kernel = guest_kernel.installed()
    if kernel is None and find_program("apt-get") is None and not _fetched(_recipe()):
        return Unavailable(
            "A guest needs a kernel: none in /boot can be read with its modules, and there is no apt-get to fetch one.",
            "install your distribution's kernel with its modules, and make /boot/vmlinuz-* readable",
        )
    return None


def prepare() -> GuestImage:
    """Give the image, and make it first where the cache has none: of the machine's own kernel, else of the distribution's package.

    Quick (milliseconds) when it is in the cache; else seconds, and with a package a download of some 70 MB.

    Raises:
        CannotRunError: a program is missing, the cache cannot be written, or no kernel can be had.
    """
    if (unavailable := missing()) is not None:
        raise CannotRunError(unavailable.reason, unavailable.remedy)
    recipe = _recipe()
    if (image := _cached(recipe)) is not None:
        return image
    with _locked() as cache:
        if (image := _cached(recipe)) is not None:  # another process has made it meanwhile
            return image
        for abandoned in cache.glob(f"{_MAKING}*"):  # by a process that was killed: we have the lock
            shutil.rmtree(abandoned, ignore_errors=True)
        with tempfile.TemporaryDirectory(prefix=_MAKING, dir=cache) as temporary:
            kernel = guest_kernel.installed()
            if kernel is not None:
                return _make(kernel, "installed", _entry(kernel, recipe), Path(temporary))
            kernel = guest_kernel.fetch(Path(temporary))
            return _make(kernel, "package", cache / f"{kernel.version}-package-{recipe}", Path(temporary))


def prepare_ahead(environments: Iterable[str]) -> None:
    """Make the image before the lab is entered, where the lab will have no network to fetch a kernel by: an ordinary user's.

    What fails is not told here, but when a guest is built.

    Args:
        environments: names of those that will be built.
    """
    if not lab.has_capabilities() and any(name.startswith(_GUESTS) for name in environments):
        with suppress(CannotRunError):
            prepare()


def cache_directory() -> Path:
    """Where images are kept; it may be deleted at any time."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path("~/.cache").expanduser()) / "netbench" / "guest"


def _cached(recipe: str) -> GuestImage | None:
    kernel = guest_kernel.installed()
    if kernel is not None:
        entry = _entry(kernel, recipe)
        return _load(entry) if entry.is_dir() else None
    fetched = _fetched(recipe)
    return _load(fetched[-1]) if fetched else None


def _fetched(recipe: str) -> list[Path]:
    """Images of this recipe that were made of packages, the newest last."""
    return sorted(cache_directory().glob(f"*-package-{recipe}"), key=lambda path: path.stat().st_mtime)


def _entry(kernel: Kernel, recipe: str) -> Path:
    """The image of an installed kernel; a kernel or modules that were installed anew make another one."""
    files = [(path.stat().st_size, path.stat().st_mtime_ns) for path in (kernel.image, kernel.modules / "modules.dep")]
    return cache_directory() / f"{kernel.version}-installed-{recipe}-{_hash(repr(files).encode())}"


def _recipe() -> str:
    """Hash of all that goes into an image, except for the kernel's own files."""
    busybox = Path(find_program("busybox") or "/bin/busybox")
    return _hash(_INIT.read_bytes(), busybox.read_bytes(), repr((_KERNEL, REQUIRED, WANTED)).encode())


def _hash(*contents: bytes) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(len(content).to_bytes(8, "little") + content)
    return digest.hexdigest()[:12]


def _load(entry: Path) -> GuestImage:
    told = json.loads((entry / "image.json").read_text(encoding="utf-8"))
    return GuestImage(entry / _KERNEL, entry / "initramfs", told["version"], frozenset(told["modules"]), told["origin"])


@contextmanager
def _locked() -> Iterator[Path]:
    """The cache, for one process at a time: two that start together fetch one kernel."""
    cache = cache_directory()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = os.open(cache / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise CannotRunError(
            f"The cache of guests, {cache}, cannot be written: {error.strerror}.", "name another: export XDG_CACHE_HOME=DIRECTORY"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield cache
    finally:
        os.close(lock)


def _make(kernel: Kernel, origin: str, entry: Path, temporary: Path) -> GuestImage:
    """Make an image in a temporary directory and rename it to its place in the cache."""
    made, tree = temporary / "image", temporary / "tree"
    made.mkdir()
    modules = _grow(tree, kernel)
    image = kernel.image.read_bytes()
    (made / _KERNEL).write_bytes(unpacked(image) or image)
    _pack(tree, made / "initramfs")
    described = {"version": kernel.version, "origin": origin, "modules": sorted(modules)}
    (made / "image.json").write_text(json.dumps(described), encoding="utf-8")
    made.chmod(0o755)
    os.rename(made, entry)
    return _load(entry)


def _grow(tree: Path, kernel: Kernel) -> set[str]:
    """Make the tree of an initramfs, and return the names of the modules that it has, built-in ones as well."""
    busybox = _busybox()
    for directory in ("bin", "sbin", "dev", "proc", "sys", "share", "host"):
        (tree / directory).mkdir(parents=True)
    shutil.copyfile(busybox, tree / "bin/busybox")
    shutil.copyfile(_INIT, tree / "init")
    for program in (tree / "bin/busybox", tree / "init"):
        program.chmod(0o755)
    (tree / "sbin/modprobe").symlink_to("/bin/busybox")  # the kernel calls it for modules that it needs
    known = kernel.dependencies()
    have = {name for name in (*REQUIRED, *WANTED) if name in known}
    inside = tree / "lib/modules" / kernel.version
    for file in {file for name in have for file in known[name]}:
        target = inside / file.relative_to(kernel.modules)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.with_name(f"{file.name.partition('.')[0]}.ko").write_bytes(decompressed(file))
        have.add(module_name(file.name))
    inside.mkdir(parents=True, exist_ok=True)
    for name in ("modules.builtin", "modules.order", "modules.builtin.modinfo"):
        if (kernel.modules / name).exists():
            shutil.copyfile(kernel.modules / name, inside / name)
    _run("depmod", "-b", str(tree), kernel.version)
    return have


def _busybox() -> str:
    """A busybox that needs no libraries and can do what init.sh asks for."""
    busybox = find_program("busybox") or "busybox"
    able = set(_run("busybox", "--list").decode().split())
    if b"/ld-linux" in Path(busybox).read_bytes() or not able >= _APPLETS:
        lacking = ", ".join(sorted(_APPLETS - able)) or "it needs libraries"
        raise CannotRunError(f"{busybox} cannot be a guest's first program: {lacking}.", "apt-get install busybox-static")
    return busybox


def decompressed(module: Path) -> bytes:
    """A module's bytes, decompressed: busybox loads no other."""
    content = module.read_bytes()
    match module.suffix:
        case ".gz":
            return gzip.decompress(content)
        case ".xz":
            return lzma.decompress(content)
        case ".zst":
            return _run("zstd", "-dcq", str(module))
    return content


def _pack(tree: Path, archive: Path) -> None:
    names = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
    listed = "".join(f"{name}\0" for name in names).encode()
    archive.write_bytes(_run("cpio", "-o", "-0", "-H", "newc", "--owner=0:0", "--quiet", cwd=tree, standard_input=listed))


def _run(program: str, *arguments: str, cwd: Path | None = None, standard_input: bytes = b"") -> bytes:
    try:
        done = subprocess.run(
            (find_program(program) or program, *arguments),
            cwd=cwd,
            input=standard_input,
            capture_output=True,
            timeout=_PROGRAM_SECONDS,
            check=False,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise CannotRunError(
            f"Making a guest failed: there is no program `{program}` here.", f"apt-get install {_PACKAGES.get(program, program)}"
        ) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotRunError(f"Making a guest failed: {error}") from error
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}"
        raise CannotRunError(f"Making a guest failed: `{program}` said: {said}")
    return done.stdout
