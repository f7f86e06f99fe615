"""How real interfaces are connected, read by an agent at the site where a probe would sit."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from netbench.compare.findings import judge

# Builds an environment, and prints the facts of its first probe's place.
SCRIPT = """
import json, sys
from netbench.environments import lab
lab.enter()
from netbench.environments import registry
from netbench.place_facts import ask_for_facts, told_facts
environment = registry.environment(sys.argv[1])
missing = environment.available()
if missing is not None:
    sys.exit(f"missing: {missing.reason}")
with environment.setup({}) as built:
    site = built.receivers[0]
    with ask_for_facts("the probe", site.interface, site.agent) as agent:
        facts = told_facts(agent)
print(json.dumps({**facts.values, "absent": facts.absent}))
"""


def facts_in(environment: str, timeout_s: float) -> dict[str, Any]:
    command = [sys.executable, "-P", "-c", SCRIPT, environment]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s)
    if done.returncode and done.stderr.startswith("missing: "):
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    read: dict[str, Any] = json.loads(done.stdout)
    return read


def test_the_host_of_the_lab_is_a_veth(lab_permitted: None) -> None:
    mode = facts_in("host", 60)["interface"]["network_mode"]

    assert (mode["mode"], mode["driver"], mode["parents"], mode["device"]) == ("veth", "veth", [], None)


def test_the_parent_of_a_macvlan_in_another_namespace_is_told_as_unseen(lab_permitted: None) -> None:
    facts = facts_in("macvlan", 60)

    assert facts["interface"]["network_mode"]["mode"] == "macvlan"
    assert "in mode bridge" in facts["interface"]["network_mode"]["evidence"]
    (finding,) = [finding for finding in judge(facts) if finding.id == "parent"]
    assert "another network namespace" in finding.evidence


GUESTS = [
    ("vm-virtio", "virtio", None, "virtio_net", "1af4:", "ok"),
    ("vm-e1000e", "emulated", "QEMU", "e1000e", "8086:10d3", "warn"),
]


@pytest.mark.timeout(240)  # a guest without hardware acceleration boots in seconds on a quiet machine, in a minute on a busy one
@pytest.mark.parametrize(("environment", "mode", "by", "driver", "ids", "severity"), GUESTS)
def test_the_card_of_a_guest(
    environment: str, mode: str, by: str | None, driver: str, ids: str, severity: str, lab_permitted: None
) -> None:
    facts = facts_in(environment, 220)
    told = facts["interface"]["network_mode"]

    assert (told["mode"], told["by"], told["driver"], told["native_drivers"]) == (mode, by, driver, ["virtio_net"])
    assert told["device"]["ids"].startswith(ids)
    assert [device["mode"] for device in facts["pci"]["network_devices"]] == [mode]
    assert facts["iommu"]["on"] is False
    (finding,) = [finding for finding in judge(facts) if finding.id == "device_model"]
    assert finding.severity == severity
    assert ("virtio" in str(finding.remedy)) == (severity == "warn")


# A stack of one's own, in which /sys shows the interfaces of another: everything is asked of ip and of the drivers.
STACK = """
ip link add p0 type veth peer name p1
ip link add link p0 name mv0 type macvlan mode private
ip link add br0 type bridge
ip link set p1 master br0
ip tuntap add t0 mode tap
ip link add link p0 name mt0 type macvtap mode bridge
"""


def test_a_stack_of_interfaces(lab_permitted: None) -> None:
    script = (
        "import json, subprocess; from netbench.environments import lab; lab.enter()\n"
        f"for command in {STACK!r}.split(chr(10)):\n"
        "    subprocess.run(command.split(), check=True) if command else None\n"
        "from netbench.facts import place; facts = place.read(None)\n"
        "print(json.dumps([facts['interfaces'], place.read('mv0')['interface']['network_mode']]))"
    )
    inside = ["unshare", "--net", sys.executable, "-P", "-c", script]
    done = subprocess.run(inside, capture_output=True, text=True, timeout=60)
    if "Operation not permitted" in done.stderr:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    interfaces, macvlan = json.loads(done.stdout)

    told = {name: (item["mode"], item["parents"], item["master"]) for name, item in interfaces.items()}
    assert told["p0"] == ("veth", [], None)
    assert told["p1"] == ("veth", [], "br0")
    assert told["mv0"] == ("macvlan", ["p0"], None)
    assert told["mt0"] == ("macvtap", ["p0"], None)
    assert told["br0"] == ("bridge", [], None)
    assert told["t0"] == ("tun", [], None)
    assert macvlan["parents"][0]["mode"] == "veth"
    assert "in mode private" in macvlan["evidence"]
