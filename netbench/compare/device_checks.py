"""What a probe needs of the NIC below it: a device made for the place, and a virtual function that is let through."""

from __future__ import annotations

from netbench.compare.checks import Check, Judgement, Place
from netbench.compare.connection import Mode, address_of, devices, function_of, parent_and_number

_MODE = ("interface", "network_mode")
# How to ask for a place's own device: driver -> what to type, where the hypervisor is set.
_HOW_TO_GET = {
    "virtio_net": "virsh edit DOMAIN   # <model type='virtio'/>; with qemu alone: -device virtio-net-pci,…",
    "vmxnet3": """sed -i 's/^ethernet0.virtualDev = .*/ethernet0.virtualDev = "vmxnet3"/' VM.vmx   # while the VM is off""",
    "hv_netvsc": "Remove-VMNetworkAdapter -VMName VM -Name 'Legacy Network Adapter'; Add-VMNetworkAdapter -VMName VM",
    "ena": "aws ec2 modify-instance-attribute --instance-id ID --ena-support   # while the instance is stopped",
    "gve": "gcloud compute instances create NAME --network-interface=nic-type=GVNIC …",
    "vif": "modprobe xen-netfront   # and take xen_emul_unplug=never off the kernel's command line",
}
# Driver -> groups that its function hears at once: igbvf's message to the parent has room for 30 addresses, 224.0.0.1 is one.
_MOST_GROUPS = {"igbvf": 29}
_VIRTUALBOX = "VBoxManage modifyvm VM --nictype1 virtio   # while the VM is off"


def _device_model(place: Place) -> Judgement | None:
    found = devices(place)
    if not found:
        return None
    evidence = "; ".join(f"{mode.get('name')}: {_model_sentence(mode)}" for mode in found)
    for mode in found:
        native = _native_of(mode)
        if mode.get("mode") == "emulated":
            consequence = (
                "each register that the driver touches stops the guest, and what it says of stamps and counters is imitated"
            )
            better = f"; made for this place: {', '.join(native)}" if native else ""
            return Judgement("warn", f"{evidence}: {consequence}{better}", _remedy(place, native))
        if native and mode.get("mode") in ("virtio", "paravirtual") and mode.get("driver") != native[0]:
            return Judgement("info", f"{evidence}; the best that this place has is {native[0]}", _remedy(place, native))
    return Judgement("ok", evidence)


def _model_sentence(mode: Mode) -> str:
    words = {
        "physical": "a physical NIC",
        "passthrough": "a physical NIC passed through to this guest, so that stamps, filters and counters are the hardware's own",
        "vf": "an SR-IOV virtual function",
        "virtio": "virtio",
        "paravirtual": f"a device of {mode.get('by')}",
        "emulated": f"a card imitated by {mode.get('by')}",
    }
    return f"{words[str(mode.get('mode'))]} ({mode.get('evidence')})"


def _native_of(mode: Mode) -> list[str]:
    native = mode.get("native_drivers")
    return [str(driver) for driver in native] if isinstance(native, list) else []


def _remedy(place: Place, native: list[str]) -> str | None:
    if place.get("hypervisor", "name") == "virtualbox":
        return _VIRTUALBOX
    return _HOW_TO_GET.get(native[0]) if native else None


def _function_trust(place: Place) -> Judgement | None:
    mode = next((mode for mode in devices(place) if function_of(mode) is not None), None)
    function = function_of(mode) if mode is not None else None
    if mode is None or function is None or place.get("hypervisor", "name") == "hyperv":
        return None  # Hyper-V and Azure decide about their functions themselves
    parent, number = parent_and_number(function)
    seen = function.get("parent") is not None
    name = f"{mode.get('name')} is virtual function {number} of {parent}" if seen else f"{mode.get('name')} is a virtual function"
    trust = function.get("trust")
    allow = f"ip link set {parent} vf {number} trust on{'' if seen else '   # on the host that lent it'}"
    limits = "the parent refuses promiscuous and all-multicast mode to it, so groups beyond its filter do not arrive"
    if trust is None:
        cloud = place.get("cloud", "provider")
        if cloud not in (None, "none"):
            return Judgement("info", f"{name}; whether it is trusted is {cloud}'s to decide")
        why = "whether it is trusted could not be read" if seen else "its parent is not seen from here"
        return Judgement("info", f"{name}; {why}: where it is not trusted, {limits}", allow)
    if not trust:
        return Judgement("warn", f"{name}, and not trusted: {limits}", allow)
    return Judgement("ok", f"{name}, and trusted")


