"""A guest with an emulated IOMMU, looked at from within: before and after its second virtual function is given to vfio-pci.

A process of its own, because entering the lab cannot be undone. Prints one line of JSON.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from netbench.agent_client import AgentClient
from netbench.environments import lab
from netbench.environments.base import Site
from netbench.environments.vm_sriov import PARENT, VmSriovEnvironment
from netbench.protocol import FactsJob

PORT, SENT_EACH = 5000, 4
WORKER = Path(__file__).with_name("group_worker.py").read_text(encoding="utf-8")
GIVEN = f"/sys/class/net/{PARENT}/device/virtfn1"

BIND = f"""
address=$(basename $(readlink {GIVEN}))
echo vfio-pci > {GIVEN}/driver_override
echo $address > {GIVEN}/driver/unbind
echo $address > /sys/bus/pci/drivers_probe
echo $address $(basename $(readlink {GIVEN}/driver)) $(basename $(readlink {GIVEN}/iommu_group)) $(ls /dev/vfio | tr '\\n' ' ')
"""


class Guest(VmSriovEnvironment):
    modules = (*VmSriovEnvironment.modules, "vfio_pci")


def facts(probe: Site, interface: str | None = None) -> dict[str, Any]:
    with AgentClient("the facts of the guest", FactsJob(interface), probe.agent) as agent:
        return agent.result(60.0)


def inside(site: Site, *command: str) -> str:
    return subprocess.run([*site.enter, *command], capture_output=True, text=True, timeout=60, check=True).stdout


def groups_heard(sender: Site, probe: Site, joined: int) -> list[int]:
    """Numbers of the groups that arrive when so many of them are joined and all are sent to, with one more."""
    command = [*probe.enter, *probe.python, "-c", WORKER, "receive", probe.interface, str(PORT), str(joined)]
    receiver = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert receiver.stdout is not None
        assert receiver.stdout.readline() == "ready\n"
        inside(sender, *sender.python, "-c", WORKER, "send", sender.address, str(PORT), str(joined + 1), str(SENT_EACH))
        heard: list[int] = json.loads(receiver.communicate(timeout=60)[0])
        return heard
    finally:
        receiver.kill()
        receiver.wait()


def main() -> None:
    lab.enter()
    environment = Guest()
    if (lacking := environment.available()) is not None:
        print(json.dumps({"unavailable": lacking.reason}))
        return
    with environment.setup({}) as built:
        (probe,) = built.receivers
        assert built.sender is not None
        told: dict[str, Any] = {"interface": probe.interface, "before": facts(probe), "probe": facts(probe, probe.interface)}
        told["heard"] = {joined: groups_heard(built.sender, probe, joined) for joined in (2, 29, 32)}
        told["bound"] = inside(probe, "sh", "-ec", BIND).split()
        told["after"] = facts(probe)
    print(json.dumps(told))


if __name__ == "__main__":
    sys.exit(main())
