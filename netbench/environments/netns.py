"""Builds networks of network namespaces by commands that a person could type, and takes them down again."""

from __future__ import annotations

import os
import secrets
import shlex
import signal
import subprocess
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from types import TracebackType

from netbench.environments.base import Site
from netbench.environments.interrupts import held_back
from netbench.errors import CannotRunError, UsageError

_LONGEST_INTERFACE = 15  # IFNAMSIZ - 1
_LONGEST_NAMESPACE = 255  # a file name
_COMMAND_SECONDS = 30.0  # none of them takes 0.1 s; a hanging one must not hang the run
_ATTACHED = "-daemon"  # how the names of namespaces end that are not ours: only the name is taken away, nothing in there is ended
_QUIET = "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do [ ! -w $f ] || echo 1 > $f; done"

_PACKAGES = {"ip": "iproute2", "nft": "nftables", "sh": "dash"}
_PRIVILEGE = "run as root (sudo), or see `netbench environments` for what is missing"
_MODULES = "the kernel lacks this feature: load its module (sudo modprobe -a veth macvlan bridge nf_tables nft_chain_nat nft_masq)"
_CONTAINER = "this container keeps it from us: run on the host, or give the container --privileged"
_REMEDIES = (  # part of what a failed command says, in lower case -> what to do
    ("mount of /sys failed", _CONTAINER),
    ("read-only file system", _CONTAINER),
    ("operation not permitted", _PRIVILEGE),
    ("permission denied", _PRIVILEGE),
    ("unknown device type", _MODULES),
    ("not supported", _MODULES),
    ("no such file or directory", _MODULES),
)


class Network:
    """A network under construction. Leaving the `with` block undoes all of it, also when a step failed midway.

    Attributes:
        environment: its name; part of the name of every namespace.
        commands: what was typed so far, in order.
        token: part of the name of everything that this network makes.
    """

    def __init__(self, environment: str) -> None:
        self.environment = environment
        self.commands: list[str] = []
        self.token = secrets.token_hex(3)
        self._undo = ExitStack()

    def __enter__(self) -> Network:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with held_back():
            self._undo.close()

    def namespace(self, role: str) -> str:
        """Make a namespace for one role, with loopback up and without IPv6, and return its name `nb-TOKEN-ENVIRONMENT-ROLE`.

        IPv6 is off because its router and neighbour discovery would put stray packets into the counters.

        Raises:
            UsageError: the name cannot be one.
            CannotRunError: the system refused.
        """
        name = self.name_of(role)
        if len(name) > _LONGEST_NAMESPACE or "/" in name:
            raise UsageError(
                f"{name!r} cannot name a network namespace: it must be at most {_LONGEST_NAMESPACE} characters without a slash.",
                "give the environment a shorter, plainer name",
            )
        self._undo.callback(_delete_namespace, name)  # before it exists: an interrupt may come in between
        self.run("ip", "netns", "add", name)
        self.inside(name, "sh", "-c", _QUIET)
        self.ip(name, "link", "set", "lo", "up")
        return name

    def name_of(self, role: str) -> str:
        """What a namespace, a container or anything else of this role is called."""
        return f"nb-{self.token}-{self.environment}-{role}"

    def attach(self, role: str, process: int, typed: str | None = None) -> str:
        """Name the network namespace of a process that others made: on exit the name goes, the namespace stays as it is.

        The daemon's own namespace takes the role `daemon`, by which a sweep knows that nothing in there may be ended.

        Args:
            role: the last part of the name.
            process: its id.
            typed: shell words that find the process when the commands are typed again; None: its id.

        Raises:
            CannotRunError: the system refused.
        """
        name = self.name_of(role)
        self.undo(_detach_namespace, name)
        run(("ip", "netns", "attach", name, str(process)), f"Building the environment {self.environment} failed")
        self.commands.append(f"ip netns attach {name} {typed or process}")
        return name

    def undo(self, step: Callable[..., object], *arguments: object) -> None:
        """Call a step when the network is taken down; the last one that was given comes first."""
        self._undo.callback(step, *arguments)

    def run(self, *command: str) -> None:
        """Run a command and keep it for the report.

        Raises:
            CannotRunError: it failed; the message holds the command and what it said.
        """
        self.commands.append(shlex.join(command))
        run(command, f"Building the environment {self.environment} failed")

    def ip(self, namespace: str, *arguments: str) -> None:
        """Run `ip -n NAMESPACE …`."""
        self.run("ip", "-n", namespace, *arguments)

    def inside(self, namespace: str, *command: str) -> None:
        """Run a command in a namespace."""
        self.run(*enter(namespace), *command)

    def setting(self, namespace: str, path: str, value: str) -> None:
        """Write /proc/sys/PATH in a namespace; by the shell, because bare images lack sysctl."""
        self.inside(namespace, "sh", "-c", f"echo {value} > /proc/sys/{path}")

    def address(self, namespace: str, interface: str, address: str) -> None:
        """Give an interface its address (CIDR) and bring it up."""
        self.ip(namespace, "address", "add", address, "dev", check_interface(interface))
        self.ip(namespace, "link", "set", interface, "up")

    def neighbour(self, namespace: str, interface: str, address: str, mac: str) -> None:
        """Tell a namespace a neighbour for good: a fast stream would overflow the queue of an ARP request."""
        self.ip(namespace, "neighbour", "replace", address, "lladdr", mac, "nud", "permanent", "dev", interface)

    def groups_route(self, namespace: str, interface: str) -> None:
        """Route groups out of an interface, for sockets that name none."""
        self.ip(namespace, "route", "add", "224.0.0.0/4", "dev", interface)


