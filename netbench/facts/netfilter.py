"""Packets that the firewall dropped: counters of nft rules, and conntrack's own drops.

Theory of operation: a counter in a rule counts the packets that got as far as the counter. It equals the drops of that rule only
when nothing between the counter and the verdict can let a packet go, so `counter … drop` counts and `counter udp dport 5 drop`
does not. What cannot be counted is named with its reason, so that nobody reads "no counter moved" as "nothing was dropped".
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from netbench.facts.nft_json import of_kind, ruleset, statements
from netbench.facts.reading import Reading, Unreadable, read_text, whole_lines

NFT_COMMAND = ("nft", "--json", "--terse", "list", "ruleset")
CONNTRACK_PATH = "/proc/net/stat/nf_conntrack"

# Statements that every packet passes; any other statement may end the rule for some of them.
_TRANSPARENT = frozenset({"log", "mangle", "notrack", "comment", "counter"})
_VERDICTS = {"drop": "drops", "reject": "reject"}


def parse_ruleset(text: str) -> Reading:
    """Counters `nft.<family>.<table>.<chain>.<handle>.drops` and `….reject` from `nft --json list ruleset`.

    Raises:
        Unreadable: it is no ruleset.
    """
    objects = ruleset(text)
    rules = of_kind(objects, "rule")
    named = {_counter_key(counter, counter.get("name")): counter for counter in of_kind(objects, "counter")}
    uses = Counter(_counter_key(rule, use) for rule in rules for use in _named_counters(rule))
    values: dict[str, int] = {}
    absent: dict[str, str] = {}
    for chain in of_kind(objects, "chain"):
        if chain.get("policy") == "drop":
            where = f"nft.{chain.get('family')}.{chain.get('table')}.{chain.get('name')}.policy"
            absent[where] = "the chain's policy drops packets, and the kernel does not count them"
    for rule in rules:
        verdict, source = _verdict_and_counter(rule)
        if verdict is None:
            continue
        key = f"nft.{rule.get('family')}.{rule.get('table')}.{rule.get('chain')}.{rule.get('handle')}.{_VERDICTS[verdict]}"
        if isinstance(source, str):
            if uses[_counter_key(rule, source)] > 1:
                absent[key] = f"several rules share the counter {source}"
                continue
            source = named.get(_counter_key(rule, source))
        packets = source.get("packets") if isinstance(source, dict) else None
        if isinstance(packets, int):
            values[key] = packets
        else:
            absent[key] = f"the rule has no counter directly before its {verdict}"
    return Reading(values, absent)


def _named_counters(rule: dict[str, Any]) -> list[str]:
    return [body for kind, body in statements(rule) if kind == "counter" and isinstance(body, str)]


def _counter_key(owner: dict[str, Any], name: Any) -> tuple[str, str, str]:
    return str(owner.get("family")), str(owner.get("table")), str(name)


def _verdict_and_counter(rule: dict[str, Any]) -> tuple[str | None, dict[str, Any] | str | None]:
    """The rule's drop or reject, and the counter that every such packet passed last."""
    counter: dict[str, Any] | str | None = None
    for kind, body in statements(rule):
        if kind in _VERDICTS:
            return kind, counter
        if kind == "counter":
            counter = body if isinstance(body, dict | str) else None
        elif kind not in _TRANSPARENT:
            counter = None
    return None, None


def parse_conntrack(text: str) -> Reading:
    """Counters `conntrack.<name>` from /proc/net/stat/nf_conntrack: hexadecimal, a line per CPU, summed.

    Raises:
        Unreadable: there is no line of numbers.
    """
    lines = whole_lines(text, CONNTRACK_PATH)
    names = lines[0].split()
    values: dict[str, int] = {}
    for line in lines[1:]:
        columns = line.split()
        if len(columns) != len(names):
            raise Unreadable(f"{CONNTRACK_PATH}: a line has {len(columns)} columns where the heading has {len(names)}")
        for name, column in zip(names, columns, strict=True):
            if name == "entries":  # how many there are now, the same on each line: no counter
                continue
            try:
                values[f"conntrack.{name}"] = values.get(f"conntrack.{name}", 0) + int(column, 16)
            except ValueError as error:
                raise Unreadable(f"{CONNTRACK_PATH}: {column[:20]!r} is no hexadecimal number") from error
    if not values:
        raise Unreadable(f"{CONNTRACK_PATH} holds no counters")
    return Reading(values)


def legacy_tables(text: str) -> Reading:
    """Says that rules of the older iptables exist, whose counters are not read."""
    tables = sorted(set(text.split()))
    if not tables:
        return Reading()
    return Reading({}, {"iptables": f"rules of legacy iptables are not read (tables in use: {', '.join(tables)})"})


def read_conntrack() -> Reading:
    """Conntrack's counters of this network namespace."""
    return parse_conntrack(read_text(CONNTRACK_PATH))


def read_legacy_tables() -> Reading:
    """Whether legacy iptables is in use here."""
    try:
        return legacy_tables(read_text("/proc/net/ip_tables_names"))
    except Unreadable:
        return Reading()  # no such module: nothing is left uncounted
