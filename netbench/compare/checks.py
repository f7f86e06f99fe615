"""The words in which requirements on a place are written down: place, judgement, check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Severity = Literal["ok", "info", "warn", "fail"]
Path = tuple[str, ...]  # keys, outermost first: names of sysctls hold dots


class Place:
    """Facts of one place, found by path."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        """Take the nested dict of netbench.facts.place, `absent` among its keys."""
        self._facts = facts
        absent = facts.get("absent")
        self._absent: Mapping[str, str] = absent if isinstance(absent, Mapping) else {}

    def get(self, *path: str) -> Any:
        """The value there, or None."""
        value: Any = self._facts
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value

    def number(self, *path: str) -> float:
        """The number there.

        Raises:
            ValueError: there is something else.
        """
        value = self.get(*path)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{'.'.join(path)} is {value!r}, no number")
        return value

    def reason(self, path: Path) -> str | None:
        """Why there is no value at the path, or at what it lies in; None: nobody said."""
        for length in range(len(path), 0, -1):
            reason = self._absent.get(".".join(path[:length]))
            if reason is not None:
                return reason
        return None

    @property
    def interface(self) -> str:
        """Name of the interface, to be put into a command."""
        return str(self.get("interface", "name") or "IFACE")

    @property
    def kind(self) -> str | None:
        """Kind of the interface, or None."""
        kind = self.get("interface", "kind")
        return kind if isinstance(kind, str) else None

    @property
    def in_container(self) -> bool:
        """Whether a container engine decides on privileges here."""
        return self.get("container", "engine") not in (None, "none")


@dataclass(frozen=True)
class Judgement:
    """What a check found.

    Attributes:
        severity: how bad it is for a probe.
        evidence: what was read and what follows from it.
        remedy: what to type, or None.
    """

    severity: Severity
    evidence: str
    remedy: str | None = None


@dataclass(frozen=True)
class Check:
    """One requirement that a probe has of a place.

    Attributes:
        id: stable name of the finding.
        title: what it is about.
        expected: what a probe needs.
        needs: the facts without which it cannot be judged.
        judge: None when the requirement does not concern this place. A ValueError means that the facts make no sense.
        hardware_only: without hardware the fact does not exist, so that its absence is not worth telling.
        optional: many good places do not have the fact (no such engine, no such control group): its absence is not worth telling.
    """

    id: str
    title: str
    expected: str
    needs: tuple[Path, ...]
    judge: Callable[[Place], Judgement | None]
    hardware_only: bool = False
    optional: bool = False
