"""`netbench timestamps` inside an environment, in a child process that enters the lab: `python stamp_lab.py NAME`; prints JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from netbench.agent_client import AgentClient
from netbench.environments import lab
from netbench.environments.base import BuiltEnvironment
from netbench.environments.registry import environment


def by_hand(built: BuiltEnvironment, send: bool, seconds: int) -> dict[str, Any]:
    """The command at the probe while the wire sends what a run sends."""
    from netbench.cli.plan_choice import parse_environment
    from netbench.plans.loader import default_plan
    from netbench.stamp_runner import planned_traffic

    probe, sender = built.receivers[0], built.sending_site
    command = [*probe.enter, *probe.python, "-m", "netbench", "timestamps", "-i", probe.interface, "-t", str(seconds), "--json"]
    plan = default_plan(parse_environment)
    job = planned_traffic(plan.model_copy(update={"duration_s": 0.02}), built, sender).job
    with AgentClient("the sender", job, sender.agent) as agent:
        agent.wait_ready()
        running = subprocess.Popen(
            ["sh", "-c", 'exec "$@" 2>/dev/null', "sh", *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        sent = {}
        if send:
            wait_for_packet_socket(built)
            agent.start()
            sent = agent.result(30)["sent"]
        output, _ = running.communicate(timeout=60)
    return {"by_hand": json.loads(output), "sent": sent, "exit_code": running.returncode}


def wait_for_packet_socket(built: BuiltEnvironment) -> None:
    """The command counts from when its packet socket is bound to the interface."""
    probe = built.receivers[0]
    bound = "[ -n \"$(awk 'NR > 1 && $5 > 0' /proc/net/packet)\" ]"
    script = f"i=0; until {bound}; do i=$((i + 1)); [ $i -lt 300 ] || exit 1; sleep 0.1; done"
    subprocess.run([*probe.enter, "sh", "-c", script], check=True, timeout=60)


def measured(built: BuiltEnvironment) -> dict[str, Any]:
    """What a run measures, with fewer packets at full rate."""
    from netbench.cli.plan_choice import parse_environment
    from netbench.plans.loader import default_plan
    from netbench.stamp_runner import measure_ladder

    plan = default_plan(parse_environment).model_copy(update={"duration_s": 0.05})
    return measure_ladder(plan, "host", built).model_dump(mode="json")


def main() -> None:
    name = sys.argv[1]
    lab.enter()
    with environment("macvlan" if name == "macvlan" else "host").setup({}) as built:
        if name == "measured":
            told = measured(built)
        else:
            told = by_hand(built, send=name != "silence", seconds=1 if name == "silence" else 4)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
