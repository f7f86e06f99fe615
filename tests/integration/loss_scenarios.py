"""Each way to lose packets, provoked for real; run by test_loss_located.py in a process of its own that has entered the lab.

Prints a line of JSON a scenario: what was injected, by counters that are read apart from the product or by arithmetic, and
the trial as the product itself measured and attributed it.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from unittest import mock

from netbench import trial_runner
from netbench.agent_client import AgentClient
from netbench.environments import injection, registry
from netbench.environments.base import BuiltEnvironment, Site
from netbench.environments.netns import Network
from netbench.plans.loader import default_plan, parse_profile
from netbench.protocol import Faults
from netbench.result.trial import Trial
from netbench.trial_jobs import TrialJobs, trial_jobs

LINE = "host:inject_at=sender,inject_drop_every=4000000"  # the wire with its middle piece, which drops nothing of itself
SMALL_BUFFER = 8_192  # bytes: some seven packets
Injected = dict[str, int]
Watch = Callable[[BuiltEnvironment, Callable[[], Trial]], tuple[Injected, Trial]]


@dataclass(frozen=True)
class Scenario:
    """One way to lose packets.

    Attributes:
        watch: provokes it around the trial; returns layer (or `unattributed …`) -> packets injected, and the trial.
        receive: fields of the receiver's job that differ from the product's own.
        pause_receiver: stop the receiver's process while packets are sent.
        pin_sender: keep the sender on the first CPU.
        attempts: which CPU does what is the kernel's choice: what was not provoked is tried again, in an environment built anew.
    """

    environment: str
    profile: str
    watch: Watch
    method: str = "socket"
    backend: str = "socket"
    duration_s: float = 0.5
    receive: dict[str, Any] = field(default_factory=dict)
    pause_receiver: bool = False
    pin_sender: bool = False
    attempts: int = 10
    faults: dict[str, int] = field(default_factory=dict)


def inside(site: Site | str, *command: str) -> str:
    """What a command prints in a site's namespace."""
    enter = ("ip", "netns", "exec", site) if isinstance(site, str) else site.enter
    return subprocess.run([*enter, *command], capture_output=True, text=True, check=True, timeout=20).stdout


def beside(site: Site, role: str) -> str:
    """Another namespace of the same environment."""
    return f"{site.place.rpartition('-')[0]}-{role}"


def rcvbuf_errors(site: Site) -> int:
    """Udp RcvbufErrors: of the namespace, where netbench asks the socket itself."""
    names, values = (line.split()[1:] for line in inside(site, "cat", "/proc/net/snmp").splitlines() if line.startswith("Udp:"))
    return int(dict(zip(names, values, strict=True))["RcvbufErrors"])


def link(namespace: Site | str, interface: str, direction: str, key: str) -> int:
    """A statistic of an interface, from `ip`."""
    (shown,) = json.loads(inside(namespace, "ip", "-j", "-s", "link", "show", "dev", interface))
    return int(shown["stats64"][direction][key])


def qdisc_drops(namespace: Site | str, interface: str) -> int:
    """Drops of the root qdisc."""
    shown = json.loads(inside(namespace, "tc", "-j", "-s", "qdisc", "show", "dev", interface))
    return int(next(item for item in shown if item.get("root"))["drops"])


def told(layer: str, count: Callable[[BuiltEnvironment, Trial], int], built: BuiltEnvironment, trial: Callable[[], Trial]) -> Any:
    """Injected is what `count` says after the trial; it stands at 0 before, in an environment that was just built."""
    measured = trial()
    return {layer: count(built, measured)}, measured


def nft_drops(built: BuiltEnvironment, _: Trial) -> int:
    """The injected rule's own counter."""
    return sum(injection.dropped(built))


def nowhere(_: BuiltEnvironment, __: Trial) -> int:
    """Nothing is dropped."""
    return 0


def reverse_path(built: BuiltEnvironment, trial: Callable[[], Trial]) -> tuple[Injected, Trial]:
    """The probe's host has no route back to the sender, and a strict filter: everything that was sent is dropped."""
    inside(built.receivers[0], "sh", "-c", "echo 1 > /proc/sys/net/ipv4/conf/eth0/rp_filter")
    inside(built.receivers[0], "ip", "route", "delete", "198.18.77.0/24", "dev", "eth0")
    measured = trial()
    assert measured.sent is not None
    return {"ip": measured.sent.packets}, measured


def skipped(_: BuiltEnvironment, trial: Trial) -> int:
    """Every 50th of 1000 sequences."""
    assert trial.sent is not None
    return trial.sent.sequences // 50


def socket_buffer(built: BuiltEnvironment, _: Trial) -> int:
    """The namespace's count."""
    return rcvbuf_errors(built.receivers[0])


