"""Requirements on a place, judged from facts."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from netbench.compare.cpu_checks import CPU_CHECKS
from netbench.compare.findings import judge
from netbench.compare.host_checks import HOST_CHECKS
from netbench.compare.interface_checks import INTERFACE_CHECKS
from netbench.compare.machine_checks import MACHINE_CHECKS
from netbench.compare.multicast_checks import MULTICAST_CHECKS
from netbench.result.environment import Finding

CHECKS_OF_A_PLACE = MACHINE_CHECKS + HOST_CHECKS + CPU_CHECKS + INTERFACE_CHECKS + MULTICAST_CHECKS

GOOD: dict[str, Any] = {
    "kernel": {"release": "6.1.0-18-amd64"},
    "c_library": {"name": "glibc", "version": "2.36"},
    "machine": {"usable_cores": 4, "logical_cores": 4},
    "container": {"engine": "none"},
    "user_namespace": {"own": False, "uid_map": "0 0 4294967295"},
    "cloud": {"provider": "none", "evidence": "the machine's DMI strings name no provider"},
    "isolation": {
        "docker_desktop": False,
        "wsl": False,
        "gvisor": False,
        "enhanced_isolation": False,
        "rootless": False,
        "evidence": {},
    },
    "engines": {"docker": {"version": "26.1.5", "api_version": "1.45", "rootless": False, "operating_system": "Debian"}},
    "permitted": {
        "packet_socket": {"allowed": True, "reason": None},
        "receive_buffer_force": {"allowed": True, "reason": None},
    },
    "limits": {
        "cpus": [0, 1, 2, 3],
        "memory": {"limit_bytes": None, "used_bytes": 1},
        "throttled": {"nr_periods": 0, "nr_throttled": 0, "throttled_usec": 0},
    },
    "irqbalance_running": True,
    "interrupts": {
        "lines": [
            {"number": 30, "name": "eth0-rx-0", "allowed_cpus": [0, 1, 2, 3], "busiest_cpu": 0, "taken": 5000},
            {"number": 31, "name": "eth0-rx-1", "allowed_cpus": [0, 1, 2, 3], "busiest_cpu": 1, "taken": 5000},
        ],
        "busy": 2,
        "cpus": [0, 1],
        "share_of_busiest_cpu": 0.5,
    },
    "firewall": {
        "streams": [{"stream": "any group", "fate": "accept", "stops": []}],
        "igmp_query": {"fate": "accept", "stops": []},
        "igmp_report": {"fate": "accept", "stops": []},
        "forwarded": {"fate": "accept", "stops": []},
        "unread": [],
        "bridge_netfilter": False,
    },
    "multicast": {
        "unjoined": {"by_default": False, "off": False},
        "memberships": {"here": 1, "elsewhere": 0, "igmp_version": "V3"},
        "routes": [{"stream": "239.1.1.1:5004", "source": None, "out": {"interface": "mv0", "reason": None}, "back": None}],
    },
    "capabilities": {"NET_RAW": True, "NET_ADMIN": True},
    "clock": {
        "source": "tsc",
        "available_sources": ["tsc", "hpet"],
        "synchronisation": {"synchronised": True, "max_error_us": 900},
    },
    "cpu": {"steal_ratio": 0.0, "limit": {"quota_us": None, "period_us": None, "group": "/"}},
    "sysctls": {
        "net.core.rmem_max": 8 << 20,
        "net.core.netdev_max_backlog": 10_000,
        "net.ipv4.igmp_max_memberships": 1024,
        "net.ipv4.conf.all.force_igmp_version": 0,
        "net.ipv4.conf.all.rp_filter": 0,
        "interface": {"force_igmp_version": 0, "rp_filter": 2},
    },
    "interface": {
        "name": "mv0",
        "kind": "macvlan",
        "offloads": {"large_receive": False, "generic_receive": False},
        "rings": {"rx": 4096, "rx_max": 4096, "tx": 4096, "tx_max": 4096},
        "coalescing": {"rx_usecs": 0, "rx_frames": 1, "adaptive_rx": False},
        "queues": {"rx": 4, "tx": 4, "rps_masks": ["0", "0", "0", "0"]},
        "macvlan": {"mode": "bridge", "bc_queue_len": 100_000, "bc_queue_len_used": 100_000},
        "bridge": {"name": "br0", "snooping": True, "querier": True},
    },
    "timestamps": {"hardware_receive": True, "rx_filters": ["HWTSTAMP_FILTER_ALL"]},
    "absent": {},
}


def with_value(value: Any, *path: str) -> dict[str, Any]:
    facts = copy.deepcopy(GOOD)
    inner = facts
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return facts


def finding(facts: dict[str, Any], id: str) -> Finding:
    return next(finding for finding in judge(facts) if finding.id == id)


def test_a_good_place_passes_every_check() -> None:
    findings = judge(GOOD)

    assert [finding.id for finding in findings] == [check.id for check in CHECKS_OF_A_PLACE]
    assert {finding.severity for finding in findings} == {"ok"}
    assert {finding.remedy for finding in findings} == {None}


BAD = [
    ("rmem_max", "warn", 212_992, ("sysctls", "net.core.rmem_max"), "net.core.rmem_max=8388608"),
    ("netdev_max_backlog", "warn", 1000, ("sysctls", "net.core.netdev_max_backlog"), "netdev_max_backlog=10000"),
    ("igmp_max_memberships", "info", 20, ("sysctls", "net.ipv4.igmp_max_memberships"), "igmp_max_memberships="),
    (
        "force_igmp_version",
        "warn",
        2,
        ("sysctls", "net.ipv4.conf.all.force_igmp_version"),
        "net.ipv4.conf.all.force_igmp_version=0",
    ),
    ("force_igmp_version", "warn", 2, ("sysctls", "interface", "force_igmp_version"), "net.ipv4.conf.mv0.force_igmp_version=0"),
    ("rp_filter", "warn", 1, ("sysctls", "interface", "rp_filter"), "net.ipv4.conf.mv0.rp_filter=2"),
    ("clock_source", "warn", "hpet", ("clock", "source"), "echo tsc >"),
    ("clock_sync", "info", False, ("clock", "synchronisation", "synchronised"), "chrony"),
    ("steal", "warn", 0.03, ("cpu", "steal_ratio"), "vcpupin"),
    ("cpu_limit", "warn", {"quota_us": 50_000, "period_us": 100_000, "group": "/a"}, ("cpu", "limit"), "CPUQuota="),
    ("cap_net_raw", "fail", False, ("capabilities", "NET_RAW"), "cap_net_raw"),
    ("cap_net_admin", "info", False, ("capabilities", "NET_ADMIN"), "cap_net_admin"),
    ("lro", "warn", True, ("interface", "offloads", "large_receive"), "ethtool -K mv0 lro off"),
    ("gro", "info", True, ("interface", "offloads", "generic_receive"), "ethtool -K mv0 gro off"),
    ("coalescing", "warn", True, ("interface", "coalescing", "adaptive_rx"), "ethtool -C mv0 adaptive-rx off"),
    ("coalescing", "warn", 50, ("interface", "coalescing", "rx_usecs"), "rx-usecs 0"),
    ("coalescing", "info", 3, ("interface", "coalescing", "rx_usecs"), "rx-usecs 0"),
    (
        "receive_queues",
        "info",
        {"rx": 1, "tx": 1, "rps_masks": ["00,00000000"]},
        ("interface", "queues"),
        "echo f > /sys/class/net/mv0/",
    ),
    (
        "macvlan_bcqueuelen",
        "warn",
        1000,
        ("interface", "macvlan", "bc_queue_len_used"),
        "ip link set mv0 type macvlan bcqueuelen 100000",
    ),
    ("macvlan_mode", "warn", "private", ("interface", "macvlan", "mode"), "type macvlan mode bridge"),
    ("macvlan_mode", "warn", "vepa", ("interface", "macvlan", "mode"), "type macvlan mode bridge"),
    ("bridge_snooping", "warn", False, ("interface", "bridge", "querier"), "ip link set br0 type bridge mcast_querier 1"),
]


@pytest.mark.parametrize(("id", "severity", "value", "path", "remedy"), BAD)
def test_one_bad_fact_is_one_finding_with_a_remedy(id: str, severity: str, value: Any, path: tuple[str, ...], remedy: str) -> None:
    findings = judge(with_value(value, *path))

    bad = [finding for finding in findings if finding.severity != "ok"]
    assert [(finding.id, finding.severity) for finding in bad] == [(id, severity)]
    assert remedy in str(bad[0].remedy)
    assert findings[0] == bad[0]  # worst first


def test_rmem_max_is_explained_in_time() -> None:
    # 2 * 212992 bytes / (50000 packets/s * 2304 bytes) = 3.7 ms
    assert "holds 4 ms of 50000 packets/s" in finding(with_value(212_992, "sysctls", "net.core.rmem_max"), "rmem_max").evidence
    assert "holds 146 ms of 50000 packets/s" in finding(GOOD, "rmem_max").evidence


def test_hardware_stamps_not_advertised() -> None:
    facts = with_value({"hardware_receive": False, "rx_filters": []}, "timestamps")

    assert finding(facts, "hardware_stamps").severity == "info"
    assert "filters: none" in finding(facts, "hardware_stamps").evidence


def test_remedies_in_a_container() -> None:
    facts = with_value(False, "capabilities", "NET_RAW")
    facts["container"] = {"engine": "docker"}

    assert "--cap-add NET_RAW --cap-add NET_ADMIN" in str(finding(facts, "cap_net_raw").remedy)


def test_the_higher_rp_filter_counts() -> None:
    facts = with_value(1, "sysctls", "net.ipv4.conf.all.rp_filter")

    assert finding(facts, "rp_filter").severity == "ok"  # 2 at the interface is loose
    facts["sysctls"]["interface"]["rp_filter"] = 0
    assert finding(facts, "rp_filter").severity == "warn"


def test_dots_in_the_name_of_an_interface() -> None:
    facts = with_value("eth0.7", "interface", "name")
    facts["sysctls"]["interface"]["rp_filter"] = 1

    assert finding(facts, "rp_filter").remedy == "sysctl -w net.ipv4.conf.eth0/7.rp_filter=2"


def test_the_mask_of_many_cores_is_grouped() -> None:
    facts = with_value({"rx": 1, "tx": 1, "rps_masks": ["0"]}, "interface", "queues")
    facts["machine"]["usable_cores"] = 40

    assert "echo ff,ffffffff >" in str(finding(facts, "receive_queues").remedy)


def test_one_core_cannot_spread() -> None:
    facts = with_value(1, "machine", "usable_cores")

    assert "receive_queues" not in {finding.id for finding in judge(facts)}


def test_what_does_not_concern_a_place_is_no_finding() -> None:
    facts = with_value(None, "interface", "macvlan")
    facts["interface"]["bridge"] = None

    assert {finding.id for finding in judge(facts)} & {"macvlan_bcqueuelen", "macvlan_mode", "bridge_snooping"} == set()


def test_missing_facts_are_never_ok() -> None:
    assert judge({}) == []
    assert judge({"absent": {}}) == []
    for check in CHECKS_OF_A_PLACE:
        for path in check.needs:
            facts = with_value(None, *path)
            facts["interface"]["kind"] = "physical"
            assert check.id not in {finding.id for finding in judge(facts)}

            facts["absent"][".".join(path)] = "the file is not there"
            if check.optional:
                assert check.id not in {finding.id for finding in judge(facts)}
                continue
            told = finding(facts, check.id)
            assert told.severity == "info"
            assert told.evidence.endswith("could not be read: the file is not there")


def test_the_reason_of_a_whole_subject_counts_for_its_parts() -> None:
    facts = copy.deepcopy(GOOD)
    del facts["interface"]["offloads"]
    facts["absent"]["interface"] = "there is no interface 'mv0' here"

    assert "there is no interface" in finding(facts, "lro").evidence


def test_coalescing_of_an_interface_without_hardware_is_not_worth_telling() -> None:
    facts = with_value(None, "interface", "coalescing")
    facts["absent"]["interface.coalescing"] = "Operation not supported"
    assert "coalescing" not in {finding.id for finding in judge(facts)}

    facts["interface"]["kind"] = "physical"
    assert finding(facts, "coalescing").severity == "info"


@pytest.mark.parametrize("nonsense", ["many", [], {}, True, {"rx": "x"}])
def test_nonsense_is_never_ok_where_a_number_is_needed(nonsense: Any) -> None:
    for check, path in (
        ("rmem_max", ("sysctls", "net.core.rmem_max")),
        ("steal", ("cpu", "steal_ratio")),
        ("receive_queues", ("interface", "queues")),
    ):
        assert finding(with_value(nonsense, *path), check).severity == "info"


# ---- the kind of machine, its limits, its firewall

BAD_PLACES: list[tuple[str, str, Any, tuple[str, ...], str]] = [
    ("kernel", "fail", "3.2.0-4-amd64", ("kernel", "release"), "apt-get install linux-image"),
    ("kernel", "warn", "3.10.0-1160.el7.x86_64", ("kernel", "release"), "apt-get install linux-image"),
    ("c_library", "warn", {"name": "musl", "version": ""}, ("c_library",), "an image with glibc"),
    ("c_library", "warn", {"name": "glibc", "version": "2.12"}, ("c_library",), "newer release"),
    ("cloud", "warn", {"provider": "EC2", "evidence": "…"}, ("cloud",), "--network host"),
    ("docker_version", "fail", "1.11.2", ("engines", "docker", "version"), "docker.io"),
    ("rootless_engine", "warn", True, ("engines", "docker", "rootless"), "sudo docker run"),
    ("desktop_vm", "fail", "Docker Desktop", ("engines", "docker", "operating_system"), "docker.io"),
    ("user_namespace", "info", {"own": True, "uid_map": "0 1000 1"}, ("user_namespace",), "sudo netbench"),
    ("cpuset", "warn", [3], ("limits", "cpus"), "AllowedCPUs="),
    ("memory_limit", "warn", {"limit_bytes": 64 << 20, "used_bytes": 1}, ("limits", "memory"), "MemoryMax="),
    ("memory_limit", "warn", {"limit_bytes": 1 << 30, "used_bytes": 1020 << 20}, ("limits", "memory"), "MemoryMax="),
    ("cap_net_raw", "fail", {"allowed": False, "reason": "Operation not permitted"}, ("permitted", "packet_socket"), ""),
    (
        "cap_net_admin",
        "info",
        {"allowed": False, "reason": "Operation not permitted"},
        ("permitted", "receive_buffer_force"),
        "net.core.rmem_max",
    ),
    ("ring_size", "info", {"rx": 256, "rx_max": 4096, "tx": 1, "tx_max": 1}, ("interface", "rings"), "ethtool -G mv0 rx 4096"),
    ("multicast_all", "info", {"by_default": True, "off": False}, ("multicast", "unjoined"), "IP_MULTICAST_ALL"),
    ("multicast_all", "warn", {"by_default": True, "off": True}, ("multicast", "unjoined"), "bind the socket"),
]


@pytest.mark.parametrize(("id", "severity", "value", "path", "remedy"), BAD_PLACES)
def test_one_bad_place_is_one_finding(id: str, severity: str, value: Any, path: tuple[str, ...], remedy: str) -> None:
    test_one_bad_fact_is_one_finding_with_a_remedy(id, severity, value, path, remedy)


@pytest.mark.parametrize(
    ("name", "id", "severity"),
    [
        ("docker_desktop", "desktop_vm", "fail"),
        ("wsl", "desktop_vm", "warn"),
        ("gvisor", "enhanced_isolation", "warn"),
        ("enhanced_isolation", "enhanced_isolation", "warn"),
        ("rootless", "rootless_engine", "fail"),
    ],
)
def test_isolations_of_a_container(name: str, id: str, severity: str) -> None:
    facts = with_value(True, "isolation", name)
    facts["isolation"]["evidence"] = {name: f"the sign of {name}"}
    facts["container"]["engine"] = "docker"

    assert finding(facts, id).severity == severity
    assert f"the sign of {name}" in finding(facts, id).evidence


def test_the_user_namespace_of_a_lab_is_no_rootless_engine() -> None:
    assert finding(with_value(True, "isolation", "rootless"), "rootless_engine").severity == "ok"


def test_interrupts_that_one_cpu_takes() -> None:
    facts = with_value(0.97, "interrupts", "share_of_busiest_cpu")
    assert finding(facts, "interrupt_balance").severity == "warn"
    assert "/proc/irq/31/smp_affinity_list" in str(finding(facts, "interrupt_balance").remedy)

    facts["irqbalance_running"] = False
    assert "irqbalance does not run" in finding(facts, "interrupt_balance").evidence
    assert "apt-get install irqbalance" in str(finding(facts, "interrupt_balance").remedy)

    for line in facts["interrupts"]["lines"]:
        line["taken"] = 10
    assert finding(facts, "interrupt_balance").severity == "ok"  # too few to tell


def test_a_cpu_limit_tells_how_often_it_held_back() -> None:
    facts = with_value({"quota_us": 20_000, "period_us": 100_000, "group": "/a"}, "cpu", "limit")
    facts["limits"]["throttled"] = {"nr_periods": 50, "nr_throttled": 12, "throttled_usec": 900_000}

    assert "so far in 12 of 50 periods" in finding(facts, "cpu_limit").evidence


def test_the_clock_daemons_are_named() -> None:
    facts = with_value(["chronyd"], "clock_daemons")
    facts["clock"]["ptp_clocks"] = [{"name": "ptp0", "clock": "KVM virtual PTP"}]

    assert "(running: chronyd; PTP clocks: KVM virtual PTP)" in finding(facts, "clock_sync").evidence


STOP = {
    "program": "nft",
    "family": "inet",
    "table": "filter",
    "base_chain": "input",
    "hook": "input",
    "chain": "input",
    "handle": 4,
    "rule": "ip protocol igmp drop",
    "certain": True,
}


def test_a_firewall_that_may_drop() -> None:
    facts = with_value([{"stream": "239.1.1.1:5", "fate": "unclear", "stops": [{**STOP, "certain": False}]}], "firewall", "streams")

    assert finding(facts, "firewall_group").severity == "warn"
    assert "may drop 239.1.1.1:5" in finding(facts, "firewall_group").evidence


def test_remedies_of_each_firewall_program() -> None:
    streams = [
        {
            "stream": "239.1.1.1:5004",
            "fate": "drop",
            "stops": [STOP, {**STOP, "program": "iptables", "table": "raw", "base_chain": "PREROUTING"}],
        }
    ]

    assert finding(with_value(streams, "firewall", "streams"), "firewall_group").remedy == (
        "nft insert rule inet filter input ip daddr 239.1.1.1 udp dport 5004 accept && "
        "iptables -t raw -I PREROUTING -d 239.1.1.1 -p udp --dport 5004 -j ACCEPT"
    )


def test_rules_that_could_not_be_read_are_never_ok() -> None:
    facts = with_value(["rules of legacy iptables: not permitted"], "firewall", "unread")

    for id in ("firewall_group", "firewall_igmp", "firewall_forward"):
        assert finding(facts, id).severity == "info"


def test_forwarding_matters_on_a_bridge_that_asks_the_firewall() -> None:
    facts = with_value({"fate": "drop", "stops": [{**STOP, "hook": "forward"}]}, "firewall", "forwarded")
    assert finding(facts, "firewall_forward").severity == "info"

    facts["firewall"]["bridge_netfilter"] = True
    assert finding(facts, "firewall_forward").severity == "fail"
