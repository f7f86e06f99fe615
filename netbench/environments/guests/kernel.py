"""Where a guest's kernel comes from: the machine's own, or the distribution's package, fetched without being installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from netbench.environments import lab
from netbench.errors import CannotRunError

BOOT = Path("/boot")
MODULES = Path("/lib/modules")

# Without these a kernel is none for us: the ways in, the host's files, and the interfaces that are measured.
REQUIRED = ("virtio_pci", "virtio_console", "virtio_net", "9p", "9pnet_virtio", "af_packet", "e1000e", "igb", "igbvf")
# What some environments and tests use; a kernel without them is still a kernel.
WANTED = (
    *("macvlan", "macvtap", "veth", "bridge", "tun", "ptp", "overlay", "virtio_rng", "vfio_pci", "vfio_iommu_type1"),
    *(
        "crc32c_generic",
        "nf_tables",
        "nft_numgen",
        "nft_limit",
        "nft_ct",
        "nft_chain_nat",
        "nft_nat",
        "nft_masq",
        "nft_reject_inet",
    ),
    *("nft_meta_bridge", "nft_fwd_netdev", "nf_log_syslog", "sch_ingress", "sch_tbf", "sch_htb", "cls_bpf", "act_mirred"),
    *("packet_diag", "inet_diag", "udp_diag"),
)

_META_PACKAGES = ("linux-image-amd64", "linux-image-generic")  # Debian's, Ubuntu's
_PARTS = re.compile(r"linux-(image|modules|modules-extra)-\d\S*")
_DOWNLOAD_SECONDS = 300.0


@dataclass(frozen=True)
class Kernel:
    """A kernel and its modules.

    Attributes:
        version: as `uname -r` tells it.
        image: the file that boots.
        modules: the directory with its modules.dep.
    """

    version: str
    image: Path
    modules: Path

    def dependencies(self) -> dict[str, tuple[Path, ...]]:
        """Module -> its file, then those that it needs; none for one that is built in. Names have `_`, never `-`."""
        known: dict[str, tuple[Path, ...]] = {}
        for line in (self.modules / "modules.builtin").read_text(encoding="utf-8").splitlines():
            known[module_name(line)] = ()
        for line in (self.modules / "modules.dep").read_text(encoding="utf-8").splitlines():
            file, _, needs = line.partition(":")
            known[module_name(file)] = tuple(self.modules / name for name in (file, *needs.split()))
        return known

    def lacks(self) -> list[str]:
        """The required modules that it has not."""
        known = self.dependencies()
        # Where packet sockets are built in, older kernels do not list them among their modules.
        return [name for name in REQUIRED if name not in known and name != "af_packet"]


def installed() -> Kernel | None:
    """The machine's own kernel, or the newest other one in /boot, that has all the modules and may be read; None: there is none."""
    return next((kernel for kernel in _installed() if not kernel.lacks()), None)


