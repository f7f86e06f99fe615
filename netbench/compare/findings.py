"""Judges the facts of a place: each requirement that a probe has of it, with the evidence and what to type about it.

A requirement that the facts cannot settle is never `ok`: where a reason is known the finding says it, else there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from netbench.compare.assignment_checks import ASSIGNMENT_CHECKS
from netbench.compare.checks import Check, Judgement, Place
from netbench.compare.cpu_checks import CPU_CHECKS
from netbench.compare.device_checks import DEVICE_CHECKS
from netbench.compare.host_checks import HOST_CHECKS
from netbench.compare.interface_checks import INTERFACE_CHECKS
from netbench.compare.machine_checks import MACHINE_CHECKS
from netbench.compare.multicast_checks import MULTICAST_CHECKS
from netbench.compare.stacking_checks import STACKING_CHECKS
from netbench.result.environment import Finding

CHECKS: tuple[Check, ...] = (
    *MACHINE_CHECKS,
    *HOST_CHECKS,
    *CPU_CHECKS,
    *INTERFACE_CHECKS,
    *MULTICAST_CHECKS,
    *DEVICE_CHECKS,
    *STACKING_CHECKS,
    *ASSIGNMENT_CHECKS,
)

_WORST_FIRST = ("fail", "warn", "info", "ok")
_WITHOUT_HARDWARE = frozenset({"veth", "macvlan", "macvtap", "bridge", "loopback", "tun", "ipvlan", "dummy", "ifb"})


def judge(facts: Mapping[str, Any]) -> list[Finding]:
    """Findings on one place, worst first, otherwise in the order of the tables.

    Args:
        facts: nested plain values as netbench.facts.place reads them, with `absent` (dotted key -> reason) among them.
    """
    place = Place(facts)
    judged = [(check, _apply(check, place)) for check in CHECKS]
    findings = [_finding(check, judgement) for check, judgement in judged if judgement is not None]
    return sorted(findings, key=lambda finding: _WORST_FIRST.index(finding.severity))


def _apply(check: Check, place: Place) -> Judgement | None:
    for path in check.needs:
        if place.get(*path) is None:
            return _not_readable(check, path, place)
    try:
        return check.judge(place)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        # Facts may come from a file that somebody edited.
        return Judgement("info", f"the facts make no sense: {error}")


def _not_readable(check: Check, path: tuple[str, ...], place: Place) -> Judgement | None:
    reason = place.reason(path)
    if reason is None or check.optional or (check.hardware_only and place.kind in _WITHOUT_HARDWARE):
        return None
    return Judgement("info", f"{'.'.join(path)} could not be read: {reason}")


def _finding(check: Check, judgement: Judgement) -> Finding:
    return Finding(
        id=check.id,
        severity=judgement.severity,
        title=check.title,
        expected=check.expected,
        evidence=judgement.evidence,
        remedy=judgement.remedy,
    )
