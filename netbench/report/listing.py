"""What `netbench environments` prints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text


def print_environments(rows: Sequence[dict[str, Any]], console: Console | None = None) -> None:
    """Every environment in a line, then why some cannot be built here, each reason once."""
    console = console or Console(highlight=False)
    table = _columns()
    for row in rows:
        name = Text("✓ ", "green") if row["available"] else Text("✗ ", "red")
        table.add_row(name + Text(row["name"], "bold"), row["description"])
    console.print(table)
    lacking: dict[tuple[str, str | None], list[str]] = {}
    for row in rows:
        if not row["available"]:
            lacking.setdefault((row["reason"] or "", row["remedy"]), []).append(row["name"])
    for (reason, remedy), names in lacking.items():
        console.print()
        _print_lack(console, ", ".join(names), reason, remedy)
    console.print()
    console.print(Text("options of one: ") + Text(f"netbench environments {rows[0]['name'] if rows else 'ENV'}", "cyan"))


def print_options(row: dict[str, Any], console: Console | None = None) -> None:
    """One environment, and what it can be told."""
    console = console or Console(highlight=False)
    console.print(Text(row["name"], "bold") + Text(f"  {row['description']}"))
    if not row["available"]:
        _print_lack(console, "cannot be built here", row["reason"] or "", row["remedy"])
    if row["options"]:
        console.print()
        console.print(Text("options: ") + Text(f"-e {row['name']}:KEY=VALUE,…", "cyan"))
        table = _columns()
        for option in row["options"]:
            table.add_row(Text(f"  {option['name']}={_typed(option['default'])}", "cyan"), option["description"])
        console.print(table)


def print_removed(removed: Sequence[str], console: Console | None = None) -> None:
    """What --clean took away."""
    console = console or Console(highlight=False)
    if not removed:
        console.print("nothing was left over")
    for item in removed:
        console.print(f"removed {item}", markup=False)


def _columns() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column()
    return table


def _print_lack(console: Console, who: str, reason: str, remedy: str | None) -> None:
    console.print(Text(f"✗ {who}: ", "red") + Text(reason))
    if remedy:
        console.print(Padding(Text("try: ") + Text(remedy, "cyan"), (0, 0, 0, 2)))


def _typed(value: Any) -> str:
    """As it is typed on the command line."""
    return ("no", "yes")[value] if isinstance(value, bool) else str(value)
