"""An answer to a hypothesis: what all judges give, and the words they share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from netbench.result.verdict import Cause, Hypothesis, Remedy

AnswerWord = Literal["pass", "warn", "fail", "unsupported", "inconclusive", "not_measured"]
JudgedWord = Literal["pass", "warn", "fail", "inconclusive"]

_WORST_FIRST: tuple[JudgedWord, ...] = ("fail", "inconclusive", "warn", "pass")


@dataclass(frozen=True)
class Answer:
    """A hypothesis answered, with why and what to do.

    Attributes:
        headline: the answer as a part of a sentence about the environment, e.g. "loses 10.4 % of multicast in …".
    """

    hypothesis: Hypothesis
    headline: str = ""
    causes: list[Cause] = field(default_factory=list)
    remedies: list[Remedy] = field(default_factory=list)

    @property
    def word(self) -> AnswerWord:
        """The verdict on this hypothesis."""
        return self.hypothesis.verdict


def not_measured(sentence: str) -> Answer:
    """No answer, and why."""
    return Answer(Hypothesis(verdict="not_measured", sentence=sentence))


def worst(words: Iterable[AnswerWord]) -> JudgedWord | None:
    """The worst of those that judge; None when none does. A fail is known, so it outweighs what is not known."""
    given = set(words)
    return next((word for word in _WORST_FIRST if word in given), None)


def percent(ratio: float) -> str:
    """A ratio in three digits, below 1 % in two, as reports show it: `10.4 %`, `0.92 %`, `0.0032 %`."""
    value = 100 * ratio
    return f"{value:.{_percent_digits(value)}g} %"


def percent_rounded_up(ratio: float) -> str:
    """The same for an upper bound: what is printed still holds."""
    value = 100 * ratio
    if value <= 0:
        return "0 %"
    step = 10.0 ** (math.floor(math.log10(value)) - _percent_digits(value) + 1)
    # What is a multiple of the step already may be a hair above it in binary.
    return percent(min(1.0, math.ceil(value / step * (1 - 1e-12)) * step / 100))


def micros(value_us: float) -> str:
    """A duration in three digits: `12.3 µs`, `1.21 ms`."""
    return f"{value_us:.3g} µs" if value_us < 999.5 else f"{value_us / 1000:.3g} ms"


def together(names: Sequence[str]) -> str:
    """`iptv`, `iptv, lineup and unicast`."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _percent_digits(value: float) -> int:
    return 3 if value >= 1 else 2


def trials_of(count: int, planned: int) -> str:
    """`3 trials`, `1 trial`, `2 of 3 trials`."""
    return f"{count} trial{'s' if count != 1 else ''}" if count == planned else f"{count} of {planned} trials"