def macvlan_queue(built: BuiltEnvironment, _: Trial) -> int:
    """rx_dropped of the parent."""
    assert built.tap is not None and built.parent_interface is not None
    return link(built.tap, built.parent_interface, "rx", "dropped")


def ring(built: BuiltEnvironment, trial: Trial) -> int:
    """What came in by the interface, less what the receiver read: no other counter of the kernel tells a ring's loss."""
    assert trial.received is not None
    site = built.receivers[0]
    return link(site, site.interface, "rx", "packets") - trial.received.packets


def rule_and_buffer(built: BuiltEnvironment, trial: Callable[[], Trial]) -> tuple[Injected, Trial]:
    """Two at once."""
    measured = trial()
    return {"netfilter": nft_drops(built, measured), "udp_socket": socket_buffer(built, measured)}, measured


def skip_line_and_rule(built: BuiltEnvironment, trial: Callable[[], Trial]) -> tuple[Injected, Trial]:
    """Three at once, one on each side of the tap and one at the sender; the wire's own cannot be seen by anybody."""
    receiver = built.receivers[0]
    rule = "udp dport 1024-65535 numgen inc mod 10 == 9 counter drop"
    steps = f"add table ip t; add chain ip t i {{ type filter hook input priority 0; }}; add rule ip t i {rule}"
    inside(receiver, "nft", steps)
    measured = trial()
    listed = json.loads(inside(receiver, "nft", "-j", "list", "table", "ip", "t"))["nftables"]
    rules = [item["rule"] for item in listed if "rule" in item]
    counted = sum(part["counter"]["packets"] for rule in rules for part in rule["expr"] if "counter" in part)
    line = nft_drops(built, measured)
    return {"sender_skip": skipped(built, measured), "unattributed before_tap": line, "netfilter": counted}, measured


def sender_queue(inner: str, built: BuiltEnvironment, trial: Callable[[], Trial]) -> tuple[Injected, Trial]:
    """A slow qdisc at the sender: tbf tells the sender (ENOBUFS), one that drops the oldest packet does not."""
    sender = built.sender
    tbf = ("tbf", "rate", "8mbit", "burst", "3000", "limit", "30000")
    inside(sender, "tc", "qdisc", "add", "dev", sender.interface, "root", "handle", "1:", *tbf)
    if inner:
        inside(sender, "tc", "qdisc", "add", "dev", sender.interface, "parent", "1:1", "handle", "2:", inner, "limit", "20")
    measured = trial()
    return {"sender_qdisc" if inner else "unsent": qdisc_drops(sender, sender.interface)}, measured


def wire_queue(built: BuiltEnvironment, trial: Callable[[], Trial]) -> tuple[Injected, Trial]:
    """The same on the wire, in a place where no agent is: nobody can see it."""
    line = beside(built.sender, "line")
    tbf = ("tbf", "rate", "8mbit", "burst", "3000", "limit", "30000")
    inside(line, "tc", "qdisc", "add", "dev", "far0", "root", "handle", "1:", *tbf)
    measured = trial()
    return {"unattributed before_tap": qdisc_drops(line, "far0")}, measured


def busy_backlog(namespace: Site | str, interface: str) -> None:
    """Let the second CPU take an interface's packets (RPS, a setting of the namespace), and make each packet cost it a long walk.

    The queue between the CPUs (net.core.netdev_max_backlog, 1000) is the whole machine's and stays as it is.
    """
    inside(namespace, "sh", "-c", f"echo 2 > /sys/class/net/{interface}/queues/rx-0/rps_cpus")
    rules = "".join(f"add rule netdev slow walk udp dport {port}\n" for port in range(1, 4001))
    hook = f'{{ type filter hook ingress device "{interface}" priority 0; }}'
    script = f"add table netdev slow\nadd chain netdev slow walk {hook}\n{rules}"
    enter = ("ip", "netns", "exec", namespace) if isinstance(namespace, str) else namespace.enter
    subprocess.run([*enter, "nft", "-f", "-"], input=script, text=True, check=True, timeout=20)


@contextmanager
def occupied_cpu(number: int) -> Iterator[None]:
    """A program that takes all of a CPU's time that the kernel leaves, for at most 20 s."""
    spin = "import time; end = time.monotonic() + 20\nwhile time.monotonic() < end: pass"
    with subprocess.Popen(["taskset", "--cpu-list", str(number), sys.executable, "-c", spin]) as program:
        try:
            yield
        finally:
            program.kill()


