"""One run, from plan to run.json: read this first.

    build each environment -> read facts and floor -> trials, interleaved -> judge -> save

A live feed, which nobody here sends, is measured in all environments at once: a sample is one trial of each.

The file is saved after every trial, so that a run which is cut off still holds what was measured; and first when something
stands to be measured, so that a run which cannot begin leaves the report before it alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from netbench import __version__
from netbench.compare.verdict import judge
from netbench.environments import parent as own_network
from netbench.environments.base import Parent
from netbench.environments.interrupts import ignored
from netbench.errors import CannotRunError, NetbenchError
from netbench.facts import counters
from netbench.live_runner import run_live_sample
from netbench.metrics.live import live_trial_without_numbers
from netbench.metrics.packet_log import PacketLogFolder
from netbench.result import store
from netbench.result.environment import EnvironmentRecord, Facts, Floor, Tool
from netbench.result.plan import LIVE, Plan, Profile
from netbench.result.run import Run
from netbench.result.trial import Trial
from netbench.stamp_runner import measure_ladder
from netbench.standing import Standing, build, measure_floor, with_facts, with_leftovers
from netbench.trial_runner import run_trial


class Observer(Protocol):
    """Who watches a run: the terminal, or nobody."""

    def plan_known(self, plan: Plan, trials: int) -> None:
        """So many trials are to come."""

    def step(self, what: str) -> None:
        """Something other than a trial is being done: building, reading facts, measuring the floor."""

    def trial_started(self, environment: str, profile: str, sample: int) -> None:
        """A trial begins."""

    def trial_ended(self, trial: Trial) -> None:
        """A trial is over."""


def run(
    plan: Plan,
    directory: Path,
    observer: Observer,
    *,
    host: Facts,
    command: str = "",
    packet_logs: PacketLogFolder | None = None,
    parent: Parent | None = None,
) -> Run:
    """Measure a plan and save run.json into a directory.

    The process must have entered the lab (netbench.environments.lab), which it has to do while it is of one thread: before numpy is
    imported, and so before this module is.

    Args:
        plan: what to measure.
        directory: where run.json goes; made if need be.
        observer: told what is going on.
        host: facts of this host, read before the lab was entered.
        command: the command line, for the record.
        packet_logs: where the packet logs of every trial go, or None.
        parent: the user's own interface, in place of the embedded lab.

    Returns:
        The run, judged; its status is "interrupted" when Ctrl-C ended it.

    Raises:
        CannotRunError: no environment of the plan can be built here, or the directory cannot be written.
    """
    path = directory / store.RUN_FILE
    current = Run(
        tool=Tool(version=__version__),
        status="running",
        started_at=_now(),
        command=command,
        plan=plan,
        host=host,
        floor=Floor(absent={"clock_cost_ns": "not measured yet"}),
        environments=[],
    )
    store.rehearse_save(current, path)  # a directory that cannot be written is told before anything is measured
    observer.plan_known(plan, len(plan.environments) * len(plan.traffic) * plan.samples)
    cpu_before = counters.read()
    not_removed: dict[str, str] = {}
    status = "complete"
    with _taken_down_in_peace() as stack:
        try:
            standing, records = build(plan, parent, stack, not_removed, observer.step)
            current = current.model_copy(update={"environments": records})
            if not standing:
                reasons = "; ".join(f"{record.label}: {record.reason}" for record in records)
                raise CannotRunError(f"no environment of the plan can be built here: {reasons}", records[0].remedy)
            store.save(current, path)
            observer.step("reading facts")
            current = current.model_copy(update={"environments": with_facts(standing, records)})
            observer.step("measuring the floor")
            current = current.model_copy(update={"floor": measure_floor(standing[0], parent)})
            for item in standing:
                observer.step(f"hardware timestamps of {item.plan.label}")
                current = current.model_copy(update={"environments": _with_ladder(plan, item, current.environments)})
            for trial in _trials(plan, standing, parent, observer, packet_logs):
                current = current.model_copy(update={"trials": [*current.trials, trial]})
                store.save(current, path)
                if trial.status == "interrupted":
                    raise KeyboardInterrupt
        except KeyboardInterrupt:
            status = "interrupted"
    with ignored():
        current = current.model_copy(update={"environments": with_leftovers(current.environments, not_removed)})
        floor = _with_steal(current.floor, cpu_before, counters.read())
        current = current.model_copy(update={"status": status, "ended_at": _now(), "floor": floor})
        comparison, verdicts = judge(current)
        current = current.model_copy(update={"comparison": comparison, "verdicts": verdicts})
        store.save(current, path)
    return current


@contextmanager
def _taken_down_in_peace() -> Iterator[ExitStack]:
    """What the block puts into the stack is undone to its end: a second Ctrl-C does not cut off what the first one began."""
    stack = ExitStack()
    try:
        yield stack
    finally:
        with ignored():
            stack.close()


def _with_ladder(plan: Plan, item: Standing, records: Sequence[EnvironmentRecord]) -> list[EnvironmentRecord]:
    """The records, that of one environment with its ladder of hardware timestamps, or why there is none."""
    try:
        update: dict[str, object] = {"timestamp_ladder": measure_ladder(plan, item.plan.label, item.built)}
    except NetbenchError as error:
        update = {"timestamp_ladder_absent": _ended_early(error)[1]}
    return [record.model_copy(update=update) if record.label == item.plan.label else record for record in records]


def _trials(
    plan: Plan, standing: Sequence[Standing], parent: Parent | None, observer: Observer, packet_logs: PacketLogFolder | None
) -> Iterator[Trial]:
    """All trials, as they end."""
    if plan.live and parent is not None:
        for sample in range(1, plan.samples + 1):
            yield from _live_sample(plan, standing, parent, sample, observer)
        return
    for item, profile, sample in _schedule(plan, standing):
        yield _trial(plan, profile, item, sample, observer, packet_logs)


def _live_sample(plan: Plan, standing: Sequence[Standing], parent: Parent, sample: int, observer: Observer) -> list[Trial]:
    """A trial of each environment, all at the same time; as of _trial(), whatever becomes of it."""
    observer.trial_started(", ".join(item.plan.label for item in standing), LIVE, sample)
    started_at = _now()
    try:
        environments = [(item.plan.label, item.built) for item in standing]
        trials = run_live_sample(plan, environments, own_network.tap(parent), sample=sample, started_at=started_at)
    except (NetbenchError, KeyboardInterrupt) as error:
        status, reason = _ended_early(error)
        trials = [
            live_trial_without_numbers(item.plan.label, sample, started_at, plan.duration_s, status, reason) for item in standing
        ]
    for trial in trials:
        observer.trial_ended(trial)
    return trials


def _schedule(plan: Plan, standing: Sequence[Standing]) -> Iterator[tuple[Standing, Profile, int]]:
    """All trials, interleaved: every sample goes through every profile and environment before the next begins."""
    shuffle = random.Random(plan.seed)
    for sample in range(1, plan.samples + 1):
        for profile in plan.profiles:
            for item in shuffle.sample(list(standing), len(standing)):
                yield item, profile, sample


def _trial(
    plan: Plan, profile: Profile, item: Standing, sample: int, observer: Observer, packet_logs: PacketLogFolder | None
) -> Trial:
    """One trial, whatever becomes of it: a refusal or Ctrl-C makes a trial without numbers, with the reason."""
    observer.trial_started(item.plan.label, profile.name, sample)
    started_at = _now()
    try:
        trial = run_trial(plan, profile, item.plan.label, item.built, sample=sample, started_at=started_at, packet_logs=packet_logs)
    except (NetbenchError, KeyboardInterrupt) as error:
        status, reason = _ended_early(error)
        trial = Trial(
            environment=item.plan.label,
            profile=profile.name,
            sample=sample,
            status=status,
            reason=reason,
            started_at=started_at,
            duration_s=plan.duration_s,
            absent={"received": reason},
        )
    observer.trial_ended(trial)
    return trial


def _ended_early(error: NetbenchError | KeyboardInterrupt) -> tuple[Literal["interrupted", "error"], str]:
    """Status and reason of a trial that gave no numbers."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "stopped by the user before it was over"
    return "error", f"{error.message} ({error.remedy})" if error.remedy else error.message


def _with_steal(floor: Floor, before: counters.Reading, after: counters.Reading) -> Floor:
    """The floor, with the share of CPU time that the hypervisor kept for others during the run."""
    moved = counters.delta(before, after)
    total = moved.get("cpu.total_ticks", 0)
    absent = {key: reason for key, reason in floor.absent.items() if key != "steal_ratio"}
    if not total:
        return floor.model_copy(update={"absent": absent | {"steal_ratio": "CPU time was not read (/proc/stat)"}})
    return floor.model_copy(update={"steal_ratio": min(1.0, moved.get("cpu.steal_ticks", 0) / total), "absent": absent})


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
