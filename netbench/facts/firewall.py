"""What the firewall here does to a group, to IGMP, and to what is forwarded: asked of its rules, nothing is sent."""

from __future__ import annotations

import ipaddress
from typing import Any

from netbench.facts import iptables_rules, nft_rules
from netbench.facts.netfilter import read_legacy_tables
from netbench.facts.packet_filter import Chain, Course, Packet, PacketFilter, Range, Stop
from netbench.facts.programs import Program
from netbench.facts.reading import Answer, Unreadable, read_text
from netbench.protocol import StreamSpec

# Groups that routers forward: those of the link itself, 224.0.0.0/24, carry no streams.
_ANY_GROUP: Range = (int(ipaddress.IPv4Address("224.0.1.0")), int(ipaddress.IPv4Address("239.255.255.255")))
_ANY_PORT: Range = (1024, 65_535)
_ALL_HOSTS = int(ipaddress.IPv4Address("224.0.0.1"))  # where a querier asks
_IGMPV3_ROUTERS = int(ipaddress.IPv4Address("224.0.0.22"))  # where members report (RFC 3376 section 4.2.14)

_IP = frozenset({"ip", "inet"})
_INGRESS = frozenset({"netdev", "inet"})
_IN = ((_INGRESS, "ingress"), (_IP, "prerouting"), (_IP, "input"))
_OUT = ((_IP, "output"), (_IP, "postrouting"), (frozenset({"netdev"}), "egress"))
_THROUGH = ((_IP, "prerouting"), (_IP, "forward"), (_IP, "postrouting"))
_BRIDGED = ((frozenset({"bridge"}), "prerouting"), (frozenset({"bridge"}), "input"))


def read(interface: str | None, streams: tuple[StreamSpec, ...] = ()) -> Answer:
    """Subject `firewall`.

    Args:
        interface: where packets come in; None: anywhere.
        streams: what a probe would receive; empty: any group.
    """
    try:
        chains, unread = _read_chains()
    except Unreadable as reason:
        return Answer({}, {"firewall": str(reason)})
    values = judge(chains, interface, streams)
    values["unread"] = unread
    values["bridge_netfilter"] = _bridge_netfilter()
    return Answer({"firewall": values})


def judge(chains: list[Chain], interface: str | None, streams: tuple[StreamSpec, ...] = ()) -> dict[str, Any]:
    """What becomes of each kind of packet: `streams` (one each, or one for any group), `igmp_query`, `igmp_report`, `forwarded`."""
    rules = PacketFilter(chains)
    wanted = [(f"{item.destination}:{item.port}", _stream(interface, item)) for item in streams]
    asked = wanted or [("any group", _group(interface, _ANY_GROUP, _ANY_PORT))]
    first = asked[0][1]
    forwarded = Packet(_THROUGH, first.words, first.numbers)
    return {
        "chains": sum(1 for chain in chains if chain.hook),
        "streams": [{"stream": name, **_told(rules, packet, _as_bridged(packet))} for name, packet in asked],
        "igmp_query": _told(rules, _igmp(interface, _ALL_HOSTS, _IN, "iif")),
        "igmp_report": _told(rules, _igmp(interface, _IGMPV3_ROUTERS, _OUT, "oif")),
        "forwarded": _told(rules, forwarded),
    }


def _group(interface: str | None, destination: Range, port: Range) -> Packet:
    # A stream has no way back, so that conntrack never sees a reply to it: it stays new.
    words = {"protocol": "udp", "version": "ipv4", "state": "new", "pkttype": "multicast", "destination_type": "multicast"}
    if interface is not None:
        words["iif"] = interface
    return Packet(_IN, words, {"destination": destination, "port": port}, interface or "")


def _stream(interface: str | None, stream: StreamSpec) -> Packet:
    address = ipaddress.IPv4Address(stream.destination)
    packet = _group(interface, (int(address), int(address)), (stream.port, stream.port))
    if address.is_multicast:
        return packet
    return Packet(_IN, {**packet.words, "pkttype": "unicast", "destination_type": "local"}, packet.numbers, packet.device)


def _as_bridged(packet: Packet) -> Packet:
    """The same packet as a bridge sees it: it comes in by a port, whose name is not known."""
    return Packet(_BRIDGED, {field: word for field, word in packet.words.items() if field != "iif"}, packet.numbers)


def _igmp(interface: str | None, destination: int, path: tuple[tuple[frozenset[str], str], ...], direction: str) -> Packet:
    words = {"protocol": "igmp", "version": "ipv4", "state": "new", "destination_type": "multicast"}
    if direction == "iif":
        words["pkttype"] = "multicast"
    if interface is not None:
        words[direction] = interface
    return Packet(path, words, {"destination": (destination, destination)}, interface or "")


def _told(rules: PacketFilter, *packets: Packet) -> dict[str, Any]:
    courses = [rules.course(packet) for packet in packets]
    worst = max(courses, key=lambda course: ("accept", "unclear", "drop").index(course.fate))
    return {"fate": worst.fate, "stops": _stops(courses)}


def _stops(courses: list[Course]) -> list[dict[str, Any]]:
    return [_stop(stop) for course in courses for stop in course.stops]


def _stop(stop: Stop) -> dict[str, Any]:
    return {
        "program": stop.base.program,
        "family": stop.base.family,
        "table": stop.base.table,
        "base_chain": stop.base.name,
        "hook": stop.base.hook,
        "chain": stop.chain,
        "handle": stop.rule.handle if stop.rule is not None else None,
        "rule": (stop.rule.text or None) if stop.rule is not None else "policy drop",
        "certain": stop.certain,
    }


def _read_chains() -> tuple[list[Chain], list[str]]:
    """Every chain here, and what could not be read of the firewall."""
    unread: list[str] = []
    asked = [Program(*nft_rules.NFT_COMMAND), Program("nft", "--handle", "list", "ruleset")]
    text = asked[0].output()
    printed = asked[1].output()
    chains = nft_rules.with_texts(nft_rules.parse_chains(text), printed)
    foreign = nft_rules.tables_of_iptables(text)
    if foreign:
        try:
            theirs = iptables_rules.parse_chains(Program("iptables-nft-save").output(), "iptables", foreign)
            chains = [chain for chain in chains if chain.family != "ip" or chain.table not in foreign] + theirs
        except Unreadable as reason:
            unread.append(f"rules of iptables in {', '.join(sorted(foreign))}: {reason}")
    if read_legacy_tables().absent:
        try:
            chains += iptables_rules.parse_chains(Program("iptables-legacy-save").output(), "iptables-legacy")
        except Unreadable as reason:
            unread.append(f"rules of legacy iptables: {reason}")
    return chains, unread


def _bridge_netfilter() -> bool:
    """Whether frames that a bridge passes on go through the rules for forwarded packets."""
    try:
        return read_text("/proc/sys/net/bridge/bridge-nf-call-iptables").strip() == "1"
    except Unreadable:
        return False  # the module br_netfilter is not loaded
