"""Counters against packets that were really sent: each equals what happened, exactly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import netbench
from netbench.facts.counters import delta
from netbench.facts.reading import Reading

PORT = 20_000
SENDER_ADDRESS, RECEIVER_ADDRESS = "10.77.0.1", "10.77.0.2"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(netbench.__file__).parent.parent)}

# Runs in the receiver's namespace: bound and counted, then everything that is queued, then counted again.
RECEIVER = f"""
import json, socket, sys
from netbench.facts import counters
buffer_bytes = int(sys.argv[1])
endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
endpoint.setsockopt(socket.SOL_SOCKET, 33, buffer_bytes)  # SO_RCVBUFFORCE
endpoint.bind(("0.0.0.0", {PORT}))
endpoint.settimeout(0.3)
before = counters.read()
print("ready", flush=True)
sys.stdin.readline()
received = 0
try:
    while True:
        endpoint.recv(2048)
        received += 1
except TimeoutError:
    pass
after = counters.read()
print(json.dumps([received, before.values, after.values]))
"""

# Runs in the sender's namespace: its queue is empty again before it is counted.
SENDER = f"""
import fcntl, json, socket, sys, time
from netbench.facts import counters
def queued():
    return int.from_bytes(fcntl.ioctl(endpoint, 0x5411, bytes(4)), sys.byteorder)  # SIOCOUTQ
packets, payload_bytes = int(sys.argv[1]), int(sys.argv[2])
endpoint = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
endpoint.setsockopt(socket.SOL_SOCKET, 32, 1 << 24)  # SO_SNDBUFFORCE
before = counters.read()
for _ in range(packets):
    endpoint.sendto(bytes(payload_bytes), ("{RECEIVER_ADDRESS}", {PORT}))
deadline = time.monotonic() + 10
while queued() and time.monotonic() < deadline:
    time.sleep(0.01)
