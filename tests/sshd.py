"""A second machine for tests: a network stack of its own, and a real sshd in it, with its own keys, configuration and port.

    with Machine() as here, Machine() as there, cable(here, "10.0.0.1/24", there, "10.0.0.2/24"):
        with Sshd(there, "10.0.0.2", tmp_path) as sshd:
            here.run("ssh", "-F", sshd.config, "-p", sshd.port, "root@10.0.0.2", "true")

Nothing has a name on the system, and everything ends with the process that made it, even when that is killed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

PORT = 2222
# Holds the namespaces until its standard input ends. A /run of its own: sshd wants /run/sshd, and labs must not see the system's.
_HOLD = "mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /run && mkdir /run/sshd && ip link set lo up && echo ready && exec cat"


class Machine:
    """Network and mount namespaces of their own. A context manager.

    Attributes:
        enter: what stands before a command line so that it runs there.
    """

    def __enter__(self) -> Machine:
        self._holder = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c", _HOLD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._holder.stdout is not None and self._holder.stderr is not None
        if self._holder.stdout.readline() != b"ready\n":
            said = self._holder.stderr.read().decode().strip()
            self.__exit__()
            pytest.skip(f"no network namespace can be made here: {said}")
        self.enter = ["nsenter", f"--net=/proc/{self._holder.pid}/ns/net", f"--mount=/proc/{self._holder.pid}/ns/mnt"]
        return self

    def __exit__(self, *exception: object) -> None:
        for stream in (self._holder.stdin, self._holder.stdout, self._holder.stderr):
            assert stream is not None
            stream.close()
        self._holder.kill()
        self._holder.wait()

    @property
    def process(self) -> int:
        """That holds the namespaces."""
        return self._holder.pid

    def run(self, *command: object, timeout_s: float = 60, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command there to its end."""
        return subprocess.run(
            [*self.enter, *map(str, command)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            stdin=subprocess.DEVNULL,
            **options,
        )

    def start(self, *command: object, **options: Any) -> subprocess.Popen[str]:
        """Start a command there."""
        return subprocess.Popen([*self.enter, *map(str, command)], text=True, **options)

    def command_lines(self, word: str) -> list[str]:
        """As processes(), in words."""
        lines = []
        for process in self.processes(word):
            with suppress(OSError):  # it ended meanwhile
                lines.append(Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        return lines

    def processes(self, word: str) -> list[int]:
        """Ids of the processes in this network stack whose command line holds a word."""
        network = os.readlink(f"/proc/{self._holder.pid}/ns/net")
        found = []
        for directory in Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(directory / "ns/net") == network and word.encode() in (directory / "cmdline").read_bytes():
                    found.append(int(directory.name))
            except OSError:  # it ended meanwhile
                continue
        return found


@contextmanager
def cable(near: Machine, near_address: str, far: Machine, far_address: str, name: str = "eth0") -> Iterator[None]:
    """A veth pair between two machines, of one interface name at both ends, with addresses (CIDR) and a route for groups."""
    near.run("ip", "link", "add", name, "type", "veth", "peer", "name", name, "netns", far.process, check=True)
    for machine, address in ((near, near_address), (far, far_address)):
        _bring_up(machine, name, address)
    yield


@contextmanager
def lossy_cable(near: Machine, near_address: str, far: Machine, far_address: str, dropped: str) -> Iterator[Machine]:
    """As cable(), by way of a third machine that drops what an nft match names on the way from near to far, and counts it.

    Yields:
        The machine in the middle; see dropped_packets().
    """
    with Machine() as middle:
        for machine, address, end in ((near, near_address, "near0"), (far, far_address, "far0")):
            machine.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", end, "netns", middle.process, check=True)
            middle.run("ip", "link", "set", end, "up", check=True)
            _bring_up(machine, "eth0", address)
        steps = ["add table netdev line"]
        for end, other, rule in (("near0", "far0", dropped), ("far0", "near0", "")):
            steps.append(f'add chain netdev line {end} {{ type filter hook ingress device "{end}" priority 0; }}')
            steps += [f"add rule netdev line {end} {rule} counter drop"] if rule else []
            steps.append(f'add rule netdev line {end} fwd to "{other}"')
        middle.run("nft", "; ".join(steps), check=True)
        yield middle


@contextmanager
def switched(switch: Machine, machines: dict[str, Machine]) -> Iterator[None]:
    """Machines on the bridge `br0` of another one, each by its eth0 and with its address (CIDR); the switch's own is 10.77.8.9."""
    switch.run("ip", "link", "add", "br0", "type", "bridge", "mcast_snooping", "0", check=True)
    for number, (address, machine) in enumerate(machines.items()):
        port = f"port{number}"
        machine.run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", port, "netns", switch.process, check=True)
        switch.run("ip", "link", "set", port, "master", "br0", "up", check=True)
        _bring_up(machine, "eth0", address)
    _bring_up(switch, "br0", "10.77.8.9/24")
    yield


def drop_at_input(machine: Machine, dropped: str) -> None:
    """Drop what an nft match names behind the interfaces of a machine, and count it; see dropped_packets()."""
    hook = "{ type filter hook input priority 0; }"
    machine.run("nft", f"add table ip t; add chain ip t c {hook}; add rule ip t c {dropped} counter drop", check=True)


def dropped_packets(machine: Machine) -> int:
    """What the rules of a machine have dropped so far."""
    entries = json.loads(machine.run("nft", "-j", "list", "ruleset", check=True).stdout)["nftables"]
    rules = [entry["rule"] for entry in entries if "rule" in entry]
    return sum(int(part["counter"]["packets"]) for rule in rules for part in rule["expr"] if "counter" in part)


def _bring_up(machine: Machine, interface: str, address: str) -> None:
    machine.run("sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{interface}/disable_ipv6", check=True)
    machine.run("ip", "address", "add", address, "dev", interface, check=True)
    machine.run("ip", "link", "set", interface, "up", check=True)
    machine.run("ip", "route", "add", "224.0.0.0/4", "dev", interface, check=True)


class Sshd:
    """A real sshd on a machine, and a client's files that fit it. A context manager.

    Attributes:
        address: that it listens on.
        config: of the client: key and known hosts.
        known_hosts: of the client.
        target: as netbench takes it.
        home: TMPDIR of what it starts.
    """

    def __init__(self, machine: Machine, address: str, directory: Path, *configuration: str) -> None:
        if shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin") is None or shutil.which("ssh") is None:
            pytest.skip("openssh-server and openssh-client are not installed")
        self.machine, self.address, self._directory = machine, address, directory
        self.port = PORT
        self.config, self.known_hosts, self.home = directory / "client_config", directory / "known_hosts", directory / "there"
        self._log = directory / "sshd.log"
        self._configuration = configuration
        # The interpreter of these tests must be found there as python3: a machine's own may be too old.
        self._path = f"{Path(sys.executable).resolve().parent}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    @property
    def target(self) -> str:
        """As typed after --site or --sender."""
        return f"ssh:root@{self.address}:{self.port},ssh_config={self.config}"

    @property
    def log(self) -> str:
        """What sshd said."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def __enter__(self) -> Sshd:
        self.home.mkdir(parents=True, exist_ok=True)
        for name in ("host_key", "user_key", "other_key"):
            make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "netbench test", "-f", str(self._directory / name)]
            subprocess.run(make, check=True, stdin=subprocess.DEVNULL)
        self.authorize("user_key")
        self.trust("host_key")
        self.use_key("user_key")
        server = [
            f"ListenAddress {self.address}:{self.port}",
            f"HostKey {self._directory / 'host_key'}",
            f"AuthorizedKeysFile {self._directory / 'authorized_keys'}",
            f"SetEnv TMPDIR={self.home} PATH={self._path}",
            *("PermitRootLogin prohibit-password", "StrictModes no", "UsePAM no", "UseDNS no", "PrintMotd no", "PidFile none"),
            *self._configuration,
        ]
        (self._directory / "sshd_config").write_text("\n".join([*server, ""]), encoding="utf-8")
        sshd = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        with self._log.open("w") as log:
            self._process = self.machine.start(
                sshd, "-D", "-e", "-f", self._directory / "sshd_config", stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 10
        while "Server listening" not in self.log:
            assert self._process.poll() is None and time.monotonic() < deadline, self.log
            time.sleep(0.02)
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.terminate()
        self._process.wait(10)
        for process in self.machine.processes("sshd: "):
            os.kill(process, 9)

    def authorize(self, key: str) -> None:
        """Accept this key (user_key or other_key) alone."""
        shutil.copy(self._directory / f"{key}.pub", self._directory / "authorized_keys")

    def trust(self, key: str | None) -> None:
        """What the client's known_hosts says: this key, or none."""
        public = (self._directory / f"{key}.pub").read_text(encoding="utf-8") if key else ""
        self.known_hosts.write_text(f"[{self.address}]:{self.port} {public}" if key else "", encoding="utf-8")

    def use_key(self, key: str) -> None:
        """The client offers this key alone."""
        client = [
            "Host *",
            f"  IdentityFile {self._directory / key}",
            "  IdentitiesOnly yes",
            "  IdentityAgent none",
            f"  UserKnownHostsFile {self.known_hosts}",
            "  GlobalKnownHostsFile /dev/null",
        ]
        self.config.write_text("\n".join([*client, ""]), encoding="utf-8")
