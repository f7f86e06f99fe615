"""Scenarios that a test runs in a child process, because entering the lab cannot be undone: `python lab_scenarios.py NAME ENV…`.

Each prints one line of JSON. It imports neither pytest nor pydantic, so that an ordinary user's bare Python can run it as well.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from netbench.environments import lab
from netbench.environments.base import BuiltEnvironment, Environment, Site
from netbench.environments.injection import dropped
from netbench.environments.netns import Network
from netbench.environments.options import parse_value
from netbench.environments.ownership import owner
from netbench.errors import NetbenchError

# Told on the command line, so that it runs where this file is not: in containers and guests.
WORKER = Path(__file__).with_name("site_worker.py").read_text(encoding="utf-8")
GROUP, PORT, COUNT = "239.255.77.1", 5004, 100
BUILT_IN = {"host": "HostEnvironment", "macvlan": "MacvlanEnvironment", "bridge": "BridgeEnvironment"}


def environment(name: str) -> Environment:
    """By entry point; where the package is not installed (an ordinary user's bare Python), by its file."""
    points = [point for point in entry_points(group="netbench.environments") if point.name == name]
    made: Environment = points[0].load()() if points else getattr(import_module(f"netbench.environments.{name}"), BUILT_IN[name])()
    return made


class Unavailable(Exception):
    """This environment cannot be built by this user: told to the test, which skips with the reason."""


def wanted(text: str) -> tuple[Environment, dict[str, Any]]:
    name, _, rest = text.partition(":")
    made = environment(name)
    known = {option.name: option for option in made.options}
    given = [item.split("=") for item in rest.split(",") if item]
    options = {key: parse_value(known[key], value) if key in known else value for key, value in given}
    lacking = made.available()
    if lacking is not None:
        raise Unavailable(f"{lacking.reason} {lacking.remedy or ''}".rstrip())
    return made, options


def namespaces() -> list[str]:
    return sorted(path.name for path in Path("/run/netns").iterdir())


def left() -> list[str]:
    """What is still there that this process made: names of namespaces, guests, and what the daemon holds."""
    return [*namespaces(), *guests(), *(at_daemon() if "DOCKER_HOST" in os.environ else ())]


def at_daemon() -> list[str]:
    mine = ("--filter", f"label=netbench.owner={owner()}", "--format")
    questions = (
        ("ps", "--all", *mine, "{{.Names}}"),
        ("network", "ls", *mine, "{{.Name}}"),
        ("image", "ls", *mine, "{{.Repository}}"),
    )
    answers = [subprocess.run(["docker", *words], capture_output=True, text=True, check=True, timeout=30) for words in questions]
    return [line for answer in answers for line in answer.stdout.splitlines()]


def guests() -> list[str]:
    """Virtual machines of this process, and their directories."""
    mine = "nb-vm-" + owner().replace(":", "-")
    running = (words.split(b"\0") for words in map(command_line, Path("/proc").glob("[0-9]*")) if b"qemu-system" in words)
    machines = [word.decode() for words in running for word in words if word.startswith(mine.encode())]
    return [*machines, *(path.name for path in Path("/tmp").glob(f"{mine}-*"))]


def command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""  # it has ended meanwhile


def start(site: Site, *arguments: object) -> subprocess.Popen[str]:
    command = [*site.enter, *site.python, "-c", WORKER, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    told: dict[str, Any] = json.loads(process.stdout.readline())
    return told


def transfer(built: BuiltEnvironment, delivery: str, receivers: tuple[Site, ...]) -> dict[str, Any]:
    """Send 100 packets from the wire to every receiver, watched by the tap."""
    group, destination = (GROUP, GROUP) if delivery == "multicast" else ("-", built.unicast_destination)
    first, last = built.unicast_ports
    port = PORT if delivery == "multicast" or first <= PORT <= last else first
    listeners = {s.name: start(s, "receive", s.interface, s.address, group, port, COUNT) for s in receivers}
    if built.tap:
        listeners["tap"] = start(built.tap, "watch", built.tap.interface, port, COUNT)
    ready = {name: line(process) for name, process in listeners.items()}
    sender = start(built.sender, "send", built.sender.address, destination, port, COUNT, built.router_hops + 1)
    result = {
        "interfaces": {name: told["interfaces"] for name, told in ready.items()},
        "sender": line(sender),
        "numbers": {name: line(process)["numbers"] for name, process in listeners.items()},
    }
    for process in (sender, *listeners.values()):
        process.communicate()
    return result


def reach(text: str) -> dict[str, Any]:
    """Every way that the environment claims to have, tried; then the body fails, while a process runs at a site."""
    made, options = wanted(text)
    lab.enter()
    with suppress(ZeroDivisionError), made.setup(options) as built:
        transfers = {}
        if built.multicast_unsupported is None:
            transfers["multicast"] = transfer(built, "multicast", built.receivers)
        if built.unicast_destination is not None:
            transfers["unicast"] = transfer(built, "unicast", built.receivers[:1])
        result = {
            "transfers": transfers,
            "sites": {s.name: [s.interface, s.address, s.place] for s in built.receivers},
            "places": sorted({s.place for s in (built.sender, *built.receivers) if s.clock == "host"}),  # a guest's is no namespace
            "standing": namespaces(),
            "dropped": dropped(built),
            "injected": built.injected,
            "built_by": built.built_by,
            "multicast_unsupported": built.multicast_unsupported,
            "privilege": lab.privilege(),
        }
        probe = built.receivers[0]
        worker = start(probe, "receive", probe.interface, probe.address, "-", PORT, COUNT)
        line(worker)
        raise ZeroDivisionError
    return {**result, "left": left(), "worker": worker.wait()}


def setup_fails(text: str) -> dict[str, Any]:
    """The kernel refuses the second namespace: this user namespace may have two, and this process is in the first."""
    made, options = wanted(text)
    lab.enter()
    assert lab.privilege() == "user_namespace"
    Path("/proc/sys/user/max_net_namespaces").write_text("2", encoding="ascii")
    try:
        with made.setup(options):
            return {"error": None}
    except NetbenchError as error:
        return {"error": error.message, "exit_code": error.exit_code, "left": left()}


def two_at_once(text: str) -> dict[str, Any]:
    """Two of the same kind stand side by side, and what is sent in one stays there."""
    made, options = wanted(text)
    lab.enter()
    with made.setup(options) as first, made.setup(options) as second, ExitStack() as stack:
        other = second.receivers[0]
        bystander = stack.enter_context(start(other, "receive", other.interface, other.address, "-", PORT, 0))
        line(bystander)
        there = transfer(first, "unicast", first.receivers[:1])["numbers"]["probe"]
        assert bystander.stdin is not None
        bystander.stdin.close()
        result = {"shared": sorted(set(sites(first)) & set(sites(second))), "there": there, "bystander": line(bystander)["numbers"]}
    return {**result, "left": left()}


def sites(built: BuiltEnvironment) -> list[str]:
    return [site.place for site in (built.sender, *built.receivers)]


def step_fails(_: str) -> dict[str, Any]:
    """A command of a network under construction fails."""
    lab.enter()
    try:
        with Network("try") as network:
            network.ip(network.namespace("first"), "link", "add", "x", "type", "nonsense")
    except NetbenchError as error:
        return {"message": error.message, "remedy": error.remedy, "left": left()}
    return {}


def refused_options(text: str) -> dict[str, Any]:
    """Options that do not fit are refused before anything is built."""
    made, options = wanted(text)
    lab.enter()
    try:
        with made.setup(options):
            return {"message": None}
    except NetbenchError as error:
        return {"kind": type(error).__name__, "message": error.message, "left": left()}


def hold(text: str) -> dict[str, Any]:
    """Stand until killed, with a process at the probe's site that ends, as an agent does, when its standard input closes."""
    made, options = wanted(text)
    lab.enter()
    with made.setup(options) as built:
        waits = "import sys; print('ready', flush=True); sys.stdin.read()"
        command = [*built.receivers[0].enter, *built.receivers[0].python, "-c", waits]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as agent:
            assert agent.stdout is not None
            agent.stdout.readline()
            places = {path.name: path.stat().st_ino for path in Path("/run/netns").iterdir()}
            mount_namespaces = [os.stat(f"/proc/{process}/ns/mnt").st_ino for process in (os.getpid(), agent.pid)]
            print(json.dumps({"agent": agent.pid, "networks": places, "mounts": mount_namespaces}), flush=True)
            time.sleep(60)
    return {}


def write_file(path: str) -> dict[str, Any]:
    """A file written from within the lab."""
    lab.enter()
    Path(path).write_text("written inside", encoding="ascii")
    return {"privilege": lab.privilege(), "inside": lab.inside(), "seen_as": Path(path).stat().st_uid}


if __name__ == "__main__":
    try:
        told = globals()[sys.argv[1]](sys.argv[2])
    except Unavailable as reason:
        told = {"unavailable": str(reason)}
    print(json.dumps(told), flush=True)
