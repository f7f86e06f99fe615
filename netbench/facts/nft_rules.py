"""The chains and rules of nftables, from `nft --json list ruleset` (libnftables-json(5))."""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from netbench.facts.nft_json import of_kind, ruleset, statements
from netbench.facts.packet_filter import UNJUDGED, Chain, Condition, Range, Rule

NFT_COMMAND = ("nft", "--json", "list", "ruleset")
_QUOTED = re.compile(r'"([^"]+)"')
_EVERYTHING: Range = (0, (1 << 128) - 1)

# Statements after which a packet goes on to the next one.
_TRANSPARENT = frozenset({"counter", "log", "mangle", "notrack", "comment", "ct helper", "flow", "set", "map", "meter", "dup"})
# Targets of iptables that nft prints by name alone, and that end a packet; the others let it go on.
_ENDING_TARGETS = frozenset({"REJECT", "DROP", "TPROXY"})
_META_WORDS = {
    "iifname": "iif",
    "iif": "iif",
    "oifname": "oif",
    "oif": "oif",
    "l4proto": "protocol",
    "pkttype": "pkttype",
    "nfproto": "version",
    "protocol": "version",
}
_SPELLINGS = {
    "2": "igmp",
    "17": "udp",
    "6": "tcp",
    "1": "icmp",
    "ip": "ipv4",
    "ip6": "ipv6",
    "0x0800": "ipv4",
    "other": "other",
    "host": "unicast",
}
_TRANSPORT = frozenset({"udp", "udplite", "tcp", "icmp", "icmpv6", "igmp", "sctp", "dccp", "esp", "ah", "comp"})


def parse_chains(text: str) -> list[Chain]:
    """Every chain with its rules, those of switched-off tables left out.

    Raises:
        Unreadable: it is no ruleset.
    """
    objects = ruleset(text)
    dormant = {_place(table, "name") for table in of_kind(objects, "table") if "dormant" in _listed(table.get("flags"))}
    sets = {(*_place(item, "table"), str(item.get("name"))): _listed(item.get("elem")) for item in of_kind(objects, "set")}
    rules: dict[tuple[str, str, str], list[Rule]] = {}
    for rule in of_kind(objects, "rule"):
        table = _place(rule, "table")
        rules.setdefault((*table, str(rule.get("chain"))), []).extend(_rules(rule, table, sets))
    chains = []
    for chain in of_kind(objects, "chain"):
        table, name = _place(chain, "table"), str(chain.get("name"))
        if table in dormant:
            continue
        priority = chain.get("prio")
        chains.append(
            Chain(
                *table,
                name,
                hook=str(chain.get("hook") or ""),
                priority=priority if isinstance(priority, int) else 0,
                policy=str(chain.get("policy") or "accept"),
                devices=frozenset(str(device) for device in _listed(chain.get("dev"))),
                rules=tuple(rules.get((*table, name), ())),
            )
        )
    return chains


def tables_of_iptables(text: str) -> set[str]:
    """IPv4 tables whose rules nft cannot print in full: they were made by iptables, which has to be asked."""
    objects = json.loads(text)["nftables"]
    return {
        str(rule.get("table"))
        for rule in of_kind(objects, "rule")
        if rule.get("family") == "ip" and any(kind == "xt" for kind, _ in statements(rule))
    }


