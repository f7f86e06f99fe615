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
from netbench.result.records import Finding

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
