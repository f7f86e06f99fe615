"""From a plan's file and the command line to the plan that is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from netbench.environments import registry
from netbench.errors import UsageError
from netbench.plans.loader import default_plan, load_plan, parse_profile
from netbench.plans.quantities import parse_duration
from netbench.result.plan import EnvironmentPlan, LiveFeed, Plan, Profile

_OPTIONS = {
    "samples": "--samples",
    "duration_s": "-t/--duration",
    "omit_s": "-O/--omit",
    "backend": "-B/--backend",
    "method": "--method",
    "reference": "--reference",
    "seed": "--seed",
    "environments": "-e/--environment",
    "profiles": "--profile",
    "interface": "-i/--interface",
    "live": "--live",
}
_ON_AN_INTERFACE = ["host", "macvlan"]
_LIVE_DURATION_S = 10.0


def parse_environment(text: str) -> EnvironmentPlan:
    """One environment as typed: `macvlan:receivers=3`.

    Raises:
        UsageError: there is no such environment or option, or a value does not fit.
    """
    return registry.parse([text])[0]


def chosen_plan(
    path: Path | None, *, environments: list[str] | None, profiles: list[str] | None, overrides: dict[str, Any]
) -> Plan:
    """The plan of a file (or the default one), with what the command line says in its place.

    Args:
        path: a TOML file, or None.
        environments: `-e`, as typed; None keeps the plan's.
        profiles: `--profile`, as typed; None keeps the plan's.
        overrides: samples, duration, omit, backend, method, reference, seed, interface, live; None keeps the plan's. Live feeds
            take the place of the default plan's profiles, environments and duration.

    Raises:
        UsageError: all mistakes at once.
    """
    plan = load_plan(path, parse_environment) if path is not None else default_plan(parse_environment)
    mistakes: list[str] = []
    chosen = {key: value for key, value in overrides.items() if value is not None}
    for typed, key in (("duration", "duration_s"), ("omit", "omit_s")):
        if typed in chosen:
            try:
                chosen[key] = parse_duration(chosen.pop(typed))
            except ValueError as error:
                mistakes.append(f"{_OPTIONS[key]}: {error}")
    if "live" in chosen:
        mistakes += _live_mistakes(chosen["live"], profiles)
        chosen.setdefault("profiles", [])
        if path is None:
            chosen.setdefault("duration_s", _LIVE_DURATION_S)
    if path is None and "interface" in chosen:
        environments = environments or _ON_AN_INTERFACE
    if environments:
        chosen["environments"] = _parsed(environments, parse_environment, "-e", mistakes)
    if profiles:
        chosen["profiles"] = _parsed(profiles, parse_profile, "--profile", mistakes)
    if "environments" in chosen and chosen["environments"] and "reference" not in chosen:
        labels = [environment.label for environment in chosen["environments"]]
        if plan.reference not in labels:
            chosen["reference"] = labels[0]
    if mistakes:
        raise UsageError("\n".join(mistakes))
    try:
        result = Plan.model_validate({**plan.model_dump(), **_plain(chosen)})
    except ValidationError as error:
        lines = [
            f"{_OPTIONS.get(str(item['loc'][0]) if item['loc'] else '', 'plan')}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        ]
        raise UsageError("\n".join(lines), "netbench run --help") from error
    labels = [environment.label for environment in result.environments]
    if result.reference not in labels:
        raise UsageError(f"--reference: {result.reference!r} is none of the environments ({', '.join(labels)})")
    return result


def _live_mistakes(live: list[str], profiles: list[str] | None) -> list[str]:
    mistakes = []
    for text in live:
        try:
            LiveFeed.model_validate(text)
        except ValidationError as error:
            mistakes += [f"--live: {item['msg'].removeprefix('Value error, ')}" for item in error.errors()]
    if profiles:
        mistakes.append("--profile is what a sender sends, and --live is there already: leave one of them out")
    return mistakes


def _parsed(texts: list[str], parse: Any, option: str, mistakes: list[str]) -> list[EnvironmentPlan | Profile]:
    result = []
    for text in texts:
        try:
            result.append(parse(text))
        except UsageError as error:
            mistakes.append(f"{option} {text}: {error.message}" + (f"; {error.remedy}" if error.remedy else ""))
    return result


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        key: [item if isinstance(item, str) else item.model_dump() for item in value] if isinstance(value, list) else value
        for key, value in values.items()
    }