def backlog_behind_macvlan(built: BuiltEnvironment, trial: Callable[[], Trial]) -> tuple[Injected, Trial]:
    """macvlan hands groups to the probe's backlog, and counts what that refuses among the interface's errors."""
    probe = built.receivers[0]
    busy_backlog(probe, probe.interface)
    with occupied_cpu(1):  # so that macvlan's worker runs on the other one, and has to hand the packets over
        measured = trial()
    return {"backlog": link(probe, probe.interface, "rx", "errors")}, measured


def backlog_inside(built: BuiltEnvironment, trial: Callable[[], Trial]) -> tuple[Injected, Trial]:
    """The probe's backlog refuses what the bridge's port hands it."""
    assert built.tap is not None
    probe = built.receivers[0]
    # The counter counts every frame: the host's own IGMP, IPv6 and ARP must not be among them.
    inside(built.tap, "nft", "add table ip quiet; add chain ip quiet out { type filter hook output priority 0; }")
    inside(built.tap, "nft", "add rule ip quiet out ip protocol igmp drop")
    inside(built.tap, "sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6")
    mac = inside(probe, "cat", f"/sys/class/net/{probe.interface}/address").strip()
    inside(built.tap, "ip", "neighbour", "replace", probe.address, "lladdr", mac, "nud", "permanent", "dev", "br0")
    busy_backlog(probe, probe.interface)
    measured = trial()
    return {"link_transmit": link(built.tap, "port0", "tx", "dropped")}, measured


FLOOD = """
import socket, sys, threading, time
threading.Thread(target=lambda: (sys.stdin.read(), __import__("os")._exit(0)), daemon=True).start()
# Sixteen sockets: what waits in a backlog is charged to its socket, and one alone may not have 1000 packets waiting.
sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) for _ in range(16)]
for turn in range(50):
    for number in range(4000):
        try:
            sockets[number % 16].sendto(b"x", ("198.18.99.2", 7))
        except BlockingIOError:
            pass
    time.sleep(0.2)
"""


def strangers_backlog(built: BuiltEnvironment, trial: Callable[[], Trial]) -> tuple[Injected, Trial]:
    """The wire loses where nobody sees it, while a backlog of the same machine refuses a stranger's packets."""
    with Network("stranger") as network:
        near, far = network.namespace("near"), network.namespace("far")
        network.ip(near, "link", "add", "near0", "type", "veth", "peer", "name", "far0", "netns", far)
        network.address(near, "near0", "198.18.99.1/24")
        network.address(far, "far0", "198.18.99.2/24")
        network.neighbour(near, "near0", "198.18.99.2", json.loads(inside(far, "ip", "-j", "link", "show", "far0"))[0]["address"])
        busy_backlog(far, "far0")
        command = ("ip", "netns", "exec", near, "taskset", "--cpu-list", "0", sys.executable, "-c", FLOOD)
        with subprocess.Popen(command, stdin=subprocess.PIPE) as flood:
            try:
                measured = trial()
            finally:
                assert flood.stdin is not None
                flood.stdin.close()
        assert link(near, "near0", "tx", "dropped") > 0
    return {"unattributed before_tap": nft_drops(built, measured)}, measured


SCENARIOS = {
    "nothing": Scenario("bridge", "unicast:streams=4,pps=2000", partial(told, "udp_socket", nowhere), attempts=1),
    "sender skip": Scenario("host", "iptv:pps=2000", partial(told, "sender_skip", skipped), faults={"skip_every": 50}),
    "sender qdisc, told": Scenario("host", "iptv:pps=2000", partial(sender_queue, "")),
    "sender qdisc, silent": Scenario("host", "iptv:pps=2000", partial(sender_queue, "pfifo_head_drop")),
    "queue on the wire": Scenario(LINE, "iptv:pps=2000", wire_queue),
    "before the tap": Scenario(
        "macvlan:inject_drop_every=20,inject_at=sender", "iptv:pps=2000", partial(told, "unattributed before_tap", nft_drops)
    ),
    "macvlan queue": Scenario(
        "macvlan:bcqueuelen=5", "iptv:pps=6400,burst_packets=64", partial(told, "macvlan_broadcast_queue", macvlan_queue)
    ),
    "backlog": Scenario(
        "macvlan:bcqueuelen=100000",
        "iptv:pps=40000,length=100,burst_packets=64",
        backlog_behind_macvlan,
        duration_s=0.3,
        pin_sender=True,
    ),
    "backlog inside": Scenario(
        "bridge", "unicast:pps=60000,length=100,burst_packets=64", backlog_inside, duration_s=0.1, pin_sender=True
    ),
    "somebody else's backlog": Scenario(
        "host:inject_drop_every=20,inject_at=sender",
        "iptv:pps=2000",
        strangers_backlog,
        duration_s=1.0,
        pin_sender=True,
    ),
    "nft rule": Scenario("macvlan:inject_drop_every=20", "iptv:pps=2000", partial(told, "netfilter", nft_drops)),
    "nft rule, bridge": Scenario("bridge:inject_drop_every=20", "unicast:pps=2000", partial(told, "netfilter", nft_drops)),
    "reverse path": Scenario("host", "iptv:pps=1000", reverse_path),
    "UDP socket": Scenario(
        "host",
        "iptv:pps=6400,burst_packets=64",
        partial(told, "udp_socket", socket_buffer),
        receive={"receive_buffer_bytes": SMALL_BUFFER},
    ),
    "stopped reader": Scenario(
        "macvlan",
        "iptv:pps=2000",
        partial(told, "udp_socket", socket_buffer),
        receive={"receive_buffer_bytes": SMALL_BUFFER},
        pause_receiver=True,
    ),
    "capture ring": Scenario(
        "host",
        "iptv:pps=20000",
        partial(told, "capture_ring", ring),
        backend="ring",
        receive={"ring_blocks": 2},
        pause_receiver=True,
    ),
    "rule and buffer": Scenario(
        "host:inject_drop_every=10",
        "iptv:pps=2000",
        rule_and_buffer,
        receive={"receive_buffer_bytes": SMALL_BUFFER},
        pause_receiver=True,
    ),
    "skip, wire and rule": Scenario(
        "host:inject_drop_every=25,inject_at=sender", "iptv:pps=2000", skip_line_and_rule, faults={"skip_every": 50}
    ),
}


