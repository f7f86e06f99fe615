"""The NICs of a machine, whichever network stack their interfaces are in, and also those that have no interface."""

from __future__ import annotations

import os
from typing import Any

from netbench.facts.device_models import Machine, machine
from netbench.facts.pci import PciDevice, all_devices, group_of, interfaces_of
from netbench.facts.reading import Answer, collect


def read(root: str = "/sys", cpuinfo: str | None = None) -> Answer:
    """Subject `pci`: `network_devices`, each with its identity, interfaces, IOMMU group, network mode and part in SR-IOV.

    Args:
        root: where sysfs is.
        cpuinfo: text of /proc/cpuinfo; None: that of this machine.
    """
    here = machine(root, cpuinfo)
    nics = collect({"network_devices": lambda: [_nic(device, here) for device in all_devices(root) if _is_told(device)]})
    return Answer({"pci": nics.values}, {f"pci.{key}": reason for key, reason in nics.absent.items()})


def _nic(device: PciDevice, here: Machine) -> dict[str, Any]:
    return {
        **device.told(),
        "interfaces": interfaces_of(device),
        "iommu_group": group_of(device),
        "native_drivers": here.native_drivers,
        **here.describe(device),
    }


def _is_told(device: PciDevice) -> bool:
    """A virtual function is told with the device that it is of, if that is here."""
    return device.is_network and not os.path.exists(f"{device.path}/physfn")
