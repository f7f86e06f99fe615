"""Other machines on the command line: `--site` and `--sender`, and what may be sent on a network that is not a lab."""

from __future__ import annotations

from netbench.environments.machines.machine import Machine, parse_machine
from netbench.errors import UsageError
from netbench.result.plan import Plan

RATE_CAP_BPS = 100e6
ENVIRONMENT = "remote"
# What a run on a real network sends when nobody says otherwise: each below the cap.
PROFILES_OUTSIDE = ["iptv", "unicast:streams=5"]


def with_sites(environments: list[str] | None, sites: list[str] | None) -> list[str] | None:
    """The environments of `-e`, and one for each `--site ssh:USER@HOST:PORT,key=value`; None when there is neither.

    Raises:
        UsageError: a site that names no machine.
    """
    if not sites:
        return environments
    for site in sites:
        if not site.startswith("ssh:"):
            raise UsageError(f"--site {site}: a machine is named ssh:USER@HOST:PORT", f"--site ssh:{site}")
    return [*(environments or []), *(f"{ENVIRONMENT}:site={site}" for site in sites)]


def parse_sender(text: str | None) -> Machine | None:
    """The machine of `--sender`; None when it is not given.

    Raises:
        UsageError: it names no machine.
    """
    return None if text is None else parse_machine(text, "--sender")


def needs_lab(plan: Plan) -> bool:
    """Whether anything of a plan is built here; an ordinary user's lab has no way to other machines."""
    return any(environment.name != ENVIRONMENT for environment in plan.environments)


def is_outside(plan: Plan) -> bool:
    """Whether this run sends packets on a network that is not a lab; a live feed is only listened to."""
    remote = any(environment.name == ENVIRONMENT for environment in plan.environments)
    return not plan.live and (remote or plan.interface is not None)


def default_profiles(profiles: list[str] | None, *, planned: bool, outside: bool) -> list[str] | None:
    """The profiles of `--profile`; of a run on a real network that names neither these nor a plan, those below the cap.

    Args:
        profiles: as typed.
        planned: a plan or a live feed says what is measured.
        outside: it is on a real network.
    """
    return PROFILES_OUTSIDE if outside and not planned and not profiles else profiles


def check_cap(plan: Plan, *, uncapped: bool) -> None:
    """On a network that is not a lab, nobody floods by accident.

    Raises:
        UsageError: a profile sends more than the cap, and `--uncapped` was not given.
    """
    if uncapped:
        return
    for profile in plan.profiles:
        rate = profile.bits_per_second * profile.streams
        if rate > RATE_CAP_BPS:
            raise UsageError(
                f"profile {profile.name} sends {rate / 1e6:g} Mb/s onto a real network, and more than {RATE_CAP_BPS / 1e6:g} Mb/s "
                "has to be asked for",
                "take fewer streams (--profile iptv), or allow it: --uncapped",
            )
