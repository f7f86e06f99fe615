from __future__ import annotations

from typing import Any

from rich.console import Console

from netbench.report.listing import print_environments, print_options


def row(name: str, reason: str | None = None) -> dict[str, Any]:
    options = [{"name": "pool", "default": False, "description": "of a part of the subnet"}]
    told = {"name": name, "description": f"what {name} is", "available": not reason, "reason": reason}
    return {**told, "remedy": "apt-get install it" if reason else None, "options": options}


def printed(show: Any, what: Any) -> list[str]:
    console = Console(width=80, record=True, highlight=False, file=open("/dev/null", "w"))  # noqa: SIM115
    show(what, console)
    console.file.close()
    return [line.rstrip() for line in console.export_text().splitlines()]


def test_a_reason_that_several_share_is_told_once_with_what_to_type() -> None:
    lines = printed(print_environments, [row("host"), row("one", "It is not there."), row("two", "It is not there.")])

    assert lines[:3] == ["✓ host  what host is", "✗ one   what one is", "✗ two   what two is"]
    assert lines.count("✗ one, two: It is not there.") == 1
    assert lines.count("  try: apt-get install it") == 1


def test_options_are_shown_as_they_are_typed() -> None:
    lines = printed(print_options, row("docker-macvlan"))

    assert "options: -e docker-macvlan:KEY=VALUE,…" in lines
    assert "  pool=no  of a part of the subnet" in lines
