"""The IOMMU: whether it is on, what speaks for it, and which devices are held for a guest or a program (vfio-pci and the like)."""

from __future__ import annotations

import os
from typing import Any

from netbench.facts.pci import PciDevice, all_devices, group_of, text_or_none
from netbench.facts.reading import Answer, Unreadable, collect, read_text

_OPTIONS = ("intel_iommu=", "amd_iommu=", "iommu=", "iommu.", "arm-smmu", "vfio")
_TABLES = ("DMAR", "IVRS", "IORT", "VIOT")  # ACPI: Intel VT-d, AMD-Vi, Arm SMMU, virtio-iommu
# Drivers that only hold a device, for a guest or for a program in user space.
HOLDING_DRIVERS = frozenset(
    {"vfio-pci", "mlx5_vfio_pci", "ice-vfio-pci", "hisi-acc-vfio-pci", "pds-vfio-pci", "virtio-vfio-pci", "uio_pci_generic"}
    | {"igb_uio", "pci-stub", "pciback", "xen-pciback"}
)


def read(root: str = "/sys", command_line_path: str = "/proc/cmdline") -> Answer:
    """Subject `iommu`: `on` with `evidence`, `units`, `groups`, `kernel_options`, `firmware_tables`, `held_devices`.

    Args:
        root: where sysfs is.
        command_line_path: the kernel's command line.
    """
    answer = collect(
        {
            "state": lambda: _state(root),
            "kernel_options": lambda: parse_options(read_text(command_line_path)),
            "firmware_tables": lambda: _tables(root),
            "held_devices": lambda: held_devices(root),
        }
    )
    values = dict(answer.values)
    values.update(values.pop("state", {}))
    return Answer({"iommu": values}, {f"iommu.{'on' if key == 'state' else key}": reason for key, reason in answer.absent.items()})


def parse_options(command_line: str) -> list[str]:
    """Options of the kernel's command line that concern the IOMMU and vfio."""
    return [word for word in command_line.split() if word.startswith(_OPTIONS)]


def held_devices(root: str = "/sys") -> list[dict[str, Any]]:
    """Devices that a driver holds for a guest or a program: identity, IOMMU group with what else is in it, whether it is a NIC.

    Raises:
        Unreadable: there is no PCI bus here.
    """
    return [_held(device) for device in all_devices(root) if device.driver in HOLDING_DRIVERS]


def _held(device: PciDevice) -> dict[str, Any]:
    return {**device.told(), "network": device.is_network, "iommu_group": group_of(device)}


def _state(root: str) -> dict[str, Any]:
    units = _names(f"{root}/class/iommu")
    groups = _names(f"{root}/kernel/iommu_groups")
    if units is None and groups is None:
        raise Unreadable(f"neither {root}/class/iommu nor {root}/kernel/iommu_groups is there")
    # vfio without an IOMMU makes groups too; each has that name.
    real = [group for group in groups or [] if text_or_none(f"{root}/kernel/iommu_groups/{group}/name") != "vfio-noiommu"]
    on = bool(real)
    evidence = f"{len(real)} IOMMU groups, units: {', '.join(units or []) or 'none'}"
    return {"on": on, "evidence": evidence, "units": units or [], "groups": len(real)}


def _tables(root: str) -> list[str]:
    directory = f"{root}/firmware/acpi/tables"
    names = _names(directory)
    if names is None:  # no ACPI, or a container, whose engine hides it
        raise Unreadable(f"{directory} is not shown here")
    return [name for name in names if name in _TABLES]


def _names(directory: str) -> list[str] | None:
    try:
        return sorted(os.listdir(directory), key=lambda name: (len(name), name))
    except OSError:
        return None
