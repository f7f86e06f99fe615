"""The environments of a plan, standing: built, described by facts, with the floor of the place where they stand."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from types import TracebackType

from netbench.agent_client import LOCAL_AGENT, AgentClient
from netbench.compare import findings
from netbench.environments import registry
from netbench.environments.base import BuiltEnvironment, Environment, Parent
from netbench.environments.netns import Network, enter
from netbench.errors import CannotRunError, NetbenchError
from netbench.metrics.floor import build_floor
from netbench.place_facts import ask_for_facts, told_facts
from netbench.protocol import FloorJob
from netbench.result.environment import EnvironmentRecord, Floor
from netbench.result.plan import EnvironmentPlan, Plan

_FLOOR_TIMEOUT_S = 30.0
_LEFT = "Not all of it could be taken down ({}). What is left is removed by: netbench environments --clean"


@dataclass(frozen=True)
class Standing:
    """An environment of the plan that could be built."""

    plan: EnvironmentPlan
    built: BuiltEnvironment


def build(
    plan: Plan, parent: Parent | None, stack: ExitStack, not_removed: dict[str, str], step: Callable[[str], None]
) -> tuple[list[Standing], list[EnvironmentRecord]]:
    """Build every environment that can be; the others are recorded with their reason.

    Args:
        plan: whose environments.
        parent: the user's own interface, in place of the embedded lab.
        stack: takes them down.
        not_removed: is told which ones could not be taken down, and why: what was measured is not lost for it.
        step: told which one is being built.
    """
    standing: list[Standing] = []
    records: list[EnvironmentRecord] = []
    for wanted in plan.environments:
        step(f"building {wanted.label}")
        environment: Environment = registry.environment(wanted.name)
        unavailable = environment.available()
        if unavailable is not None:
            records.append(_unavailable(wanted, environment, unavailable.reason, unavailable.remedy))
            continue
        try:
            built = stack.enter_context(_TakenDown(environment.setup(dict(wanted.options), parent), wanted.label, not_removed))
        except CannotRunError as error:
            records.append(_unavailable(wanted, environment, error.message, error.remedy))
            continue
        standing.append(Standing(wanted, built))
        records.append(
            EnvironmentRecord(
                name=wanted.name,
                label=wanted.label,
                available=True,
                description=environment.description,
                receivers=len(built.receivers),
                multicast_unsupported=built.multicast_unsupported,
                injected=built.injected,
                built_by=list(built.built_by),
                interface=built.receivers[0].interface,
                remarks=list(built.remarks),
                parent_interface=built.parent_interface,
            )
        )
    return standing, records


class _TakenDown:
    """An environment whose end, should it fail, is written down and stops neither the others' ends nor the run's."""

    def __init__(self, environment: AbstractContextManager[BuiltEnvironment], label: str, not_removed: dict[str, str]) -> None:
        self._environment = environment
        self._label = label
        self._not_removed = not_removed

    def __enter__(self) -> BuiltEnvironment:
        return self._environment.__enter__()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            self._environment.__exit__(kind, error, trace)
        except (NetbenchError, OSError) as failure:
            self._not_removed[self._label] = str(failure)


def with_leftovers(records: Sequence[EnvironmentRecord], not_removed: Mapping[str, str]) -> list[EnvironmentRecord]:
    """The records, with a remark at each environment that could not be taken down."""
    return [
        record.model_copy(update={"remarks": [*record.remarks, _LEFT.format(not_removed[record.label].rstrip("."))]})
        if record.label in not_removed
        else record
        for record in records
    ]


def _unavailable(wanted: EnvironmentPlan, environment: Environment, reason: str, remedy: str | None) -> EnvironmentRecord:
    return EnvironmentRecord(
        name=wanted.name, label=wanted.label, available=False, reason=reason, remedy=remedy, description=environment.description
    )


def with_facts(standing: Sequence[Standing], records: Sequence[EnvironmentRecord]) -> list[EnvironmentRecord]:
    """The records with the facts of each place where a probe would sit, and the findings from these."""
    with ExitStack() as stack:
        agents = {
            item.plan.label: stack.enter_context(
                ask_for_facts(item.plan.label, item.built.receivers[0].interface, item.built.receivers[0].agent)
            )
            for item in standing
        }
        read = {label: told_facts(agent) for label, agent in agents.items()}
    described = []
    for record in records:
        facts = read.get(record.label)
        if facts is None:
            described.append(record)
            continue
        update = {
            "facts": facts,
            "findings": findings.judge({**facts.values, "absent": facts.absent}),
            "hardware_stamps": facts.values.get("timestamps"),
        }
        described.append(record.model_copy(update=update))
    return described


def measure_floor(item: Standing, parent: Parent | None) -> Floor:
    """Where the sender sits; on the user's own network, in a namespace of ours: nothing of theirs hears its packets."""
    if parent is None:
        return _measured_floor(item.built.sending_site.agent)
    with Network("floor") as network:
        return _measured_floor((*enter(network.namespace("loopback")), *LOCAL_AGENT))


def _measured_floor(agent_command: Sequence[str]) -> Floor:
    with AgentClient("the floor's agent", FloorJob(), agent_command) as agent:
        try:
            return build_floor(agent.result(_FLOOR_TIMEOUT_S))
        except NetbenchError as error:
            return Floor(absent={"clock_cost_ns": f"not measured: {error.message}"})
