"""Guests' kernel and initramfs, made for real and booted; what is in the cache is used, so one download serves all."""

from __future__ import annotations

import gzip
import lzma
import os
import shlex
import shutil
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from netbench.environments.guests import image as guest_image
from netbench.environments.guests import kernel as guest_kernel
from netbench.environments.guests.image import GuestImage
from netbench.errors import CannotRunError

QEMU = "qemu-system-x86_64"
BOOT_SECONDS = 90

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="session")
def image() -> GuestImage:
    if (unavailable := guest_image.missing()) is not None:
        pytest.skip(unavailable.reason)
    return guest_image.prepare()


def _boot(image: GuestImage, words: str) -> list[str]:
    """What the guest's console said, from its start until it went off."""
    if shutil.which(QEMU) is None:
        pytest.skip("QEMU is not installed: apt-get install qemu-system-x86")
    command = [QEMU, "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-m", "384", "-nodefaults"]
    command += ["-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", str(image.kernel), "-initrd", str(image.initramfs)]
    command += ["-virtfs", "local,path=/,mount_tag=root,readonly=on,security_model=none,multidevs=remap"]
    command += ["-append", f"console=ttyS0 quiet panic=-1 {words}"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BOOT_SECONDS, check=True)
    return [line.strip() for line in done.stdout.splitlines()]


def _program(directory: Path, *lines: str) -> Path:
    """Stands for the interpreter: called with `-P -m MODULE`, it does what the lines say."""
    program = directory / "a program, of a test"
    program.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    program.chmod(0o755)
    return program


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))


def _word(path: Path) -> str:
    return str(path).replace(" ", "%20").replace(",", "%2c")


def _unpack(image: GuestImage, directory: Path) -> Path:
    """The modules of an image, as a directory like /lib/modules."""
    with image.initramfs.open("rb") as archive:
        subprocess.run(["cpio", "-idm", "--quiet", "lib/*"], cwd=directory, stdin=archive, check=True)
    return directory / "lib/modules"


def test_cached_image_is_given_at_once(image):
    begin = time.monotonic()

    again = guest_image.prepare()

    assert again == image
    assert time.monotonic() - begin < 2  # it was milliseconds; making one takes a copy of every file
    assert set(guest_kernel.REQUIRED) - {"af_packet"} <= image.modules


def test_program_of_the_host_runs_in_the_guest_and_cannot_write_there(image, tmp_path):
    # GIVEN a program in a directory that hides in the guest unless it is kept
    rule = "add table ip t; add chain ip t c { type filter hook input priority 0; }; add rule ip t c numgen inc mod 7 == 0 counter"
    program = _program(
        tmp_path,
        'echo "here: $(uname -r) $3 igbvf $(lsmod | grep -c ^igbvf) $(ls /tmp | wc -l)"',
        f"touch {_quoted(tmp_path)}/mark && echo written",
        f"touch {_quoted(Path(__file__))} && echo written",
        f"nft '{rule}' && nft list ruleset",  # the kernel requests modules that nobody named
        "exit 7",
    )

    said = _boot(image, f"nb.python={_word(program)} nb.module=some.module nb.modules=igb,igbvf nb.keep={_word(tmp_path)}")

    assert f"here: {image.version} some.module igbvf 1 {1 if tmp_path.is_relative_to('/tmp') else 0}" in said
    assert any(line.startswith("numgen inc mod 7") for line in said), said
    assert "written" not in said
    assert not (tmp_path / "mark").exists()
    assert "netbench guest: its program ended with status 7" in said


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("nb.python=/bin/true nb.module=x nb.modules=no_such", "the kernel module no_such cannot be loaded"),
        ("nb.python=/no/such nb.module=x", "its program ended with status 127"),
    ],
)
def test_guest_that_cannot_go_on_says_why_and_goes_off(image, words, reason):
    assert f"netbench guest: {reason}" in _boot(image, words)


