"""What a firewall does to groups and to IGMP, told from recorded rules of nft and iptables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from netbench.facts import firewall, iptables_rules, nft_rules
from netbench.facts.packet_filter import UNJUDGED, Chain, Condition, Packet, PacketFilter, Rule
from netbench.facts.reading import Unreadable
from netbench.protocol import StreamSpec

RECORDED = Path(__file__).parents[1] / "platform" / "recorded"


def nft_chains() -> list[Chain]:
    chains = nft_rules.parse_chains((RECORDED / "nft-policy-drop.json").read_text())
    return nft_rules.with_texts(chains, (RECORDED / "nft-policy-drop.txt").read_text())


def stream(chains: list[Chain], destination: str, port: int, interface: str | None = "eth0") -> dict[str, Any]:
    return firewall.judge(chains, interface, (StreamSpec(1, destination, port),))["streams"][0]


@pytest.mark.parametrize(
    ("destination", "port", "interface", "fate", "rules"),
    [
        ("239.1.2.3", 5004, "eth0", "accept", []),  # two named sets hold it
        ("232.1.1.1", 6000, "eth0", "accept", []),
        ("239.1.2.3", 5011, "eth0", "drop", ["policy drop"]),
        ("239.7.1.1", 5004, "eth0", "accept", []),  # by the name of the interface
        ("239.7.1.1", 5004, "enp1s0", "drop", ["policy drop"]),
        ("239.1.1.1", 7003, "eth0", "drop", ["udp dport vmap { 53 : accept, 7000-7005 : drop }"]),
        ("239.200.0.1", 53, "eth0", "accept", []),
        ("239.8.1.1", 5004, "eth0", "unclear", ["policy drop"]),  # as long as the limit of the rate is kept
        ("239.9.9.9", 5004, "eth0", "unclear", ["policy drop"]),  # some sources return before they are accepted
        ("239.66.1.1", 5004, "eth0", "drop", ["policy drop"]),  # the ingress hook is that of lo
        ("239.66.1.1", 5004, "lo", "drop", ["ip daddr 239.66.0.0/16 drop"]),
        ("239.1.2.3", 5004, "lo", "accept", []),
        ("10.1.1.1", 5004, "eth0", "drop", ["ip daddr != 224.0.0.0/4 udp dport != { 22, 80 } reject with icmp port-unreachable"]),
        ("10.1.1.1", 80, "eth0", "drop", ["policy drop"]),
    ],
)
def test_streams_through_rules_of_nft(destination: str, port: int, interface: str, fate: str, rules: list[str]) -> None:
    told = stream(nft_chains(), destination, port, interface)

    assert told["fate"] == fate
    assert [stop["rule"] for stop in told["stops"]] == rules


def test_any_group_and_igmp_through_rules_of_nft() -> None:
    told = firewall.judge(nft_chains(), None)

    assert told["chains"] == 3  # those of the table that sleeps are none
    assert (told["streams"][0]["stream"], told["streams"][0]["fate"]) == ("any group", "unclear")
    assert told["igmp_query"] == {"fate": "accept", "stops": []}
    assert told["igmp_report"]["fate"] == "drop"
    assert told["igmp_report"]["stops"] == [
        {
            "program": "nft",
            "family": "inet",
            "table": "filter",
            "base_chain": "output",
            "hook": "output",
            "chain": "output",
            "handle": 24,
            "rule": "meta l4proto igmp counter packets 0 bytes 0 drop",
            "certain": True,
        }
    ]
    assert told["forwarded"]["fate"] == "accept"


def iptables_chains() -> list[Chain]:
    return iptables_rules.parse_chains((RECORDED / "iptables-nft-save.txt").read_text(), "iptables")


@pytest.mark.parametrize(
    ("destination", "port", "interface", "fate"),
    [
        ("239.1.1.1", 5000, "enp1s0", "accept"),
        ("239.1.1.1", 6005, "enp1s0", "accept"),
        ("239.1.1.1", 6011, "enp1s0", "drop"),
        ("239.1.1.1", 6011, "eth7", "accept"),  # by the chain that eth+ jumps to
        ("10.1.1.1", 5000, "eth7", "drop"),
    ],
)
def test_streams_through_rules_of_iptables(destination: str, port: int, interface: str, fate: str) -> None:
    assert stream(iptables_chains(), destination, port, interface)["fate"] == fate


def test_igmp_and_forwarding_through_rules_of_iptables() -> None:
    told = firewall.judge(iptables_chains(), "enp1s0")

    assert told["igmp_query"]["fate"] == "drop"
    rules = [(stop["rule"], stop["certain"]) for stop in told["igmp_query"]["stops"]]
    reject = "-A INPUT -s 10.0.0.0/8 ! -i lo -p igmp -j REJECT --reject-with icmp-port-unreachable"
    assert rules == [(reject, False), ("policy drop", True)]  # some queries by the rule, all others by the policy
    assert told["igmp_report"]["fate"] == "accept"
    assert told["forwarded"]["fate"] == "drop"
    assert told["forwarded"]["stops"][0]["base_chain"] == "FORWARD"


def test_what_nft_cannot_print_of_iptables_is_asked_of_iptables() -> None:
    text = (RECORDED / "nft-of-iptables.json").read_text()

    assert nft_rules.tables_of_iptables(text) == {"filter"}
    # Without iptables the conditions are not decided, so that nothing is said for certain.
    assert stream(nft_rules.parse_chains(text), "239.1.1.1", 6011, "enp1s0")["fate"] == "unclear"


def test_no_rules_drop_nothing() -> None:
    told = firewall.judge([], "eth0")

    assert told["chains"] == 0
    assert {told[key]["fate"] for key in ("igmp_query", "igmp_report", "forwarded")} == {"accept"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"nftables": 3}', "cut {"])
def test_no_ruleset(text: str) -> None:
    with pytest.raises(Unreadable):
        nft_rules.parse_chains(text)


@pytest.mark.parametrize(
    "rule", ["-A INPUT -d nonsense -j DROP", "-A INPUT -p udp --dport x:y -j DROP", '-A INPUT -m comment --comment "cut']
)
def test_no_rule_of_iptables(rule: str) -> None:
    with pytest.raises(Unreadable):
        iptables_rules.parse_chains(f"*filter\n:INPUT ACCEPT [0:0]\n{rule}\n", "iptables")


# ---- the walk

HERE = Packet(((frozenset({"ip"}), "input"),), {"protocol": "udp"}, {"destination": (10, 20)})
YES, NO = Condition("protocol", frozenset({"udp"})), Condition("protocol", frozenset({"tcp"}))


def fate(*rules: Rule, policy: str = "accept", sub: tuple[Rule, ...] = ()) -> str:
    chains = [
        Chain("ip", "t", "base", "input", policy=policy, rules=rules),
        Chain("ip", "t", "sub", rules=sub),
    ]
    return PacketFilter(chains).course(HERE).fate


def rule(verdict: str, *conditions: Condition, target: str = "") -> Rule:
    return Rule(conditions, verdict, target)


def test_verdicts_in_order() -> None:
    assert fate() == "accept"
    assert fate(policy="drop") == "drop"
    assert fate(rule("drop", NO), rule("accept", YES), policy="drop") == "accept"
    assert fate(rule("accept", NO), rule("drop", YES)) == "drop"
    assert fate(rule("continue"), rule("drop")) == "drop"


def test_undecided_conditions_decide_nothing() -> None:
    assert fate(rule("drop", UNJUDGED)) == "unclear"
    assert fate(rule("accept", UNJUDGED), rule("drop")) == "unclear"
    assert fate(rule("drop", UNJUDGED), rule("drop")) == "drop"  # one or the other
    assert fate(rule("drop", UNJUDGED), policy="drop") == "drop"
    assert fate(rule("accept", UNJUDGED), policy="drop") == "unclear"
    assert fate(rule("accept", UNJUDGED, NO), policy="drop") == "drop"
    assert fate(rule("unknown"), policy="drop") == "unclear"


def test_ranges() -> None:
    assert fate(rule("drop", Condition("destination", ranges=((0, 30),)))) == "drop"
    assert fate(rule("drop", Condition("destination", ranges=((21, 30),)))) == "accept"
    assert fate(rule("drop", Condition("destination", ranges=((15, 30),)))) == "unclear"
    assert fate(rule("drop", Condition("destination", ranges=((21, 30),), negated=True))) == "drop"
    assert fate(rule("drop", Condition("destination", ranges=((15, 30),), negated=True))) == "unclear"


def test_jumps() -> None:
    jump, goto = rule("jump", target="sub"), rule("goto", target="sub")
    assert fate(jump, rule("drop"), sub=(rule("accept"),)) == "accept"
    assert fate(jump, rule("drop"), sub=(rule("return"), rule("accept"))) == "drop"
    assert fate(jump, rule("drop"), sub=(rule("return", UNJUDGED), rule("accept"))) == "unclear"
    assert fate(goto, rule("accept"), policy="drop") == "drop"
    assert fate(jump, rule("accept"), policy="drop") == "accept"
    assert fate(rule("jump", UNJUDGED, target="sub"), rule("accept"), sub=(rule("drop"),)) == "unclear"
    assert fate(rule("jump", UNJUDGED, target="sub"), rule("drop"), sub=(rule("drop"),)) == "drop"
    assert fate(rule("jump", target="nowhere"), policy="drop") == "drop"
    assert fate(jump, sub=(jump,)) == "accept"  # a circle, which the kernel would refuse


def test_every_base_chain_has_to_accept() -> None:
    chains = [
        Chain("ip", "late", "input", "input", priority=10, policy="drop"),
        Chain("ip", "early", "input", "input", priority=-10, rules=(rule("accept"),)),
    ]

    course = PacketFilter(chains).course(HERE)

    assert course.fate == "drop"
    assert [stop.base.table for stop in course.stops] == ["late"]
