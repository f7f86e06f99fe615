"""The PCI devices of a machine: what they say they are, who drives them, and what they share.

Read from /sys/bus/pci, which shows the whole machine from every network namespace, and from within a container too. Devices are
told by their ids; names of interfaces say nothing.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from netbench.facts.reading import Unreadable, read_text

_ADDRESS = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_NETWORK_CLASS = "02"  # PCI_BASE_CLASS_NETWORK
_BRIDGE_CLASS = "06"  # PCI_BASE_CLASS_BRIDGE


@dataclass(frozen=True)
class PciDevice:
    """One function of a PCI device.

    Attributes:
        address: domain:bus:device.function, as lspci -D prints it.
        vendor: id, four hexadecimal digits, as are device, subsystem_vendor and subsystem_device.
        class_code: base class, subclass and programming interface, six hexadecimal digits.
        driver: who has it, or None.
        path: its directory in sysfs.
    """

    address: str
    vendor: str
    device: str
    subsystem_vendor: str
    subsystem_device: str
    class_code: str
    driver: str | None
    path: str

    @property
    def ids(self) -> str:
        """Vendor and device, as lspci -n prints them."""
        return f"{self.vendor}:{self.device}"

    @property
    def subsystem_ids(self) -> str:
        """Vendor and device of the subsystem: who made the card, or the hypervisor that plays it."""
        return f"{self.subsystem_vendor}:{self.subsystem_device}"

    @property
    def is_network(self) -> bool:
        """Whether it is a NIC."""
        return self.class_code.startswith(_NETWORK_CLASS)

    @property
    def is_bridge(self) -> bool:
        """Whether it is a bridge between buses: part of the way, no device of its own."""
        return self.class_code.startswith(_BRIDGE_CLASS)

    def told(self) -> dict[str, Any]:
        """Its identity as plain values."""
        return {
            "address": self.address,
            "ids": self.ids,
            "subsystem_ids": self.subsystem_ids,
            "class": self.class_code,
            "driver": self.driver,
        }


def device_at(path: str) -> PciDevice:
    """The PCI device whose directory (or a link to it) is given.

    Raises:
        Unreadable: it is none.
    """
    real = os.path.realpath(path)
    address = os.path.basename(real)
    if not _ADDRESS.fullmatch(address):
        raise Unreadable(f"{path} is no PCI device")
    return PciDevice(
        address=address,
        vendor=_id(f"{real}/vendor", 4),
        device=_id(f"{real}/device", 4),
        subsystem_vendor=_id(f"{real}/subsystem_vendor", 4),
        subsystem_device=_id(f"{real}/subsystem_device", 4),
        class_code=_id(f"{real}/class", 6),
        driver=linked_name(f"{real}/driver"),
        path=real,
    )


def device_below(path: str) -> PciDevice | None:
    """The PCI device that something hangs on: the thing itself, or the nearest above it (a virtio device hangs on a PCI one)."""
    directory = os.path.realpath(path)
    while os.path.basename(directory):
        if _ADDRESS.fullmatch(os.path.basename(directory)):
            try:
                return device_at(directory)
            except Unreadable:
                return None
        directory = os.path.dirname(directory)
    return None


def device_of_address(address: str, root: str = "/sys") -> PciDevice | None:
    """The PCI device of an address; None: there is none, or the address is that of another bus."""
    if not _ADDRESS.fullmatch(address):
        return None
    try:
        return device_at(f"{root}/bus/pci/devices/{address}")
    except Unreadable:
        return None


def all_devices(root: str = "/sys") -> list[PciDevice]:
    """Every PCI device of the machine, by address.

    Raises:
        Unreadable: there is no PCI bus here, or it is not shown.
    """
    directory = f"{root}/bus/pci/devices"
    try:
        addresses = sorted(os.listdir(directory))
    except OSError as error:
        raise Unreadable(f"{directory}: {error.strerror}") from error
    return [device for device in (device_of_address(address, root) for address in addresses) if device is not None]


def interfaces_of(device: PciDevice) -> list[str]:
    """Names of its interfaces, as far as they are in the network stack that this /sys was mounted for."""
    names: list[str] = []
    for entry in [device.path, *_subdirectories(device.path, "virtio")]:
        try:
            names += os.listdir(f"{entry}/net")
        except OSError:
            continue
    return sorted(names)


def group_of(device: PciDevice) -> dict[str, Any] | None:
    """Its IOMMU group: number, type, and the other devices in it that are no bridges; None: it is in none."""
    directory = f"{device.path}/iommu_group"
    number = linked_name(directory)
    if number is None:
        return None
    return {"number": number, "type": text_or_none(f"{directory}/type"), "shared_with": [other.told() for other in _others(device)]}


def linked_name(path: str) -> str | None:
    """Last part of what a link points to; None: there is no such link."""
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return None


def text_or_none(path: str) -> str | None:
    """Text of a small file without the line's end; None: it is not there or may not be read."""
    try:
        return read_text(path).strip()
    except Unreadable:
        return None


def _id(path: str, digits: int) -> str:
    text = read_text(path).strip().lower().removeprefix("0x")
    if not re.fullmatch(f"[0-9a-f]{{{digits}}}", text):
        raise Unreadable(f"{path}: {text[:20]!r} is no id of {digits} hexadecimal digits")
    return text


def _others(device: PciDevice) -> list[PciDevice]:
    directory = f"{device.path}/iommu_group/devices"
    try:
        addresses = sorted(os.listdir(directory))
    except OSError:
        return []
    found = []
    for address in addresses:
        try:
            other = device_at(f"{directory}/{address}")
        except Unreadable:
            continue  # a device of another bus
        if other.address != device.address and not other.is_bridge:
            found.append(other)
    return found


def _subdirectories(path: str, prefix: str) -> list[str]:
    try:
        return [f"{path}/{name}" for name in sorted(os.listdir(path)) if name.startswith(prefix)]
    except OSError:
        return []
