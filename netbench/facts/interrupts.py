"""The interrupts of a NIC: which CPUs may take them, and which did."""

from __future__ import annotations

import os
from typing import Any

from netbench.facts.links import SYSFS, check_sysfs_is_ours
from netbench.facts.reading import Answer, Unreadable, collect, read_text

_PATH = "/proc/interrupts"


def read(interface: str) -> Answer:
    """Subject `interrupts`."""
    return collect({"interrupts": lambda: _interrupts(interface)})


def parse_interrupts(text: str) -> dict[int, dict[str, Any]]:
    """Numbered interrupts of /proc/interrupts: `counts` (CPU -> how many it took) and `name`.

    Raises:
        Unreadable: it has no heading of CPUs.
    """
    lines = text.splitlines()
    cpus = [int(word[3:]) for word in lines[0].split() if word.startswith("CPU")] if lines else []
    if not cpus:
        raise Unreadable(f"{_PATH} has no heading")
    found: dict[int, dict[str, Any]] = {}
    for line in lines[1:]:
        number, colon, rest = line.partition(":")
        columns = rest.split()
        if not colon or not number.strip().isdecimal() or len(columns) < len(cpus):
            continue
        if not all(column.isdecimal() for column in columns[: len(cpus)]):
            continue
        counts = dict(zip(cpus, map(int, columns), strict=False))
        found[int(number)] = {"counts": counts, "name": columns[-1] if len(columns) > len(cpus) else ""}
    return found


def parse_cpu_list(text: str) -> list[int]:
    """CPUs of a list such as 0-3,8.

    Raises:
        Unreadable: it is none.
    """
    cpus: list[int] = []
    try:
        for part in filter(None, text.strip().split(",")):
            low, _, high = part.partition("-")
            cpus += range(int(low), int(high or low) + 1)
    except ValueError as error:
        raise Unreadable(f"{text[:40]!r} is no list of CPUs") from error
    return cpus


def summary(numbers: list[int], all_interrupts: dict[int, dict[str, Any]], allowed: dict[int, list[int]]) -> dict[str, Any]:
    """What a NIC's interrupts tell together.

    Args:
        numbers: of the NIC's interrupts.
        all_interrupts: as parsed.
        allowed: interrupt -> CPUs that may take it.

    Returns:
        `lines` (number, name, allowed_cpus, busiest_cpu, taken), `busy` (how many of these were taken), `cpus` (that took any),
        `share_of_busiest_cpu`.
    """
    lines = []
    per_cpu: dict[int, int] = {}
    for number in sorted(numbers):
        known = all_interrupts.get(number)
        if known is None:
            continue
        counts: dict[int, int] = known["counts"]
        taken = sum(counts.values())
        busiest = max(counts, key=lambda cpu: counts[cpu]) if taken else None
        line = {"number": number, "name": known["name"], "allowed_cpus": allowed.get(number), "busiest_cpu": busiest}
        lines.append({**line, "taken": taken})
        for cpu, count in counts.items():
            per_cpu[cpu] = per_cpu.get(cpu, 0) + count
    total = sum(per_cpu.values())
    return {
        "lines": lines,
        "busy": sum(1 for line in lines if line["taken"]),
        "cpus": sorted(cpu for cpu, count in per_cpu.items() if count),
        "share_of_busiest_cpu": max(per_cpu.values()) / total if total else None,
    }


def _interrupts(interface: str) -> dict[str, Any]:
    check_sysfs_is_ours()
    numbers = _numbers(interface)
    everything = parse_interrupts(read_text(_PATH))
    allowed: dict[int, list[int]] = {}
    for number in numbers:
        try:
            allowed[number] = parse_cpu_list(read_text(f"/proc/irq/{number}/smp_affinity_list"))
        except Unreadable:
            continue
    found = summary(numbers, everything, allowed)
    if not found["lines"]:
        raise Unreadable(f"{_PATH} has no interrupt of {interface}")
    return found


def _numbers(interface: str) -> list[int]:
    """Interrupts of the device, or of the one that carries it (virtio hangs on a PCI device, whose interrupts it uses)."""
    device = os.path.realpath(f"{SYSFS}/{interface}/device")
    if not os.path.exists(f"{SYSFS}/{interface}/device"):
        raise Unreadable(f"{interface} has no device, so no interrupts of its own")
    for directory in (device, os.path.dirname(device)):
        try:
            numbers = [int(name) for name in os.listdir(f"{directory}/msi_irqs") if name.isdecimal()]
        except OSError:
            numbers = []
        if numbers:
            return numbers
    for directory in (device, os.path.dirname(device)):
        try:
            return [int(read_text(f"{directory}/irq"))]
        except (Unreadable, ValueError):
            continue
    raise Unreadable(f"{device} does not tell its interrupts")
