"""A run: the whole of run.json.

History of the format:
    1  first published form.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from netbench.result.base import Record
from netbench.result.environment import EnvironmentRecord, Facts, Floor, Tool
from netbench.result.plan import Plan
from netbench.result.trial import Trial
from netbench.result.verdict import Comparison, Verdict

SCHEMA_VERSION = 1


class Run(Record):
    """A plan's trials with the facts of the machines. A running or interrupted run is readable too."""

    schema_version: Literal[1] = 1
    tool: Tool
    status: Literal["running", "complete", "interrupted"]
    started_at: str = Field(description="ISO 8601, UTC")
    ended_at: str | None = None
    command: str = Field("", description="as typed")
    plan: Plan
    host: Facts
    floor: Floor
    environments: list[EnvironmentRecord]
    trials: list[Trial] = Field(default_factory=list)
    comparison: Comparison | None = None
    verdicts: list[Verdict] = Field(default_factory=list)

    def trials_of(self, environment: str, profile: str | None = None) -> list[Trial]:
        """Trials of an environment's label (and profile), in order of their start."""
        return [
            trial for trial in self.trials if trial.environment == environment and (profile is None or trial.profile == profile)
        ]
