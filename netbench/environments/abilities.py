"""What this system lets us build, found out by building it: a child process tries each kind of link in a lab of its own."""

from __future__ import annotations

import json
import os
import warnings
from functools import cache

from netbench.environments import lab
from netbench.environments.base import Unavailable
from netbench.environments.netns import Network
from netbench.errors import NetbenchError

_NAT = (
    "add table ip try; "
    "add chain ip try prerouting { type nat hook prerouting priority -100; }; "
    "add rule ip try prerouting udp dport 5000-5999 dnat to 192.0.2.1; "
    "add chain ip try postrouting { type nat hook postrouting priority 100; }; "
    "add rule ip try postrouting masquerade"
)

# Ability -> the words that its lack is told with, and the command, inside a namespace, that tries it. In this order: the macvlan
# hangs on the veth.
_TRIALS: dict[str, tuple[str, tuple[str, ...]]] = {
    "namespaces": ("network namespaces", ("true",)),
    "veth": ("veth links", ("ip", "link", "add", "try0", "type", "veth", "peer", "name", "try1")),
    "macvlan": ("macvlan links", ("ip", "link", "add", "link", "try0", "name", "try2", "type", "macvlan")),
    "bridge": ("bridges", ("ip", "link", "add", "try3", "type", "bridge")),
    "tap": ("tap devices", ("ip", "tuntap", "add", "try4", "mode", "tap")),
    "macvtap": ("macvtap links", ("ip", "link", "add", "link", "try0", "name", "try5", "type", "macvtap")),
    "nat": ("address translation by nft", ("nft", _NAT)),
    "forwarding": ("IPv4 forwarding", ("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")),
}


def missing(*needs: str) -> Unavailable | None:
    """The first of the needed abilities that this system lacks, or None when it has them all.

    Args:
        needs: of `namespaces`, `veth`, `macvlan`, `bridge`, `tap`, `macvtap`, `nat`, `forwarding`.
    """
    failures = _failures()
    return next((failures[need] for need in ("lab", *needs) if need in failures), None)


def remarks() -> tuple[str, ...]:
    """What a reader of the report should know about labs that this process builds."""
    if lab.privilege() == "user_namespace":
        return ("Built in a user namespace: the receive buffers of sockets are bound by net.core.rmem_max.",)
    return ()


@cache
def _failures() -> dict[str, Unavailable]:
    """Ability -> why it is lacking; only those that are. Tried once a process, in a child: entering a lab cannot be undone."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():  # since 3.12 Python warns when there are threads; the child uses nothing that they could hold
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        try:
            os.write(writer, json.dumps(_try_everything()).encode())
        finally:
            os._exit(0)  # no clean-up of the parent's objects, no second flush of its buffers
    os.close(writer)
    with os.fdopen(reader, "rb") as results:
        told = results.read()
    os.waitpid(child, 0)
    if not told:
        return {"lab": Unavailable("The process that tried what can be built here died.", "look into the kernel's log (dmesg)")}
    return {ability: Unavailable(reason, remedy) for ability, (reason, remedy) in json.loads(told).items()}


def _try_everything() -> dict[str, tuple[str, str | None]]:
    """In the child: ability -> reason and remedy, of those that failed; `lab` stands for all of them."""
    failures: dict[str, tuple[str, str | None]] = {}
    try:
        lab.enter()
        with Network("try") as network:
            place = network.namespace("place")
            for ability, (words, command) in _TRIALS.items():
                try:
                    network.inside(place, *command)
                except NetbenchError as error:
                    failures[ability] = (f"This system has no {words}. {error.message}", error.remedy)
    except NetbenchError as error:
        failures["lab"] = (error.message, error.remedy)
    return failures
