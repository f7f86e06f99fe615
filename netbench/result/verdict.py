"""The nouns of a judgement: made from a run's records alone, kept in the same file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from netbench.result.base import PartialRecord, Record

VerdictWord = Literal["pass", "warn", "fail", "unsupported", "inconclusive"]


class Interval(Record):
    """An estimate with its two-sided 95 % interval over samples."""

    estimate: float
    low: float
    high: float
    samples: int


class MetricComparison(PartialRecord):
    """One metric of one environment and profile beside the reference's."""

    environment: str
    profile: str
    metric: str = Field(description="path in a trial, e.g. loss.lost_ratio or iat_us.p99")
    unit: str
    value: Interval | None = None
    reference: Interval | None = None
    difference: Interval | None = Field(None, description="value - reference")
    tolerance: float | None = Field(None, description="difference that does not count: the larger of floor and threshold")
    significant: bool | None = Field(None, description="the interval of the difference leaves out 0")
    relevant: bool | None = Field(None, description="significant, and larger than the tolerance")


class Comparison(Record):
    """All environments against the reference."""

    reference: str
    metrics: list[MetricComparison] = Field(default_factory=list)


class Cause(Record):
    """Why something failed."""

    layer: str | None = Field(None, description="the layer that dropped, if it was loss")
    sentence: str
    packets: int | None = None


class Remedy(Record):
    """What to do about a cause."""

    sentence: str
    command: str | None = Field(None, description="what to type")


class Hypothesis(PartialRecord):
    """One of the four, for one environment. `pass` means that the environment is cleared of the suspicion."""

    verdict: VerdictWord | Literal["not_measured"]
    sentence: str = Field(description="the answer, with its numbers")
    numbers: dict[str, float | int | None] = Field(default_factory=dict)


class Verdict(Record):
    """Whether a probe can be trusted in one environment, and why."""

    environment: str
    verdict: VerdictWord
    sentence: str = Field(description="the verdict in one line")
    hypotheses: dict[Literal["H1", "H2", "H3", "H4"], Hypothesis]
    causes: list[Cause] = Field(default_factory=list)
    remedies: list[Remedy] = Field(default_factory=list)
