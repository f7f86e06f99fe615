"""A place and its facts, before anything is judged; the floor of its measurement."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from netbench.result.base import Count, PartialRecord, Ratio, Record
from netbench.result.numbers import Distribution
from netbench.result.timestamps import TimestampLadder


class Finding(Record):
    """One checked requirement."""

    id: str = Field(description="stable, e.g. rmem_max")
    severity: Literal["ok", "info", "warn", "fail"]
    title: str
    expected: str
    evidence: str
    remedy: str | None = Field(None, description="what to type")


class Facts(PartialRecord):
    """What a place is, as read there."""

    values: dict[str, Any] = Field(default_factory=dict, description="nested plain values; see docs/result-format.md")


class EnvironmentRecord(Record):
    """An environment of the run: whether it could be built, how it was, and what it is."""

    name: str
    label: str
    available: bool
    reason: str | None = None
    remedy: str | None = None
    description: str = ""
    receivers: Count = 1
    multicast_unsupported: str | None = Field(None, description="why groups from outside do not arrive; null: they do")
    injected: str | None = Field(None, description="loss that was put in on purpose, to prove the tool; null: none")
    built_by: list[str] = Field(default_factory=list, description="the commands, in order")
    interface: str | None = None
    parent_interface: str | None = None
    remarks: list[str] = Field(default_factory=list, description="what a reader should know about it, a sentence each")
    hardware_stamps: dict[str, Any] | None = Field(None, description="what the probe's interface advertises")
    timestamp_ladder: TimestampLadder | None = Field(None, description="the packets' own answer; null: not measured")
    timestamp_ladder_absent: str | None = Field(None, description="why it was not measured")
    facts: Facts = Field(default_factory=lambda: Facts())
    findings: list[Finding] = Field(default_factory=list)


class Floor(PartialRecord):
    """What this run cannot see below. Never blamed on the network."""

    clock_cost_ns: float | None = None
    clock_step_ns: int | None = None
    wakeup_us: Distribution | None = Field(None, description="how late an absolute sleep of 1 ms wakes up")
    sender_lateness_us: Distribution | None = Field(None, description="of the paced stream over loopback")
    idle_iat_error_us: Distribution | None = Field(
        None, description="|IAT - its schedule| of a paced stream over loopback with nothing else running"
    )
    steal_ratio: Ratio | None = Field(None, description="over the whole run")


class Tool(Record):
    """Who wrote the file."""

    name: str = "netbench"
    version: str
