"""`netbench multicast`: in the lab, and against a switch that snoops IGMP and asks for members. Counts only, no times."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(scope="module")
def places() -> dict[str, Any]:
    """One run over all three environments: environment -> its record."""
    command = [sys.executable, "-P", "-m", "netbench", "multicast", "--streams", "2", "--limit", "300", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110)
    if done.returncode == 3:
        pytest.skip(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no lab can be built here")
    assert done.returncode == 0, done.stderr
    return {place["environment"]: place for place in json.loads(done.stdout)["places"]}


@pytest.mark.parametrize("environment", ["host", "macvlan"])
def test_a_join_delay_for_every_group(places: dict[str, Any], environment: str) -> None:
    place = places[environment]

    assert place["status"] == "ok"
    assert [group["group"] for group in place["groups"]] == ["239.255.78.1", "239.255.78.2"]
    for group in place["groups"]:
        assert group["first_packet_ns"] >= group["joined_ns"]
        assert group["join_delay_ms"] == pytest.approx((group["first_packet_ns"] - group["joined_ns"]) / 1e6)
        assert group["members_before"] == 0
        assert (group["leave_delay_ms"] is None) == ("leave_delay_ms" in group["absent"])
    assert place["join_delay"]["count"] == 2
    assert place["igmp"]["version"] in (1, 2, 3)
    assert place["igmp"]["queriers"] == []


def test_a_bare_veth_brings_groups_unasked(places: dict[str, Any]) -> None:
    """Nothing between sender and host looks at IGMP: the group is there before the join, and goes on after the leave."""
    for group in places["host"]["groups"]:
        assert group["state"] == "warm"
        assert group["leave_delay_ms"] is None
        assert "nothing stops it" in group["absent"]["leave_delay_ms"]


@pytest.mark.parametrize("environment", ["host", "macvlan"])
def test_capacity_up_to_the_limit(places: dict[str, Any], environment: str) -> None:
    capacity, most = places[environment]["capacity"], places[environment]["igmp"]["max_memberships"]

    assert (capacity["capacity_groups"], capacity["limit_groups"], capacity["limit_reached"]) == (300, 300, True)
    assert [attempt["groups"] for attempt in capacity["attempts"]] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]
    for attempt in capacity["attempts"]:
        assert attempt["delivered"] == attempt["groups"]
        assert attempt["sockets"] == -(-attempt["groups"] // most)


def test_behind_address_translation_it_is_unsupported(places: dict[str, Any]) -> None:
    place = places["bridge"]

    assert place["status"] == "unsupported"
    assert "Tried: 1 group(s)" in place["reason"]
    assert (place["join_delay"], place["capacity"]) == (None, None)
    assert place["groups"][0]["interface_packets"] == 0


SNOOPING_SCRIPT = """
import json, subprocess, sys, time
from netbench.environments import lab
lab.enter()
from netbench.agent_client import LOCAL_AGENT, AgentClient
from netbench.environments.netns import Network, enter
from netbench.errors import CannotRunError
from netbench.protocol import ReceiveJob, SendJob, StreamSpec

GROUPS = tuple(StreamSpec(number + 1, f"239.9.1.{number + 1}", 5004) for number in range(30))
NETBENCH = [sys.executable, "-P", "-m", "netbench"]

