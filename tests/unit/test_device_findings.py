"""Requirements on NICs and on what lies below an interface, judged on recorded machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sysfs_trees
from sysfs_trees import lay

from netbench.compare.assignment_checks import ASSIGNMENT_CHECKS
from netbench.compare.device_checks import DEVICE_CHECKS
from netbench.compare.findings import judge
from netbench.compare.stacking_checks import STACKING_CHECKS
from netbench.result.environment import Finding

OURS = DEVICE_CHECKS + STACKING_CHECKS + ASSIGNMENT_CHECKS


def findings(facts: dict[str, Any]) -> dict[str, Finding]:
    return {finding.id: finding for finding in judge(facts)}


# machine, interface -> finding, severity, part of the evidence, part of the remedy
FOUND = [
    ("qemu-e1000e", "eth0", "device_model", "warn", "imitated by QEMU", "<model type='virtio'/>"),
    ("vmware", "ens33", "device_model", "warn", "made for this place: vmxnet3", 'ethernet0.virtualDev = "vmxnet3"'),
    ("vmware", "ens224", "device_model", "warn", "imitated by VMware", "vmxnet3"),
    ("virtualbox-e1000", "enp0s3", "device_model", "warn", "imitated by VirtualBox", "--nictype1 virtio"),
    ("hyperv-legacy", "eth0", "device_model", "warn", "legacy network adapter", "Add-VMNetworkAdapter"),
    ("gce-virtio", "ens4", "device_model", "info", "the best that this place has is gve", "GVNIC"),
    ("gce-gve", "ens4", "device_model", "ok", "Google Compute Engine", None),
    ("ec2-ena", "ens5", "device_model", "ok", "Amazon EC2", None),
    ("vmware", "ens192", "device_model", "ok", "VMware", None),
    ("vmware", "ens256", "device_model", "ok", "passed through", None),
    ("guest-e1000e-passthrough", "eth0", "device_model", "ok", "8086:a01f", None),
    ("metal-i350-iommu-off", "bond0.100", "device_model", "ok", "eno2: a physical NIC", None),
    ("kvm-mlx5-vf", "enp6s0", "function_trust", "info", "its parent is not seen", "vf NUMBER trust on   # on the host"),
    ("qemu-igb-2-vfs", "eth2", "function_trust", "info", "virtual function 1 of eth0", "ip link set eth0 vf 1 trust on"),
    ("qemu-igb-2-vfs", "eth2", "function_groups", "warn", "at most 29 groups", "netbench inspect -i eth0   # a probe of more"),
    ("metal-x520-4-of-63-vfs", "enp59s0f0", "functions_made", "ok", "4 of 63", None),
    ("metal-x520-4-of-63-vfs", "enp59s0f1", "functions_made", "info", "63 virtual functions", "0000:3b:00.1/sriov_numvfs"),
    ("azure-mlx5", "eth0", "accelerated_networking", "ok", "enP31550s1 (mlx5_core)", None),
    ("azure-synthetic", "eth0", "accelerated_networking", "warn", "no virtual function", "--accelerated-networking true"),
    ("metal-i350-iommu-off", "eno1", "iommu", "info", "off: 0 IOMMU groups", "intel_iommu=on"),
    ("qemu-igb-2-vfs", "eth0", "iommu", "ok", "dmar0", None),
    ("metal-shared-group", "eth1", "iommu_group", "info", "shares group 7 with 0000:03:00.0 (1b21:0612)", "lspci"),
    ("metal-x520-4-of-63-vfs", "enp59s0f0", "iommu_group", "ok", "2", None),
    ("qemu-vfio-pci", "eth0", "held_nics", "info", "vfio-pci holds the NIC 0000:02:00.0 (8086:10d3)", "drivers_probe"),
    ("qemu-stacked", "mv0", "parent", "info", "macvlan on eth0 (virtio)", "trustGuestRxFilters"),
    ("metal-i350-iommu-off", "bond0", "on_top", "info", "eno1 (physical), eno2 (physical)", "netbench inspect -i eno1"),
    ("metal-i350-iommu-off", "bond0.100", "on_top", "info", "bond0 (bond)", "netbench inspect -i bond0"),
]


@pytest.mark.parametrize(("tree", "interface", "id", "severity", "evidence", "remedy"), FOUND)
def test_findings(tree: str, interface: str, id: str, severity: str, evidence: str, remedy: str | None, tmp_path: Path) -> None:
    found = findings(lay(tree, tmp_path).facts(interface))[id]

    assert found.severity == severity
    assert evidence in found.evidence
    assert (found.remedy is None) if remedy is None else (remedy in str(found.remedy))


# machine, interface, findings that do not concern it
SILENT = [
    (
        "qemu-virtio",
        "eth0",
        {"function_trust", "function_groups", "functions_made", "accelerated_networking", "iommu", "held_nics", "parent", "on_top"},
    ),
    ("qemu-stacked", "br0", {"device_model", "parent", "on_top"}),
    ("azure-mlx5", "enP31550s1", {"function_trust"}),  # Azure's to decide
    ("xen-dom0", "eno1", {"iommu"}),  # Xen has it
    ("kvm-mlx5-vf", "enp6s0", {"function_groups"}),  # of another driver
    ("metal-i350-iommu-off", "eno1", {"iommu_group", "function_trust", "parent", "on_top"}),
]


@pytest.mark.parametrize(("tree", "interface", "silent"), SILENT)
def test_what_does_not_concern_a_place_is_no_finding(tree: str, interface: str, silent: set[str], tmp_path: Path) -> None:
    assert silent & set(findings(lay(tree, tmp_path).facts(interface))) == set()


def test_trust_of_a_function(tmp_path: Path) -> None:
    facts = lay("qemu-igb-2-vfs", tmp_path).facts("eth1")
    sriov = facts["interface"]["network_mode"]["sriov"]

    sriov["trust"] = False
    untrusted = findings(facts)["function_trust"]
    assert untrusted.severity == "warn"
    assert "all-multicast" in untrusted.evidence
    assert untrusted.remedy == "ip link set eth0 vf 0 trust on"

    sriov["trust"] = True
    assert findings(facts)["function_trust"].severity == "ok"


def test_a_provider_decides_on_trust(tmp_path: Path) -> None:
    facts = lay("ec2-ixgbevf", tmp_path).facts("eth0")
    assert "EC2's to decide" in findings(facts)["function_trust"].evidence
    assert findings(facts)["function_trust"].remedy is None


def test_hyper_v_without_a_function_is_told_how_to_get_it(tmp_path: Path) -> None:
    recorded = lay("azure-synthetic", tmp_path)
    Path(recorded.sys, "class/dmi/id/chassis_asset_tag").unlink()  # some other Hyper-V
    found = findings(recorded.facts("eth0"))["accelerated_networking"]

    assert (found.severity, found.remedy) == ("info", "Set-VMNetworkAdapter -VMName VM -IovWeight 100")


def on(kind: str, tree: str, interface: str, directory: Path) -> dict[str, Any]:
    """Facts of a macvlan or the like on an interface of a recorded machine."""
    recorded = lay(tree, directory)
    facts = recorded.facts(interface)
    parent = facts["interface"]["network_mode"]
    mode = {"name": "mv0", "mode": kind, "by": None, "driver": kind, "native_drivers": None, "sriov": None, "parents": [parent]}
    facts["interface"] = {"name": "mv0", "kind": kind, "network_mode": mode}
    return facts


PARENTS = [
    ("macvlan", "ec2-ena", "ens5", "fail", "Amazon EC2 drops frames", "--network host"),
    ("macvlan", "gce-gve", "ens4", "fail", "Google Compute Engine drops frames", "--network host"),
    ("macvlan", "vmware", "ens192", "warn", "port group", "--allow-promiscuous true"),
    ("macvtap", "vmware", "ens33", "warn", "port group", "--allow-forged-transmits true"),
    ("macvlan", "azure-synthetic", "eth0", "fail", "Azure drops frames", "--network host"),
    ("macvlan", "hyperv-legacy", "eth0", "warn", "spoofing", "-MacAddressSpoofing On"),
    ("macvlan", "virtualbox-e1000", "enp0s3", "warn", "promiscuous", "--nicpromisc1 allow-all"),
    ("macvlan", "kvm-mlx5-vf", "enp6s0", "warn", "its own address only", "vf NUMBER trust on spoofchk off"),
    ("macvlan", "qemu-igb-2-vfs", "eth2", "warn", "its own address only", "ip link set eth0 vf 1 trust on spoofchk off"),
    ("macvlan", "qemu-virtio", "eth0", "info", "tap on a bridge", "trustGuestRxFilters"),
    ("macvlan", "metal-i350-iommu-off", "eno1", "ok", "macvlan on eno1 (physical)", None),
    ("macvlan", "guest-e1000e-passthrough", "eth0", "ok", "passthrough", None),
    ("macvlan", "metal-i350-iommu-off", "bond0", "info", "itself no NIC", "netbench inspect -i bond0"),
    ("ipvlan", "ec2-ena", "ens5", "ok", "parent's address", None),
]


@pytest.mark.parametrize(("kind", "tree", "interface", "severity", "evidence", "remedy"), PARENTS)
def test_parents(kind: str, tree: str, interface: str, severity: str, evidence: str, remedy: str | None, tmp_path: Path) -> None:
    found = findings(on(kind, tree, interface, tmp_path))["parent"]

    assert found.severity == severity
    assert evidence in found.evidence
    assert (found.remedy is None) if remedy is None else (remedy in str(found.remedy))


def test_a_function_that_is_let_through_may_carry_a_macvlan(tmp_path: Path) -> None:
    facts = on("macvlan", "qemu-igb-2-vfs", "eth1", tmp_path)
    sriov = facts["interface"]["network_mode"]["parents"][0]["sriov"]

    sriov |= {"trust": True, "spoof_check": True}
    assert findings(facts)["parent"].severity == "warn"
    sriov["spoof_check"] = False
    assert findings(facts)["parent"].severity == "ok"


def test_a_provider_that_can_be_asked_is_no_failure(tmp_path: Path) -> None:
    facts = on("macvlan", "qemu-virtio", "eth0", tmp_path)
    facts["cloud"] = {"provider": "OpenStack"}

    assert findings(facts)["parent"].severity == "warn"
    assert "OpenStack drops frames" in findings(facts)["parent"].evidence


def test_the_mode_of_a_macvtap_is_changed_as_a_macvtap(tmp_path: Path) -> None:
    facts = on("macvtap", "qemu-virtio", "eth0", tmp_path)
    facts["interface"]["macvlan"] = {"mode": "vepa", "bc_queue_len": 1000, "bc_queue_len_used": 1000}

    assert findings(facts)["macvlan_mode"].remedy == "ip link set mv0 type macvtap mode bridge"


def test_the_card_below_a_macvlan_is_judged_too(tmp_path: Path) -> None:
    found = findings(on("macvlan", "qemu-e1000e", "eth0", tmp_path))["device_model"]

    assert (found.severity, "imitated by QEMU" in found.evidence) == ("warn", True)


def test_a_parent_in_another_namespace_is_said_to_be_unseen(tmp_path: Path) -> None:
    facts = on("macvlan", "qemu-virtio", "eth0", tmp_path)
    facts["interface"]["network_mode"]["parents"] = []

    assert findings(facts)["parent"].severity == "info"
    assert "another network namespace" in findings(facts)["parent"].evidence


IOMMU_REMEDIES = [
    (["DMAR"], "debian", "Intel(R) Xeon(R)", "intel_iommu=on iommu=pt /' /etc/default/grub && update-grub"),
    (["IVRS"], "debian", "AMD EPYC", "amd_iommu=on"),
    (["DMAR"], "rocky", "Intel(R) Xeon(R)", "grubby --update-kernel=ALL --args='intel_iommu=on iommu=pt'"),
    ([], "debian", "Intel(R) Xeon(R)", "--firmware-setup"),
    (None, "debian", "AMD EPYC", "amd_iommu=on"),  # a container does not see the firmware's tables
]


@pytest.mark.parametrize(("tables", "system", "processor", "remedy"), IOMMU_REMEDIES)
def test_how_an_iommu_is_turned_on(tables: list[str] | None, system: str, processor: str, remedy: str, tmp_path: Path) -> None:
    facts = lay("metal-i350-iommu-off", tmp_path).facts("eno1")
    facts["iommu"]["firmware_tables"] = tables
    facts["os_release"], facts["machine"] = {"id": system}, {"cpu_model": processor}

    assert remedy in str(findings(facts)["iommu"].remedy)


@pytest.mark.parametrize("tree", sysfs_trees.names())
def test_every_bad_finding_says_what_to_type(tree: str, tmp_path: Path) -> None:
    recorded = lay(tree, tmp_path)
    ours = {check.id for check in OURS}
    for link in sorted(Path(recorded.sys, "class/net").iterdir()):
        found = [finding for finding in judge(recorded.facts(link.name)) if finding.id in ours]
        assert [finding.id for finding in found if finding.severity in ("warn", "fail") and not finding.remedy] == []
        assert all(finding.evidence and "None" not in finding.evidence for finding in found)
    assert judge(recorded.facts(None)) is not None  # without an interface nothing is said of one


@pytest.mark.parametrize("nonsense", ["x", [], 7, True])
def test_nonsense_is_never_ok(nonsense: Any, tmp_path: Path) -> None:
    facts = lay("qemu-e1000e", tmp_path).facts("eth0")
    facts["interface"]["network_mode"] = nonsense
    facts["pci"]["network_devices"] = facts["iommu"]["held_devices"] = "x"

    found = findings(facts)
    assert {found[check.id].severity for check in OURS if check.id in found} == {"info"}
    assert "make no sense" in found["device_model"].evidence


def test_missing_facts_are_never_ok() -> None:
    for check in OURS:
        assert check.id not in findings({})
        told = findings({"absent": {".".join(path): "the file is not there" for path in check.needs}})[check.id]
        assert told.severity == "info"
        assert told.evidence.endswith("could not be read: the file is not there")


def test_the_page_tells_of_every_check() -> None:
    page = (Path(__file__).parents[2] / "docs" / "network-modes.md").read_text(encoding="utf-8")

    assert [check.id for check in OURS if f"| `{check.id}` |" not in page] == []