def run(command: Sequence[str], doing: str) -> str:
    """Run a command and return its standard output.

    It runs in a session of its own, so that Ctrl-C stops netbench, which undoes things in order, and not a command midway.

    Args:
        command: the command line.
        doing: the beginning of the error message: what failed when it fails.

    Raises:
        CannotRunError: it is missing, failed, or did not end.
    """
    typed = shlex.join(command)
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_COMMAND_SECONDS,
            start_new_session=True,
            check=False,
            env={**os.environ, "LC_ALL": "C", "PATH": f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"},
        )
    except FileNotFoundError as error:
        package = _PACKAGES.get(command[0], command[0])
        raise CannotRunError(f"{doing}: there is no program `{command[0]}` here.", f"apt-get install {package}") from error
    except subprocess.TimeoutExpired as error:
        raise CannotRunError(f"{doing}: `{typed}` did not end within {_COMMAND_SECONDS:.0f} s.") from error
    if done.returncode != 0:
        said = " ".join(done.stderr.split()) or f"nothing (exit code {done.returncode})"
        raise CannotRunError(f"{doing}: `{typed}` said: {said}", _remedy(said))
    return done.stdout


def enter(namespace: str) -> tuple[str, ...]:
    """What stands before a command line so that it runs in a namespace."""
    return ("ip", "netns", "exec", namespace)


def site(name: str, namespace: str, interface: str, address: str) -> Site:
    """The site of an interface in a namespace; the namespace is its place."""
    return Site(name=name, interface=interface, address=address, enter=enter(namespace), place=namespace)


def check_interface(name: str) -> str:
    """The name, when it can name an interface.

    Raises:
        UsageError: too long, empty, or with characters that the kernel refuses.
    """
    if not 0 < len(name) <= _LONGEST_INTERFACE or any(character in "/:" or character.isspace() for character in name):
        raise UsageError(
            f"{name!r} cannot name an interface: it must be 1 to {_LONGEST_INTERFACE} characters without blanks, `/` and `:`.",
            "choose a shorter, plainer name",
        )
    return name


def end_occupants(namespace: str) -> list[int]:
    """Kill every process in a namespace: while one lives, the namespace and its interfaces live. Returns their ids.

    A namespace that others made (Network.attach), this process's own and the system's first are left alone.
    """
    if namespace.endswith(_ATTACHED) or _is_shared(namespace):
        return []
    listed = run(("ip", "netns", "pids", namespace), f"Finding the processes in {namespace} failed")
    ended = [int(process) for process in listed.split() if int(process) != os.getpid()]
    for process in ended:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return ended


def _is_shared(namespace: str) -> bool:
    """Whether it is the namespace of this process or of the system's first."""
    named = os.stat(f"/run/netns/{namespace}")
    for process in ("self", "1"):
        with suppress(OSError):
            other = os.stat(f"/proc/{process}/ns/net")
            if (named.st_dev, named.st_ino) == (other.st_dev, other.st_ino):
                return True
    return False


def _detach_namespace(name: str) -> None:
    if os.path.exists(f"/run/netns/{name}"):
        run(("ip", "netns", "delete", name), f"Taking down the name {name} failed")


def _delete_namespace(name: str) -> None:
    if os.path.exists(f"/run/netns/{name}"):
        end_occupants(name)
        run(("ip", "netns", "delete", name), f"Taking down the namespace {name} failed")


def _remedy(said: str) -> str | None:
    lowered = said.lower()
    return next((remedy for part, remedy in _REMEDIES if part in lowered), None)