def fetch(directory: Path) -> Kernel:
    """Fetch the distribution's kernel by apt-get and unpack it into a directory; nothing is installed, root is not needed.

    Raises:
        CannotRunError: no apt-get, no such package, no network.
    """
    if lacking := [program for program in ("apt-get", "apt-cache", "dpkg-deb", "depmod") if find_program(program) is None]:
        raise CannotRunError(
            f"A guest needs a kernel. None in {BOOT} can be read with its modules, and none can be fetched without {lacking[0]}.",
            "install your distribution's kernel with its modules, and make /boot/vmlinuz-* readable"
            if lacking[0] != "depmod"
            else "apt-get install kmod",
        )
    if lab.inside() and lab.privilege() == "user_namespace":
        raise CannotRunError(
            f"A guest needs a kernel. None in {BOOT} can be read with its modules, and none could be fetched before the lab was "
            "entered, which has no network.",
            f"see why: apt-get download {_META_PACKAGES[0]}; or make /boot/vmlinuz-* readable",
        )
    own_lists: tuple[str, ...] = ()
    try:
        packages = _download(directory, own_lists)
    except CannotRunError:  # lists that are missing, or so old that the file they name is gone: fetch some, for us alone
        for name in ("lists/partial", "archives/partial"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        own_lists = ("-o", f"Dir::State::lists={directory}/lists", "-o", f"Dir::Cache={directory}")
        _apt("apt-get", *own_lists, "update", "-q", cwd=directory)
        packages = _download(directory, own_lists)
    for package in packages:
        _apt("dpkg-deb", "-x", str(package), str(directory), cwd=directory)
    return _unpacked(directory)


def module_name(file: str) -> str:
    """The name of a module, from the name of its file: `kernel/fs/9p/9p.ko.xz` is `9p`."""
    return file.rpartition("/")[2].partition(".")[0].replace("-", "_")


def find_program(name: str) -> str | None:
    """Where a program is, also when an ordinary user's PATH lacks sbin; or None."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def _installed() -> Iterator[Kernel]:
    running = os.uname().release
    versions = sorted((path.name.removeprefix("vmlinuz-") for path in BOOT.glob("vmlinuz-*")), key=_by_number, reverse=True)
    for version in sorted(versions, key=lambda name: name != running):  # stable: the running one first, then the newest
        kernel = Kernel(version, BOOT / f"vmlinuz-{version}", MODULES / version)
        needed = (kernel.image, kernel.modules / "modules.dep", kernel.modules / "modules.builtin")
        if all(os.access(path, os.R_OK) for path in needed):
            yield kernel


def _by_number(version: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", version)]


def _download(directory: Path, options: tuple[str, ...]) -> list[Path]:
    """Download the packages that a kernel is made of, and return their files."""
    parts = _package_parts(directory, options)
    _apt("apt-get", *options, "download", "-q", *parts, cwd=directory)
    return sorted(directory.glob("*.deb"))


def _package_parts(directory: Path, options: tuple[str, ...]) -> list[str]:
    """The names of these packages: what the distribution's metapackage depends on, and the modules that these depend on."""
    for meta in _META_PACKAGES:
        told = _apt("apt-cache", *options, "depends", "--recurse", "-i", meta, cwd=directory, may_fail=True)
        if parts := sorted({match[0] for line in told.splitlines() if (match := _PARTS.fullmatch(line.strip()))}):
            return parts
    raise CannotRunError(f"apt knows no kernel package ({' or '.join(_META_PACKAGES)}).", "sudo apt-get update")


def _unpacked(directory: Path) -> Kernel:
    images = sorted(directory.glob("boot/vmlinuz-*"))
    if not images:
        raise CannotRunError("The distribution's kernel package holds no kernel.", "file a bug with netbench")
    version = images[-1].name.removeprefix("vmlinuz-")
    root = directory / "usr" if (directory / "usr/lib/modules").is_dir() else directory
    _apt("depmod", "-b", str(root), version, cwd=directory)
    kernel = Kernel(version, images[-1], root / "lib/modules" / version)
    if lacking := kernel.lacks():
        raise CannotRunError(f"The distribution's kernel {version} has no module {lacking[0]}.", "file a bug with netbench")
    return kernel


def _apt(program: str, *arguments: str, cwd: Path, may_fail: bool = False) -> str:
    """Run one of the packaging programs, and return what it printed."""
    command = (program, *arguments)
    try:
        done = subprocess.run(
            (find_program(program) or program, *arguments),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_DOWNLOAD_SECONDS,
            check=False,
            start_new_session=True,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotRunError(f"Fetching the kernel of a guest failed: {error}") from error
    if done.returncode != 0 and not may_fail:
        said = [line for line in done.stderr.splitlines() if not line.startswith("W:")]
        raise CannotRunError(
            f"Fetching the kernel of a guest failed: `{' '.join(command)}` said: {' '.join(said[:2]) or done.returncode}",
            f"look at what this says: apt-get update && apt-get download {' '.join(_META_PACKAGES[:1])}",
        )
    return done.stdout
