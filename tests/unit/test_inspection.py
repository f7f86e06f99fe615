"""What `netbench inspect` prints, and that each finding is documented."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from netbench.compare.findings import CHECKS
from netbench.report.inspection import print_inspection
from netbench.report.place_sentence import place_sentence
from netbench.result.environment import Finding

DOCS = Path(__file__).parents[2] / "docs" / "inspect.md"

REMEDY = (
    "nft insert rule inet filter input ip daddr 239.1.1.1 udp dport 5004 accept && nft insert rule inet f o ip protocol igmp accept"
)
FINDINGS = [
    Finding(id="kernel", severity="ok", title="Kernel", expected="3.9", evidence="the kernel is 6.1"),
    Finding(
        id="gro",
        severity="info",
        title="Generic receive offload",
        expected="off",
        evidence="GRO is on",
        remedy="ethtool -K e0 gro off",
    ),
    Finding(
        id="firewall_group",
        severity="fail",
        title="Firewall: the groups",
        expected="no rule",
        evidence="`drop` " * 20,
        remedy=REMEDY,
    ),
    Finding(id="steal", severity="warn", title="Steal", expected="at most 1%", evidence="3 % [red]"),
]
FACTS: dict[str, Any] = {
    "container": {"engine": "docker"},
    "hypervisor": {"name": "kvm"},
    "cloud": {"provider": "EC2"},
    "os_release": {"pretty_name": "Debian GNU/Linux 12 (bookworm)"},
    "kernel": {"release": "6.1.0"},
    "machine": {"logical_cores": 2, "memory_total_bytes": 8 << 30},
    "interface": {
        "name": "mv0",
        "kind": "macvlan",
        "driver": {"name": "macvlan"},
        "state": "up",
        "parent": {"name": None, "index": 7, "other_namespace": True},
    },
}


def printed(width: int, facts: dict[str, Any] = FACTS, **options: Any) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, force_terminal=False)
    print_inspection(facts, {"timestamps": "no core"}, FINDINGS, console=console, **options)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_place_first_then_findings_the_worst_first() -> None:
    lines = printed(80).splitlines()

    assert lines[0].startswith("Docker container on a KVM guest of EC2, Debian GNU/Linux 12 (bookworm)")
    told = [line for line in lines if line[:2] in ("✗ ", "! ", "· ", "✓ ")]
    assert [line[:1] for line in told] == ["✗", "!", "·"]
    assert "As it should be (1)" in lines
    assert "[red]" in printed(80)  # what a file or a kernel says is no markup
    assert lines[-1].endswith("1 that could not be read: --all")


@pytest.mark.parametrize("width", [80, 120])
def test_lines_fit_and_remedies_stay_whole(width: int) -> None:
    lines = printed(width).splitlines()

    assert [line for line in lines if len(line.rstrip()) > width and "try: " not in line] == []
    assert f"    try: {REMEDY}" in lines  # to be copied as one line


def test_everything() -> None:
    text = printed(80, everything=True)

    assert "✓ Kernel" in text
    assert "the kernel is 6.1" in text
    assert "machine.logical_cores: 2" in text
    assert "timestamps: not read: no core" in text


def test_interfaces_are_listed_where_none_was_named() -> None:
    facts = {
        "interfaces": {
            "eth0": {
                "mode": "virtio",
                "by": "QEMU",
                "driver": "virtio_net",
                "evidence": "PCI 1af4:1041",
                "master": None,
                "parents": [],
            },
            "mv0": {
                "mode": "macvlan",
                "by": None,
                "driver": "macvlan",
                "evidence": "the kernel says so",
                "master": None,
                "parents": ["eth0"],
            },
        }
    }

    rows = [line.split() for line in printed(80, facts).splitlines()]
    assert ["eth0", "virtio", "QEMU", "virtio_net"] in rows
    assert ["mv0", "macvlan", "eth0", "macvlan"] in rows
    assert "PCI 1af4:1041" not in printed(80, facts)
    assert "PCI 1af4:1041" in printed(120, facts, everything=True)


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"hypervisor": {"name": "none"}}, "A bare machine"),
        ({"hypervisor": {"name": "vmware"}, "container": {"engine": "none"}}, "A VMware guest"),
        ({"hypervisor": {"name": "kvm"}, "user_namespace": {"own": True}}, "A KVM guest, in a user namespace of its own"),
        (
            {"hypervisor": {"name": "kvm"}, "container": {"engine": "podman"}, "isolation": {"rootless": True}},
            "Rootless Podman container on a KVM guest",
        ),
        (
            {"container": {"engine": "docker"}, "isolation": {"docker_desktop": True, "enhanced_isolation": True}},
            "Docker container (sysbox) on the virtual machine of Docker Desktop",
        ),
        ({}, "A machine that does not tell its hypervisor"),
        ({"hypervisor": {"name": "unknown"}}, "A virtual machine of a hypervisor that does not tell its name"),
        (
            {"hypervisor": {"name": "hyperv"}, "cloud": {"provider": "Azure"}, "machine": {"logical_cores": 1}},
            "A Hyper-V guest of Azure, 1 core",
        ),
    ],
)
def test_what_a_place_is(facts: dict[str, Any], sentence: str) -> None:
    assert place_sentence(facts) == sentence


def test_each_finding_is_documented_once() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCS.read_text(), re.MULTILINE)

    assert sorted(id for id, _ in rows) == sorted(check.id for check in CHECKS)
    assert [id for id, row in rows if len(row.split(" | ")) != 3] == []
