"""What test_docker.py does inside a lab: `python docker_scenarios.py NAME ENVIRONMENT`. Prints one line of JSON."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from netbench.environments import lab, registry
from netbench.environments.base import BuiltEnvironment, Site
from netbench.errors import NetbenchError

WORKER = Path(__file__).parents[1].joinpath("contract", "site_worker.py").read_text(encoding="utf-8")
GROUP, PORT, COUNT = "239.255.77.1", 5004, 100


def start(stack: ExitStack, site: Site, *arguments: object) -> subprocess.Popen[str]:
    """A worker at a site, ready."""
    command = [*site.enter, *site.python, "-c", WORKER, *map(str, arguments)]
    process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    stack.callback(process.kill)
    return process


def told(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line: dict[str, Any] = json.loads(process.stdout.readline())
    return line


def carried(source: Site, destination: str, to: Site, group: str, silent: dict[str, Site], arrives: bool = True) -> dict[str, Any]:
    """Send 100 packets: the numbers that the destination got, and those that were seen where nothing should be.

    Where nothing should come, it is waited for until half a second after the last packet was sent.
    """
    with ExitStack() as stack:
        got = start(stack, to, "receive", to.interface, to.address, group, PORT, COUNT if arrives else 0)
        others = {name: start(stack, site, "watch", site.interface, PORT, 0) for name, site in silent.items()}
        for process in (got, *others.values()):
            told(process)
        sent = told(start(stack, source, "send", source.address, destination, PORT, COUNT, 1))
        time.sleep(0.5)
        for process in (*others.values(), *(() if arrives else (got,))):
            assert process.stdin is not None
            process.stdin.close()
        seen = {name: told(process)["numbers"] for name, process in others.items()}
        return {"sent": sent["sent"], "got": told(got)["numbers"], **seen}


def management_of(built: BuiltEnvironment) -> Site:
    """The probe's other interface."""
    probe = built.receivers[0]
    listed = json.loads(
        subprocess.run(
            ["ip", "-n", probe.place, "-4", "-j", "address"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    )
    other = next(link for link in listed if link["ifname"] not in ("lo", probe.interface))
    return replace(probe, name="management", interface=other["ifname"], address=other["addr_info"][0]["local"])


def apart(built: BuiltEnvironment) -> dict[str, Any]:
    """Measured and management traffic, and what passes between the container and its host."""
    probe, host, wire = built.receivers[0], built.tap, built.sender
    assert host is not None
    assert wire is not None
    management = management_of(built)
    bridge = subprocess.run(
        ["ip", "-n", host.place, "-4", "-j", "route", "get", management.address],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    route = json.loads(bridge.stdout)[0]
    manager = replace(host, name="manager", interface=route["dev"], address=route["prefsrc"])
    default = subprocess.run(
        ["ip", "-n", probe.place, "-4", "-j", "route", "show", "default"], capture_output=True, text=True, check=True, timeout=30
    )
    return {
        "measured group": carried(wire, GROUP, probe, GROUP, {"management": management}),
        "measured unicast": carried(wire, probe.address, probe, "-", {"management": management}),
        "management": carried(manager, management.address, management, "-", {"probe": probe, "tap": host}),
        "host to container": carried(host, probe.address, probe, "-", {}, arrives=False),
        "container to host": carried(probe, host.address, host, "-", {}, arrives=False),
        "container to wire": carried(probe, wire.address, wire, "-", {}),
        "management to host": carried(management, manager.address, manager, "-", {"probe": probe}),
        "default route": [route["dev"] for route in json.loads(default.stdout)],
        "probe": probe.interface,
    }


def inside(built: BuiltEnvironment) -> dict[str, Any]:
    """What a process in the container may do, and which interpreter it runs in."""
    probe = built.receivers[0]
    script = (
        "import json, os, socket, sys; from netbench.facts import cgroups\n"
        "status = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)); raw.close()\n"
        "udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "try:\n    udp.setsockopt(socket.SOL_SOCKET, 33, 64 << 20); forced = True\n"
        "except PermissionError:\n    forced = False\n"
        "limit = cgroups.read_limit()[1]\n"
        "print(json.dumps({'capabilities': int(status['CapEff'], 16), 'no_new_privileges': status['NoNewPrivs'].strip(),\n"
        "  'forced': forced, 'python': sys.executable, 'quota_us': limit.quota_us, 'period_us': limit.period_us}))"
    )
    done = subprocess.run([*probe.enter, *probe.python, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return {**told, "remarks": list(built.remarks)}


def main() -> dict[str, Any]:
    wanted = registry.parse([sys.argv[2]])[0]
    lab.enter()
    try:
        with registry.environment(wanted.name).setup(dict(wanted.options)) as built:
            told: dict[str, Any] = {"apart": apart, "inside": inside}[sys.argv[1]](built)
            return told
    except NetbenchError as error:
        return {"error": error.message, "remedy": error.remedy, "exit_code": error.exit_code}


if __name__ == "__main__":
    print(json.dumps(main()))