after = counters.read()
print(json.dumps([before.values, after.values]))
"""


@dataclass(frozen=True)
class Pair:
    """Two namespaces and a veth between them that carries nothing but what a test sends."""

    sender: str
    receiver: str

    def enter(self, namespace: str, *command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ip", "netns", "exec", namespace, *command], check=True, capture_output=True, text=True, timeout=30, **options
        )

    def send(self, packets: int, *, payload_bytes: int = 100, buffer_bytes: int = 1 << 24) -> Outcome:
        """Send so many datagrams; what arrived in the application, and what moved at both ends."""
        command = ["ip", "netns", "exec", self.receiver, sys.executable, "-c", RECEIVER, str(buffer_bytes)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as receiver:
            try:
                assert receiver.stdout is not None
                assert receiver.stdout.readline() == "ready\n"
                sent = self.enter(self.sender, sys.executable, "-c", SENDER, str(packets), str(payload_bytes), env=ENVIRONMENT)
                answer, _ = receiver.communicate("sent\n", timeout=30)
            finally:
                receiver.kill()
        received, before, after = json.loads(answer)
        sender_before, sender_after = json.loads(sent.stdout)
        return Outcome(received, delta(Reading(sender_before), Reading(sender_after)), delta(Reading(before), Reading(after)))


@dataclass(frozen=True)
class Outcome:
    """What the application received, and which counters moved."""

    received: int
    at_sender: dict[str, int]
    at_receiver: dict[str, int]


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair(f"nb-test-{os.getpid()}-s", f"nb-test-{os.getpid()}-r")
    try:
        for namespace in (pair.sender, pair.receiver):
            made = subprocess.run(["ip", "netns", "add", namespace], capture_output=True, text=True)
            if made.returncode != 0:
                pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
            # IPv6 and ARP would send packets of their own.
            pair.enter(namespace, "sh", "-c", "for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 > $f; done")
        mac = {pair.sender: "02:00:00:00:77:01", pair.receiver: "02:00:00:00:77:02"}
        address = {pair.sender: SENDER_ADDRESS, pair.receiver: RECEIVER_ADDRESS}
        pair.enter(pair.sender, "ip", "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", pair.receiver)
        for namespace, other in ((pair.sender, pair.receiver), (pair.receiver, pair.sender)):
            pair.enter(namespace, "ip", "link", "set", "wire", "address", mac[namespace], "up")
            pair.enter(namespace, "ip", "address", "add", f"{address[namespace]}/24", "dev", "wire")
            pair.enter(namespace, "ip", "neighbour", "replace", address[other], "lladdr", mac[other], "dev", "wire")
        yield pair
    finally:
        for namespace in (pair.sender, pair.receiver):
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True)


def test_links_count_every_packet(pair: Pair) -> None:
    outcome = pair.send(700)

    assert outcome.received == 700
    assert outcome.at_sender["link.wire.tx_packets"] == 700
    assert outcome.at_receiver["link.wire.rx_packets"] == 700
    assert outcome.at_receiver["udp.InDatagrams"] == 700
    assert outcome.at_receiver["ip.InReceives"] == 700
    assert outcome.at_sender["udp.OutDatagrams"] == 700
    assert not [name for name in outcome.at_receiver if "drop" in name and not name.startswith("softnet.")]


def test_nft_rule_counts_its_drops(pair: Pair) -> None:
    rules = (
        "table inet test { chain input { type filter hook input priority 0; policy accept;\n"
        f"udp dport {PORT} numgen inc mod 100 == 7 counter drop\n}}\n}}\n"
    )
    if shutil.which("nft") is None:
        pytest.skip("nft is not installed here")
    pair.enter(pair.receiver, "nft", "-f", "-", input=rules)

    outcome = pair.send(1000)

    drops = {name: packets for name, packets in outcome.at_receiver.items() if name.startswith("nft.")}
    assert list(drops.values()) == [10]
    assert all(name.startswith("nft.inet.test.input.") and name.endswith(".drops") for name in drops)
    assert outcome.received == 1000 - 10


def test_full_socket_buffer_counts_its_drops(pair: Pair) -> None:
    outcome = pair.send(500, buffer_bytes=4096)

    assert 0 < outcome.received < 500
    assert outcome.at_receiver["udp.RcvbufErrors"] == 500 - outcome.received
    assert outcome.at_receiver["udp.InErrors"] == 500 - outcome.received
    assert outcome.at_receiver["udp.InDatagrams"] == outcome.received
    assert outcome.at_receiver["link.wire.rx_packets"] == 500


def test_qdisc_counts_its_drops(pair: Pair) -> None:
    try:
        limits = ("rate", "8mbit", "burst", "2000", "limit", "20000")
        pair.enter(pair.sender, "tc", "qdisc", "add", "dev", "wire", "root", "handle", "7:", "tbf", *limits)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no tbf here: {error.stderr.strip()}")

    outcome = pair.send(200, payload_bytes=1000)

    dropped = outcome.at_sender["qdisc.wire.tbf.7:.drops"]
    assert dropped > 0
    assert outcome.at_sender["link.wire.tx_packets"] == 200 - dropped
    assert outcome.received == 200 - dropped
    # the kernel counts the same packets again one and two layers above: attribution must not add them up
    assert outcome.at_sender["udp.SndbufErrors"] == dropped
    assert outcome.at_sender["ip.OutDiscards"] == dropped


def test_reading_changes_nothing(pair: Pair) -> None:
    def state() -> list[str]:
        programs = (("ip", "-details", "link"), ("ip", "address"), ("tc", "qdisc"), ("nft", "list", "ruleset"), ("sysctl", "-a"))
        commands = [command for command in programs if shutil.which(command[0])]
        outputs = [pair.enter(pair.receiver, *command).stdout for command in commands]
        # outside of net. sysctl prints the machine's own moving figures
        return [line for output in outputs for line in output.splitlines() if " = " not in line or line.startswith("net.")]

    script = (
        "import json; from netbench.facts import counters, place\n"
        "before = counters.read(); place.read('wire'); after = counters.read()\n"
        "print(json.dumps([before.values, after.values]))"
    )
    before = state()
    readings = json.loads(pair.enter(pair.receiver, sys.executable, "-c", script, env=ENVIRONMENT).stdout)

    assert state() == before
    moved = delta(Reading(readings[0]), Reading(readings[1]))
    whole_machine = ("cpu.", "softnet.", "cgroup.")
    assert [name for name in moved if not name.startswith(whole_machine)] == []
