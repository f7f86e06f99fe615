"""Every counter that may explain a lost packet, and what moved between two readings.

Of the network namespace that this process is in, unless said otherwise. Names, a dot between the parts
(an interface's own name may hold dots: the counter is what stands behind the last one):

    softnet.dropped  softnet.time_squeeze                whole machine
    link.<if>.<rx_packets, rx_dropped, …>                raw: rx_dropped does not include rx_missed_errors
    ip.<name>  ipext.<name>  udp.<name>  tcpext.IPReversePathFilter
    qdisc.<if>.<kind>.<handle>.drops
    nft.<family>.<table>.<chain>.<handle>.<drops, reject>
    conntrack.<name>
    cpu.<total, busy, steal>_ticks                       whole machine
    cgroup.<nr_periods, nr_throttled, throttled_usec>
    macvlan.<if>.bc_queue_len_used                       a gauge: the queue's length in force
"""

from __future__ import annotations

from collections.abc import Callable

from netbench.facts import cgroups, links, netfilter, processor, protocols, qdiscs
from netbench.facts.programs import Program
from netbench.facts.reading import Reading, Unreadable

__all__ = ["Reading", "delta", "read"]

_WRAP = 1 << 32
# Kept in 32 bits by the kernel; all others are 64 bits wide.
_NARROW = ("softnet.", "conntrack.", "qdisc.")
_GAUGES = ("macvlan.",)


def read() -> Reading:
    """All counters of now. Reads only; what cannot be read is in `absent` with the reason."""
    ip, tc, nft = Program(*links.IP_COMMAND), Program(*qdiscs.TC_COMMAND), Program(*netfilter.NFT_COMMAND)
    # The programs run while the files are read.
    sources: dict[str, Callable[[], Reading]] = {
        "softnet": processor.read_softnet,
        "cpu": processor.read_cpu_time,
        "ip, udp": protocols.read_snmp,
        "ipext, tcpext": protocols.read_netstat,
        "conntrack": netfilter.read_conntrack,
        "iptables": netfilter.read_legacy_tables,
        "cgroup": cgroups.read_throttling,
        "qdisc": lambda: qdiscs.parse_qdiscs(tc.output()),
        "nft": lambda: netfilter.parse_ruleset(nft.output()),
        "link": lambda: _links(ip),
    }
    values: dict[str, int] = {}
    absent: dict[str, str] = {}
    for prefixes, source in sources.items():
        try:
            reading = source()
        except Unreadable as reason:
            absent.update(dict.fromkeys(prefixes.split(", "), str(reason)))
            continue
        values.update(reading.values)
        absent.update(reading.absent)
    return Reading(values, absent)


def _links(ip: Program) -> Reading:
    try:
        return links.counters_of_links(links.parse_ip_links(ip.output()))
    except Unreadable as without_ip:
        try:
            return links.read_sysfs()
        except Unreadable as without_sysfs:
            raise Unreadable(f"{without_ip}; {without_sysfs}") from without_sysfs


def delta(before: Reading, after: Reading) -> dict[str, int]:
    """What each counter grew by; only those that moved.

    A counter that appeared meanwhile counts from 0, one that vanished is left out. One that fell has passed 2^32 where the kernel
    keeps 32 bits, else its owner (interface, rule) was made anew and it counts from 0; CPU time that fell is left out.
    """
    moved: dict[str, int] = {}
    for name, now in after.values.items():
        if name.startswith(_GAUGES):
            continue
        grown = now - before.values.get(name, 0)
        if grown < 0:
            grown = _grown_although_fallen(name, grown, now)
        if grown > 0:
            moved[name] = grown
    return moved


def _grown_although_fallen(name: str, difference: int, now: int) -> int:
    if name.startswith("cpu."):
        return 0  # some hypervisors correct steal backwards
    wrapped = difference + _WRAP
    if name.startswith(_NARROW) and 0 < wrapped < _WRAP // 2:
        return wrapped
    return now
