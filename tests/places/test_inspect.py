"""`netbench inspect` in real network stacks: what is wrong is found, and the remedy, typed as it stands, ends the finding."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

NETBENCH = [sys.executable, "-P", "-m", "netbench"]


class Place:
    """A site of the lab, to type in and to inspect."""

    def __init__(self, lab: Any, step: Any) -> None:
        self._lab, self._step = lab, step
        self.interface: str = lab.interface

    def type(self, line: str) -> str:
        (done,) = self._lab.run(self._step([*self._lab.receiver, "sh", "-c", line]))
        assert done["exit_code"] == 0, (line, done["errors"])
        return str(done["output"])

    def inspect(self, *arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
        """Exit code, and the findings by id."""
        (done,) = self._lab.run(self._step([*self._lab.receiver, *NETBENCH, "inspect", "-i", self.interface, *arguments, "--json"]))
        assert done["exit_code"] in (0, 1), done["errors"]
        return done["exit_code"], {item["id"]: item for item in json.loads(done["output"])["findings"]}


@pytest.fixture
def host(sites: Callable[[str], Any], step: Any) -> Place:
    """The probe's side of the environment host."""
    return Place(sites("host"), step)


FILTER = (
    "nft add table inet filter; nft add chain inet filter {chain} '{{ type filter hook {chain} priority 0; policy {policy}; }}'"
)


@pytest.mark.parametrize(
    ("rules", "finding", "word"),
    [
        (
            [FILTER.format(chain="input", policy="accept"), "nft add rule inet filter input ip protocol igmp drop"],
            "firewall_igmp",
            "queries",
        ),
        (
            [FILTER.format(chain="output", policy="accept"), "nft add rule inet filter output meta l4proto igmp drop"],
            "firewall_igmp",
            "reports",
        ),
        (
            [
                FILTER.format(chain="input", policy="accept"),
                "nft add rule inet filter input ip daddr 239.1.0.0/16 udp dport 5000-5010 reject",
            ],
            "firewall_group",
            "239.1.1.1:5004",
        ),
        (
            [
                "nft add table netdev edge",
                "nft add chain netdev edge ingress '{ type filter hook ingress device INTERFACE priority 0; }'",
                "nft add rule netdev edge ingress ip daddr 239.1.1.1 drop",
            ],
            "firewall_group",
            "ip daddr 239.1.1.1 drop",
        ),
        (
            [
                "iptables-nft -A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT",
                "iptables-nft -A INPUT -p igmp -j ACCEPT",
                "iptables-nft -P INPUT DROP",
            ],
            "firewall_group",
            "policy drop",
        ),
    ],
    ids=["IGMP in", "IGMP out", "a group", "a group at the edge", "policy of iptables"],
)
def test_a_firewall_is_found_and_the_remedy_ends_it(host: Place, rules: list[str], finding: str, word: str) -> None:
    stream = ("-g", "239.1.1.1:5004")
    before = host.inspect(*stream)[1]
    assert {before[id]["severity"] for id in ("firewall_group", "firewall_igmp", "firewall_forward")} == {"ok"}

    for rule in rules:
        host.type(rule.replace("INTERFACE", host.interface))
    exit_code, found = host.inspect(*stream)
    assert exit_code == 1
    assert found[finding]["severity"] == "fail"
    assert word in found[finding]["evidence"]

    host.type(found[finding]["remedy"])
    after = host.inspect(*stream)[1]
    assert after[finding]["severity"] == "ok", after[finding]


def test_a_policy_that_drops_everything_stops_groups_and_igmp(host: Place) -> None:
    host.type(FILTER.format(chain="input", policy="drop"))
    host.type(FILTER.format(chain="forward", policy="drop"))
    exit_code, found = host.inspect("-g", "239.1.1.1:5004", "-g", "239.2.2.2:6000")

    assert exit_code == 1
    assert (found["firewall_group"]["severity"], found["firewall_igmp"]["severity"]) == ("fail", "fail")
    assert "239.1.1.1:5004, 239.2.2.2:6000" in found["firewall_group"]["evidence"]
    assert found["firewall_forward"]["severity"] == "info"  # no bridge is near

    for id in ("firewall_group", "firewall_igmp", "firewall_forward"):
        host.type(found[id]["remedy"].replace("; ", " && "))
    after = host.inspect("-g", "239.1.1.1:5004", "-g", "239.2.2.2:6000")[1]
    assert {after[id]["severity"] for id in ("firewall_group", "firewall_igmp")} == {"ok"}
    assert (
        host.inspect("-g", "239.3.3.3:5004")[1]["firewall_group"]["severity"] == "fail"
    )  # what was not asked for is still dropped