def _rules(rule: dict[str, Any], table: tuple[str, str], sets: dict[tuple[str, str, str], list[Any]]) -> Iterator[Rule]:
    """One rule; several when a verdict map decides."""
    handle = rule.get("handle") if isinstance(rule.get("handle"), int) else None
    conditions: list[Condition] = []
    for kind, body in statements(rule):
        if kind == "match":
            conditions += _conditions(body, table, sets)
        elif kind == "vmap" and isinstance(body, dict):
            yield from _mapped(body, conditions, handle)
            return
        elif kind in ("accept", "drop", "return", "continue"):
            yield Rule(tuple(conditions), kind, handle=handle)
            return
        elif kind == "reject":
            yield Rule(tuple(conditions), "drop", handle=handle)
            return
        elif kind in ("jump", "goto") and isinstance(body, dict):
            yield Rule(tuple(conditions), kind, str(body.get("target")), handle)
            return
        elif kind == "xt":
            target = isinstance(body, dict) and body.get("type") == "target"
            if target and str(body.get("name")) in _ENDING_TARGETS:
                yield Rule(tuple(conditions), "drop", handle=handle)
                return
            if not target:
                conditions.append(UNJUDGED)
        elif kind in ("queue", "tproxy", "synproxy"):
            yield Rule(tuple(conditions), "unknown", handle=handle)
            return
        elif kind not in _TRANSPARENT:
            conditions.append(UNJUDGED)  # limit, quota, ct count, and whatever a newer nft has


def _mapped(body: dict[str, Any], conditions: list[Condition], handle: int | None) -> Iterator[Rule]:
    data = body.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("set"), list):
        yield Rule((*conditions, UNJUDGED), "unknown", handle=handle)  # a named map
        return
    for element in data["set"]:
        if not (isinstance(element, list) and len(element) == 2 and isinstance(element[1], dict) and element[1]):
            continue
        verdict, target = next(iter(element[1].items()))
        name = str(target.get("target")) if isinstance(target, dict) else ""
        kind = verdict if verdict in ("accept", "drop", "return", "continue", "jump", "goto") else "unknown"
        yield Rule((*conditions, *_compare(body.get("key"), element[0], negated=False)), kind, name, handle)


def _conditions(match: Any, table: tuple[str, str], sets: dict[tuple[str, str, str], list[Any]]) -> list[Condition]:
    if not isinstance(match, dict) or match.get("op") not in ("==", "!=", "in", None):
        return [UNJUDGED]
    right = match.get("right")
    if isinstance(right, str) and right.startswith("@"):
        right = sets.get((*table, right[1:]))
        if right is None:
            return [UNJUDGED]
    return _compare(match.get("left"), right, negated=match.get("op") == "!=")


def _compare(left: Any, right: Any, *, negated: bool) -> list[Condition]:
    """What has to hold for `left == right`; a look into a header implies that it is there."""
    if not isinstance(left, dict):
        return [UNJUDGED]
    if isinstance(left.get("meta"), dict):
        key = str(left["meta"].get("key"))
        return [_worded(_META_WORDS[key], right, negated) if key in _META_WORDS else UNJUDGED]
    if isinstance(left.get("ct"), dict):
        return [_worded("state", right, negated) if left["ct"].get("key") == "state" else UNJUDGED]
    if isinstance(left.get("fib"), dict):
        by_destination = left["fib"].get("result") == "type" and _listed(left["fib"].get("flags")) == ["daddr"]
        return [_worded("destination_type", right, negated) if by_destination else UNJUDGED]
    payload = left.get("payload")
    if not isinstance(payload, dict):
        return [UNJUDGED]
    protocol, name = str(payload.get("protocol")), str(payload.get("field"))
    implied: list[Condition] = []
    if protocol in ("ip", "ip6"):
        implied = [Condition("version", frozenset({"ipv4" if protocol == "ip" else "ipv6"}))]
    elif protocol in _TRANSPORT:
        implied = [Condition("protocol", frozenset({protocol}))]
    if (protocol, name) == ("ip", "protocol"):
        return [*implied, _worded("protocol", right, negated)]
    if (protocol, name) == ("ip", "daddr"):
        return [*implied, _ranged("destination", right, negated)]
    if (protocol, name) in (("udp", "dport"), ("th", "dport")):
        return [*implied, _ranged("port", right, negated)]
    return [*implied, UNJUDGED]


