"""Scenarios with guests that a test runs in a child process, because entering the lab cannot be undone: `python … NAME`.

Each prints one line of JSON.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from netbench.environments import lab, registry
from netbench.environments.base import Site
from netbench.environments.guests import image as guest_image
from netbench.environments.guests.channel import PORTS
from netbench.environments.guests.image import GuestImage
from netbench.environments.guests.virtual_machine import Machine, VirtualMachine
from netbench.environments.netns import Network
from netbench.errors import NetbenchError

MEGABYTES = b"netbench" * (3 << 17)


def boot(name: str, image: GuestImage | None = None, **changes: Any) -> dict[str, Any]:
    """Try to boot a guest with something wrong; what was said, and what is left."""
    with Network("vm-try") as network:
        machine = Machine(name, network.namespace("host"), network.name_of("probe"), devices=(), modules=())
        guest = VirtualMachine(replace(machine, **changes), image)
        started = time.monotonic()
        try:
            with guest:
                told = {"message": None}
        except NetbenchError as error:
            told = {"message": error.message, "remedy": error.remedy, "exit_code": error.exit_code, "kind": type(error).__name__}
    directory = Path(guest.enter[-1])
    return {**told, "seconds": time.monotonic() - started, "left": [str(directory)] if directory.exists() else []}


def broken() -> dict[str, Any]:
    """Guests that do not come up, each for another reason."""
    lab.enter()
    good = guest_image.prepare()
    with tempfile.TemporaryDirectory() as directory:
        empty = Path(directory) / "empty"
        empty.write_bytes(b"")
        return {
            "no such interpreter": boot("vm-try", kernel_arguments=("nb.python=/nonexistent/python",)),
            "empty initramfs": boot("vm-try", replace(good, initramfs=empty)),
            "no kernel": boot("vm-try", replace(good, kernel=empty)),
            "no such card": boot("vm-try", devices=("-device", "nb-no-such-card")),
            "no such tap": boot("vm-try", devices=("-netdev", "tap,id=net0,ifname=/,script=no,downscript=no")),
            "no time": boot("vm-try", boot_s=0.5),
        }


def commands() -> dict[str, Any]:
    """What a door does with commands, their streams and their ends."""
    lab.enter()
    with Network("vm-try") as network:
        machine = Machine("vm-try", network.namespace("host"), network.name_of("probe"), devices=(), modules=())
        with VirtualMachine(machine) as guest:
            probe = guest.site("probe", "lo", "127.0.0.1")
            return {
                "echo": run(probe, "cat", given=MEGABYTES)["output"] == MEGABYTES,
                "digest": run(probe, "sha256sum", given=MEGABYTES)["output"].decode().split()[0],
                "expected_digest": hashlib.sha256(MEGABYTES).hexdigest(),
                "both": told(run(probe, "sh", "-c", "echo here; echo there >&2; exit 7")),
                "signal": told(run(probe, "sh", "-c", "kill -TERM $$")),
                "missing": told(run(probe, "nb-no-such-program")),
                "python": told(run(probe, *probe.python, "-c", "import netbench, os; print(os.uname().nodename)")),
                "ignores_input": told(run(probe, "echo", "done", given=MEGABYTES)),
                "at_once": at_once(probe),
                "in_quick_succession": in_quick_succession(probe),
                "after_killed_doors": after_killed_doors(probe),
                "read_only": told(run(probe, "touch", "/usr/nb-touched")),
            }


def run(site: Site, *command: str, given: bytes = b"") -> dict[str, Any]:
    done = subprocess.run([*site.enter, *command], input=given, capture_output=True, timeout=60, check=False)
    return {"exit_code": done.returncode, "output": done.stdout, "errors": done.stderr}


def told(result: dict[str, Any]) -> list[Any]:
    return [result["exit_code"], result["output"].decode(), result["errors"].decode()]


def at_once(site: Site) -> list[str]:
    """More commands than there are ports: those without one wait."""
    with ExitStack() as stack:
        script = "sleep 1; echo {}"
        running = [
            stack.enter_context(
                subprocess.Popen([*site.enter, "sh", "-c", script.format(number)], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
            )
            for number in range(PORTS + 2)
        ]
        return [process.communicate(timeout=60)[0].decode().strip() for process in running]


def in_quick_succession(site: Site) -> list[str]:
    """Doors that follow each other at a port at once: none is taken for the one before, whose end is told later than its words."""
    with ThreadPoolExecutor(3) as doors:
        return sorted(set(doors.map(lambda _: str(told(run(site, "echo", "heard"))), range(120))))


def after_killed_doors(site: Site) -> dict[str, Any]:
    """Doors are killed while their commands print without end: these end, and the same ports serve others, cleanly."""
    endless = ("sh", "-c", "while :; do echo nb-endless-output; done")
    for _ in range(2):
        with ExitStack() as stack:
            doors = [
                stack.enter_context(subprocess.Popen([*site.enter, *endless], stdout=subprocess.PIPE, stdin=subprocess.PIPE))
                for _ in range(PORTS - 1)
            ]
            for door in doors:
                assert door.stdout is not None
                door.stdout.read(1000)
                door.kill()
    answers = {told(run(site, "echo", "clean"))[1] for _ in range(PORTS)}
    count = "grep -lsa 'nb-endless-[o]utput' /proc/[0-9]*/cmdline | wc -l"
    deadline = time.monotonic() + 20
    while (running := int(run(site, "sh", "-c", count)["output"])) and time.monotonic() < deadline:
        time.sleep(0.2)
    return {"answers": sorted(answers), "running": running}


def guest_dies() -> dict[str, Any]:
    """The guest goes off while a command runs in it."""
    lab.enter()
    with Network("vm-try") as network:
        machine = Machine("vm-try", network.namespace("host"), network.name_of("probe"), devices=(), modules=())
        with VirtualMachine(machine) as guest:
            probe = guest.site("probe", "lo", "127.0.0.1")
            with subprocess.Popen([*probe.enter, "sleep", "100"], stdin=subprocess.PIPE, stderr=subprocess.PIPE) as sleeping:
                run(probe, "sh", "-c", "echo o > /proc/sysrq-trigger")
                _, said = sleeping.communicate(timeout=60)
            return {"exit_code": sleeping.returncode, "said": said.decode(), "later": told(run(probe, "true"))}


def on_parent() -> dict[str, Any]:
    """A guest on an interface of the user's own, which is left as it was: a site with a feed, all in namespaces."""
    import ctypes

    lab.enter()
    with Network("test-site") as network:
        street, home = network.namespace("street"), network.namespace("home")
        network.ip(street, "link", "add", "up0", "type", "veth", "peer", "name", "nic0", "netns", home)
        network.address(street, "up0", "192.0.2.1/24")
        network.address(home, "nic0", "192.0.2.2/24")
        with open(f"/run/netns/{home}", "rb") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), 0x4000_0000):
                raise OSError(ctypes.get_errno(), "setns")
        from netbench.environments import parent as own

        while "NO-CARRIER" in (before := described()):
            time.sleep(0.1)
        parent = own.find("nic0")
        refused: dict[str, str] = {}
        for name, options in (("vm-virtio", {}), ("vm-macvtap", {"inject_drop_every": 10})):
            try:
                with registry.environment(name).setup(options, parent):
                    refused[name] = "not at all"
            except NetbenchError as error:
                refused[name] = f"{type(error).__name__}: {error.message} {error.remedy}"
        with registry.environment("vm-macvtap").setup({"card": "e1000e", "address": "192.0.2.77/24"}, parent) as built:
            (probe,) = built.receivers
            listen = (
                "import socket, struct; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 5004)); "
                "s.setsockopt(0, 35, struct.pack('=4s4si', socket.inet_aton('239.1.1.1'), bytes(4), "
                f"socket.if_nametoindex({probe.interface!r}))); print('ready', flush=True); s.settimeout(20); "
                "print(len([s.recv(2000) for _ in range(100)]), flush=True)"
            )
            with subprocess.Popen(
                [*probe.enter, *probe.python, "-c", listen], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ) as heard:
                assert heard.stdout is not None
                heard.stdout.readline()
                time.sleep(0.2)
                feed = (
                    "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                    "s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('192.0.2.1'))\n"
                    "for _ in range(100): s.sendto(bytes(100), ('239.1.1.1', 5004)); time.sleep(0.002)"
                )
                subprocess.run(["ip", "netns", "exec", street, sys.executable, "-c", feed], check=True, timeout=30)
                received = int(heard.stdout.readline())
            ping = subprocess.run(["ip", "netns", "exec", street, sys.executable, "-c", PING], timeout=30, check=False).returncode
            standing = {
                "tap": [built.tap.interface, list(built.tap.enter)] if built.tap else None,
                "sender": built.sender,
                "address": probe.address,
                "destination": built.unicast_destination,
                "remarks": built.remarks,
            }
        return {
            "refused": refused,
            "received": received,
            "reached": ping,
            "built": standing,
            "before": before,
            "after": described(),
        }


PING = """
import socket
s = socket.socket()
s.settimeout(10)
try:
    s.connect(('192.0.2.77', 9))
except ConnectionRefusedError:
    raise SystemExit(0)  # somebody is there and says that nobody listens
raise SystemExit(1)
"""


def described() -> str:
    """Links, addresses and routes of this network namespace, without counters."""
    words = [("ip", "-d", "link"), ("ip", "address"), ("ip", "route"), ("ip", "maddress")]
    return "".join(subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in words)


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]]()), flush=True)