def test_installed_kernel_is_preferred_and_its_modules_may_be_compressed(image, tmp_path, monkeypatch):
    # GIVEN a machine whose own kernel, the newest but one that may be used, has modules in the forms that distributions ship
    modules = _unpack(image, tmp_path)
    (tmp_path / "boot").mkdir()
    shutil.copy(image.kernel, tmp_path / f"boot/vmlinuz-{image.version}")
    for number, file in enumerate(sorted(modules.rglob("*.ko"))):
        suffix, compress = ((".xz", lzma.compress), ("", bytes))[number % 2]
        packed = compress(file.read_bytes(), **({"check": lzma.CHECK_CRC32} if suffix == ".xz" else {}))
        file.unlink()
        file.with_name(file.name + suffix).write_bytes(packed)
    subprocess.run([guest_kernel.find_program("depmod"), "-b", str(tmp_path), image.version], check=True)
    (tmp_path / "boot/vmlinuz-999.0").write_bytes(b"a kernel without its modules")
    monkeypatch.setattr(guest_kernel, "BOOT", tmp_path / "boot")
    monkeypatch.setattr(guest_kernel, "MODULES", modules)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    # WHEN two ask at the same time
    with ThreadPoolExecutor(2) as pool:
        made, other = pool.map(lambda _: guest_image.prepare(), range(2))

    # THEN one image is made, of that kernel, and it boots
    assert made == other
    assert (made.origin, made.version, made.modules) == ("installed", image.version, image.modules)
    assert [path.name for path in guest_image.cache_directory().iterdir() if not path.name.startswith(".lock")] == [
        made.kernel.parent.name
    ]
    assert "netbench guest: its program ended with status 0" in _boot(made, "nb.python=/bin/true nb.module=x nb.modules=igbvf")

    # AND one that lacks a module that is needed is passed over
    for file in modules.rglob("modules.dep"):
        file.write_text("".join(line for line in file.read_text().splitlines(keepends=True) if "igbvf" not in line))
    assert guest_kernel.installed() is None


@pytest.mark.parametrize(("suffix", "compress"), [(".gz", gzip.compress), (".xz", lzma.compress), ("", bytes)])
def test_modules_are_decompressed(tmp_path, suffix, compress):
    file = tmp_path / f"some.ko{suffix}"
    file.write_bytes(compress(b"\x7fELF and more"))

    assert guest_image.decompressed(file) == b"\x7fELF and more"


def test_cache_that_cannot_be_written_is_refused(image, tmp_path, monkeypatch):
    (tmp_path / "netbench").write_text("a file in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    with pytest.raises(CannotRunError, match="cannot be written: Not a directory") as refused:
        guest_image.prepare()

    assert refused.value.remedy == "name another: export XDG_CACHE_HOME=DIRECTORY"


@pytest.mark.parametrize(("program", "package"), [("busybox", "busybox-static"), ("cpio", "cpio"), ("depmod", "kmod")])
def test_missing_program_is_named_with_its_package(monkeypatch, program, package):
    monkeypatch.setattr(guest_image, "find_program", lambda name: None if name == program else os.path.join("/bin", name))

    unavailable = guest_image.missing()

    assert unavailable is not None
    assert f"`{program}`" in unavailable.reason
    assert unavailable.remedy == f"apt-get install {package}"


def test_kernel_that_apt_cannot_give_is_refused_with_its_words(tmp_path, monkeypatch):
    if shutil.which("apt-get") is None:
        pytest.skip("there is no apt here")
    # GIVEN an apt whose lists are empty and whose sources lead nowhere
    (tmp_path / "apt.conf").write_text(
        f'Dir::State::lists "{tmp_path}"; Dir::Etc::sourcelist "/dev/null"; Dir::Etc::sourceparts "-";'
    )
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    (tmp_path / "into").mkdir()

    with pytest.raises(CannotRunError, match="apt knows no kernel package") as refused:
        guest_kernel.fetch(tmp_path / "into")

    assert refused.value.remedy == "sudo apt-get update"
