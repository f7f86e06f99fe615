"""What lending a NIC to a guest needs of the machine: an IOMMU, a group of its own; and which NICs are lent already."""

from __future__ import annotations

from collections.abc import Mapping

from netbench.compare.checks import Check, Judgement, Place
from netbench.compare.connection import network_devices

_GRUBBY_FAMILIES = frozenset({"rhel", "centos", "rocky", "almalinux", "fedora", "ol"})


def _iommu(place: Place) -> Judgement | None:
    physical = [device for device in network_devices(place) if device.get("mode") == "physical"]
    evidence = str(place.get("iommu", "evidence"))
    if place.get("iommu", "on"):
        return Judgement("ok", f"on: {evidence}")
    if not physical or place.get("hypervisor", "name") == "xen":
        return None  # a guest's NICs are not its own to lend; Xen has the IOMMU itself
    options = place.get("iommu", "kernel_options")
    told = f"the kernel was given {' '.join(map(str, options)) or 'nothing about it'}" if isinstance(options, list) else ""
    evidence = f"off: {'; '.join(part for part in (evidence, told) if part)}: no NIC and no virtual function can be lent to a guest"
    tables = place.get("iommu", "firmware_tables")
    if tables == []:
        return Judgement(
            "info",
            f"{evidence}; the firmware describes none",
            "systemctl reboot --firmware-setup   # there: VT-d (Intel) or AMD-Vi / IOMMU on",
        )
    return Judgement("info", evidence, _kernel_remedy(place, "amd_iommu=on" if _is_amd(place, tables) else "intel_iommu=on"))


def _is_amd(place: Place, tables: object) -> bool:
    if isinstance(tables, list):
        return "IVRS" in tables
    return "AMD" in str(place.get("machine", "cpu_model"))


def _kernel_remedy(place: Place, option: str) -> str:
    if place.get("os_release", "id") in _GRUBBY_FAMILIES:
        return f"grubby --update-kernel=ALL --args='{option} iommu=pt' && reboot"
    edit = f"""sed -i 's/^GRUB_CMDLINE_LINUX="/&{option} iommu=pt /' /etc/default/grub"""
    return f"{edit} && update-grub && reboot"


def _groups(place: Place) -> Judgement | None:
    shared = []
    alone = 0
    for device in network_devices(place):
        group = device.get("iommu_group")
        if device.get("mode") != "physical" or not isinstance(group, Mapping):
            continue
        others = [f"{other.get('address')} ({other.get('ids')})" for other in group.get("shared_with", [])]
        alone += not others
        if others:
            shared.append(f"{device.get('address')} shares group {group.get('number')} with {', '.join(others)}")
    if shared:
        consequence = "what shares a group is lent together or not at all"
        remedy = "lspci -nnt   # move the card to a slot below a root port of its own"
        return Judgement("info", f"{'; '.join(shared)}: {consequence}", remedy)
    return Judgement("ok", f"NICs with a group of their own: {alone}") if alone else None


def _held(place: Place) -> Judgement | None:
    held = place.get("iommu", "held_devices")
    if not isinstance(held, list):
        raise ValueError(f"iommu.held_devices is {held!r}")
    nics = [device for device in held if isinstance(device, Mapping) and device.get("network")]
    if not nics:
        return None
    told = "; ".join(f"{device.get('driver')} holds the NIC {device.get('address')} ({device.get('ids')})" for device in nics)
    address, driver = nics[0].get("address"), nics[0].get("driver")
    give_back = (
        f"echo > /sys/bus/pci/devices/{address}/driver_override; echo {address} > /sys/bus/pci/drivers/{driver}/unbind; "
        f"echo {address} > /sys/bus/pci/drivers_probe   # when no guest uses it"
    )
    consequence = (
        "it belongs to a guest or to a program of its own (DPDK), has no interface here, and nothing here can capture on it"
    )
    return Judgement("info", f"{told}: {consequence}", give_back)


ASSIGNMENT_CHECKS: tuple[Check, ...] = (
    Check(
        "iommu",
        "IOMMU",
        "on, where NICs or virtual functions shall be lent to guests",
        (("iommu", "on"), ("pci", "network_devices")),
        _iommu,
    ),
    Check("iommu_group", "IOMMU groups of the NICs", "a group of its own for each NIC", (("pci", "network_devices"),), _groups),
    Check("held_nics", "NICs held for guests", "no NIC that a probe here shall capture on", (("iommu", "held_devices"),), _held),
)
