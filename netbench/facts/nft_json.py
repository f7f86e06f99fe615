"""What `nft --json list ruleset` prints: a list of objects, each under the name of its kind (libnftables-json(5))."""

from __future__ import annotations

import json
from typing import Any

from netbench.facts.reading import Unreadable


def ruleset(text: str) -> list[Any]:
    """All objects.

    Raises:
        Unreadable: it is no ruleset.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Unreadable(f"the output of nft is no JSON: {error}") from error
    objects = document.get("nftables") if isinstance(document, dict) else None
    if not isinstance(objects, list):
        raise Unreadable("the output of nft is no ruleset")
    return objects


def of_kind(objects: list[Any], kind: str) -> list[dict[str, Any]]:
    """Those of one kind, such as `rule`."""
    return [item[kind] for item in objects if isinstance(item, dict) and isinstance(item.get(kind), dict)]


def statements(rule: dict[str, Any]) -> list[tuple[str, Any]]:
    """Kind and content of each statement of a rule, in order."""
    expression = rule.get("expr")
    if not isinstance(expression, list):
        return []
    return [next(iter(statement.items())) for statement in expression if isinstance(statement, dict) and statement]
