"""`netbench environments`: what can run here; for what cannot, the reason and the remedy."""

from __future__ import annotations

import json as json_text
from typing import Annotated

import typer


def environments(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[ENV]…", help="Only these, with their options.", show_default=False)
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Remove what a run that was killed may have left.")] = False,
    json: Annotated[bool, typer.Option("-J", "--json", help="Print JSON.")] = False,
) -> int:
    """List the networking modes, and whether they can be built and measured here."""
    from netbench.environments import registry
    from netbench.report import listing

    if clean:
        removed = [f"{item.kind} {item.name}" for item in registry.clean()]
        if json:
            typer.echo(json_text.dumps({"removed": removed}, indent=1))
        else:
            listing.print_removed(removed)
        return 0
    rows = []
    for name in names or registry.names():
        environment = registry.environment(name)
        unavailable = environment.available()
        rows.append(
            {
                "name": name,
                "description": environment.description,
                "available": unavailable is None,
                "reason": unavailable.reason if unavailable else None,
                "remedy": unavailable.remedy if unavailable else None,
                "options": [
                    {"name": option.name, "default": option.default, "description": option.description}
                    for option in environment.options
                ],
            }
        )
    if json:
        typer.echo(json_text.dumps({"environments": rows}, indent=1))
    elif names:
        for row in rows:
            listing.print_options(row)
    else:
        listing.print_environments(rows)
    return 0
