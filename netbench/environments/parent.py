"""The user's own interface as the wire of environments: found, checked, watched by a tap; never changed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from netbench.environments import lab
from netbench.environments.base import Parent, Site
from netbench.environments.injection import Injection
from netbench.environments.netns import run
from netbench.environments.options import unknown
from netbench.errors import CannotRunError, UsageError

HOST_PLACE = "host"
"""`Site.place` of whatever shares the network stack of the host that the parent belongs to."""


def find(interface: str, sender: Site | None = None) -> Parent:
    """The parent of a name, in the network namespace of this process; reads only.

    Raises:
        UsageError: there is no such interface.
        CannotRunError: it is down, or this user may not build on it.
    """
    need_root(interface)
    listed: list[Mapping[str, Any]] = json.loads(run(("ip", "-j", "-4", "address", "show"), "Reading the interfaces failed"))
    links = {str(link["ifname"]): link for link in listed if "ifname" in link}
    if interface not in links:
        raise UsageError(unknown("interface", interface, links), "ip -br link")
    if "UP" not in links[interface].get("flags", ()):
        raise CannotRunError(f"The interface {interface} is down.", f"sudo ip link set {shlex.quote(interface)} up")
    addresses = [str(entry["local"]) for entry in links[interface].get("addr_info", ()) if entry.get("family") == "inet"]
    return Parent(interface, addresses[0] if addresses else "", sender)


def need_root(interface: str) -> None:
    """An ordinary user's lab has a network of its own, in which the host's interfaces are not.

    Raises:
        CannotRunError: this process may not configure the network, with the command line that may.
    """
    if not lab.has_capabilities():
        raise CannotRunError(f"Building on {interface} needs root (CAP_NET_ADMIN and CAP_SYS_ADMIN).", lab.as_root())


def tap(parent: Parent) -> Site:
    """Where the parent is watched: right here. All environments on one parent share it."""
    return Site(name="tap", interface=parent.interface, address=parent.address, enter=(), place=HOST_PLACE)


def refuse_injection(environment: str, parent: Parent, drops: Injection, *, at_probe: bool) -> None:
    """Loss is put into networks of our own only.

    Args:
        environment: for the message.
        parent: where it is built.
        drops: what was asked for.
        at_probe: the probe has a network stack of its own, where dropping hurts nobody else.

    Raises:
        UsageError: it would be put into the user's network.
    """
    if drops.every and not (at_probe and drops.at_probe):
        raise UsageError(
            f"{environment}: inject_drop_every would drop packets of {parent.interface}'s own traffic.",
            "leave it out, or leave out -i to see it in the embedded lab",
        )
