"""Counters of a network stack, read before and after a trial, and what they grew by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from netbench.result.trial import Cpu

_WRAP = 1 << 32
_NARROW = ("softnet.", "conntrack.", "qdisc.")  # 32 bits wide in the kernel
_GAUGES = ("macvlan.",)


@dataclass(frozen=True)
class Counters:
    """The counters of one place (an environment's `Site.place`), a flat dict of dotted names, before and after."""

    place: str
    before: Mapping[str, int] = field(default_factory=dict)
    after: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, place: str, raw: Mapping[str, Any]) -> Counters:
        """From an agent's result."""
        read = raw.get("counters") or {}
        return cls(place, read.get("before") or {}, read.get("after") or {})

    def grown(self, name: str) -> int:
        """What a counter grew by; 0 when it was not read twice, or went backwards (its interface or rule is new).

        Where the kernel keeps 32 bits, a small step backwards is one across the end.
        """
        if name not in self.before or name not in self.after or name.startswith(_GAUGES):
            return 0
        grown = self.after[name] - self.before[name]
        if grown < 0 and name.startswith(_NARROW) and grown + _WRAP < _WRAP // 2:
            return grown + _WRAP
        return max(0, grown)

    def moved(self) -> dict[str, int]:
        """All counters that grew, by what."""
        return {name: self.grown(name) for name in sorted(self.after) if self.grown(name)}

    def named(self, prefix: str, suffixes: Iterable[str]) -> list[str]:
        """Counters that grew, whose name has this prefix and one of these suffixes."""
        ends = tuple(suffixes)
        return [name for name in self.moved() if name.startswith(prefix) and name.endswith(ends)]

    def tell(self, names: Iterable[str]) -> str:
        """Evidence: which counters, where, from what to what."""
        told = [f"{name} from {self.before[name]} to {self.after[name]}" for name in names]
        return f"{', '.join(told)} in {self.place}"


def widest(name: str, places: Iterable[Counters]) -> list[Counters]:
    """For a counter of a whole machine: one reading a machine, the one that grew most.

    All agents of a trial run at the same time, so two readings of one counter always overlap; readings that do not are of two
    machines (a guest and its host). Readings of two machines that overlap by chance count as one: that explains less, never more.
    """
    machines: list[Counters] = []
    for place in sorted((place for place in places if place.grown(name)), key=lambda place: -place.grown(name)):
        if all(place.after[name] < other.before[name] or other.after[name] < place.before[name] for other in machines):
            machines.append(place)
    return machines


def once(places: Iterable[Counters]) -> dict[str, Counters]:
    """Place -> counters. Sites of one place share every counter: of several readings, each counter's widest is kept."""
    merged: dict[str, Counters] = {}
    for counters in places:
        known = merged.get(counters.place)
        if known is None:
            merged[counters.place] = counters
            continue
        both = [*known.after, *(name for name in counters.after if name not in known.after)]
        wider = {name: counters if counters.grown(name) > known.grown(name) or name not in known.after else known for name in both}
        merged[counters.place] = Counters(
            counters.place,
            {name: source.before[name] for name, source in wider.items() if name in source.before},
            {name: source.after[name] for name, source in wider.items()},
        )
    return merged


def cpu_load(places: Iterable[Counters]) -> Cpu:
    """What the machine did meanwhile, as the first place that knows tells it."""
    known = list(places)
    place = next((place for place in known if place.grown("cpu.total_ticks")), None)
    throttled = [place.grown("cgroup.nr_throttled") for place in known if "cgroup.nr_throttled" in place.before]
    absent: dict[str, str] = {}
    if place is None:
        absent |= dict.fromkeys(("steal_ratio", "busy_ratio"), "no place could read /proc/stat before and after")
    if not throttled:
        absent["throttled_periods"] = "no CPU controller of a cgroup could be read"
    total = place.grown("cpu.total_ticks") if place else 1
    return Cpu(
        steal_ratio=min(1.0, place.grown("cpu.steal_ticks") / total) if place else None,
        busy_ratio=min(1.0, place.grown("cpu.busy_ticks") / total) if place else None,
        throttled_periods=max(throttled) if throttled else None,
        absent=absent,
    )