def _function_groups(place: Place) -> Judgement | None:
    for mode in devices(place):
        most = _MOST_GROUPS.get(str(mode.get("driver")))
        function = function_of(mode)
        if most is None or function is None:
            continue
        parent, _ = parent_and_number(function)
        evidence = (
            f"{mode.get('name')} hears at most {most} groups at once: {mode.get('driver')} tells its parent of no more. Further "
            "joins succeed, nothing of these groups arrives, no counter tells, and neither trust nor promiscuous mode helps"
        )
        where = "" if function.get("parent") is not None else "   # on the host that lent it"
        return Judgement("warn", evidence, f"netbench inspect -i {parent}{where}   # a probe of more groups belongs there")
    return None


def _functions_made(place: Place) -> Judgement | None:
    for mode in devices(place):
        sriov = mode.get("sriov")
        if mode.get("mode") not in ("physical", "passthrough") or not sriov or sriov.get("role") != "physical-function":
            continue
        total, made = sriov.get("total_vfs"), sriov.get("num_vfs")
        if not total:
            continue
        if made:
            told = ", ".join(
                f"{function.get('address')} ({function.get('driver') or 'no driver'})" for function in sriov["functions"]
            )
            return Judgement("ok", f"{made} of {total} virtual functions are made: {told}")
        return Judgement(
            "info",
            f"{mode.get('name')} could be {total} virtual functions and is none: containers and guests share it in software",
            f"echo 2 > /sys/bus/pci/devices/{address_of(mode)}/sriov_numvfs",
        )
    return None


def _accelerated(place: Place) -> Judgement | None:
    netvsc = next((mode for mode in devices(place) if _is_netvsc(mode)), None)
    if netvsc is None:
        return None
    function = next((mode for mode in netvsc.get("parents", []) if function_of(mode) is not None), None)
    if function is not None:
        return Judgement(
            "ok",
            f"{netvsc.get('name')} is joined by the virtual function {function.get('name')} ({function.get('driver')}): packets "
            f"take the hardware's way, and what captures on {netvsc.get('name')} sees them",
        )
    evidence = f"{netvsc.get('name')} has no virtual function: every packet goes through the host's switch and the VMbus"
    if place.get("cloud", "provider") == "Azure":
        remedy = "az network nic update --resource-group GROUP --name NIC --accelerated-networking true   # while the VM is stopped"
        return Judgement("warn", evidence, remedy)
    return Judgement("info", evidence, "Set-VMNetworkAdapter -VMName VM -IovWeight 100")


def _is_netvsc(mode: Mode) -> bool:
    return mode.get("driver") == "hv_netvsc"


DEVICE_CHECKS: tuple[Check, ...] = (
    Check(
        "device_model",
        "Model of the NIC",
        "a NIC of metal, whole or as a virtual function, or the device that the hypervisor made for its guests",
        (_MODE,),
        _device_model,
    ),
    Check(
        "function_trust",
        "SR-IOV virtual function",
        "trusted by its parent, so that it may take in every group",
        (_MODE,),
        _function_trust,
    ),
    Check(
        "function_groups",
        "Groups of the virtual function",
        "as many groups as the probe receives",
        (_MODE,),
        _function_groups,
    ),
    Check(
        "functions_made",
        "SR-IOV of the NIC",
        "virtual functions, where containers or guests shall have the NIC's own queues",
        (_MODE,),
        _functions_made,
    ),
    Check(
        "accelerated_networking",
        "Hardware path beside the synthetic NIC",
        "a virtual function joined to the synthetic interface",
        (_MODE,),
        _accelerated,
    ),
)
