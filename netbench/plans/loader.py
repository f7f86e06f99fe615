"""Read a plan: TOML into records, every mistake named at once with its place."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from netbench.errors import CannotRunError, UsageError
from netbench.plans.quantities import parse_bitrate, parse_duration
from netbench.result.plan import EnvironmentPlan, Plan, Profile, default_payload_bytes

# What a person types -> the record's key, which carries the unit.
_PLAN_KEYS: dict[str, tuple[str, Callable[[Any], float]]] = {
    "duration": ("duration_s", parse_duration),
    "omit": ("omit_s", parse_duration),
    "settle": ("settle_s", parse_duration),
}
_PROFILE_KEYS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "bitrate": ("bits_per_second", parse_bitrate),
    "length": ("payload_bytes", lambda value: value),
    "burst": ("burst_packets", lambda value: value),
}

ParseEnvironment = Callable[[str], EnvironmentPlan]

SHIPPED_PLANS = ("default", "places")


def shipped_profiles() -> dict[str, Profile]:
    """The profiles that a plan can call by name."""
    mistakes: list[str] = []
    raw = tomllib.loads(_shipped("profiles.toml"))
    return {
        name: Profile.model_validate(_translate({"name": name, **keys}, _PROFILE_KEYS, name, mistakes))
        for name, keys in raw.items()
    }


def default_plan(parse_environment: ParseEnvironment) -> Plan:
    """The plan of a `netbench run` without one."""
    return _shipped_plan("default", parse_environment)


def load_plan(path: Path, parse_environment: ParseEnvironment) -> Plan:
    """Read a plan's file.

    Args:
        path: a TOML file (see docs/plans.md), or the name of a shipped plan where there is no file of that name.
        parse_environment: turns `name:key=value` into a record, and raises UsageError when there is no such environment or option.

    Raises:
        UsageError: there is no such file, or it has mistakes: all of them, each with its place.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        if str(path) in SHIPPED_PLANS:
            return _shipped_plan(str(path), parse_environment)
        raise UsageError(
            f"there is no plan {path}", f"name a TOML file, or a shipped plan ({', '.join(SHIPPED_PLANS)}); none: the default one"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text file") from error
    except OSError as error:
        raise CannotRunError(f"cannot read {path}: {error.strerror or error}") from error
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is no valid TOML: {error}") from error
    return _plan(raw, str(path), parse_environment)


def _shipped_plan(name: str, parse_environment: ParseEnvironment) -> Plan:
    return _plan(tomllib.loads(_shipped(f"{name}.toml")), f"the shipped plan {name}", parse_environment)


def _shipped(name: str) -> str:
    return resources.files("netbench.plans").joinpath(name).read_text(encoding="utf-8")


def _translate(
    raw: dict[str, Any], keys: dict[str, tuple[str, Callable[[Any], Any]]], place: str, mistakes: list[str]
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in raw.items():
        name, parse = keys.get(key, (key, None))
        if parse is not None:
            try:
                value = parse(value)
            except ValueError as error:
                mistakes.append(f"{place}.{key}: {error}" if place else f"{key}: {error}")
                continue
        result[name] = value
    return result


def _plan(raw: dict[str, Any], origin: str, parse_environment: ParseEnvironment) -> Plan:
    mistakes: list[str] = []
    keys = _translate(raw, _PLAN_KEYS, "", mistakes)
    keys.setdefault("name", "plan")
    keys["environments"] = _environments(keys.get("environments", []), parse_environment, mistakes)
    keys["profiles"] = _profiles(keys.get("profiles", []), mistakes)
    if isinstance(keys.get("reference"), str) and keys["environments"]:
        labels = [environment.label for environment in keys["environments"]]
        if keys["reference"] not in labels:
            mistakes.append(f"reference: {keys['reference']!r} is none of the plan's environments ({', '.join(labels)})")
    try:
        plan = Plan.model_validate(keys)
    except ValidationError as error:
        told = {line.partition(".")[0].partition(":")[0] for line in mistakes}
        for item in error.errors():
            first = str(item["loc"][0]) if item["loc"] else ""
            if first in ("environments", "profiles") and first in told and len(item["loc"]) == 1:
                continue  # the list is short only because its members were refused above, in better words
            mistakes.append(_mistake(item))
        plan = None
    if mistakes or plan is None:
        raise UsageError(
            f"{origin} has {len(mistakes)} mistake{'s' if len(mistakes) != 1 else ''}:\n"
            + "\n".join(f"  - {line}" for line in mistakes),
            "mend the plan; docs/plans.md lists every key",
        )
    return plan


def _environments(raw: object, parse_environment: ParseEnvironment, mistakes: list[str]) -> list[EnvironmentPlan]:
    result = []
    if not isinstance(raw, list):
        mistakes.append('environments: a list is wanted, e.g. ["host", "macvlan:receivers=3"]')
        return []
    for index, item in enumerate(raw):
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            options = {key: value for key, value in item.items() if key != "name"}
            text = item["name"] + (":" if options else "") + ",".join(f"{key}={value}" for key, value in options.items())
        elif isinstance(item, str):
            text = item
        else:
            mistakes.append(f'environments.{index}: a name is wanted, e.g. "macvlan" or {{name = "macvlan", receivers = 3}}')
            continue
        try:
            result.append(parse_environment(text))
        except UsageError as error:
            mistakes.append(f"environments.{index}: {error.message}")
    return result


def parse_profile(text: str) -> Profile:
    """A profile as typed: `lineup`, or `lineup:streams=1000,pps=50000` for a shipped one with other figures.

    Keys are those of a plan's profile table, and `pps`: packets per second of all streams together.

    Raises:
        UsageError: there is no such profile or key, or a value does not fit; all mistakes at once.
    """
    mistakes: list[str] = []
    profile = _typed_profile(text, f"profile {text!r}", mistakes)
    if profile is None or mistakes:
        raise UsageError("\n".join(mistakes), f"shipped are {', '.join(shipped_profiles())}; docs/plans.md lists the keys")
    return profile


def _typed_profile(text: str, place: str, mistakes: list[str]) -> Profile | None:
    name, _, options = text.partition(":")
    shipped = shipped_profiles()
    if name not in shipped:
        mistakes.append(f"{place}: there is no profile {name!r}; shipped are {', '.join(shipped)}, others are tables of a plan")
        return None
    raw: dict[str, Any] = {}
    for item in filter(None, options.split(",")):
        key, equals, value = item.partition("=")
        if not equals:
            mistakes.append(f"{place}: {item!r} is no key=value")
        raw[key.strip()] = value.strip()
    pps = raw.pop("pps", None)
    given = shipped[name].model_dump()
    if "envelope" in raw and "length" not in raw and given["payload_bytes"] == default_payload_bytes(given["envelope"]):
        del given["payload_bytes"]  # the usual one of the other envelope
    keys = {**given, **_translate(raw, _PROFILE_KEYS, place, mistakes), "name": text}
    try:
        profile = Profile.model_validate(keys)
        if pps is not None:
            bits_per_second = float(pps) / profile.streams * 8 * profile.payload_bytes
            profile = Profile.model_validate({**profile.model_dump(), "bits_per_second": bits_per_second})
    except ValidationError as error:
        mistakes.extend(f"{place}: {_mistake(item)}" for item in error.errors())
        return None
    except ValueError:
        mistakes.append(f"{place}: pps: {pps!r} is no number")
        return None
    return profile


def _mistake(item: Any) -> str:
    """One of pydantic's errors in the words of a plan's keys."""
    typed = {name: key for key, (name, _) in (_PLAN_KEYS | _PROFILE_KEYS).items()}
    place = ".".join(typed.get(str(part), str(part)) for part in item["loc"])
    message = "there is no such key" if item["type"] == "extra_forbidden" else item["msg"].removeprefix("Value error, ")
    return f"{place or 'plan'}: {message}"


def _profiles(raw: object, mistakes: list[str]) -> list[Any]:
    if not isinstance(raw, list):
        mistakes.append('profiles: a list is wanted, e.g. ["iptv"]')
        return []
    result: list[Any] = []
    for index, item in enumerate(raw):
        place = f"profiles.{index}"
        if isinstance(item, dict):
            result.append(_translate(item, _PROFILE_KEYS, place, mistakes))
        elif isinstance(item, str):
            profile = _typed_profile(item, place, mistakes)
            if profile is not None:
                result.append(profile)
        else:
            mistakes.append(f"{place}: a name or a table is wanted")
    return result
