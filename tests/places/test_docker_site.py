"""Docker's environments on an interface of the user's own: a daemon in the network of a site, a feed that is there, all at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from docker_daemon import DockerDaemon, why_no_daemon
from sshd import Machine, cable

NETBENCH = [sys.executable, "-P", "-m", "netbench"]
GROUP, PORT = "239.255.78.1", 5004

# 200 packets a second of seven MPEG-TS packets each: continuity as a multiplexer counts it, and a payload that tells them apart.
FEED = f"""
import socket, time
out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
out.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.9.2"))
number = 0
due = time.monotonic()
while True:
    packet = b""
    for _ in range(7):
        packet += bytes((0x47, 0x01, 0x00, 0x10 | number % 16)) + number.to_bytes(8, "big") * 23
        number += 1
    out.sendto(packet, ("{GROUP}", {PORT}))
    due += 0.005
    time.sleep(max(0.0, due - time.monotonic()))
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Machine]:
    """The user's machine: its `NIC` leads to a machine that sends a feed."""
    reason = why_no_daemon()
    if reason is not None:
        pytest.skip(reason)
    with Machine() as here, Machine() as there, cable(here, "10.77.9.1/24", there, "10.77.9.2/24"):
        feed = there.start(sys.executable, "-c", FEED)
        try:
            yield here
        finally:
            feed.kill()
            feed.wait()


@pytest.fixture(scope="module")
def daemon(site: Machine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerDaemon]:
    """A daemon that stands in the site's network."""
    network = ("nsenter", f"--net=/proc/{site.process}/ns/net", "unshare", "--mount", "--propagation", "private")
    running = DockerDaemon(tmp_path_factory.mktemp("site"), network)
    try:
        yield running
    finally:
        running.close()


def netbench(site: Machine, host: str, *arguments: str, timeout_s: float = 110) -> subprocess.CompletedProcess[str]:
    return site.run(*NETBENCH, *arguments, timeout_s=timeout_s, env={**os.environ, "DOCKER_HOST": host})


def state(site: Machine) -> list[str]:
    """What belongs to the user: links, addresses, routes, rules."""
    shown = []
    for command in (("ip", "-br", "link"), ("ip", "-br", "address"), ("ip", "route"), ("ip", "maddress", "show", "dev", "eth0")):
        shown += site.run(*command, check=True).stdout.splitlines()
    return shown + site.run("iptables-save", check=True).stdout.replace("\n", "|").split("# ")[:1]


def test_a_live_feed_is_measured_in_all_of_them_at_once_and_the_interface_is_left_as_found(
    site: Machine, daemon: DockerDaemon, tmp_path: Path
) -> None:
    before = state(site)
    environments = ("host", "docker-host", "docker-macvlan", "docker-bridge")
    chosen = [word for name in environments for word in ("-e", name)]
    live = ("-i", "eth0", "--live", f"{GROUP}:{PORT}", "-t", "2s", "--samples", "1", "-q", "-o", str(tmp_path / "out"))

    done = netbench(site, daemon.host, "run", *live, *chosen)

    assert done.returncode in (0, 1, 4), done.stderr
    assert state(site) == before
    assert daemon.holdings() == []
    run = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    assert {record["name"]: record["reason"] for record in run["environments"]} == dict.fromkeys(environments)
    trials: dict[str, Any] = {trial["environment"]: trial for trial in run["trials"]}
    for name in ("host", "docker-host", "docker-macvlan"):
        trial = trials[name]
        assert trial["status"] == "ok", trial["reason"]
        assert trial["tap"]["unique_packets"] > 300
        assert trial["tap"]["lost_after_packets"] == 0
        assert trial["tap"]["matched_packets"] == trial["tap"]["unique_packets"]
    assert trials["docker-bridge"]["status"] == "unsupported"
    remarks = next(record["remarks"] for record in run["environments"] if record["name"] == "docker-macvlan")
    assert any("is not of your network" in remark for remark in remarks)


def test_an_address_of_the_users_network_is_taken_when_it_is_said(site: Machine, daemon: DockerDaemon, tmp_path: Path) -> None:
    live = ("-i", "eth0", "--live", f"{GROUP}:{PORT}", "-t", "1s", "--samples", "1", "-q", "-o", str(tmp_path / "out"))

    done = netbench(site, daemon.host, "run", *live, "-e", "docker-macvlan:address=10.77.9.77")

    assert done.returncode in (0, 1, 4), done.stderr
    run = json.loads((tmp_path / "out" / "run.json").read_text(encoding="utf-8"))
    record = run["environments"][0]
    assert any("--subnet 10.77.9.0/24" in command for command in record["built_by"])
    assert any("--ip 10.77.9.77" in command for command in record["built_by"])
    assert run["trials"][0]["status"] == "ok", run["trials"][0]["reason"]
    assert daemon.holdings() == []


def test_a_parent_that_another_macvlan_network_has_is_told(site: Machine, daemon: DockerDaemon, tmp_path: Path) -> None:
    daemon.docker("network", "create", "--driver", "macvlan", "--subnet", "10.77.9.0/24", "--opt", "parent=eth0", "users-own")
    try:
        live = ("-i", "eth0", "--live", f"{GROUP}:{PORT}", "-t", "1s", "-q", "-o", str(tmp_path / "out"))
        done = netbench(site, daemon.host, "run", *live, "-e", "docker-macvlan")
        assert done.returncode == 3
        said = " ".join(done.stderr.split())
        assert "already using parent interface eth0" in said
        assert "docker network ls --filter driver=macvlan" in said
        assert daemon.holdings() == ["network users-own"]
    finally:
        daemon.docker("network", "rm", "users-own")


def test_an_interface_that_is_not_the_daemons_is_told(site: Machine, docker_daemon: DockerDaemon, tmp_path: Path) -> None:
    live = ("-i", "eth0", "--live", f"{GROUP}:{PORT}", "-t", "1s", "-q", "-o", str(tmp_path / "out"))

    done = netbench(site, docker_daemon.host, "run", *live, "-e", "docker-host")

    assert done.returncode == 3
    said = " ".join(done.stderr.split())
    assert "eth0 is not in the network namespace of the Docker daemon" in said
    assert "nsenter --net=" in said
