"""SR-IOV: a NIC that is several (its physical function), and one of the functions made of it (a virtual function).

The kernel says so itself where both are visible: `physfn` and `virtfnN` in sysfs. In a guest that was given one function there is
no such link, and the ids tell: each vendor gives its virtual functions ids of their own.
"""

from __future__ import annotations

import os
from typing import Any

from netbench.facts.pci import PciDevice, device_at, interfaces_of, linked_name
from netbench.facts.reading import Unreadable, read_number

# Drivers that drive virtual functions only.
_FUNCTION_DRIVERS = frozenset({"igbvf", "ixgbevf", "i40evf", "iavf", "fm10kvf", "cxgb4vf", "hinicvf", "hclgevf", "hns3vf", "nicvf"})
# Virtual functions whose driver drives whole NICs as well; names as in pci.ids, where it has them, else as in the kernel's drivers.
_FUNCTION_IDS = frozenset(
    {
        "15b3:1002",  # MT25400 Family [ConnectX-2 Virtual Function]
        "15b3:1004",  # MT27500/MT27520 Family [ConnectX-3/ConnectX-3 Pro Virtual Function]
        "15b3:1012",  # MT27600 Family [Connect-IB Virtual Function]
        "15b3:1014",  # MT27700 Family [ConnectX-4 Virtual Function]
        "15b3:1016",  # MT27710 Family [ConnectX-4 Lx Virtual Function]
        "15b3:1018",  # MT27800 Family [ConnectX-5 Virtual Function]
        "15b3:101a",  # MT28800 Family [ConnectX-5 Ex Virtual Function]
        "15b3:101c",  # MT28908 Family [ConnectX-6 Virtual Function]
        "15b3:101e",  # ConnectX Family mlx5Gen Virtual Function
        "14e4:1606",  # BCM5745X NetXtreme-E RDMA Virtual Function
        "14e4:1609",  # BCM5745X NetXtreme-E Ethernet Virtual Function
        "14e4:16cb",  # NetXtreme-C Ethernet Virtual Function
        "14e4:16d3",  # NetXtreme-E Ethernet Virtual Function
        "14e4:16dc",  # NetXtreme-E Ethernet Virtual Function
        "14e4:16e1",  # NetXtreme-C Ethernet Virtual Function
        "14e4:1806",  # BCM5750X NetXtreme-E Ethernet Virtual Function
        "14e4:1808",  # BCM5750X NetXtreme-E Ethernet Virtual Function
        "14e4:163f",  # NetXtreme II BCM57811 10-Gigabit Ethernet Virtual Function
        "14e4:166f",  # NetXtreme II BCM57712 10 Gigabit Ethernet Virtual Function
        "14e4:16a9",  # NetXtreme II BCM57800 1/10 Gigabit Ethernet Virtual Function
        "14e4:16ad",  # NetXtreme II BCM57840 10/20 Gigabit Ethernet Virtual Function
        "1077:1664",  # FastLinQ QL45000 Series Gigabit Ethernet Controller (SR-IOV VF)
        "1077:8090",  # FastLinQ QL41000 Series Gigabit Ethernet Controller (SR-IOV VF)
        "1137:0071",  # VIC SR-IOV VF
        "19ee:6003",  # PCI_DEVICE_ID_NFP6000_VF
        "1924:1903",  # SFC9120 VF
        "1924:1923",  # SFC9140 VF
        "1924:1a03",  # SFC9220 VF
        "1924:1b03",  # SFC9250 VF
        "1414:00ba",  # MANA_VF_DEVICE_ID: Microsoft Azure Network Adapter
    }
)
# Intel's virtual functions, for one that nobody drives (or vfio-pci does): igbvf, ixgbevf, iavf.
_INTEL_FUNCTIONS = frozenset(
    {
        *("10ca", "152d", "1520", "152f"),
        *("10ed", "152e", "1515", "1530", "1564", "1565", "15a8", "15a9", "15c5", "15b4"),
        *("154c", "1571", "37cd", "1889"),
    }
)


def is_function_by_ids(device: PciDevice) -> bool:
    """Whether ids or driver say that it is a virtual function."""
    if device.vendor == "8086":
        return device.device in _INTEL_FUNCTIONS or device.driver in _FUNCTION_DRIVERS
    return device.ids in _FUNCTION_IDS or device.driver in _FUNCTION_DRIVERS


def role_of(device: PciDevice) -> dict[str, Any] | None:
    """Its part in SR-IOV; None: none.

    A physical function: `role` "physical-function", `total_vfs`, `num_vfs`, and `functions`, each with index, address, driver and
    interfaces. A virtual function: `role` "virtual-function", `parent` (address, driver, interfaces) and `index`, both None in a
    guest, where the parent is not seen.
    """
    if os.path.exists(f"{device.path}/physfn"):
        return _virtual_function(device)
    if os.path.exists(f"{device.path}/sriov_totalvfs"):
        return _physical_function(device)
    if is_function_by_ids(device):
        return {"role": "virtual-function", "parent": None, "index": None}
    return None


def _virtual_function(device: PciDevice) -> dict[str, Any]:
    try:
        parent = device_at(f"{device.path}/physfn")
    except Unreadable:
        return {"role": "virtual-function", "parent": None, "index": None}
    index = next((number for number, path in _function_links(parent) if os.path.basename(path) == device.address), None)
    return {
        "role": "virtual-function",
        "parent": {"address": parent.address, "driver": parent.driver, "interfaces": interfaces_of(parent)},
        "index": index,
    }


def _physical_function(device: PciDevice) -> dict[str, Any] | None:
    try:
        total = read_number(f"{device.path}/sriov_totalvfs")
        made = read_number(f"{device.path}/sriov_numvfs")
    except Unreadable:
        return None
    functions = []
    for index, path in _function_links(device):
        try:
            function = device_at(path)
        except Unreadable:
            continue
        told = {"address": function.address, "ids": function.ids, "driver": function.driver, "interfaces": interfaces_of(function)}
        functions.append({"index": index, **told})
    return {"role": "physical-function", "total_vfs": total, "num_vfs": made, "functions": functions}


def _function_links(device: PciDevice) -> list[tuple[int, str]]:
    """Index and directory of each virtual function, by index."""
    numbers = [
        int(name.removeprefix("virtfn"))
        for name in os.listdir(device.path)
        if name.startswith("virtfn") and name.removeprefix("virtfn").isdecimal() and linked_name(f"{device.path}/{name}")
    ]
    return [(number, os.path.realpath(f"{device.path}/virtfn{number}")) for number in sorted(numbers)]
