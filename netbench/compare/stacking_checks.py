"""What a probe needs of the interface below its own: that it lets frames for another address through, and is a NIC at all."""

from __future__ import annotations

from netbench.compare.checks import Check, Judgement, Place, Severity
from netbench.compare.connection import DEVICE_MODES, Mode, function_of, own_mode, parent_and_number

_MODE = ("interface", "network_mode")
_OWN_ADDRESS = frozenset({"macvlan", "macvtap"})
_SAME_ADDRESS = frozenset({"ipvlan", "ipvtap"})
_ON_TOP = frozenset({"vlan", "bond", "team", "bridge"})
_CLOUDS = frozenset({"Amazon EC2", "Google Compute Engine"})  # told by the device
_NEVER = frozenset({*_CLOUDS, "EC2", "GCE", "Azure"})  # others can be asked to let more addresses through


def _parent(place: Place) -> Judgement | None:
    mode = own_mode(place)
    kind = str(mode.get("mode"))
    if kind not in _OWN_ADDRESS | _SAME_ADDRESS:
        return None
    parents = mode.get("parents")
    if not isinstance(parents, list) or not parents:
        return Judgement(
            "info",
            f"the parent of this {kind} is in another network namespace, and not seen from here",
            "netbench inspect -i PARENT   # on the host",
        )
    parent = parents[0]
    told = f"{kind} on {parent.get('name')} ({parent.get('mode')})"
    if kind in _SAME_ADDRESS:
        return Judgement("ok", f"{told}: it uses its parent's address, which every switch and provider lets through")
    return _lets_through(place, parent, told) or Judgement("ok", f"{told}: it takes in frames for other addresses")


def _lets_through(place: Place, parent: Mode, told: str) -> Judgement | None:
    """What stands in the way of frames for an address that is not the parent's own; None: nothing."""
    mode, by = parent.get("mode"), str(parent.get("by"))
    cloud = place.get("cloud", "provider")
    if by in _CLOUDS or (mode in DEVICE_MODES - {"physical"} and cloud not in (None, "none")):
        provider = by if by in _CLOUDS else cloud
        evidence = f"{told}: {provider} drops frames of addresses that it did not give out"
        severity: Severity = "fail" if provider in _NEVER else "warn"
        return Judgement(severity, evidence, "docker run --network host …   # or a second NIC of the provider's")
    if mode == "vf":
        function = function_of(parent) or {}
        if function.get("trust") and function.get("spoof_check") is False:
            return None
        name, number = parent_and_number(function)
        evidence = (
            f"{told}: the parent's NIC passes a virtual function its own address only, unless it is trusted and not spoof-checked"
        )
        return Judgement("warn", evidence, f"ip link set {name} vf {number} trust on spoofchk off   # on the host of the NIC")
    if mode not in ("virtio", "paravirtual", "emulated"):
        if mode in DEVICE_MODES:
            return None
        return Judgement("info", f"{told}: what it hangs on is itself no NIC", f"netbench inspect -i {parent.get('name')}")
    return _switch_of_hypervisor(place, by, told)


def _switch_of_hypervisor(place: Place, by: str, told: str) -> Judgement:
    hypervisor = place.get("hypervisor", "name")
    if by.startswith("VMware") or hypervisor == "vmware":
        return Judgement(
            "warn",
            f"{told}: the virtual switch sends the guest frames for its own address only, unless its port group allows more",
            "esxcli network vswitch standard portgroup policy security set --portgroup-name GROUP --allow-promiscuous true "
            "--allow-forged-transmits true --allow-mac-change true",
        )
    if by.startswith("Hyper-V") or hypervisor == "hyperv":
        evidence = f"{told}: the virtual switch drops frames from and for other addresses, unless spoofing is allowed"
        return Judgement("warn", evidence, "Set-VMNetworkAdapter -VMName VM -MacAddressSpoofing On   # on the host")
    if hypervisor == "virtualbox":
        evidence = f"{told}: the adapter gets frames for its own address only, unless it may be promiscuous"
        return Judgement("warn", evidence, "VBoxManage modifyvm VM --nicpromisc1 allow-all   # while the VM is off")
    return Judgement(
        "info",
        f"{told}: a tap on a bridge passes other addresses on, a macvtap only when the host trusts the guest's filters",
        "virsh edit DOMAIN   # <interface trustGuestRxFilters='yes' …>",
    )


def _on_top(place: Place) -> Judgement | None:
    mode = own_mode(place)
    kind, parents = str(mode.get("mode")), mode.get("parents")
    if kind not in _ON_TOP or not isinstance(parents, list) or not parents:
        return None
    names = ", ".join(f"{parent.get('name')} ({parent.get('mode')})" for parent in parents)
    return Judgement(
        "info",
        f"{kind} on {names}: rings, coalescing, queues and stamps are those of what it stands on",
        f"netbench inspect -i {parents[0].get('name')}",
    )


STACKING_CHECKS: tuple[Check, ...] = (
    Check("parent", "Parent of the interface", "a NIC that takes in frames for the probe's address", (_MODE,), _parent),
    Check("on_top", "Interface on top of others", "a NIC of its own, where settings of hardware matter", (_MODE,), _on_top),
)
