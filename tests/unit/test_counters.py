"""Counters of a place, parsed from text that real systems printed, from text that was cut, and from hostile text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.facts import cgroups, links, netfilter, processor, protocols, qdiscs
from netbench.facts.counters import delta, read
from netbench.facts.programs import Program
from netbench.facts.reading import Reading, Unreadable

RECORDED = Path(__file__).parent.parent / "platform" / "recorded"


def recorded(name: str) -> str:
    return (RECORDED / name).read_text(encoding="utf-8")


def test_links_of_ip() -> None:
    reading = links.counters_of_links(links.parse_ip_links(recorded("ip-link.json")))

    assert reading.absent == {}
    # what IP received (see below), what the ingress rule dropped before it, and one ARP request
    assert reading.values["link.p0.rx_packets"] == 365 + 16 + 1
    assert reading.values["link.p0.rx_nohandler"] == 0
    assert reading.values["macvlan.mv0.bc_queue_len_used"] == 5
    assert {name.split(".")[1] for name in reading.values if name.startswith("link.")} == {"lo", "p0", "mv0", "br0"}


def test_rx_dropped_does_not_hold_the_missed() -> None:
    link = {"ifname": "eth0.7", "stats64": {"rx": {"dropped": 3, "missed_errors": 5}, "tx": {}}}

    values = links.counters_of_links([link]).values

    assert values == {"link.eth0.7.rx_dropped": 3, "link.eth0.7.rx_missed_errors": 5, "link.eth0.7.rx_nohandler": 0}


def test_qdiscs_of_tc() -> None:
    assert qdiscs.parse_qdiscs(recorded("tc-qdisc.json")).values == {
        "qdisc.lo.noqueue.0:.drops": 0,
        "qdisc.p0.tbf.10:.drops": 44,
        "qdisc.mv0.noqueue.0:.drops": 0,
    }


def test_qdiscs_of_one_multi_queue_device_are_summed() -> None:
    children = [{"dev": "e", "kind": "fq_codel", "handle": "0:", "parent": f":{n}", "drops": n} for n in (1, 2, 3)]

    assert qdiscs.parse_qdiscs(json.dumps(children)).values == {"qdisc.e.fq_codel.0:.drops": 6}


def test_nft_counts_exactly_what_was_sent_into_each_rule() -> None:
    reading = netfilter.parse_ruleset(recorded("nft-ruleset.json"))

    # the recording: N datagrams to port N for each of these ports, and 300 to port 5, of which every 100th was dropped
    by_packets = sorted(reading.values.items(), key=lambda item: item[1])
    assert [packets for _, packets in by_packets] == [3, 6, 8, 9, 16]
    assert [name for name, packets in by_packets if packets == 6] == ["nft.inet.nbt.in.5.reject"]
    assert [name for name, packets in by_packets if packets == 16] == ["nft.netdev.x.i.2.drops"]
    assert all(
        name.startswith("nft.inet.nbt.in.") and name.endswith(".drops") for name, packets in by_packets if packets in (3, 8, 9)
    )


def test_nft_names_what_it_cannot_count() -> None:
    absent = netfilter.parse_ruleset(recorded("nft-ruleset.json")).absent

    assert "does not count them" in absent["nft.inet.nbt.in.policy"]
    reasons = sorted(reason for name, reason in absent.items() if not name.endswith(".policy"))
    # no counter (7), counter before the match (10), counter before the limit (11), one counter shared by two rules (14, 15)
    assert reasons == ["several rules share the counter shared"] * 2 + ["the rule has no counter directly before its drop"] * 3


def test_ip_and_udp() -> None:
    values = protocols.counters_of_snmp(recorded("proc-net-snmp.txt")).values

    assert values["udp.NoPorts"] == 297
    assert values["ip.InReceives"] == 365
    assert values["ip.OutDiscards"] == 44
    assert "ip.DefaultTTL" not in values
    assert "ip.Forwarding" not in values


def test_extended_ip() -> None:
    reading = protocols.counters_of_netstat(recorded("proc-net-netstat.txt"))

    assert reading.values["tcpext.IPReversePathFilter"] == 0
    assert "ipext.InOctets" in reading.values
    assert [name for name in reading.values if name.startswith("tcpext.")] == ["tcpext.IPReversePathFilter"]


def test_softnet_is_hexadecimal_and_summed_over_cpus() -> None:
    text = "000000ff 0000000a 00000010 00000000\n000000ff 00000001 00000001 00000000\n"

    assert processor.parse_softnet(text).values == {"softnet.dropped": 11, "softnet.time_squeeze": 17}
    assert processor.parse_softnet(recorded("proc-net-softnet_stat.txt")).values["softnet.dropped"] == 0


def test_cpu_time_balances() -> None:
    values = processor.parse_cpu_time("cpu  10 1 20 300 4 5 6 7 99 99\ncpu0 1 2 3\n").values

    # guest time is in user time already
    assert values == {"cpu.total_ticks": 353, "cpu.busy_ticks": 42, "cpu.steal_ticks": 7}
    assert processor.parse_cpu_time(recorded("proc-stat.txt")).values["cpu.steal_ticks"] == 96


def test_conntrack_is_summed_and_leaves_the_gauge_out() -> None:
    text = "entries  found drop early_drop insert_failed\n00000005  00000001 0000000a 00000002 00000001\n00000005  1 1 0 ff\n"

    assert netfilter.parse_conntrack(text).values == {
        "conntrack.found": 2,
        "conntrack.drop": 11,
        "conntrack.early_drop": 2,
        "conntrack.insert_failed": 256,
    }
    assert netfilter.parse_conntrack(recorded("proc-net-stat-nf_conntrack.txt")).values["conntrack.drop"] == 0


def test_legacy_tables_are_told() -> None:
    assert "filter, nat" in netfilter.legacy_tables("nat\nfilter\n").absent["iptables"]
    assert netfilter.legacy_tables("") == Reading()


def test_throttling_of_both_versions() -> None:
    first = "nr_periods 10\nnr_throttled 3\nthrottled_time 4000999\n"
    second = "usage_usec 5\nuser_usec 2\nnr_periods 10\nnr_throttled 3\nthrottled_usec 4000\n"

    assert cgroups.parse_cpu_stat(first) == cgroups.parse_cpu_stat(second)
    assert cgroups.parse_cpu_stat(first).values == {
        "cgroup.nr_periods": 10,
        "cgroup.nr_throttled": 3,
        "cgroup.throttled_usec": 4000,
    }
    with pytest.raises(Unreadable, match="nr_periods"):
        cgroups.parse_cpu_stat("usage_usec 5\n")  # the root of version 2


def test_control_groups_are_found_in_the_mount_table() -> None:
    mountinfo = (
        "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
        "32 31 0:29 /docker/ab /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n"
        "33 31 0:30 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
        "cut li"
    )

    assert cgroups.parse_mounts(mountinfo) == [
        cgroups.Mount(1, "/docker/ab", "/sys/fs/cgroup/cpu,cpuacct"),
        cgroups.Mount(2, "/", "/sys/fs/cgroup/unified"),
    ]
    membership = "4:memory:/m\n1:cpu,cpuacct:/docker/ab\n0::/user.slice\n"
    assert cgroups.parse_group(membership, 1) == "/docker/ab"
    assert cgroups.parse_group(membership, 2) == "/user.slice"


def test_quota() -> None:
    assert cgroups.parse_cpu_max("max 100000\n") == (None, 100_000)
    assert cgroups.parse_cpu_max("50000 100000\n") == (50_000, 100_000)


PARSERS = {
    "ip": lambda text: links.counters_of_links(links.parse_ip_links(text)),
    "tc": qdiscs.parse_qdiscs,
    "nft": netfilter.parse_ruleset,
    "conntrack": netfilter.parse_conntrack,
    "snmp": protocols.counters_of_snmp,
    "netstat": protocols.counters_of_netstat,
    "softnet": processor.parse_softnet,
    "stat": processor.parse_cpu_time,
    "cpu.stat": cgroups.parse_cpu_stat,
}
SAMPLES = {
    "ip": "ip-link.json",
    "tc": "tc-qdisc.json",
    "nft": "nft-ruleset.json",
    "conntrack": "proc-net-stat-nf_conntrack.txt",
    "snmp": "proc-net-snmp.txt",
    "netstat": "proc-net-netstat.txt",
    "softnet": "proc-net-softnet_stat.txt",
    "stat": "proc-stat.txt",
}


@pytest.mark.parametrize("source", sorted(PARSERS))
@pytest.mark.parametrize(
    "text", ["", "\n", "null", "{}", "[]", "[[[", '[{"ifname": 3}]', '{"nftables": [{"rule": {"expr": [{"drop": 0}]}}]}', "a: b\n"]
)
def test_nonsense_gives_a_reason_or_nothing(source: str, text: str) -> None:
    try:
        reading = PARSERS[source](text)
    except Unreadable as reason:
        assert str(reason)
    else:
        assert reading.values == {}


@pytest.mark.parametrize("source", sorted(SAMPLES))
def test_cut_text_is_refused(source: str) -> None:
    whole = recorded(SAMPLES[source])
    # a cut at the end of a line may leave a whole file of fewer CPUs or groups
    end = len(whole.rstrip())
    lengths = [length for length in range(0, end, max(1, end // 200)) if not whole[:length].endswith("\n")]
    for length in lengths:
        with pytest.raises(Unreadable):
            PARSERS[source](whole[:length])


@pytest.mark.parametrize("source", ["ip", "tc", "nft"])
@given(
    document=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["nftables", "rule", "chain", "counter", "expr", "drop", "name", "stats64", "rx", "ifname", "drops", "linkinfo"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_hostile_documents_are_refused_or_read(source: str, document: object) -> None:
    try:
        reading = PARSERS[source](json.dumps(document))
    except Unreadable as reason:
        assert str(reason)
    else:
        assert all(isinstance(value, int) for value in reading.values.values())


def test_delta_holds_only_what_moved() -> None:
    before = Reading({"udp.InErrors": 5, "udp.NoPorts": 7, "link.gone.rx_packets": 9})
    after = Reading({"udp.InErrors": 8, "udp.NoPorts": 7, "link.new.rx_packets": 4})

    assert delta(before, after) == {"udp.InErrors": 3, "link.new.rx_packets": 4}


def test_delta_of_counters_of_32_bits_that_wrap() -> None:
    before = Reading({"softnet.dropped": 2**32 - 10, "conntrack.drop": 2**32 - 1, "qdisc.e.tbf.1:.drops": 2**32 - 2})
    after = Reading({"softnet.dropped": 5, "conntrack.drop": 0, "qdisc.e.tbf.1:.drops": 1})

    assert delta(before, after) == {"softnet.dropped": 15, "conntrack.drop": 1, "qdisc.e.tbf.1:.drops": 3}


def test_delta_of_owners_made_anew() -> None:
    before = Reading({"qdisc.e.tbf.1:.drops": 100, "nft.inet.t.c.4.drops": 100, "cpu.steal_ticks": 100})
    after = Reading({"qdisc.e.tbf.1:.drops": 5, "nft.inet.t.c.4.drops": 6, "cpu.steal_ticks": 99})

    assert delta(before, after) == {"qdisc.e.tbf.1:.drops": 5, "nft.inet.t.c.4.drops": 6}


def test_delta_leaves_gauges_out() -> None:
    before, after = Reading({"macvlan.m.bc_queue_len_used": 1000}), Reading({"macvlan.m.bc_queue_len_used": 100_000})

    assert delta(before, after) == {}


@given(
    st.dictionaries(st.sampled_from(["udp.a", "softnet.b", "link.c.d"]), st.integers(0, 2**63)),
    st.dictionaries(st.sampled_from(["udp.a", "softnet.b", "link.c.d"]), st.integers(0, 2**63)),
)
def test_delta_is_positive(before: dict[str, int], after: dict[str, int]) -> None:
    moved = delta(Reading(before), Reading(after))

    assert set(moved) <= set(after)
    assert all(grown > 0 for grown in moved.values())
    assert all(moved.get(name, 0) == after[name] - before.get(name, 0) for name in after if after[name] >= before.get(name, 0))


def test_missing_and_failing_programs_give_a_reason() -> None:
    with pytest.raises(Unreadable, match="not installed"):
        Program("nb-no-such-program").output()
    with pytest.raises(Unreadable, match="false failed"):
        Program("false").output()


def test_reading_here_accounts_for_every_source() -> None:
    reading = read()

    prefixes = {name.partition(".")[0] for name in (*reading.values, *reading.absent)}
    assert {"softnet", "link", "ip", "ipext", "tcpext", "udp", "qdisc", "conntrack", "cpu", "cgroup"} <= prefixes
    assert reading.values["cpu.total_ticks"] >= reading.values["cpu.busy_ticks"] + reading.values["cpu.steal_ticks"]
    assert all(isinstance(value, int) for value in reading.values.values())


def test_without_any_program_links_come_from_sysfs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netbench.facts.programs._SYSTEM_DIRECTORIES", ())
    monkeypatch.setenv("PATH", "/nonexistent")

    reading = read()

    assert "not installed" in reading.absent["qdisc"]
    assert "not installed" in reading.absent["nft"]
    assert "link.lo.rx_packets" in reading.values or "namespace" in reading.absent["link"]
