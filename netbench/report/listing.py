"""What `netbench environments` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.text import Text


def print_environments(rows: Sequence[dict[str, Any]], console: Console | None = None) -> None:
    """What can be built here, and what each mode can be told."""
    console = console or Console(highlight=False)
    shared = _shared_options(rows)
    for row in rows:
        mark = Text("✓ ", "green") if row["available"] else Text("✗ ", "red")
        console.print(mark + Text(row["name"], "bold") + Text(f"  {row['description']}"))
        if not row["available"]:
            console.print(Padding(Text(row["reason"] or "", "red"), (0, 0, 0, 4)))
            if row["remedy"]:
                console.print(Padding(Text(f"try: {row['remedy']}"), (0, 0, 0, 4)))
        for option in row["options"]:
            if option not in shared:
                _print_option(console, f"{row['name']}:{option['name']}", option)
    if shared:
        console.print(Text("most of them, for proving that loss is found:", "bold"))
    for option in shared:
        _print_option(console, f"ENV:{option['name']}", option)


def _print_option(console: Console, name: str, option: dict[str, Any]) -> None:
    line = Text(f"{name}={option['default']}", "cyan") + Text(f"  {option['description']}")
    console.print(Padding(line, (0, 0, 0, 4)))


def _shared_options(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Options that are the same in three or more environments: told once, at the end."""
    every = [option for row in rows for option in row["options"]]
    return [option for number, option in enumerate(every) if every.count(option) >= 3 and option not in every[:number]]


def print_removed(removed: Sequence[str], console: Console | None = None) -> None:
    """What --clean took away."""
    console = console or Console(highlight=False)
    if not removed:
        console.print("nothing was left over")
    for item in removed:
        console.print(f"removed {item}", markup=False)
