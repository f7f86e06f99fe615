"""Counters of the interfaces.

`ip` asks the kernel over netlink, so it answers for the network stack that this process is in. /sys shows the stack that it was
mounted for, which is another one after `nsenter --net` or `unshare --net`; it is used only when it shows the same interfaces.
"""

from __future__ import annotations

import functools
import json
import os
import socket
from typing import Any

from netbench.facts.ioctls import hardware_address
from netbench.facts.programs import Program
from netbench.facts.reading import Reading, Unreadable, read_number, read_text

IP_COMMAND = ("ip", "-details", "-statistics", "-statistics", "-json", "link", "show")

SYSFS = "/sys/class/net"
# our name -> (direction, name) in the output of ip
_FIELDS = {
    "rx_packets": ("rx", "packets"),
    "tx_packets": ("tx", "packets"),
    "rx_dropped": ("rx", "dropped"),
    "tx_dropped": ("tx", "dropped"),
    "rx_errors": ("rx", "errors"),
    "tx_errors": ("tx", "errors"),
    "rx_missed_errors": ("rx", "missed_errors"),
    "rx_fifo_errors": ("rx", "fifo_errors"),
    "rx_nohandler": ("rx", "nohandler"),
    "rx_over_errors": ("rx", "over_errors"),
}


class Listing:
    """Every interface of this network stack as `ip` prints it; asked once, when it is needed first."""

    @functools.cached_property
    def _links(self) -> list[dict[str, Any]] | Unreadable:
        try:
            return parse_ip_links(Program("ip", "-details", "-json", "link", "show").output())
        except Unreadable as reason:
            return reason

    def find(self, name: str) -> dict[str, Any]:
        """What it printed about an interface.

        Raises:
            Unreadable: nothing.
        """
        links = self._links
        if isinstance(links, Unreadable):
            raise Unreadable(str(links))
        for link in links:
            if link["ifname"] == name:
                return link
        raise Unreadable(f"ip printed no interface {name}")

    def find_or_nothing(self, name: str) -> dict[str, Any]:
        """The same; empty when it printed nothing."""
        try:
            return self.find(name)
        except Unreadable:
            return {}

    def members(self, master: str) -> list[str]:
        """Names of the interfaces that have it as their master (bridge, bond…)."""
        links = self._links
        return [] if isinstance(links, Unreadable) else [str(link["ifname"]) for link in links if link.get("master") == master]


def parse_ip_links(text: str) -> list[dict[str, Any]]:
    """The interfaces in the output of `ip -json link`.

    Raises:
        Unreadable: it is no list of interfaces (cut, or a version of ip that knows no JSON).
    """
    try:
        links = json.loads(text)
    except ValueError as error:
        raise Unreadable(f"the output of ip is no JSON: {error}") from error
    if not isinstance(links, list):
        raise Unreadable("the output of ip is no list of interfaces")
    return [link for link in links if isinstance(link, dict) and isinstance(link.get("ifname"), str)]


def counters_of_links(links: list[dict[str, Any]]) -> Reading:
    """Counters `link.<if>.<name>`, and the gauge `macvlan.<if>.bc_queue_len_used`: the length in force, not the fill."""
    values: dict[str, int] = {}
    absent: dict[str, str] = {}
    for link in links:
        name = link["ifname"]
        statistics = link.get("stats64")
        if not isinstance(statistics, dict):
            absent[f"link.{name}"] = "ip printed no 64-bit statistics for this interface"
            continue
        for counter, (direction, field) in _FIELDS.items():
            group = statistics.get(direction)
            value = group.get(field) if isinstance(group, dict) else None
            if isinstance(value, int):
                values[f"link.{name}.{counter}"] = value
            elif counter == "rx_nohandler" and isinstance(group, dict):
                values[f"link.{name}.{counter}"] = 0  # ip prints it only when it is not 0
        in_force = info_data(link).get("usedbcqueuelen")
        if isinstance(in_force, int):
            values[f"macvlan.{name}.bc_queue_len_used"] = in_force
    return Reading(values, absent)


def info_data(link: dict[str, Any]) -> dict[str, Any]:
    """What an interface has because of its kind; empty when it has nothing."""
    info = link.get("linkinfo")
    data = info.get("info_data") if isinstance(info, dict) else None
    return data if isinstance(data, dict) else {}


def read_sysfs() -> Reading:
    """The same counters without `ip`.

    Raises:
        Unreadable: /sys is missing or shows another network stack.
    """
    check_sysfs_is_ours()
    values: dict[str, int] = {}
    absent: dict[str, str] = {}
    for _, name in socket.if_nameindex():
        for counter in _FIELDS:
            try:
                values[f"link.{name}.{counter}"] = read_number(f"{SYSFS}/{name}/statistics/{counter}")
            except Unreadable as reason:
                absent[f"link.{name}.{counter}"] = str(reason)
    return Reading(values, absent)


def check_sysfs_is_ours() -> None:
    """Make sure that /sys shows the network stack of this process: same names, indexes and packets on /proc/net/dev.

    Raises:
        Unreadable: it does not, or there is none.
    """
    try:
        names = sorted(name for name in os.listdir(SYSFS) if os.path.isdir(f"{SYSFS}/{name}"))
    except OSError as error:
        raise Unreadable(f"{SYSFS}: {error.strerror}") from error
    ours = {name: index for index, name in socket.if_nameindex()}
    shown = {name: read_number(f"{SYSFS}/{name}/ifindex") for name in names}
    if shown != ours:
        raise Unreadable(f"{SYSFS} shows the interfaces of another network namespace")
    addresses = {name: read_text(f"{SYSFS}/{name}/address").strip() for name in names}
    for name, address in addresses.items():
        own = hardware_address(name)
        # Two namespaces often both have lo as 1 and eth0 as 2; their addresses differ.
        if own is not None and len(address) == len(own) and address != own:
            raise Unreadable(f"{SYSFS} shows the interfaces of another network namespace")
