"""A virtual machine of QEMU: started in a network namespace, waited for until it takes commands, ended with its runner.

The guest boots the image of image.py, whose first program shows it the host's files, read only, and starts
supervisor.py there, which takes commands by virtio-serial ports (channel.py): no network is needed to control a guest.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from netbench.environments.base import Site, Unavailable
from netbench.environments.guests import image as guest_image
from netbench.environments.guests.channel import PORT_NAME, PORTS
from netbench.environments.guests.door import Door, NoGuest
from netbench.environments.interrupts import held_back
from netbench.environments.netns import enter, run
from netbench.environments.ownership import is_dead, owner
from netbench.errors import CannotRunError

QEMU = "qemu-system-x86_64"
BOOT_SECONDS = 120.0

_PREFIX = "nb-vm-"  # of directories, and with it of the names of guests
_CONSOLE, _SAID = "console.log", "qemu.log"
_END_SECONDS = 5.0
_LAST_MOMENT_S = 1.0
_LONGEST_SOCKET_PATH = 107  # sockaddr_un
_LAST_LINES = 3
_KVM_MODULES = ("/sys/module/kvm_intel", "/sys/module/kvm_amd")  # without them /dev/kvm runs no ordinary kernel


@dataclass(frozen=True)
class Machine:
    """What a guest is made of.

    Attributes:
        name: of the environment, for messages.
        namespace: the network namespace that QEMU runs in: its tap devices live there.
        place: name of the guest's own network stack, `nb-TOKEN-ENVIRONMENT-ROLE`; its clock is called so, too.
        devices: arguments of QEMU for its network cards.
        modules: kernel modules of these.
        cpus: processors.
        memory_mb: of main memory, MiB.
        kernel_arguments: more words on the kernel's command line.
        chipset: arguments of `-machine`.
        descriptors: open files that QEMU inherits, e.g. of a macvtap.
        boot_s: how long it may take until the guest takes commands.
    """

    name: str
    namespace: str
    place: str
    devices: tuple[str, ...]
    modules: tuple[str, ...]
    cpus: int = 2
    memory_mb: int = 768
    kernel_arguments: tuple[str, ...] = ()
    chipset: str = "q35"
    descriptors: tuple[int, ...] = ()
    boot_s: float = BOOT_SECONDS


def missing() -> Unavailable | None:
    """Why no guest can be run here, or None; reads only."""
    if _find(QEMU) is None:
        return Unavailable(f"There is no program `{QEMU}` here, which runs the guest.", "apt-get install qemu-system-x86")
    return guest_image.missing()


def accelerator() -> str:
    """`kvm` where the processor runs guests itself and this user may use it; else `tcg`, which emulates one."""
    usable = any(os.path.isdir(module) for module in _KVM_MODULES) and os.access("/dev/kvm", os.R_OK | os.W_OK)
    return "kvm" if usable else "tcg"


class VirtualMachine:
    """A guest, from its boot to its end. A context manager: inside it takes commands; on exit it is gone, whatever happened.

    Args:
        machine: what it is made of.
        image: what it boots from; None: what guest_image prepares.

    Raises:
        CannotRunError: QEMU refused, or the guest did not boot, with its last words.
    """

    def __init__(self, machine: Machine, image: guest_image.GuestImage | None = None) -> None:
        self.machine = machine
        self.image = image or guest_image.prepare()
        self._undo = ExitStack()
        self._directory = Path()
        self._command: tuple[str, ...] = ()

    def __enter__(self) -> VirtualMachine:
        with ExitStack() as stack:  # undoes a start that fails midway
            self._start(stack)
            self._await()
            self._undo = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with held_back():
            self._undo.close()

    @property
    def command_line(self) -> str:
        """QEMU's, as far as it makes the guest what it is: without the ports, logs and files that serve to control it."""
        return shlex.join([QEMU, *_hardware(self.machine), *self.machine.devices])

    @property
    def enter(self) -> tuple[str, ...]:
        """What stands before a command line so that it runs in the guest."""
        return (sys.executable, "-P", "-m", "netbench.environments.guests.door", str(self._directory))

    def site(self, name: str, interface: str, address: str) -> Site:
        """The site of an interface in the guest; place and clock are the guest's own."""
        place = self.machine.place
        return Site(name=name, interface=interface, address=address, enter=self.enter, place=place, clock=place)

    def run(self, *command: str) -> str:
        """Run a command in the guest and return its standard output.

        Raises:
            CannotRunError: it failed.
        """
        return run((*self.enter, *command), f"Setting up the guest of {self.machine.name} failed")

    def shell(self, *lines: str) -> str:
        """Run lines of shell in the guest, until one fails, and return their standard output: one start for all of them."""
        return self.run("sh", "-ec", "\n".join(lines))

    def _start(self, stack: ExitStack) -> None:
        self._directory = _make_directory()
        stack.callback(shutil.rmtree, self._directory, ignore_errors=True)
        for number in range(PORTS):
            (self._directory / f"port-{number}.lock").touch(mode=0o600)
        self._command = (_find(QEMU) or QEMU, *_arguments(self.machine, self.image, self._directory))
        # setpriv: the kernel ends QEMU when this process ends, in whatever way.
        command = (*enter(self.machine.namespace), "setpriv", "--pdeathsig", "KILL", *self._command)
        with open(self._directory / _SAID, "wb") as said:
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    start_new_session=True,
                    pass_fds=self.machine.descriptors,
                )
            except OSError as error:
                raise CannotRunError(f"The guest of {self.machine.name} cannot be started: {error}") from error
        stack.callback(self._end)

    def _end(self) -> None:
        """A guest writes nothing that lasts: it needs no goodbye."""
        with suppress(ProcessLookupError):
            self._process.kill()
        with suppress(subprocess.TimeoutExpired):  # the kernel is not done with it; it will end
            self._process.wait(_END_SECONDS)

    def _await(self) -> None:
        """Wait until the guest takes a command."""
        try:
            Door(self._directory, ("true",), self.machine.boot_s, self._check, boots=True).close()
        except NoGuest as error:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_LAST_MOMENT_S)  # its ports close a moment before it ends
            self._check()
            raise CannotRunError(
                f"The guest of {self.machine.name} did not come up within {self.machine.boot_s:g} s. {self._last_words()}",
                "give it more time (boot_s=…) or more memory (memory_mb=…)",
            ) from error

    def _check(self) -> None:
        """Raises when QEMU has ended, which it does when the guest does."""
        status = self._process.poll()
        if status is None:
            return
        said = _tail(self._directory / _SAID)
        if status != 0 and said:
            raise CannotRunError(f"QEMU refused the guest of {self.machine.name}: {said}", _refusal_remedy(said))
        raise CannotRunError(
            f"The guest of {self.machine.name} ended before it took commands. {self._last_words()}",
            f"an image that is broken is made again after: rm -r {self.image.kernel.parent}",
        )

    def _last_words(self) -> str:
        words = _tail(self._directory / _CONSOLE)
        return f"Its console ends with: {words}" if words else "Its console is empty."


