"""Prints what netbench reads of a machine's devices as a tree file: `python3 record_sysfs.py 'what machine this is' > NAME.tree`.

Needs nothing but Python, so that it runs in any guest. Names of interfaces are kept; addresses and serial numbers are not read.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
import sys

PCI_FILES = ("vendor", "device", "subsystem_vendor", "subsystem_device", "class", "sriov_totalvfs", "sriov_numvfs")
DMI_FILES = ("sys_vendor", "product_name", "board_vendor", "bios_vendor", "bios_version", "chassis_vendor", "chassis_asset_tag")
NET_FILES = ("type", "tun_flags")


def record() -> list[str]:
    lines: list[str] = []
    for name in DMI_FILES:
        text(lines, f"/sys/class/dmi/id/{name}")
    for name in ("type", "uuid"):
        text(lines, f"/sys/hypervisor/{name}")
    for address in entries("/sys/bus/pci/devices"):
        device = link(lines, f"/sys/bus/pci/devices/{address}")
        for name in PCI_FILES:
            text(lines, f"{device}/{name}")
        for name in entries(device):
            if name in ("driver", "iommu_group", "physfn") or name.startswith("virtfn"):
                link(lines, f"{device}/{name}")
    for name in entries("/sys/class/net"):
        if not os.path.islink(f"/sys/class/net/{name}"):
            continue  # bonding_masters
        interface = link(lines, f"/sys/class/net/{name}")
        for file in NET_FILES:
            text(lines, f"{interface}/{file}")
        if told := driver(name):
            lines.append(f"ethtool/{name} = {told}")
        for entry in entries(interface):
            if entry in ("device", "master") or entry.startswith("lower_"):
                target = link(lines, f"{interface}/{entry}")
                if entry == "device":
                    link(lines, f"{target}/driver")
            elif entry in ("bridge", "bonding", "macvtap"):
                lines.append(f"{interface[1:]}/{entry}/")
        kind = [line for line in read(f"{interface}/uevent").splitlines() if line.startswith("DEVTYPE=")]
        lines += [f"{interface[1:]}/uevent = {kind[0]}"] if kind else []
    for unit in entries("/sys/class/iommu"):
        link(lines, f"/sys/class/iommu/{unit}")
    lines += ["sys/class/iommu/"] if os.path.isdir("/sys/class/iommu") else []
    lines += ["sys/kernel/iommu_groups/"] if os.path.isdir("/sys/kernel/iommu_groups") else []
    for group in entries("/sys/kernel/iommu_groups"):
        for name in ("type", "name"):
            text(lines, f"/sys/kernel/iommu_groups/{group}/{name}")
        for address in entries(f"/sys/kernel/iommu_groups/{group}/devices"):
            link(lines, f"/sys/kernel/iommu_groups/{group}/devices/{address}")
    lines += [f"sys/firmware/acpi/tables/{name} = not read" for name in entries("/sys/firmware/acpi/tables")]
    hypervisor = " hypervisor" if " hypervisor" in read("/proc/cpuinfo") else ""
    lines.append(f"proc/cpuinfo = flags : fpu{hypervisor}")
    options = [
        word for word in read("/proc/cmdline").split() if word.partition("=")[0].endswith("iommu") or word.startswith("vfio")
    ]
    lines.append(f"proc/cmdline = {' '.join(['quiet', *options])}")
    return list(dict.fromkeys(lines))


def entries(directory: str) -> list[str]:
    return sorted(os.listdir(directory)) if os.path.isdir(directory) else []


def read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def driver(interface: str) -> str:
    """Name of the driver and its bus address, as `ethtool -i` prints them."""
    buffer = bytearray(struct.pack("=I192x", 3))  # ETHTOOL_GDRVINFO
    array = (struct.Struct("16sP").pack(interface.encode(), _address(buffer))).ljust(40, b"\0")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        try:
            fcntl.ioctl(any_socket, 0x8946, array)  # SIOCETHTOOL
        except OSError:
            return ""
    return " ".join(bytes(buffer[start : start + 32]).rstrip(b"\0").decode() for start in (4, 100)).strip()


def _address(buffer: bytearray) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def text(lines: list[str], path: str) -> None:
    if value := read(path).strip():
        lines.append(f"{path[1:]} = {value}")


def link(lines: list[str], path: str) -> str:
    """Notes a link, and returns what it leads to."""
    if os.path.islink(path):
        lines.append(f"{path[1:]} -> {os.readlink(path)}")
    return os.path.realpath(path)


if __name__ == "__main__":
    print(f"# recorded: {' '.join(sys.argv[1:])}")
    print("\n".join(record()))
