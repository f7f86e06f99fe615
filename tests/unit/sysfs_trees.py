"""Machines of tests/platform/recorded/sysfs, laid out as directories again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netbench.facts import cloud, devices, iommu, network_mode
from netbench.facts.device_models import machine
from netbench.facts.network_mode import Interfaces
from netbench.facts.virtualisation import judge_hypervisor

RECORDED = Path(__file__).parent.parent / "platform" / "recorded" / "sysfs"


@dataclass(frozen=True)
class Recorded:
    """A machine of a tree file.

    Attributes:
        sys: its sysfs.
        cpuinfo: text of its /proc/cpuinfo.
        command_line: path of its /proc/cmdline.
    """

    sys: str
    cpuinfo: str
    command_line: str

    def mode(self, interface: str) -> dict[str, Any]:
        """As in a network stack that only sysfs and the drivers tell of: there is no `ip`."""
        told = Interfaces(lambda name: {}, self._members, self._driver, in_sysfs=True)
        return network_mode.read(interface, machine(self.sys, self.cpuinfo), told)

    def _members(self, master: str) -> list[str]:
        links = sorted(Path(self.sys, "class/net").glob("*/master"))
        return [link.parent.name for link in links if link.resolve().name == master]

    def _driver(self, name: str) -> tuple[str, str]:
        path = Path(self.sys).parent / "ethtool" / name
        driver, _, bus = (path.read_text().strip() if path.exists() else "").rpartition(" ")
        return (driver, bus) if driver else (bus, "")

    def nics(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = devices.read(self.sys, self.cpuinfo).values["pci"]["network_devices"]
        return found

    def iommu(self) -> dict[str, Any]:
        found: dict[str, Any] = iommu.read(self.sys, self.command_line).values["iommu"]
        return found

    def facts(self, interface: str | None) -> dict[str, Any]:
        """As the facts of a place hold them, for the checks."""
        told = [devices.read(self.sys, self.cpuinfo), iommu.read(self.sys, self.command_line)]
        facts: dict[str, Any] = {key: value for answer in told for key, value in answer.values.items()}
        facts["absent"] = {key: reason for answer in told for key, reason in answer.absent.items()}
        dmi = cloud.read_dmi(self.sys)
        names = " ".join(dmi.get(field, "") for field in ("sys_vendor", "product_name", "board_vendor", "bios_vendor"))
        kind = Path(self.sys, "hypervisor/type")
        facts["hypervisor"] = judge_hypervisor(names, self.cpuinfo, kind.read_text() if kind.exists() else "")
        facts["cloud"] = cloud.judge_cloud(dmi)
        if interface is not None:
            mode = self.mode(interface)
            facts["interface"] = {"name": interface, "kind": mode["mode"], "network_mode": mode}
        return facts


def names() -> list[str]:
    return sorted(path.stem for path in RECORDED.glob("*.tree"))


def lay(name: str, directory: Path) -> Recorded:
    for line in (RECORDED / f"{name}.tree").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        if " -> " in line:
            path, target = line.split(" -> ")
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).symlink_to(target)
        elif " = " in line:
            path, text = line.split(" = ", 1)
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_text(f"{text}\n", encoding="utf-8")
        else:
            (directory / line).mkdir(parents=True, exist_ok=True)
    return Recorded(str(directory / "sys"), (directory / "proc/cpuinfo").read_text(), str(directory / "proc/cmdline"))
