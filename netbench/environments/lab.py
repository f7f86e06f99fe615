"""The private lab: a mount namespace in which named network namespaces live no longer than the processes that use them.

`ip netns add` names a namespace by a bind mount in /run/netns. On the host's own /run/netns such a name outlives everybody. Here
/run/netns is a tmpfs of a private mount namespace, which the kernel drops with the last process inside: after `kill -9` of the
runner and the end of its agents (they end when their standard input closes) no namespace, no interface and no mount is left.
See docs/decisions/0002-private-mount-namespace.md.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shlex
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

from netbench.environments.netns import run
from netbench.errors import CannotRunError

Privilege = Literal["root", "user_namespace", "ordinary"]

_NETNS_DIRECTORY = "/run/netns"
_TRACING_DIRECTORY = "/sys/kernel/tracing"
_THREADS_END_S = 1.0
_MOUNT_SOURCE = "netbench-lab"  # how a process knows, from its list of mounts, that it is inside already

# linux/sched.h, sys/mount.h, linux/capability.h: the kernel's interface, it does not change.
_CLONE_NEWNS = 0x0002_0000
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWNET = 0x4000_0000
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x4_0000
_CAP_NET_ADMIN = 12
_CAP_SYS_ADMIN = 21
_NO_USER_NAMESPACE = "run it as root (sudo), or in a container that was given CAP_SYS_ADMIN and CAP_NET_ADMIN"


def enter() -> None:
    """Move this process into a private lab; child processes started later are inside too.

    With the capabilities of an administrator it takes a private mount namespace. An ordinary user gets a user namespace as well,
    in which it looks like root, and an empty network namespace with nothing but loopback: what is to be read of the host's own
    network is read before. Files that it writes still belong to the user. Entering twice is entering once.

    It cannot be undone for this process: mounts that others make afterwards are not seen, and an ordinary user stays root of its
    user namespace. The process must have a single thread (the kernel refuses the user namespace otherwise, and moves only the
    calling thread into the mount namespace), so call this before anything starts threads.

    Raises:
        CannotRunError: the kernel or its configuration refuses, or this process has several threads.
    """
    if inside():
        return
    deadline = time.monotonic() + _THREADS_END_S
    while (threads := int(_status_field("Threads"))) > 1 and time.monotonic() < deadline:
        time.sleep(0.005)  # a thread that was joined is the kernel's for a moment longer
    if threads > 1:
        raise CannotRunError(
            f"The lab can only be entered by a process of one thread, and this one has {threads}.",
            "enter the lab before threads are started (importing numpy starts some)",
        )
    if has_capabilities():
        _call("unshare", ctypes.c_int(_CLONE_NEWNS), doing="take a private mount namespace")
    else:
        _enter_user_namespace()
    _mount("none", "/", None, _MS_REC | _MS_PRIVATE, doing="make the mounts private")
    if os.path.isdir(_NETNS_DIRECTORY):
        _mount(_MOUNT_SOURCE, _NETNS_DIRECTORY, "tmpfs", doing=f"mount a tmpfs on {_NETNS_DIRECTORY}")
    else:
        _mirror_run()
    _show_tracing()


def inside() -> bool:
    """Whether this process is in a private lab already."""
    mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8")
    return any(line.split(" - ")[-1].split()[1:2] == [_MOUNT_SOURCE] for line in mounts.splitlines())


def has_capabilities() -> bool:
    """Whether network and mount namespaces can be made and configured: the capabilities decide, not the user id."""
    effective = int(_status_field("CapEff"), 16)
    return all(effective >> capability & 1 for capability in (_CAP_NET_ADMIN, _CAP_SYS_ADMIN))


def privilege() -> Privilege:
    """`root`, root of a `user_namespace` (socket buffers are bound by rmem_max there), or an `ordinary` user."""
    if not has_capabilities():
        return "ordinary"
    whole_range = ["0", "0", str(2**32 - 1)]
    return "root" if Path("/proc/self/uid_map").read_text(encoding="ascii").split() == whole_range else "user_namespace"


def as_root(*before: str) -> str:
    """This command line as root can type it, behind words of sudo's: sudo has a PATH of its own, so the program is named whole."""
    program = Path(sys.argv[0])
    named = [sys.executable, "-m", "netbench"] if program.name == "__main__.py" else [str(program.absolute())]
    return shlex.join(["sudo", *before, *named, *sys.argv[1:]])


