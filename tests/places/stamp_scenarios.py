"""Hardware timestamps in a guest, in a child process, because entering the lab cannot be undone.

`python stamp_scenarios.py NAME ENVIRONMENT`; each prints one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from netbench.environments import lab
from netbench.environments.base import BuiltEnvironment
from netbench.environments.registry import environment

# In the guest: the command is ended by a signal in the middle of its measurement, and the setting read before, during and after.
SIGNALLED = """
import json, subprocess, sys, time
from netbench import core

def until(condition):
    end = time.monotonic() + 60
    while not condition(core.timestamp_setting("eth0")) and time.monotonic() < end:
        time.sleep(0.05)
    return core.timestamp_setting("eth0")

told = []
for number in json.loads(sys.argv[1]):
    before = core.timestamp_setting("eth0")
    command = [sys.executable, "-P", "-m", "netbench", "timestamps", "-i", "eth0", "--configure", "-t", "100", "-q"]
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    during = until(lambda now: now != before)
    running.send_signal(number)
    status = running.wait(60)
    told.append({"before": before, "during": during, "after": until(lambda now: now == before), "status": status})
print(json.dumps(told))
"""

# In the guest: a macvlan of the card in a network namespace of its own, as a container has it.
MACVLAN = """
ip link add mv0 link eth0 type macvlan mode bridge
unshare --net sleep 100 & there=$!
until [ "$(readlink /proc/$there/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do sleep 0.1; done
ip link set mv0 netns $there
nsenter --net=/proc/$there/ns/net ip link set mv0 up
status=0
nsenter --net=/proc/$there/ns/net "$@" -m netbench timestamps -i mv0 --configure -t 1 --json -q || status=$?
kill $there
exit $((status == 1 ? 0 : 9))
"""


def in_guest(built: BuiltEnvironment, *command: str, timeout_s: float = 200) -> str:
    probe = built.receivers[0]
    done = subprocess.run(
        [*probe.enter, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def ladder(built: BuiltEnvironment) -> dict[str, Any]:
    from netbench.cli.plan_choice import parse_environment
    from netbench.plans.loader import default_plan
    from netbench.stamp_runner import measure_ladder

    return measure_ladder(default_plan(parse_environment), "the guest", built).model_dump(mode="json")


def setting(built: BuiltEnvironment) -> dict[str, int]:
    script = "import json; from netbench import core; print(json.dumps(core.timestamp_setting('eth0')))"
    told: dict[str, int] = json.loads(in_guest(built, *built.receivers[0].python, "-c", script))
    return told


def climb(built: BuiltEnvironment) -> dict[str, Any]:
    """The ladder of a run."""
    return {"ladder": ladder(built)}


def card(built: BuiltEnvironment) -> dict[str, Any]:
    """The ladder of a run; its setting before and after; a command that is ended by signals; a macvlan on the card."""
    python = built.receivers[0].python
    before = setting(built)
    climbed = ladder(built)
    after = setting(built)
    signalled = json.loads(in_guest(built, *python, "-c", SIGNALLED, json.dumps([2, 15, 9])))
    macvlan = json.loads(in_guest(built, "sh", "-c", MACVLAN, "sh", *python))
    return {"ladder": climbed, "before": before, "after": after, "signalled": signalled, "macvlan": macvlan}


def main() -> None:
    scenario = {"climb": climb, "card": card}[sys.argv[1]]
    made = environment(sys.argv[2])
    lacking = made.available()
    if lacking is not None:
        print(json.dumps({"unavailable": f"{lacking.reason} {lacking.remedy or ''}".rstrip()}))
        return
    lab.enter()
    with made.setup({}) as built:
        print(json.dumps(scenario(built)))


if __name__ == "__main__":
    main()
