"""What a source gives: values, and reasons for what it could not give."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class Unreadable(Exception):
    """A source that is not there, may not be read, or makes no sense; the message is the reason, a sentence."""


@dataclass(frozen=True)
class Reading:
    """Counters of one moment.

    Attributes:
        values: counter -> what it stood at.
        absent: prefix of counters -> why there are none.
    """

    values: dict[str, int] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """Facts of one subject.

    Attributes:
        values: plain values, nested.
        absent: key within the subject -> why there is no value.
    """

    values: dict[str, Any] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


def collect(questions: dict[str, Callable[[], Any]]) -> Answer:
    """Ask each question; one that cannot be answered becomes an absent key with its reason."""
    values: dict[str, Any] = {}
    absent: dict[str, str] = {}
    for key, ask in questions.items():
        try:
            values[key] = ask()
        except Unreadable as reason:
            absent[key] = str(reason)
    return Answer(values, absent)


def read_text(path: str, limit: int = 1 << 20) -> str:
    """Text of a small file of the kernel.

    Raises:
        Unreadable: it is not there, it may not be read, or the kernel refuses an answer.
    """
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(limit)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error


def whole_lines(text: str, path: str) -> list[str]:
    """Lines of a file of the kernel, whose last line always ends too.

    Raises:
        Unreadable: it is empty or was cut, so that a number in it may be another one.
    """
    if not text.endswith("\n"):
        raise Unreadable(f"{path} is {'cut' if text else 'empty'}")
    return text.splitlines()


def read_number(path: str) -> int:
    """A file that holds one whole number.

    Raises:
        Unreadable: as for read_text, or it holds something else.
    """
    text = read_text(path).strip()
    try:
        return int(text)
    except ValueError as error:
        raise Unreadable(f"{path}: {text[:40]!r} is no number") from error