def _enter_user_namespace() -> None:
    """Become root of a new user namespace that maps to the present user and group.

    The network namespace has to be one of its own: `ip netns add` comes back to where it was, which is refused for the host's.
    """
    user, group = os.geteuid(), os.getegid()
    _call("unshare", ctypes.c_int(_CLONE_NEWUSER | _CLONE_NEWNET | _CLONE_NEWNS), doing="take a user namespace")
    try:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")  # without it the kernel refuses the map of groups
        Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")
    except OSError as error:
        raise _refused("map the user into its user namespace", error.errno or 0) from error
    run(("ip", "link", "set", "lo", "up"), "Bringing loopback up in the private lab failed")


def _show_tracing() -> None:
    """Mount tracefs in the lab where the system has not: the kernel describes its drop reasons there."""
    if privilege() == "root" and os.path.isdir(_TRACING_DIRECTORY) and not os.path.exists(f"{_TRACING_DIRECTORY}/events"):
        with suppress(CannotRunError):
            _mount("tracefs", _TRACING_DIRECTORY, "tracefs", doing="mount tracefs")


def _mirror_run() -> None:
    """Put a tmpfs over /run that shows all that /run showed, and has a directory `netns`.

    Making /run/netns on the host would leave a directory behind, and an ordinary user may not.
    """
    beneath = os.open("/run", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with os.scandir("/run") as entries:
            shown = list(entries)
        _mount(_MOUNT_SOURCE, "/run", "tmpfs", options="mode=755", doing="mount a tmpfs on /run")
        for entry in shown:
            _mirror(entry, f"/proc/self/fd/{beneath}/{entry.name}")
    finally:
        os.close(beneath)
    os.mkdir(_NETNS_DIRECTORY, 0o755)


def _mirror(entry: os.DirEntry[str], source: str) -> None:
    """Show one entry of the covered /run in the new one; what this user may not bind is left out."""
    target = f"/run/{entry.name}"
    if entry.is_symlink():
        os.symlink(os.readlink(source), target)
        return
    is_directory = entry.is_dir()
    if is_directory:
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_CLOEXEC, 0o600))
    try:
        _mount(source, target, None, _MS_BIND | _MS_REC, doing=f"show {target}")
    except CannotRunError:
        if is_directory:
            os.rmdir(target)
        else:
            os.unlink(target)


def _mount(source: str, target: str, kind: str | None, flags: int = 0, options: str | None = None, *, doing: str) -> None:
    def text(value: str | None) -> ctypes.c_char_p:
        return ctypes.c_char_p(None if value is None else os.fsencode(value))

    _call("mount", text(source), text(target), text(kind), ctypes.c_ulong(flags), text(options), doing=doing)


def _call(function: str, *arguments: ctypes.c_int | ctypes.c_ulong | ctypes.c_char_p, doing: str) -> None:
    """Call the C library: Python has os.unshare only since 3.12, and no mount at all."""
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        raise _refused(doing, ctypes.get_errno())


def _refused(doing: str, number: int) -> CannotRunError:
    """The error, with what this system's configuration tells about the cause."""
    message = f"The private lab cannot be entered: the kernel refused to {doing} ({os.strerror(number)})."
    if number == errno.ENOSPC or _setting("user/max_user_namespaces") == "0":
        remedy = "sudo sysctl -w user.max_user_namespaces=10000, or run as root"
        return CannotRunError(f"{message} The limit user.max_user_namespaces is reached.", remedy)
    if _setting("kernel/unprivileged_userns_clone") == "0":
        remedy = "sudo sysctl -w kernel.unprivileged_userns_clone=1, or run as root"
        return CannotRunError(f"{message} Here kernel.unprivileged_userns_clone forbids user namespaces to ordinary users.", remedy)
    if _setting("kernel/apparmor_restrict_unprivileged_userns") == "1":
        remedy = "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run as root"
        return CannotRunError(f"{message} Here AppArmor takes the capabilities of ordinary users' user namespaces away.", remedy)
    return CannotRunError(message, _NO_USER_NAMESPACE)


def _setting(path: str) -> str | None:
    try:
        return Path("/proc/sys", path).read_text(encoding="ascii").strip()
    except OSError:
        return None


def _status_field(name: str) -> str:
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return line.split()[1]
    raise CannotRunError(f"/proc/self/status has no field {name}.", "netbench needs Linux with /proc mounted")