def test_the_firewall_does_to_packets_what_was_told(sites: Callable[[str], Any], step: Any) -> None:
    lab = sites("host")
    place = Place(lab, step)
    place.type(FILTER.format(chain="input", policy="drop"))
    place.type("nft add rule inet filter input ip protocol igmp accept")
    place.type("nft add rule inet filter input ip daddr 239.1.0.0/16 udp dport { 5000-5010, 6000 } accept")
    told = {}
    received = {}
    for target in ("239.1.1.1:5004", "239.1.1.1:5011", "239.1.2.3:6000", "239.2.1.1:5004"):
        told[target] = place.inspect("-g", target)[1]["firewall_group"]["severity"]
        got, _ = lab.run(
            step([*lab.receiver, *NETBENCH, "receive", target, "-i", lab.interface, "--json"], until_done=True),
            step([*lab.sender, *NETBENCH, "send", target, "-i", lab.sender_interface, "-n", "20", "--pps", "200"], "listening"),
        )
        received[target] = json.loads(got["output"])["received"]["packets"]

    assert told == {"239.1.1.1:5004": "ok", "239.1.1.1:5011": "fail", "239.1.2.3:6000": "ok", "239.2.1.1:5004": "fail"}
    assert received == {target: 20 if severity == "ok" else 0 for target, severity in told.items()}


@pytest.mark.skipif(
    not os.access("/proc/net/ip_tables_names", os.R_OK), reason="legacy iptables is not in this kernel, or not for this user"
)
def test_rules_of_legacy_iptables_are_read(host: Place) -> None:
    host.type("iptables-legacy -A INPUT -d 239.1.1.1 -p udp -m udp --dport 5004 -j DROP")
    found = host.inspect("-g", "239.1.1.1:5004")[1]["firewall_group"]
    assert found["severity"] == "fail"
    assert found["remedy"] == "iptables-legacy -I INPUT -d 239.1.1.1 -p udp --dport 5004 -j ACCEPT"

    host.type(found["remedy"])
    assert host.inspect("-g", "239.1.1.1:5004")[1]["firewall_group"]["severity"] == "ok"


def test_the_reverse_path_filter(host: Place) -> None:
    host.type(f"echo 1 > /proc/sys/net/ipv4/conf/{host.interface}/rp_filter")
    unknown = host.inspect("-g", "239.1.1.1")[1]["rp_filter"]
    assert unknown["severity"] == "warn"

    exit_code, found = host.inspect("-g", "203.0.113.7,232.1.1.1:5004")
    assert exit_code == 1
    assert found["rp_filter"]["severity"] == "fail"
    assert "the route back to 203.0.113.7 does not exist" in found["rp_filter"]["evidence"]

    host.type(found["rp_filter"]["remedy"])
    assert host.inspect("-g", "203.0.113.7,232.1.1.1:5004")[1]["rp_filter"]["severity"] == "ok"


def test_a_strict_filter_is_fine_where_the_source_is_reached_by_the_same_interface(host: Place) -> None:
    host.type(f"echo 1 > /proc/sys/net/ipv4/conf/{host.interface}/rp_filter")
    host.type(f"ip route add 203.0.113.0/24 dev {host.interface}")

    found = host.inspect("-g", "203.0.113.7,232.1.1.1:5004")[1]["rp_filter"]
    assert found["severity"] == "ok"
    assert f"leaves by {host.interface}" in found["evidence"]


def test_the_route_of_a_group(host: Place) -> None:
    host.type("ip route flush 224.0.0.0/4; ip link add other0 type veth peer name other1; ip link set other0 up")
    host.type("ip route add 239.1.0.0/16 dev other0")
    found = host.inspect("-g", "239.1.1.1:5004")[1]["group_route"]
    assert found["severity"] == "warn"
    assert "goes to other0" in found["evidence"]

    assert "group_route" not in host.inspect()[1]  # no group was asked for
    host.type("ip route flush 239.1.0.0/16")
    without = host.inspect("-g", "239.1.1.1:5004")[1]["group_route"]
    assert without["severity"] == "warn"
    host.type(without["remedy"])
    assert host.inspect("-g", "239.1.1.1:5004")[1]["group_route"]["severity"] == "ok"


