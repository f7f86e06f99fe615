"""Finds environments (entry points of the group `netbench.environments`) and reads what `-e NAME:key=value` asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from netbench.environments.base import Environment
from netbench.environments.leftovers import Removed, clean
from netbench.environments.options import find_problems, parse_value, unknown
from netbench.errors import CannotRunError, UsageError
from netbench.result.plan import EnvironmentPlan, OptionValue

__all__ = ["GROUP", "Removed", "check", "clean", "environment", "names", "parse"]

GROUP = "netbench.environments"
_REMEDY = "netbench environments lists what there is"
# From the bare host outwards; what others registered follows by name.
_ORDER = (
    *("host", "macvlan", "bridge"),
    *("docker-host", "docker-macvlan", "docker-bridge"),
    *("vm-virtio", "vm-e1000e", "vm-igb", "vm-sriov", "vm-macvtap"),
    "remote",
)


def names() -> tuple[str, ...]:
    """All registered environments: the built-in ones from the bare host outwards, then third-party ones by name."""
    return tuple(sorted(_registered(), key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name)))


@cache
def environment(name: str) -> Environment:
    """The environment of a name.

    Raises:
        UsageError: there is none.
        CannotRunError: its plug-in is broken.
    """
    registered = _registered()
    if name not in registered:
        raise UsageError(unknown("environment", name, registered), _REMEDY)
    point = registered[name]
    origin = point.dist.name if point.dist else "an unknown package"
    try:
        made = point.load()()
    except Exception as error:  # a plug-in may fail in any way; its fault must be told as its own
        raise CannotRunError(
            f"The environment {name!r} of the package {origin} cannot be loaded: {type(error).__name__}: {error}",
            f"reinstall or remove {origin}",
        ) from error
    if not isinstance(made, Environment):
        raise CannotRunError(
            f"{point.value} of the package {origin} is no environment: it lacks name, description, options, available or setup.",
            "see docs/adding-an-environment.md",
        )
    return made


def parse(texts: Iterable[str]) -> list[EnvironmentPlan]:
    """Plans of environments from texts such as `macvlan:receivers=3,bcqueuelen=100000`. Only given options are in them.

    Raises:
        UsageError: unknown environments or options, or values that do not fit; one error for all of them.
    """
    plans: list[EnvironmentPlan] = []
    problems: list[str] = []
    for text in texts:
        name, _, options = text.partition(":")
        try:
            found = environment(name)
        except UsageError as error:
            problems.append(error.message)
            continue
        known = {option.name: option for option in found.options}
        given: dict[str, OptionValue] = {}
        for item in filter(None, options.split(",")):
            key, equals, value = item.partition("=")
            if not equals:
                problems.append(f"{text}: {item!r} is no key=value.")
            elif key in given:
                problems.append(f"{text}: {key} is given twice.")
            elif key not in known:
                problems.append(unknown(f"option of {name}", key, known))
            else:
                try:
                    given[key] = parse_value(known[key], value)
                except ValueError as error:
                    problems.append(str(error))
        problems += find_problems(name, found.options, given)
        plans.append(EnvironmentPlan(name=name, options=given))
    _refuse(problems)
    return plans


def check(plans: Iterable[EnvironmentPlan]) -> None:
    """Check plans that come from a file.

    Raises:
        UsageError: unknown environments or options, or values that do not fit; one error for all of them.
    """
    problems: list[str] = []
    for plan in plans:
        try:
            problems += find_problems(plan.name, environment(plan.name).options, plan.options)
        except UsageError as error:
            problems.append(error.message)
    _refuse(problems)


def _refuse(problems: list[str]) -> None:
    if problems:
        raise UsageError("\n".join(problems), _REMEDY)


def _registered() -> Mapping[str, EntryPoint]:
    found = {point.name: point for point in entry_points(group=GROUP)}
    if not found:
        raise CannotRunError("No environment is registered: netbench is not installed, only its files are here.", "pip install .")
    return found