def _worded(field: str, right: Any, negated: bool) -> Condition:
    words = _elements(right)
    if not all(isinstance(word, str | int) for word in words):
        return UNJUDGED
    return Condition(field, frozenset(_SPELLINGS.get(str(word), str(word)) for word in words), negated=negated)


def _ranged(field: str, right: Any, negated: bool) -> Condition:
    ranges = [_range(element) for element in _elements(right)]
    if None in ranges:
        return UNJUDGED
    return Condition(field, ranges=tuple(item for item in ranges if item is not None), negated=negated)


def _range(element: Any) -> Range | None:
    if isinstance(element, dict) and isinstance(element.get("prefix"), dict):
        try:
            network = ipaddress.ip_network(f"{element['prefix'].get('addr')}/{element['prefix'].get('len')}", strict=False)
        except ValueError:
            return None
        return int(network.network_address), int(network.broadcast_address)
    if isinstance(element, dict) and isinstance(element.get("range"), list) and len(element["range"]) == 2:
        low, high = (_number(end) for end in element["range"])
        return (low, high) if low is not None and high is not None else None
    if element == "*":
        return _EVERYTHING
    number = _number(element)
    return (number, number) if number is not None else None


def _number(value: Any) -> int | None:
    if isinstance(value, int):
        return value
    try:
        return int(ipaddress.ip_address(str(value)))
    except ValueError:
        return None  # a name of a host or a service


def _elements(right: Any) -> list[Any]:
    """What is compared with, one by one; elements of a set may carry a timeout or a counter of their own."""
    items = right["set"] if isinstance(right, dict) and isinstance(right.get("set"), list) else _listed(right)
    return [item["elem"].get("val") if isinstance(item, dict) and isinstance(item.get("elem"), dict) else item for item in items]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _place(item: dict[str, Any], table: str) -> tuple[str, str]:
    return str(item.get("family")), str(item.get(table))


def with_texts(chains: list[Chain], printed: str) -> list[Chain]:
    """The chains completed by `nft --handle list ruleset`: each rule with its words (none where it prints none).

    Older versions of nft say there alone which tables are switched off, whose chains are left out, and for which devices an ingress
    hook is.
    """
    plain = _Printed(printed)
    return [
        replace(
            chain,
            devices=chain.devices | plain.devices.get((chain.family, chain.table, chain.name), frozenset()),
            rules=tuple(
                replace(rule, text=plain.texts.get((chain.family, chain.table, chain.name, rule.handle), ""))
                for rule in chain.rules
            ),
        )
        for chain in chains
        if (chain.family, chain.table) not in plain.dormant
    ]


class _Printed:
    """What `nft --handle list ruleset` tells.

    Attributes:
        texts: (family, table, chain, handle) -> rule.
        devices: (family, table, chain) -> interfaces of its hook.
        dormant: (family, table) of tables that are switched off.
    """

    def __init__(self, printed: str) -> None:
        self.texts: dict[tuple[str, str, str, int | None], str] = {}
        self.devices: dict[tuple[str, str, str], frozenset[str]] = {}
        self.dormant: set[tuple[str, str]] = set()
        table, chain = ("", ""), ""
        for line in printed.splitlines():
            body, mark, number = line.strip().rpartition(" # handle ")
            words = (body if mark else line).split()
            if words[:1] == ["table"] and line.startswith("table ") and len(words) >= 3:
                table, chain = (words[1], words[2]), ""
            elif words[:1] == ["chain"] and words[-1:] == ["{"]:
                chain = words[1]
            elif words[:1] == ["flags"] and not chain and "dormant" in words and line.startswith("\tflags"):
                self.dormant.add(table)
            elif words[:1] == ["type"] and "hook" in words:
                hook = line.partition(" priority ")[0]
                self.devices[(*table, chain)] = frozenset(_QUOTED.findall(hook.partition(" device")[2]))
            elif mark and number.isdecimal():
                self.texts[(*table, chain, int(number))] = body
