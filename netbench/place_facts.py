"""Facts of a place, read by an agent there."""

from __future__ import annotations

from collections.abc import Sequence

from netbench.agent_client import LOCAL_AGENT, AgentClient
from netbench.errors import NetbenchError
from netbench.protocol import FactsJob
from netbench.result.environment import Facts

_TIMEOUT_S = 60.0


def host_facts() -> Facts:
    """Facts of this host. Read before the lab is entered: an ordinary user's lab shows an empty network."""
    with ask_for_facts("this host", None) as agent:
        return told_facts(agent)


def ask_for_facts(place: str, interface: str | None, command: Sequence[str] = LOCAL_AGENT) -> AgentClient:
    """An agent that reads the facts of a place."""
    return AgentClient(f"the facts of {place}", FactsJob(interface=interface), command)


def told_facts(agent: AgentClient) -> Facts:
    """What it read; why nothing, if it could not."""
    try:
        raw = agent.result(_TIMEOUT_S)
    except NetbenchError as error:
        return Facts(absent={"values": error.message})
    absent = raw.pop("absent", {})
    return Facts(values=raw, absent=absent)