def test_a_bridge_that_snoops_and_does_not_query(host: Place) -> None:
    host.type("ip link add br7 type bridge mcast_snooping 1 mcast_querier 0; ip link set br7 up")
    host.interface = "br7"
    found = host.inspect()[1]["bridge_snooping"]
    assert found["severity"] == "warn"

    host.type(found["remedy"])
    assert host.inspect()[1]["bridge_snooping"]["severity"] == "ok"


def test_groups_that_others_joined(host: Place) -> None:
    found = host.inspect()[1]["multicast_all"]

    assert found["severity"] == "info"
    assert "IP_MULTICAST_ALL" in found["remedy"]


def test_inspecting_changes_nothing(host: Place) -> None:
    host.type(FILTER.format(chain="input", policy="drop"))
    state = (
        "nft list ruleset; ip -details link show; ip route show table all; cat /proc/net/igmp; "
        "sysctl -a 2>/dev/null | grep -E 'rp_filter|igmp'"
    )
    before = host.type(state)
    host.inspect("-g", "239.1.1.1:5004")

    assert host.type(state) == before


def test_without_an_interface_every_one_is_listed(netbench: Callable[..., Any]) -> None:
    done = netbench("inspect", "--json")

    assert done.returncode in (0, 1), done.stderr
    told = json.loads(done.stdout)
    assert "interface" not in told["facts"]
    assert {"firewall_group", "kernel", "cap_net_raw"} <= {item["id"] for item in told["findings"]} | set(told["absent"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_gets_reasons(netbench: Callable[..., Any]) -> None:
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *NETBENCH, "inspect", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd="/", env={**os.environ, "HOME": "/nonexistent"})

    assert done.returncode == 1, shlex.join(command) + done.stderr  # no packet sockets
    told = json.loads(done.stdout)
    assert {item["id"]: item["severity"] for item in told["findings"]}["cap_net_raw"] == "fail"
    assert "nft failed" in told["absent"]["firewall"]


# ---- containers and guests: the facts of each place in one run


def findings_of(environment: Any) -> dict[str, str]:
    return {finding.id: finding.severity for finding in environment.findings}


def test_inside_containers(measure: Callable[..., Any], netbench: Callable[..., Any], docker_daemon: Any) -> None:
    told = json.loads(netbench("inspect", "--json").stdout)["facts"]["engines"]["docker"]
    assert told["version"] == docker_daemon.docker("version", "--format", "{{.Server.Version}}").strip()
    assert told["rootless"] is False

    done = measure("-e", "docker-host", "-e", "docker-macvlan", "-e", "docker-host:cpus=0.5", "-t", "1s", "--samples", "1")
    environments = {item.label: item for item in done.run.environments}
    assert len(environments) == 3, [(item.label, item.reason) for item in done.run.environments]
    for item in environments.values():
        values = item.facts.values
        assert values["container"]["engine"] == "docker", (item.label, values["container"])
        assert values["isolation"]["rootless"] is False
        assert findings_of(item)["cap_net_raw"] == "ok"
        assert findings_of(item)["c_library"] == "ok"
    assert environments["docker-macvlan"].facts.values["interface"]["kind"] == "macvlan"
    limited = next(item for label, item in environments.items() if "cpus" in label)
    assert findings_of(limited)["cpu_limit"] == "warn"
    assert limited.facts.values["limits"]["throttled"]["nr_periods"] > 0
    assert findings_of(environments["docker-host"])["cpu_limit"] == "ok"


def test_inside_a_guest(measure: Callable[..., Any]) -> None:
    done = measure("-e", "vm-virtio", "-t", "1s", "--samples", "1", timeout_s=110)
    (guest,) = done.run.environments
    if not guest.available:
        pytest.skip(guest.reason)

    values = guest.facts.values
    assert values["hypervisor"]["name"] == "qemu"
    assert values["container"]["engine"] == "none"  # whatever the file tree was that it shares
    assert values["cloud"]["provider"] == "none"
    assert values["interface"]["kind"] == "virtio"
    names = [line["name"] for line in values["interrupts"]["lines"]]  # of the PCI device that carries the card
    assert [name for name in names if "input" in name], names
    assert values["multicast"]["unjoined"] == {"by_default": True, "off": False}
    assert findings_of(guest)["cap_net_raw"] == "ok"
    assert findings_of(guest)["clock_source"] in ("ok", "warn")
