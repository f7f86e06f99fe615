"""What `netbench inspect` prints: what the place is, its findings, the worst first, and its facts when they are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from netbench.report.place_sentence import place_sentence
from netbench.result.environment import Finding

_GROUPS = (
    ("fail", "✗", "red", "Keeps a probe from working here"),
    ("warn", "!", "yellow", "Makes its figures doubtful"),
    ("info", "·", "cyan", "Good to know"),
)
_INDENT = (0, 0, 0, 4)


def print_inspection(
    facts: Mapping[str, Any],
    absent: Mapping[str, str],
    findings: Sequence[Finding],
    *,
    everything: bool = False,
    console: Console | None = None,
) -> None:
    """Print an inspection.

    Args:
        facts: as an agent read them, without `absent`.
        absent: dotted key -> why there is no value.
        findings: of these facts.
        everything: also the requirements that are met, in full, and every fact.
        console: where to; standard output if left out.
    """
    console = console or Console(highlight=False)
    console.print(Text(place_sentence(facts), "bold"))
    interface = facts.get("interface")
    if isinstance(interface, Mapping):
        console.print(_about_interface(interface), markup=False)
    interfaces = facts.get("interfaces")
    if isinstance(interfaces, Mapping) and interfaces:
        _print_interfaces(interfaces, everything, console)
    for severity, symbol, style, heading in _GROUPS:
        found = [finding for finding in findings if finding.severity == severity]
        if found:
            console.print(Text(f"\n{heading} ({len(found)})", style))
        for finding in found:
            _print_finding(finding, symbol, style, console)
    met = [finding for finding in findings if finding.severity == "ok"]
    if met:
        console.print(Text(f"\nAs it should be ({len(met)})", "green"))
        if everything:
            for finding in met:
                _print_finding(finding, "✓", "green", console)
        else:
            console.print(Padding(Text("; ".join(finding.title for finding in met)), _INDENT, expand=False))
    if everything:
        console.print(Text("\nFacts", "bold"))
        for line in fact_lines(facts):
            console.print(line, markup=False)
        for key, reason in absent.items():
            console.print(Text(f"{key}: not read: {reason}", "dim"))
    else:
        console.print(Text(f"\n{len(fact_lines(facts))} facts more, and {len(absent)} that could not be read: --all", "dim"))


def _print_finding(finding: Finding, symbol: str, style: str, console: Console) -> None:
    console.print(Text(f"{symbol} ", style) + Text(finding.title, "bold") + Text(f"  [{finding.id}]", "dim"))
    if finding.severity in ("warn", "fail"):
        console.print(Padding(Text(f"expected: {finding.expected}"), _INDENT, expand=False))
    console.print(Padding(Text(finding.evidence), _INDENT, expand=False))
    if finding.remedy and finding.severity != "ok":
        # Wrapped by the terminal alone: what is copied is one line.
        console.print(Text("    try: ") + Text(finding.remedy, "cyan"), soft_wrap=True)


def _about_interface(interface: Mapping[str, Any]) -> str:
    mode = interface.get("network_mode")
    driver = interface.get("driver")
    parent = interface.get("parent")
    kind = mode.get("mode") if isinstance(mode, Mapping) else interface.get("kind")
    told = [f"{interface.get('name')}: {kind or 'of unknown kind'}"]
    if isinstance(parent, Mapping):
        joined = "other end" if kind == "veth" else "on"
        told.append(f"{joined} {parent['name']}" if parent.get("name") else f"{joined} in another network namespace")
    if isinstance(driver, Mapping) and driver.get("name") and driver["name"] != kind:
        told.append(f"driver {driver['name']}")
    if interface.get("state"):
        told.append(str(interface["state"]))
    evidence = f"  ({mode['evidence']})" if isinstance(mode, Mapping) and mode.get("evidence") else ""
    return ", ".join(told) + evidence


def _print_interfaces(interfaces: Mapping[str, Any], everything: bool, console: Console) -> None:
    headings = ["interface", "network mode", "made by", "on", "driver", *(["because"] if everything else [])]
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for name, mode in interfaces.items():
        if not isinstance(mode, Mapping):
            continue
        parents = mode.get("parents")
        hangs_on = ", ".join(str(parent) for parent in parents) if isinstance(parents, list) else ""
        row = [name, mode.get("mode"), mode.get("by"), hangs_on or mode.get("master"), mode.get("driver"), mode.get("evidence")]
        table.add_row(*(Text(str(cell or "")) for cell in row[: len(headings)]))
    console.print()
    console.print(table)
    console.print(Text("for the findings of one of them: netbench inspect -i NAME", "dim"))


def fact_lines(facts: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Nested facts as `a.b: value` lines."""
    lines = []
    for key, value in facts.items():
        if isinstance(value, Mapping):
            lines.extend(fact_lines(value, f"{prefix}{key}."))
        elif value is not None:
            shown = ", ".join(str(item) for item in value) if isinstance(value, list) else value
            lines.append(f"{prefix}{key}: {shown}")
    return lines
