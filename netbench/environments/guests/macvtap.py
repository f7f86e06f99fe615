"""macvtap: a macvlan link whose frames go to a file instead of a network stack, which a virtual machine has open as its cable."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from netbench.environments.netns import Network, enter, run
from netbench.errors import CannotRunError

INTERFACE = "macvtap0"


def add(
    network: Network,
    within: tuple[str, ...],
    parent: str,
    namespace: str,
    mac: str | None,
    kind: tuple[str, ...],
    allmulticast: bool,
) -> str:
    """Make a macvtap link on a parent, and return its MAC address.

    Args:
        network: under construction.
        within: what stands before a command so that it runs where the parent is.
        parent: the interface that it hangs on.
        namespace: where it lives.
        mac: its MAC address; None: the kernel chooses one.
        kind: options of its type, e.g. ("mode", "bridge").
        allmulticast: let all groups in: no one tells this link which groups the guest has joined.
    """
    own_mac = ("address", mac) if mac else ()
    network.run(
        *(*within, "ip", "link", "add", "link", parent, "name", INTERFACE, *own_mac, "netns", namespace),
        *("type", "macvtap", *kind),
    )
    if allmulticast:
        network.ip(namespace, "link", "set", INTERFACE, "allmulticast", "on")
    network.ip(namespace, "link", "set", INTERFACE, "up")
    return run((*enter(namespace), "cat", f"/sys/class/net/{INTERFACE}/address"), "Reading the macvtap's address failed").strip()


@contextmanager
def opened(namespace: str) -> Iterator[int]:
    """The file of a namespace's macvtap link, open for a virtual machine to inherit.

    Its device file is called /dev/tapN after the link's number, which links of other namespaces have, too; so a file is taken only
    when it stands for this very link, and else one is made for a moment.

    Raises:
        CannotRunError: this user may not open it.
    """
    script = f"cat /sys/class/net/{INTERFACE}/ifindex /sys/class/net/{INTERFACE}/macvtap/tap*/dev"
    told = run((*enter(namespace), "sh", "-c", script), "Finding the macvtap's device failed").split()
    major, _, minor = told[1].partition(":")
    device = os.makedev(int(major), int(minor))
    descriptor = _open(f"/dev/tap{told[0]}", device)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(usual: str, device: int) -> int:
    made = f"/dev/nb-tap-{secrets.token_hex(4)}"
    try:
        with suppress(FileNotFoundError):
            if os.stat(usual).st_rdev == device:
                return os.open(usual, os.O_RDWR | os.O_CLOEXEC)
        try:
            os.mknod(made, 0o600 | stat.S_IFCHR, device)
            return os.open(made, os.O_RDWR | os.O_CLOEXEC)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(made)
    except OSError as error:
        raise CannotRunError(
            f"The macvtap's device file cannot be opened: {error.strerror}.",
            "run as root (sudo); a container needs --device-cgroup-rule 'c *:* rmw' and CAP_MKNOD",
        ) from error
