"""Keeps netbench's place on another machine while a run lasts, and clears it away. Runs there, from its text alone.

Theory of operation. `ssh` starts this program with the master connection (see ssh.py), by a Python that need not know netbench: its
text comes on standard input, then one line of JSON (what is asked), and it answers with lines that begin with MARK. It tells what
this machine is, takes the pieces of an agent into a private temporary directory, and from then on only listens. Standard input is
the lease: its end (the runner ended, in whatever way), or a silence longer than the lease (the connection dropped without a word),
or a signal, end every agent of this run and remove the directory. A directory whose keeper was killed is removed by the next one.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import io
import ipaddress
import json
import os
import platform
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

MARK = "netbench-keeper "
TOKEN = "NETBENCH_RUN"  # the environment variable by which the agents of a run are known
_PREFIX = "nb-agent-"
_DIRECTORY = re.compile(rf"{_PREFIX}(?P<process>\d+)-(?P<started>\d+)-")
_IMPORT_SECONDS = 30

# linux/sockios.h, linux/if.h: the kernel's interface, it does not change.
_SIOCGIFFLAGS, _SIOCGIFADDR, _SIOCGIFNETMASK = 0x8913, 0x8915, 0x891B
_IFF_UP, _IFF_LOOPBACK, _IFF_MULTICAST = 0x1, 0x8, 0x1000


def main() -> None:
    """Answer, then keep the place until the lease ends."""
    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, _end)
    asked: dict[str, Any] = json.loads(sys.stdin.buffer.readline())
    directory = None
    try:
        signal.alarm(asked["lease_s"])
        _sweep()
        _tell(survey(asked["pieces"], asked["fingerprint"]))
        wanted: dict[str, Any] = json.loads(sys.stdin.buffer.readline() or b"{}")
        if wanted.get("parcel_bytes"):
            process = os.getpid()
            directory = tempfile.mkdtemp(prefix=f"{_PREFIX}{process}-{started(process)}-")
            _unpack(sys.stdin.buffer.read(wanted["parcel_bytes"]), directory)
        if wanted:
            _tell({"directory": directory, "refusal": _refusal(directory)})
        _listen(asked["lease_s"])
    finally:
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        _end_agents(asked["token"])
        if directory is not None:
            shutil.rmtree(directory, ignore_errors=True)


def _listen(lease_s: int) -> None:
    """Return at the end of the input. What was read ahead with the parcel was words that extend the lease, too."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)  # a signal just before select() makes it return; before read() it would go unseen until more is read
    while True:
        ready, _, _ = select.select([sys.stdin, woken], [], [])
        if sys.stdin in ready:
            if not os.read(sys.stdin.fileno(), 65536):
                return
            signal.alarm(lease_s)


def survey(pieces: list[str], fingerprint: str) -> dict[str, Any]:
    """What this machine is, as far as an agent and its packets are concerned."""
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        libc = None
    return {
        "python": platform.python_version(),
        "executable": sys.executable,
        "machine": platform.machine(),
        "bits": 8 * struct.calcsize("P"),
        "libc": libc,
        "packet_sockets": _may_open_packet_sockets(),
        "network": f"{_read('/proc/sys/kernel/random/boot_id')} {os.readlink('/proc/self/ns/net')}",
        "ssh_connection": os.environ.get("SSH_CONNECTION", "").split(),
        "interfaces": ipv4_interfaces(),
        "installed": _same_netbench(pieces, fingerprint),
    }


def ipv4_interfaces() -> list[dict[str, Any]]:
    """The interfaces of this network stack: name, first IPv4 address, prefix length, up, loopback, multicast."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", os.fsencode(name))
            flags = struct.unpack_from("H", fcntl.ioctl(asking, _SIOCGIFFLAGS, request), 16)[0]
            address, prefix = None, None
            with suppress(OSError):  # it has no address
                address = socket.inet_ntoa(fcntl.ioctl(asking, _SIOCGIFADDR, request)[20:24])
                mask = fcntl.ioctl(asking, _SIOCGIFNETMASK, request)[20:24]
                prefix = int.from_bytes(mask, "big").bit_count()
            found.append(
                {
                    "name": name,
                    "address": address,
                    "prefix": prefix,
                    "up": bool(flags & _IFF_UP),
                    "loopback": bool(flags & _IFF_LOOPBACK),
                    "multicast": bool(flags & _IFF_MULTICAST),
                }
            )
    return found


def address_towards(destination: str) -> str | None:
    """The address that packets to a destination leave this network stack with; None without a route. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect((destination, 9))
        except OSError:
            return None
        return str(asking.getsockname()[0])


def on_link(interface: dict[str, Any], destination: str) -> bool:
    """Whether an address is of the interface's own network, so that no router is needed."""
    if interface["address"] is None or interface["prefix"] is None:
        return False
    network = ipaddress.ip_network(f"{interface['address']}/{interface['prefix']}", strict=False)
    return ipaddress.ip_address(destination) in network


def digest(root: Path, pieces: list[str]) -> str | None:
    """Of these files below a directory; None when one is missing."""
    total = hashlib.sha256()
    for piece in pieces:
        try:
            content = (root / piece).read_bytes()
        except OSError:
            return None
        total.update(f"{piece}\0{len(content)}\0".encode())
        total.update(content)
    return total.hexdigest()


def started(process: int) -> str:
    """When a process started, in ticks since boot; empty when it is gone."""
    status = _read(f"/proc/{process}/stat")
    return status.rpartition(")")[2].split()[19] if status else ""


def _same_netbench(pieces: list[str], fingerprint: str) -> bool:
    """Whether the very same netbench is installed here, with a core that loads."""
    spec = importlib.util.find_spec("netbench")
    if spec is None or spec.origin is None:
        return False
    return digest(Path(spec.origin).parent.parent, pieces) == fingerprint and _refusal(None) is None


def _refusal(directory: str | None) -> str | None:
    """Why the C core cannot be loaded here, in the words of the loader; None when it can."""
    environment = {**os.environ, "PYTHONPATH": directory} if directory else dict(os.environ)
    command = [sys.executable, "-sP", "-c", "import netbench.agent"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_IMPORT_SECONDS, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no reason given"])[-1]


def _unpack(parcel: bytes, directory: str) -> None:
    with tarfile.open(fileobj=io.BytesIO(parcel), mode="r:gz") as archive:
        for member in archive.getmembers():
            if not member.isreg() or member.name.startswith("/") or ".." in member.name.split("/"):
                raise ValueError(f"{member.name!r} does not belong into a parcel")
        if hasattr(tarfile, "data_filter"):  # since 3.11.4
            archive.extractall(directory, filter="data")
        else:
            archive.extractall(directory)


def _may_open_packet_sockets() -> bool:
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0).close()
    except OSError:
        return False
    return True


def _sweep() -> None:
    """Remove the directories of this user's keepers that are dead."""
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        match = _DIRECTORY.match(directory.name)
        with suppress(OSError):
            if match and directory.stat().st_uid == os.geteuid() and started(int(match["process"])) != match["started"]:
                shutil.rmtree(directory, ignore_errors=True)


def _end_agents(token: str) -> None:
    """Kill this run's agents that did not notice that their input ended."""
    wanted = f"{TOKEN}={token}".encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if int(process.name) != os.getpid() and wanted in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _tell(what: dict[str, Any]) -> None:
    sys.stdout.write(MARK + json.dumps(what) + "\n")
    sys.stdout.flush()


def _end(number: int, frame: object) -> None:
    sys.exit(1)


if __name__ == "__main__":
    main()
