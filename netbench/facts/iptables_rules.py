"""The chains and rules of iptables, from what `iptables-save` prints (iptables-extensions(8))."""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterator

from netbench.facts.packet_filter import UNJUDGED, Chain, Condition, Range, Rule
from netbench.facts.reading import Unreadable

# Their place among the base chains: netfilter_ipv4.h, enum nf_ip_hook_priorities.
_PRIORITIES = {"raw": -300, "mangle": -150, "nat": -100, "filter": 0, "security": 50}
_HOOKS = {"PREROUTING": "prerouting", "INPUT": "input", "FORWARD": "forward", "OUTPUT": "output", "POSTROUTING": "postrouting"}
_VERDICTS = {"ACCEPT": "accept", "DROP": "drop", "REJECT": "drop", "RETURN": "return", "NFQUEUE": "unknown", "TPROXY": "unknown"}
# Targets that change or note something, and let the packet go on.
_TRANSPARENT = frozenset(
    {"AUDIT", "CHECKSUM", "CLASSIFY", "CONNMARK", "CT", "DSCP", "HMARK", "LOG", "MARK", "NFLOG", "NOTRACK", "SET", "TCPMSS", "TEE"}
    | {"TOS", "TRACE", "TTL"}
)
_ENDING_NAT = frozenset({"DNAT", "SNAT", "MASQUERADE", "REDIRECT", "NETMAP"})  # in nat, they end the chain, not the packet
_PROTOCOLS = {"2": "igmp", "17": "udp", "6": "tcp", "1": "icmp"}
_MATCH_WITHOUT_MEANING = frozenset({"udp", "tcp", "icmp", "conntrack", "state", "multiport", "pkttype", "addrtype", "comment"})


def parse_chains(text: str, program: str, tables: set[str] | None = None) -> list[Chain]:
    """Every IPv4 chain with its rules.

    Args:
        text: the output of iptables-save, of any of its variants.
        program: the variant of iptables that these rules are typed with.
        tables: only these; None: all.

    Raises:
        Unreadable: a rule is none.
    """
    try:
        return _chains(text, program, tables)
    except ValueError as error:
        raise Unreadable(f"the output of {program}-save makes no sense: {error}") from error


def _chains(text: str, program: str, tables: set[str] | None) -> list[Chain]:
    table = ""
    policies: dict[tuple[str, str], str] = {}
    rules: dict[tuple[str, str], list[Rule]] = {}
    for line in text.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith(":"):
            name, policy, *_ = [*line[1:].split(), "-"]
            policies[table, name] = policy
        elif line.startswith("-A "):
            words = shlex.split(line)
            rules.setdefault((table, words[1]), []).append(_rule(words[2:], line, table))
    return [
        Chain(
            "ip",
            table,
            name,
            hook=_HOOKS.get(name, "") if policy != "-" else "",
            priority=_PRIORITIES.get(table, 0),
            policy=policy.lower(),
            rules=tuple(rules.get((table, name), ())),
            program=program,
        )
        for (table, name), policy in policies.items()
        if tables is None or table in tables
    ]


def _rule(words: list[str], text: str, table: str) -> Rule:
    conditions: list[Condition] = []
    verdict, target = "continue", ""
    for option, value, negated in _options(words):
        if option in ("-j", "-g"):
            verdict, target = _verdict(option, value, table)
            break  # what follows belongs to the target
        condition = _condition(option, value, negated)
        if condition is not None:
            conditions.append(condition)
    return Rule(tuple(conditions), verdict, target, text=text)


def _verdict(option: str, value: str, table: str) -> tuple[str, str]:
    if value in _VERDICTS:
        return _VERDICTS[value], ""
    if value in _TRANSPARENT:
        return "continue", ""
    if value in _ENDING_NAT and table == "nat":
        return "accept", ""
    return ("goto" if option == "-g" else "jump"), value


def _options(words: list[str]) -> Iterator[tuple[str, str, bool]]:
    """(option, its value, negated); a value of several words is joined by blanks."""
    option, values, negated, next_negated = "", list[str](), False, False
    for word in words:
        if word == "!":
            next_negated = True
        elif word.startswith("-") and len(word) > 1 and not word[1:2].isdigit():
            if option:
                yield option, " ".join(values), negated
            option, values, negated, next_negated = word, [], next_negated, False
        else:
            values.append(word)
    if option:
        yield option, " ".join(values), negated


def _condition(option: str, value: str, negated: bool) -> Condition | None:
    """What an option asks for; None: nothing."""
    if option == "-m":
        return None if value in _MATCH_WITHOUT_MEANING else UNJUDGED
    if option in ("-i", "-o"):
        name = value[:-1] + "*" if value.endswith("+") else value
        return Condition("iif" if option == "-i" else "oif", frozenset({name}), negated=negated)
    if option == "-p":
        return Condition("protocol", frozenset({_PROTOCOLS.get(value, value)}), negated=negated)
    if option == "-d":
        network = ipaddress.ip_network(value, strict=False)
        return Condition("destination", ranges=((int(network[0]), int(network[-1])),), negated=negated)
    if option in ("--dport", "--dports", "--destination-port", "--destination-ports"):
        return Condition("port", ranges=tuple(_ports(part) for part in value.split(",")), negated=negated)
    if option in ("--ctstate", "--state"):
        return Condition("state", frozenset(value.lower().split(",")), negated=negated)
    if option == "--pkt-type":
        return Condition("pkttype", frozenset({"unicast" if value == "host" else value}), negated=negated)
    if option == "--dst-type":
        return Condition("destination_type", frozenset(value.lower().split(",")), negated=negated)
    if option in ("--comment", "-c"):
        return None
    return UNJUDGED


def _ports(part: str) -> Range:
    low, _, high = part.partition(":")
    return int(low or 0), int(high or low or 65_535)
