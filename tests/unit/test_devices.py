"""NICs and how interfaces are connected, on recorded machines and here."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
import sysfs_trees
from sysfs_trees import lay

from netbench.facts import devices, iommu, network_mode, place
from netbench.facts.device_models import machine
from netbench.facts.network_mode import Interfaces
from netbench.facts.reading import Unreadable

# machine, interface -> mode, who makes the device, driver, native drivers of the place
CONNECTED = [
    ("qemu-e1000e", "eth0", "emulated", "QEMU", "e1000e", ["virtio_net"]),
    ("qemu-virtio", "eth0", "virtio", None, "virtio_net", ["virtio_net"]),
    ("guest-e1000e-passthrough", "eth0", "passthrough", None, "e1000e", ["virtio_net"]),
    ("kvm-x520-passthrough", "ens6", "passthrough", None, "ixgbe", ["virtio_net"]),
    ("kvm-mlx5-vf", "enp6s0", "vf", None, "mlx5_core", ["virtio_net"]),
    ("kvm-ixgbevf", "ens6", "vf", None, "ixgbevf", ["virtio_net"]),
    ("ec2-ena", "ens5", "paravirtual", "Amazon EC2", "ena", ["ena"]),
    ("ec2-ixgbevf", "eth0", "vf", None, "ixgbevf", ["ena"]),
    ("gce-gve", "ens4", "paravirtual", "Google Compute Engine", "gve", ["gve", "virtio_net"]),
    ("gce-virtio", "ens4", "virtio", None, "virtio_net", ["gve", "virtio_net"]),
    ("vmware", "ens192", "paravirtual", "VMware", "vmxnet3", ["vmxnet3"]),
    ("vmware", "ens33", "emulated", "VMware", "e1000", ["vmxnet3"]),
    ("vmware", "ens224", "emulated", "VMware", "e1000e", ["vmxnet3"]),
    ("vmware", "ens256", "passthrough", None, "e1000e", ["vmxnet3"]),
    ("azure-mlx5", "eth0", "paravirtual", "Hyper-V", "hv_netvsc", ["hv_netvsc"]),
    ("azure-mlx5", "enP31550s1", "vf", None, "mlx5_core", ["hv_netvsc"]),
    ("azure-mana", "enP30832s1", "vf", None, "mana", ["hv_netvsc"]),
    ("hyperv-legacy", "eth0", "emulated", "Hyper-V (legacy network adapter)", "tulip", ["hv_netvsc"]),
    ("virtualbox-e1000", "enp0s3", "emulated", "VirtualBox", "e1000", ["virtio_net"]),
    ("xen-dom0", "eno1", "physical", None, "tg3", None),
    ("metal-i350-iommu-off", "eno1", "physical", None, "igb", None),
    ("metal-i350-iommu-off", "enx00e04c680001", "physical", None, "r8152", None),
    ("metal-x520-4-of-63-vfs", "enp59s0f0", "physical", None, "ixgbe", None),
    ("metal-x520-4-of-63-vfs", "enp59s0f0v2", "vf", None, "ixgbevf", None),
    ("qemu-igb-2-vfs", "eth0", "emulated", "QEMU", "igb", ["virtio_net"]),
    ("qemu-igb-2-vfs", "eth1", "vf", "QEMU", "igbvf", ["virtio_net"]),
]


@pytest.mark.parametrize(("tree", "interface", "mode", "by", "driver", "native"), CONNECTED)
def test_how_an_interface_is_connected(
    tree: str, interface: str, mode: str, by: str | None, driver: str, native: list[str] | None, tmp_path: Path
) -> None:
    told = lay(tree, tmp_path).mode(interface)

    assert (told["mode"], told["by"], told["driver"], told["native_drivers"]) == (mode, by, driver, native)
    assert told["evidence"]


@pytest.mark.parametrize("tree", sysfs_trees.names())
def test_names_of_interfaces_decide_nothing(tree: str, tmp_path: Path) -> None:
    recorded = lay(tree, tmp_path)
    for number, link in enumerate(sorted(Path(recorded.sys, "class/net").iterdir())):
        before = recorded.mode(link.name)
        renamed = link.with_name(f"veth{number}-virtio")
        link.rename(renamed)
        told = tmp_path / "ethtool" / link.name
        if told.exists():
            told.rename(told.with_name(renamed.name))

        assert {**recorded.mode(renamed.name), "name": link.name} == before
        renamed.rename(link)
        if (tmp_path / "ethtool" / renamed.name).exists():
            (tmp_path / "ethtool" / renamed.name).rename(told)


@pytest.mark.parametrize("tree", sysfs_trees.names())
def test_the_device_is_found_by_its_driver_where_sysfs_shows_another_stack(tree: str, tmp_path: Path) -> None:
    recorded = lay(tree, tmp_path)
    for told in sorted((tmp_path / "ethtool").glob("*")):
        whole = recorded.mode(told.name)
        if whole["device"] is None:
            continue
        elsewhere = Interfaces(lambda name: {}, lambda name: [], recorded._driver, in_sysfs=False)
        seen = network_mode.read(told.name, machine(recorded.sys, recorded.cpuinfo), elsewhere)

        assert (seen["mode"], seen["by"], seen["device"]) == (whole["mode"], whole["by"], whole["device"])


def test_stacked_interfaces(tmp_path: Path) -> None:
    stacked = lay("qemu-stacked", tmp_path)

    macvlan = stacked.mode("mv0")
    assert macvlan["mode"] == "macvlan"
    assert [(parent["name"], parent["mode"]) for parent in macvlan["parents"]] == [("eth0", "virtio")]
    assert stacked.mode("br0")["mode"] == "bridge"
    assert stacked.mode("br0")["parents"] == []  # the port of a container is no way to the wire
    assert stacked.mode("ve0")["mode"] == "veth"
    assert stacked.mode("ve0")["master"] == "br0"
    assert stacked.mode("lo")["mode"] == "loopback"


def test_a_vlan_on_a_bond(tmp_path: Path) -> None:
    vlan = lay("metal-i350-iommu-off", tmp_path).mode("bond0.100")

    assert vlan["mode"] == "vlan"
    (bond,) = vlan["parents"]
    assert bond["mode"] == "bond"
    assert [(member["name"], member["mode"], member["master"]) for member in bond["parents"]] == [
        ("eno1", "physical", "bond0"),
        ("eno2", "physical", "bond0"),
    ]


def test_words_of_ip_are_believed_first() -> None:
    links: dict[str, dict[str, Any]] = {
        "t0": {"ifname": "t0", "link": "p0", "linkinfo": {"info_kind": "macvtap", "info_data": {"mode": "passthru"}}},
        "p0": {"ifname": "p0", "link_index": 4, "link_netnsid": 0, "linkinfo": {"info_kind": "veth"}},
    }
    here = Interfaces(lambda name: links.get(name, {}), lambda name: [], lambda name: ("", ""), in_sysfs=False)
    told = network_mode.read("t0", machine("/nonexistent", ""), here)

    assert told["mode"] == "macvtap"
    assert "in mode passthru" in told["evidence"]
    assert [(parent["name"], parent["mode"]) for parent in told["parents"]] == [("p0", "veth")]
    with pytest.raises(Unreadable):
        network_mode.read("x0", machine("/nonexistent", ""), here)


def test_interfaces_that_hang_on_each_other_end() -> None:
    ring = {name: {"ifname": name, "link": other, "linkinfo": {"info_kind": "macvlan"}} for name, other in (("a", "b"), ("b", "a"))}
    here = Interfaces(lambda name: ring[name], lambda name: [], lambda name: ("", ""), in_sysfs=False)

    assert json.dumps(network_mode.read("a", machine("/nonexistent", ""), here)).count('"macvlan"') == 5


def test_functions_of_a_nic_on_metal(tmp_path: Path) -> None:
    metal = lay("metal-x520-4-of-63-vfs", tmp_path)
    first, second = metal.nics()  # the functions are told with the first

    assert (first["address"], second["address"]) == ("0000:3b:00.0", "0000:3b:00.1")
    assert (first["sriov"]["total_vfs"], first["sriov"]["num_vfs"]) == (63, 4)
    assert [(item["index"], item["address"], item["driver"], item["interfaces"]) for item in first["sriov"]["functions"]] == [
        (0, "0000:3b:10.0", "ixgbevf", ["enp59s0f0v0"]),
        (1, "0000:3b:10.2", "ixgbevf", ["enp59s0f0v1"]),
        (2, "0000:3b:10.4", "ixgbevf", ["enp59s0f0v2"]),
        (3, "0000:3b:10.6", "vfio-pci", []),
    ]
    assert (second["sriov"]["num_vfs"], second["sriov"]["functions"]) == (0, [])
    assert first["iommu_group"] == {"number": "31", "type": "identity", "shared_with": []}


def test_functions_made_in_a_guest(tmp_path: Path) -> None:
    guest = lay("qemu-igb-2-vfs", tmp_path)
    (nic,) = guest.nics()

    assert (nic["sriov"]["role"], nic["sriov"]["total_vfs"], nic["sriov"]["num_vfs"]) == ("physical-function", 7, 2)
    assert [item["address"] for item in nic["sriov"]["functions"]] == ["0000:01:10.0", "0000:01:10.2"]
    for index, name in enumerate(("eth1", "eth2")):
        sriov = guest.mode(name)["sriov"]
        assert (sriov["role"], sriov["index"]) == ("virtual-function", index)
        assert sriov["parent"] == {"address": "0000:01:00.0", "driver": "igb", "interfaces": ["eth0"]}


def test_trust_of_a_function_is_read_from_its_parent(tmp_path: Path) -> None:
    guest = lay("qemu-igb-2-vfs", tmp_path)
    functions = [{"vf": 0, "trust": True, "spoofchk": False}, {"vf": 1, "trust": False, "spoofchk": True}]
    links: dict[str, dict[str, Any]] = {"eth0": {"ifname": "eth0", "vfinfo_list": functions}}
    here = Interfaces(lambda name: links.get(name, {}), lambda name: [], guest._driver, in_sysfs=True)

    told = [network_mode.read(name, machine(guest.sys, guest.cpuinfo), here)["sriov"] for name in ("eth1", "eth2")]
    assert [(sriov["trust"], sriov["spoof_check"]) for sriov in told] == [(True, False), (False, True)]


def test_the_synthetic_nic_of_azure_is_joined_by_its_function(tmp_path: Path) -> None:
    azure = lay("azure-mlx5", tmp_path)

    assert [(parent["name"], parent["mode"], parent["driver"]) for parent in azure.mode("eth0")["parents"]] == [
        ("enP31550s1", "vf", "mlx5_core")
    ]
    assert azure.mode("enP31550s1")["master"] == "eth0"


IOMMU = [
    ("metal-x520-4-of-63-vfs", True, ["dmar0"], ["intel_iommu=on", "iommu=pt"], ["DMAR"]),
    ("metal-i350-iommu-off", False, [], [], ["DMAR"]),
    ("qemu-igb-2-vfs", True, ["dmar0"], ["intel_iommu=on", "iommu=pt"], ["DMAR"]),
    ("qemu-virtio", False, [], [], []),
    ("noiommu-vfio", False, [], [], []),  # vfio's groups without an IOMMU do not count
]


@pytest.mark.parametrize(("tree", "on", "units", "options", "tables"), IOMMU)
def test_the_iommu(tree: str, on: bool, units: list[str], options: list[str], tables: list[str], tmp_path: Path) -> None:
    told = lay(tree, tmp_path).iommu()

    assert (told["on"], told["units"], told["kernel_options"], told["firmware_tables"]) == (on, units, options, tables)
    assert (told["groups"] > 0) == on


def test_devices_held_by_vfio(tmp_path: Path) -> None:
    held = lay("qemu-vfio-pci", tmp_path).iommu()["held_devices"]

    assert [(device["address"], device["ids"], device["driver"], device["network"]) for device in held] == [
        ("0000:01:10.2", "8086:10ca", "vfio-pci", True),
        ("0000:02:00.0", "8086:10d3", "vfio-pci", True),
    ]
    assert all(device["iommu_group"]["shared_with"] == [] for device in held)


def test_what_shares_a_group_is_told_without_the_bridge(tmp_path: Path) -> None:
    (nic,) = lay("metal-shared-group", tmp_path).nics()

    assert nic["iommu_group"]["number"] == "7"
    assert [(other["address"], other["driver"]) for other in nic["iommu_group"]["shared_with"]] == [("0000:03:00.0", "ahci")]


def test_where_there_is_no_pci_the_reason_is_told(tmp_path: Path) -> None:
    nothing = devices.read(str(tmp_path), "")
    assert nothing.values == {"pci": {}}
    assert "No such file" in nothing.absent["pci.network_devices"]

    held = iommu.read(str(tmp_path), str(tmp_path / "cmdline"))
    assert held.values == {"iommu": {}}
    assert sorted(held.absent) == ["iommu.firmware_tables", "iommu.held_devices", "iommu.kernel_options", "iommu.on"]


@pytest.mark.parametrize("broken", ["", "0x", "0xzzzz", "0x80860", "\0"])
def test_a_device_with_a_broken_id_is_left_out(broken: str, tmp_path: Path) -> None:
    recorded = lay("qemu-e1000e", tmp_path)
    Path(recorded.sys, "bus/pci/devices/0000:00:02.0/vendor").write_text(broken)

    assert recorded.nics() == []


def test_here_every_interface_has_a_mode_or_a_reason() -> None:
    facts = place.read(None)

    for _, name in socket.if_nameindex():
        told = facts["interfaces"].get(name)
        assert (told is not None and told["mode"]) or f"interfaces.{name}" in facts["absent"]
    assert facts["interfaces"]["lo"]["mode"] == "loopback"
    assert place.read("lo")["interface"]["network_mode"]["mode"] == "loopback"
    for key in ("pci.network_devices", "iommu.on"):
        subject, _, part = key.partition(".")
        assert part in facts[subject] or key in facts["absent"]
