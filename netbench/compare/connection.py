"""The interfaces between a probe and the wire, from the facts of a place: its own, what that hangs on, and so on down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netbench.compare.checks import Place

Mode = Mapping[str, Any]  # as netbench.facts.network_mode.read returns it
DEVICE_MODES = frozenset({"physical", "passthrough", "vf", "virtio", "paravirtual", "emulated"})


def own_mode(place: Place) -> Mode:
    """Network mode of the interface itself.

    Raises:
        ValueError: the facts hold something else there.
    """
    mode = place.get("interface", "network_mode")
    if not isinstance(mode, Mapping):
        raise ValueError(f"interface.network_mode is {mode!r}")
    return mode


def chain(mode: Mode) -> list[Mode]:
    """An interface and all that it hangs on, nearest first."""
    parents = mode.get("parents")
    found = [mode]
    for parent in parents if isinstance(parents, list) else []:
        if isinstance(parent, Mapping):
            found += chain(parent)
    return found


def devices(place: Place) -> list[Mode]:
    """Those of them that are devices, imitated or real."""
    return [mode for mode in chain(own_mode(place)) if mode.get("mode") in DEVICE_MODES]


def network_devices(place: Place) -> list[Mode]:
    """Every NIC of the machine, whoever has it.

    Raises:
        ValueError: the facts hold something else there.
    """
    found = place.get("pci", "network_devices")
    if not isinstance(found, list):
        raise ValueError(f"pci.network_devices is {found!r}")
    return [device for device in found if isinstance(device, Mapping)]


def address_of(mode: Mode) -> str:
    """PCI address of a device, or a word to be replaced."""
    device = mode.get("device")
    return str(device["address"]) if isinstance(device, Mapping) and device.get("address") else "ADDRESS"


def function_of(mode: Mode) -> Mode | None:
    """Its part in SR-IOV when it is a virtual function, else None."""
    sriov = mode.get("sriov")
    return sriov if isinstance(sriov, Mapping) and sriov.get("role") == "virtual-function" else None


def parent_and_number(function: Mode) -> tuple[str, str]:
    """Interface of a virtual function's parent, and its number there, as `ip link set PARENT vf NUMBER` takes them."""
    parent = function.get("parent")
    names = parent.get("interfaces") if isinstance(parent, Mapping) else None
    number = function.get("index")
    return (str(names[0]) if isinstance(names, list) and names else "PARENT", "NUMBER" if number is None else str(number))