with Network("snoop") as network:
    sender, switch, receiver = (network.namespace(role) for role in ("wire", "switch", "probe"))
    try:
        network.ip(switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "1", "mcast_query_response_interval", "10",
                   "mcast_query_use_ifaddr", "1", "mcast_last_member_interval", "10", "mcast_startup_query_interval", "20",
                   "mcast_query_interval", "200")
    except CannotRunError as error:
        print(json.dumps({"skip": error.message}))
        sys.exit()
    network.address(switch, "br0", "198.18.79.254/24")
    for place, port, number in ((sender, "s0", 1), (receiver, "r0", 2)):
        network.ip(place, "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", switch)
        network.ip(switch, "link", "set", port, "up", "master", "br0")
        network.address(place, "eth0", f"198.18.79.{number}/24")
        network.groups_route(place, "eth0")
    network.setting(receiver, "net/ipv4/igmp_max_memberships", "7")
    network.ip(switch, "link", "set", "br0", "type", "bridge", "mcast_querier", "1")
    send = SendJob(streams=GROUPS[:20], rate_pps=2000.0, packets=0, session=1, payload_bytes=100, interface="eth0",
                   source="198.18.79.1", read_counters=False)
    watch = ReceiveJob(listens=GROUPS, backend="ring", interface="eth0", join=False, log_capacity=1_000_000, read_counters=False)

    def seen(seconds):
        with AgentClient("the watch", watch, (*enter(receiver), *LOCAL_AGENT)) as agent:
            agent.wait_ready()
            time.sleep(seconds)
            agent.stop()
            return agent.result(20)["totals"]["packets"]

    def multicast(*options):
        command = [*enter(receiver), *NETBENCH, "multicast", "-i", "eth0", "-g", "239.9.1.1", *options, "--json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    with AgentClient("the sender", send, (*enter(sender), *LOCAL_AGENT)) as sending:
        sending.wait_ready()
        sending.start()
        deadline = time.monotonic() + 20
        while seen(0.2):  # a switch floods what nobody asked for until its querier's word is known
            if time.monotonic() > deadline:
                print(json.dumps({"skip": "this bridge floods groups that nobody asked for"}))
                sys.exit()
        with AgentClient("the watch", watch, (*enter(receiver), *LOCAL_AGENT)) as independent:
            independent.wait_ready()
            done = multicast("--streams", "3")
            independent.stop()
            independent.result(20)
            log = independent.packet_log
        counted = multicast("--limit", "30")
        sending.stop()
        sending.result(20)
print(json.dumps({"skip": None, "errors": done.stderr + counted.stderr, "times": json.loads(done.stdout),
                  "capacity": json.loads(counted.stdout), "log": log.hex()}))
"""


@pytest.fixture(scope="module")
def snooped() -> dict[str, Any]:
    """Measured by hand behind a snooping switch with a querier, which passes 20 of 30 groups, for 20 are sent."""
    done = subprocess.run([sys.executable, "-P", "-c", SNOOPING_SCRIPT], capture_output=True, text=True, timeout=110)
    if "can only be entered" in done.stderr or "user namespace" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    if answer["skip"]:
        pytest.skip(answer["skip"])
    return answer


def test_no_packet_before_the_join_nor_after_the_leave_delay(snooped: dict[str, Any]) -> None:
    import struct

    (place,) = snooped["times"]["places"]
    packets = list(struct.iter_unpack("=qII", bytes.fromhex(snooped["log"])))
    assert {stream for _, stream, _ in packets} == {1, 2, 3}
    for number, group in enumerate(place["groups"], start=1):
        stamps = sorted(received_ns for received_ns, stream, _ in packets if stream == number)
        assert group["state"] == "cold"
        assert stamps[0] >= group["joined_ns"]
        assert len(stamps) == group["interface_packets"]
        assert group["leave_delay_ms"] is not None, group["absent"]
        assert max(0, stamps[-1] - group["left_ns"]) == round(group["leave_delay_ms"] * 1e6)
        assert stamps[-1] == group["last_packet_ns"]
        assert group["first_packet_ns"] in stamps


def test_the_querier_is_named(snooped: dict[str, Any]) -> None:
    (place,) = snooped["times"]["places"]
    assert [querier["address"] for querier in place["igmp"]["queriers"]] == ["198.18.79.254"]
    assert place["igmp"]["queriers"][0]["queries"] > 0
    assert place["igmp"]["version"] == place["igmp"]["queriers"][0]["version"]


def test_the_capacity_is_the_number_of_groups_that_flow(snooped: dict[str, Any]) -> None:
    (place,) = snooped["capacity"]["places"]
    capacity = place["capacity"]
    assert (capacity["capacity_groups"], capacity["limit_reached"]) == (20, False)
    assert [attempt["groups"] for attempt in capacity["attempts"]] == [1, 2, 4, 8, 16, 30, 23, 19, 21, 20]
    for attempt in capacity["attempts"]:
        assert attempt["delivered"] == min(20, attempt["groups"])
        assert attempt["sockets"] == -(-attempt["groups"] // 7)
        assert attempt["refused"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-e", "host", "-i", "eth0"], "both were given"),
        (["-i", "lo"], "no group is named"),
        (["-g", "239.1.1.1"], "none is named"),
        (["-i", "lo", "-g", "10.0.0.1"], "is no group"),
        (["-i", "lo", "-g", "239.1.1.1", "-g", "239.1.1.2", "--limit", "5"], "counts up from one group"),
        (["-i", "nosuch0", "-g", "239.1.1.1"], "find interface 'nosuch0'"),
        (["-e", "hots"], "There is no environment 'hots'"),
    ],
)
def test_mistakes(netbench: Callable[..., Any], arguments: list[str], message: str) -> None:
    done = netbench("multicast", *arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "try:" in done.stderr