def sweep() -> list[tuple[str, str]]:
    """End the guests of dead owners and remove their directories. Returns kind and name of each.

    The kernel ends a guest with its runner already; its directory stays.
    """
    swept = []
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended meanwhile, or belongs to another user
            words = (directory / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if QEMU in words[0] and "-name" in words and _is_abandoned(words[words.index("-name") + 1]):
                os.kill(int(directory.name), signal.SIGKILL)
                swept.append(("virtual machine", directory.name))
    for directory in sorted({path for base in _bases() for path in base.glob(f"{_PREFIX}*")}):
        if _is_abandoned(directory.name) and directory.lstat().st_uid == os.geteuid():
            shutil.rmtree(directory, ignore_errors=True)
            swept.append(("directory", str(directory)))
    return swept


def _is_abandoned(name: str) -> bool:
    found = re.fullmatch(rf"{_PREFIX}(\d+-\d+)-.*", name)
    return found is not None and is_dead(found[1].replace("-", ":"))


def _bases() -> tuple[Path, ...]:
    return Path(tempfile.gettempdir()), Path("/tmp")


def _make_directory() -> Path:
    """For the guest's ports and logs; of this user alone, because who reaches a port commands the guest."""
    name = f"{_PREFIX}{owner().replace(':', '-')}-"
    fits = [base for base in _bases() if len(f"{base}/{name}12345678/port-10") <= _LONGEST_SOCKET_PATH and "," not in str(base)]
    base = next(iter(fits), Path("/tmp"))  # QEMU reads a comma as the end of a path
    try:
        return Path(tempfile.mkdtemp(prefix=name, dir=base))
    except OSError as error:
        raise CannotRunError(f"No directory for a guest can be made in {base}: {error.strerror}.") from error


def _arguments(machine: Machine, image: guest_image.GuestImage, directory: Path) -> list[str]:
    arguments = ["-name", directory.name, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]
    arguments += _hardware(machine)
    arguments += ["-kernel", str(image.kernel), "-initrd", str(image.initramfs)]
    arguments += ["-append", " ".join(_kernel_words(machine, image))]
    arguments += ["-serial", f"file:{directory / _CONSOLE}"]
    arguments += ["-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"]
    arguments += ["-device", f"virtio-serial-pci,max_ports={PORTS + 1}"]
    for number in range(PORTS):
        arguments += ["-chardev", f"socket,id=port{number},path={directory}/port-{number},server=on,wait=off"]
        arguments += ["-device", f"virtserialport,chardev=port{number},name={PORT_NAME}{number}"]
    return [*arguments, *machine.devices]


def _hardware(machine: Machine) -> list[str]:
    emulated = accelerator() == "tcg"
    arguments = ["-machine", machine.chipset, "-accel", "tcg,thread=multi" if emulated else "kvm"]
    return [*arguments, "-cpu", "max" if emulated else "host", "-smp", str(machine.cpus), "-m", str(machine.memory_mb)]


def _kernel_words(machine: Machine, image: guest_image.GuestImage) -> list[str]:
    modules = [module for module in machine.modules if module.replace("-", "_") in image.modules]
    words = ["console=ttyS0", "quiet", "panic=-1", "net.ifnames=0", "ipv6.disable=1"]
    words += [f"nb.python={_plain(sys.executable)}", "nb.module=netbench.environments.guests.supervisor"]
    words += [f"nb.modules={','.join(modules)}", f"nb.keep={','.join(map(_plain, _kept()))}"]
    return [*words, *machine.kernel_arguments]


def _kept() -> list[str]:
    """What the guest must see of directories that are its own otherwise: the interpreter and netbench, where they live there."""
    ours = {os.path.realpath(path) for path in (sys.prefix, sys.base_prefix, Path(__file__).parents[2])} | {sys.prefix}
    return sorted(path for path in ours if path.startswith(("/tmp/", "/run/", "/var/tmp/")))


def _plain(text: str) -> str:
    """As a word of the kernel's command line, which init.sh reads."""
    return re.sub(r"[\s,%\"]", lambda found: f"%{ord(found[0]):02x}", text)


def _tail(path: Path) -> str:
    """The last lines of a log; of a kernel's panic those before its traces."""
    try:
        text = path.read_bytes().decode(errors="replace")
    except OSError:
        return ""
    lines = [line for raw in text.splitlines() if (line := re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|^\[ *[\d.]+\]|\r", "", raw).strip())]
    panic = next((number for number, line in enumerate(lines) if "Kernel panic" in line), len(lines))
    return " / ".join(lines[: panic + 1][-_LAST_LINES:])


def _refusal_remedy(said: str) -> str | None:
    lowered = said.lower()
    if "not a valid device model" in lowered:
        return f"a newer QEMU may have this device; this one: {QEMU} --version"
    if "operation not permitted" in lowered or "permission denied" in lowered:
        return "run as root (sudo), or see `netbench environments` for what is missing"
    if "memory" in lowered:
        return "give the guest less (memory_mb=…)"
    return None


def _find(program: str) -> str | None:
    return shutil.which(program, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
