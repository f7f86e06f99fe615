"""Options of environments: their text, their types, their limits."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from netbench.environments.base import Option
from netbench.errors import UsageError

if TYPE_CHECKING:
    from netbench.result.plan import OptionValue

_TRUTH = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
_TYPE_NAMES = {bool: "yes or no", int: "a whole number", float: "a number", str: "text"}


def resolve(environment: str, declared: Iterable[Option], given: Mapping[str, OptionValue]) -> dict[str, OptionValue]:
    """All options of an environment: what was given, and the defaults of the others.

    Raises:
        UsageError: options that it does not have or values that do not fit; one error for all of them.
    """
    declared = tuple(declared)
    problems = find_problems(environment, declared, given)
    if problems:
        raise UsageError("\n".join(problems), "netbench environments lists the options of each environment")
    return {option.name: given.get(option.name, option.default) for option in declared}


def find_problems(environment: str, declared: Iterable[Option], given: Mapping[str, OptionValue]) -> list[str]:
    """What is wrong with the given options, a sentence each."""
    known = {option.name: option for option in declared}
    return [
        problem
        for name, value in given.items()
        if (problem := _problem(known[name], value) if name in known else unknown(f"option of {environment}", name, known))
    ]


def parse_value(option: Option, text: str) -> OptionValue:
    """The value that a text stands for, by the type of the option's default.

    Raises:
        ValueError: it stands for none; the message is a sentence.
    """
    kind = type(option.default)
    try:
        return _TRUTH[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError):
        raise ValueError(f"{option.name}={text}: {option.name} takes {_TYPE_NAMES[kind]}.") from None


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence about a name that does not exist: what exists, and what was probably meant."""
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    meant = f" Did you mean {close[0]}?" if close else ""
    return f"There is no {what} {name!r}.{meant} There is: {', '.join(known) or 'none'}."


def port_range(name: str, value: OptionValue) -> tuple[int, int]:
    """First and last port of a text such as `5000-5999` or `5004`.

    Raises:
        UsageError: it is no range within 1 to 65535.
    """
    first, _, last = str(value).partition("-")
    last = last or first
    if first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last) <= 65_535:
        return int(first), int(last)
    raise UsageError(f"{name}={value} is no range of ports: it is FIRST-LAST, within 1-65535.", f"for example {name}=5000-5999")


def _problem(option: Option, value: OptionValue) -> str | None:
    kind = type(option.default)
    given = f"{option.name}={value}"
    fits = isinstance(value, int | float) and not isinstance(value, bool) if kind is float else type(value) is kind
    if not fits:
        return f"{given}: {option.name} takes {_TYPE_NAMES[kind]}."
    if option.choices and value not in option.choices:
        return f"{given}: {option.name} is one of {', '.join(option.choices)}."
    if isinstance(value, int | float) and not isinstance(value, bool):
        if option.minimum is not None and value < option.minimum:
            return f"{given}: {option.name} is at least {option.minimum}."
        if option.maximum is not None and value > option.maximum:
            return f"{given}: {option.name} is at most {option.maximum}."
    return None
