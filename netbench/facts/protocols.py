"""Counters of IP and UDP, and the one of TcpExt that concerns every packet: /proc/net/snmp and netstat (RFC 4293, RFC 4113)."""

from __future__ import annotations

from netbench.facts.reading import Reading, Unreadable, read_text, whole_lines

SNMP_PATH = "/proc/net/snmp"
NETSTAT_PATH = "/proc/net/netstat"
_SETTINGS = frozenset({"Forwarding", "DefaultTTL"})  # printed among the counters of Ip


def parse_groups(text: str, path: str) -> dict[str, dict[str, int]]:
    """Groups of a file whose lines come in pairs: `Udp: names…` and `Udp: values…`.

    Raises:
        Unreadable: a pair does not match, as in a file that was cut.
    """
    groups: dict[str, dict[str, int]] = {}
    headings: dict[str, list[str]] = {}
    for line in whole_lines(text, path):
        group, colon, rest = line.partition(":")
        if not colon:
            raise Unreadable(f"{path}: a line without a group's name")
        if group not in headings:
            headings[group] = rest.split()
            continue
        columns = rest.split()
        if len(columns) != len(headings[group]):
            raise Unreadable(f"{path}: {group} has {len(columns)} values for {len(headings[group])} names")
        try:
            groups[group] = dict(zip(headings[group], map(int, columns), strict=True))
        except ValueError as error:
            raise Unreadable(f"{path}: {group} holds something that is no number") from error
    unpaired = sorted(set(headings) - set(groups))
    if unpaired:
        raise Unreadable(f"{path}: no values for {', '.join(unpaired)}")
    return groups


def _prefixed(groups: dict[str, dict[str, int]], group: str, prefix: str) -> Reading:
    if group not in groups:
        return Reading({}, {prefix: f"the kernel prints no group {group}"})
    return Reading({f"{prefix}.{name}": value for name, value in groups[group].items() if name not in _SETTINGS})


def counters_of_snmp(text: str) -> Reading:
    """Counters `ip.<name>` and `udp.<name>` from the text of /proc/net/snmp."""
    groups = parse_groups(text, SNMP_PATH)
    ip, udp = _prefixed(groups, "Ip", "ip"), _prefixed(groups, "Udp", "udp")
    return Reading({**ip.values, **udp.values}, {**ip.absent, **udp.absent})


def counters_of_netstat(text: str) -> Reading:
    """Counters `ipext.<name>` and `tcpext.IPReversePathFilter` from the text of /proc/net/netstat."""
    groups = parse_groups(text, NETSTAT_PATH)
    ipext, name = _prefixed(groups, "IpExt", "ipext"), "IPReversePathFilter"
    if name in groups.get("TcpExt", {}):
        return Reading({**ipext.values, f"tcpext.{name}": groups["TcpExt"][name]}, ipext.absent)
    return Reading(ipext.values, {**ipext.absent, f"tcpext.{name}": f"the kernel prints no {name}"})


def read_snmp() -> Reading:
    """IP and UDP of this network namespace."""
    return counters_of_snmp(read_text(SNMP_PATH))


def read_netstat() -> Reading:
    """Extended IP of this network namespace."""
    return counters_of_netstat(read_text(NETSTAT_PATH))