class PausingClient(AgentClient):
    """An agent client that can stop its agent's process and let it go on."""

    receivers: list[PausingClient] = []  # noqa: RUF012 - of this process, filled and emptied with each trial

    def __init__(self, name: str, *arguments: Any) -> None:
        super().__init__(name, *arguments)
        if name.startswith("the receiver"):
            self.receivers.append(self)

    def start(self) -> None:
        """The sender starts: the receivers stop."""
        for receiver in self.receivers:
            os.kill(receiver._process.pid, signal.SIGSTOP)
        super().start()

    def result(self, timeout_s: float | None) -> dict[str, Any]:
        """The sender has ended: the receivers go on."""
        found = super().result(timeout_s)
        while self.receivers:
            os.kill(self.receivers.pop()._process.pid, signal.SIGCONT)
        return found


@contextmanager
def as_asked(scenario: Scenario) -> Iterator[None]:
    """The product's own trial, with a receiver that has less room, or is stopped meanwhile."""

    def jobs(*arguments: Any, **named: Any) -> TrialJobs:
        made = trial_jobs(*arguments, **named)
        return replace(made, receive=tuple((site, replace(job, **scenario.receive)) for site, job in made.receive))

    client = PausingClient if scenario.pause_receiver else AgentClient
    with mock.patch.object(trial_runner, "trial_jobs", jobs), mock.patch.object(trial_runner, "AgentClient", client):
        yield


def play(name: str) -> dict[str, Any]:
    """Provoke one loss and measure it."""
    scenario = SCENARIOS[name]
    for _ in range(scenario.attempts):
        injected, measured = play_once(scenario)
        if all(injected.values()):
            break
    return {"scenario": name, "injected": injected, "trial": measured.model_dump(mode="json")}


def play_once(scenario: Scenario) -> tuple[Injected, Trial]:
    """In an environment of its own."""
    plan = default_plan(lambda text: registry.parse([text])[0]).model_copy(
        update={
            "duration_s": scenario.duration_s,
            "backend": scenario.backend,
            "method": scenario.method,
            "settle_s": 0.15,
            "omit_s": 0.0,
        }
    )
    wanted = registry.parse([scenario.environment])[0]
    with registry.environment(wanted.name).setup(dict(wanted.options)) as built, as_asked(scenario):
        if scenario.pin_sender:
            built = replace(built, sender=replace(built.sender, enter=(*built.sender.enter, "taskset", "--cpu-list", "0")))

        def trial() -> Trial:
            profile = parse_profile(scenario.profile)
            return trial_runner.run_trial(
                plan, profile, wanted.label, built, sample=1, started_at="now", faults=Faults(**scenario.faults)
            )

        return scenario.watch(built, trial)


def main(names: list[str]) -> None:
    """All scenarios, or those that are named."""
    for name in names or SCENARIOS:
        try:
            print(json.dumps(play(name)), flush=True)
        except subprocess.CalledProcessError as error:  # this kernel lacks what it takes: the test tells it
            print(json.dumps({"scenario": name, "refused": f"{error.cmd}: {error.stderr}"}), flush=True)


if __name__ == "__main__":
    main(sys.argv[2:])
