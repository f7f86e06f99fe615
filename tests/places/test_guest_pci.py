"""SR-IOV, an IOMMU and vfio-pci for real: in a guest with an emulated igb behind an emulated IOMMU, read by its own facts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from netbench.compare.findings import judge
from netbench.environments.vm_igb import missing_device
from netbench.environments.vm_sriov import MOST_GROUPS

SCENARIO = Path(__file__).with_name("guest_pci_scenario.py")
IGB, IGBVF = "8086:10c9", "8086:10ca"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def told(lab_permitted: None) -> dict[str, Any]:
    """What the guest said, from one boot."""
    done = subprocess.run([sys.executable, "-P", str(SCENARIO)], capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    if "unavailable" in said:
        pytest.skip(said["unavailable"])
    return said


def _card(facts: dict[str, Any]) -> dict[str, Any]:
    (card,) = facts["pci"]["network_devices"]
    return card


def test_functions_are_told_with_the_card_that_they_are_of(told):
    card = _card(told["before"])

    assert (card["ids"], card["driver"], card["interfaces"]) == (IGB, "igb", ["eth0"])
    assert (card["sriov"]["role"], card["sriov"]["total_vfs"], card["sriov"]["num_vfs"]) == ("physical-function", 7, 2)
    assert [(function["ids"], function["driver"], function["interfaces"]) for function in card["sriov"]["functions"]] == [
        (IGBVF, "igbvf", ["eth1"]),
        (IGBVF, "igbvf", ["eth2"]),
    ]


def test_probe_knows_that_it_sits_on_a_function_and_of_which_card(told):
    mode = told["probe"]["interface"]["network_mode"]

    assert told["interface"] == "eth1"
    assert (mode["mode"], mode["by"], mode["driver"]) == ("vf", "QEMU", "igbvf")
    assert mode["sriov"]["index"] == 0
    assert mode["sriov"]["parent"] == {"address": _card(told["before"])["address"], "driver": "igb", "interfaces": ["eth0"]}


def test_iommu_is_seen_with_a_group_for_each_function(told):
    iommu = told["before"]["iommu"]

    assert (iommu["on"], iommu["units"], iommu["firmware_tables"]) == (True, ["dmar0"], ["DMAR"])
    assert iommu["kernel_options"] == ["intel_iommu=on"]
    assert iommu["held_devices"] == []
    assert iommu["groups"] > len(_card(told["before"])["sriov"]["functions"])
    assert _card(told["before"])["iommu_group"]["shared_with"] == []


def test_function_bound_to_vfio_is_told_as_held_with_its_group(told):
    address, driver, group, *files = told["bound"]
    (held,) = told["after"]["iommu"]["held_devices"]

    assert driver == "vfio-pci"
    assert sorted(files) == sorted([group, "vfio"])  # /dev/vfio: what a hypervisor opens
    assert (held["address"], held["ids"], held["driver"], held["network"]) == (address, IGBVF, "vfio-pci", True)
    assert (held["iommu_group"]["number"], held["iommu_group"]["shared_with"]) == (group, [])


def test_function_bound_to_vfio_has_no_interface_any_more_and_the_other_one_has(told):
    functions = _card(told["after"])["sriov"]["functions"]

    assert [(function["driver"], function["interfaces"]) for function in functions] == [("igbvf", ["eth1"]), ("vfio-pci", [])]
    assert "eth2" in told["before"]["interfaces"]
    assert "eth2" not in told["after"]["interfaces"]


@pytest.mark.parametrize("joined", [2, MOST_GROUPS, MOST_GROUPS + 3])
def test_function_hears_the_groups_that_it_joined_up_to_what_its_driver_can_tell_the_card(told, joined):
    assert told["heard"][str(joined)] == list(range(1, min(joined, MOST_GROUPS) + 1))


def test_what_the_function_hears_is_what_the_finding_says(told):
    (finding,) = [finding for finding in judge(told["probe"]) if finding.id == "function_groups"]

    assert f"at most {len(told['heard'][str(MOST_GROUPS + 3)])} groups" in finding.evidence


def test_qemu_without_a_device_is_told_with_its_version(told):
    unavailable = missing_device("igb-of-tomorrow")

    assert missing_device("igb") is None
    assert unavailable is not None
    assert unavailable.reason.startswith("This QEMU has no device igb-of-tomorrow (QEMU emulator version ")
    assert unavailable.remedy is not None
    assert "apt-get install" in unavailable.remedy
