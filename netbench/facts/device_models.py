"""What a NIC is in a machine: metal, a hypervisor's imitation of a well-known card, the hypervisor's own device, or metal lent out.

An imitation is told by its PCI ids: hypervisors sign the subsystem, or use a pair of ids of their own. A passed-through card keeps
the subsystem that its maker gave it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from netbench.facts.cloud import judge_cloud, read_dmi
from netbench.facts.pci import PciDevice, text_or_none
from netbench.facts.sriov import role_of
from netbench.facts.virtualisation import judge_hypervisor

_NAMES_OF_HYPERVISOR = ("sys_vendor", "product_name", "board_vendor", "bios_vendor")  # fields of DMI

# Devices that a hypervisor or a cloud made up: driver -> (mode, who makes it; None: any hypervisor may).
_PARAVIRTUAL_DRIVERS: dict[str, tuple[str, str | None]] = {
    "virtio_net": ("virtio", None),
    "virtio-pci": ("virtio", None),
    "vmxnet3": ("paravirtual", "VMware"),
    "vmxnet": ("paravirtual", "VMware"),
    "hv_netvsc": ("paravirtual", "Hyper-V"),
    "vif": ("paravirtual", "Xen"),
    "xen_netfront": ("paravirtual", "Xen"),
    "ena": ("paravirtual", "Amazon EC2"),
    "gve": ("paravirtual", "Google Compute Engine"),
    "gvnic": ("paravirtual", "Google Compute Engine"),
}
# The same by id, for one that nobody drives.
_PARAVIRTUAL_IDS = {
    "1af4:1000": "virtio_net",
    "1af4:1041": "virtio_net",
    "15ad:0720": "vmxnet",
    "15ad:07b0": "vmxnet3",
    "1d0f:ec20": "ena",
    "1d0f:ec21": "ena",
    "1d0f:0ec2": "ena",
    "1d0f:1ec2": "ena",
    "1ae0:0042": "gve",
}
# Vendors of hypervisors, who sign the subsystem of a card that they imitate.
_SUBSYSTEM_MAKERS = {
    "1af4": "QEMU",
    "1b36": "QEMU",
    "15ad": "VMware",
    "80ee": "VirtualBox",
    "5853": "Xen",
    "1ab8": "Parallels",
    "1414": "Hyper-V",
}
_QEMU = frozenset({"qemu", "kvm", "xen", "unknown"})
# Imitations with a subsystem of the card's maker: ids, subsystem -> (hypervisors that use the pair, who imitates).
# QEMU's e1000e: Intel's vendor and the device 0000, its property `subsys` (a real 82574L may be unsigned like that, but seldom is).
_UNSIGNED_IMITATIONS = {
    ("8086:10d3", "8086:0000"): (_QEMU, "QEMU"),
    ("8086:100e", "8086:001e"): (frozenset({"virtualbox"}), "VirtualBox"),
    ("8086:1004", "8086:1004"): (frozenset({"virtualbox"}), "VirtualBox"),
    ("8086:100f", "15ad:0750"): (frozenset({"virtualbox"}), "VirtualBox"),
    ("1022:2000", "1022:2000"): (frozenset({"virtualbox", "vmware"}), "VirtualBox or VMware"),
    ("1022:2000", "0000:0000"): (_QEMU, "QEMU"),
    ("1011:0019", "103c:104f"): (_QEMU, "QEMU"),
}
# Cards of the nineties, which nobody passes through: (ids, hypervisor) -> who imitates.
_OLD_CARDS = {("1011:0009", "hyperv"): "Hyper-V (legacy network adapter)"}

# Drivers of a place's own devices, the best first, and how each is asked for.
_NATIVE_OF_CLOUD = {"EC2": ("ena",), "GCE": ("gve", "virtio_net"), "Azure": ("hv_netvsc",)}
_NATIVE_OF_HYPERVISOR = {
    "qemu": ("virtio_net",),
    "kvm": ("virtio_net",),
    "bhyve": ("virtio_net",),
    "virtualbox": ("virtio_net",),
    "parallels": ("virtio_net",),
    "bochs": ("virtio_net",),
    "vmware": ("vmxnet3",),
    "hyperv": ("hv_netvsc",),
    "xen": ("vif",),
}


@dataclass(frozen=True)
class Machine:
    """What must be known of a machine to judge its NICs.

    Attributes:
        root: where its sysfs is.
        hypervisor: that it runs under; "none": none.
        cloud: the provider whose it is; "none": no sign of one.
    """

    root: str
    hypervisor: str
    cloud: str

    @property
    def native_drivers(self) -> list[str] | None:
        """Drivers of the devices made for such a place, the best first; None: not known, or no guest."""
        return native_drivers(self.hypervisor, self.cloud)

    def describe(self, device: PciDevice) -> dict[str, Any]:
        """What a PCI NIC is."""
        return model_of(device, self.hypervisor)


def machine(root: str = "/sys", cpuinfo: str | None = None) -> Machine:
    """Read what the machine is.

    Args:
        root: where its sysfs is.
        cpuinfo: text of /proc/cpuinfo; None: that of this machine.
    """
    dmi = read_dmi(root)
    names = " ".join(dmi.get(field, "") for field in _NAMES_OF_HYPERVISOR)
    if cpuinfo is None:
        cpuinfo = text_or_none("/proc/cpuinfo") or ""
    hypervisor = judge_hypervisor(names, cpuinfo, text_or_none(f"{root}/hypervisor/type") or "")["name"]
    if hypervisor == "xen" and set(text_or_none(f"{root}/hypervisor/uuid") or "x") <= {"0", "-"}:
        hypervisor = "none"  # Xen's first domain has the metal itself
    return Machine(root, hypervisor, judge_cloud(dmi)["provider"])


def model_of(device: PciDevice, hypervisor: str) -> dict[str, Any]:
    """What a PCI NIC is: `mode`, `by` (who makes the device, if not its maker), `evidence`, `sriov`.

    Args:
        device: the NIC.
        hypervisor: name of the hypervisor that this machine runs under; "none": none.
    """
    sriov = role_of(device)
    mode, by, why = _judge(device, hypervisor, sriov)
    driver = f"driver {device.driver}" if device.driver else "no driver"
    evidence = f"PCI {device.ids}, subsystem {device.subsystem_ids}, {driver} at {device.address}: {why}"
    return {"mode": mode, "by": by, "evidence": evidence, "sriov": sriov}


def paravirtual_of_driver(driver: str) -> tuple[str, str | None] | None:
    """Mode and maker (None: any hypervisor) of a device made up by a hypervisor or a cloud; None: it has no such driver."""
    return _PARAVIRTUAL_DRIVERS.get(driver)


def native_drivers(hypervisor: str, cloud: str) -> list[str] | None:
    """Drivers of the devices that are made for such a place, the best first; None: no hypervisor, or an unnamed one."""
    if cloud in _NATIVE_OF_CLOUD:
        return list(_NATIVE_OF_CLOUD[cloud])
    return list(_NATIVE_OF_HYPERVISOR[hypervisor]) if hypervisor in _NATIVE_OF_HYPERVISOR else None


def _judge(device: PciDevice, hypervisor: str, sriov: dict[str, Any] | None) -> tuple[str, str | None, str]:
    own = _PARAVIRTUAL_DRIVERS.get(_PARAVIRTUAL_IDS.get(device.ids, "")) or _PARAVIRTUAL_DRIVERS.get(device.driver or "")
    if own is not None:
        mode, by = own
        return mode, by, f"a device that {by or 'hypervisors'} made up for guests"
    imitator = _imitator(device, hypervisor)
    if sriov is not None and sriov["role"] == "virtual-function":
        imitated = f", imitated by {imitator}" if imitator else ""
        if sriov["parent"] is not None:
            number = "" if sriov["index"] is None else f" {sriov['index']}"
            return "vf", imitator, f"virtual function{number} of {sriov['parent']['address']} (its link physfn){imitated}"
        return "vf", imitator, f"an id of virtual functions, and no link to its parent here: it was lent to this machine{imitated}"
    if imitator is not None:
        return "emulated", imitator, f"the ids of {imitator}'s imitation of that card"
    if hypervisor == "none":
        return "physical", None, "no sign of a hypervisor"
    return (
        "passthrough",
        None,
        f"this machine is a guest (hypervisor {hypervisor}), and the subsystem is the maker's own, not a hypervisor's",
    )


def _imitator(device: PciDevice, hypervisor: str) -> str | None:
    old = _OLD_CARDS.get((device.ids, hypervisor))
    if old is not None:
        return old
    hypervisors, maker = _UNSIGNED_IMITATIONS.get((device.ids, device.subsystem_ids), (frozenset(), ""))
    if hypervisor in hypervisors:
        return maker
    if device.subsystem_vendor == device.vendor:
        return None  # its maker's own card: Microsoft makes real ones as well
    return _SUBSYSTEM_MAKERS.get(device.subsystem_vendor)
