"""Every interface of this network stack, and how each is connected."""

from __future__ import annotations

import functools
import os
import socket
from typing import Any

from netbench.facts import ioctls, network_mode
from netbench.facts.device_models import machine
from netbench.facts.links import SYSFS, Listing, check_sysfs_is_ours
from netbench.facts.network_mode import Interfaces
from netbench.facts.reading import Answer, Unreadable

_MOST_TOLD = 64  # a host of many containers has hundreds of veths


def read() -> Answer:
    """Subject `interfaces`: name -> mode, by, driver, evidence and the names of what it hangs on; the first 64 by index."""
    listing = Listing()
    here, interfaces = machine(), interfaces_here(listing)
    values: dict[str, Any] = {}
    absent: dict[str, str] = {}
    names = [name for _, name in socket.if_nameindex()]
    for name in names[:_MOST_TOLD]:
        try:
            mode = network_mode.read(name, here, interfaces)
        except Unreadable as reason:
            absent[f"interfaces.{name}"] = str(reason)
            continue
        values[name] = {key: mode[key] for key in ("mode", "by", "driver", "evidence", "master")}
        values[name]["parents"] = [parent["name"] for parent in mode["parents"]]
    if names[_MOST_TOLD:]:
        absent["interfaces.more"] = f"{len(names) - _MOST_TOLD} more interfaces are here; name one with -i"
    return Answer({"interfaces": values}, absent)


def interfaces_here(listing: Listing) -> Interfaces:
    """The sources of this network stack."""
    return Interfaces(listing.find_or_nothing, listing.members, functools.cache(_driver), _sysfs_is_ours())


def _driver(name: str) -> tuple[str, str]:
    try:
        driver = ioctls.driver(name)
    except Unreadable:
        return "", ""
    return driver.name, driver.bus


def _sysfs_is_ours() -> bool:
    try:
        check_sysfs_is_ours()
    except Unreadable:
        return False
    return os.path.isdir(SYSFS)
