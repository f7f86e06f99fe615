"""One end by hand: one agent here, watched until it has done its job or Ctrl-C ends it early with its result kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netbench.agent_client import AgentClient
from netbench.protocol import Job

_RESULT_TIMEOUT_S = 30.0


def run_by_hand(
    name: str, job: Job, on_ready: Callable[[], None], on_progress: Callable[[dict[str, Any]], None]
) -> tuple[dict[str, Any], bool]:
    """Run one agent to its end.

    Args:
        name: for messages: "the sender", "the receiver".
        job: what it does.
        on_ready: called when it is armed; a sender begins right after.
        on_progress: called about once a second, from another thread.

    Returns:
        The agent's raw result, and whether Ctrl-C ended it.

    Raises:
        NetbenchError: it could not do its job.
    """
    result, _, interrupted = run_with_log(name, job, on_ready, on_progress)
    return result, interrupted


def run_with_log(
    name: str, job: Job, on_ready: Callable[[], None], on_progress: Callable[[dict[str, Any]], None]
) -> tuple[dict[str, Any], bytes, bool]:
    """As run_by_hand(), with the packet log between the result and whether Ctrl-C ended it."""
    with AgentClient(name, job, on_progress=on_progress) as agent:
        interrupted = False
        try:
            agent.wait_ready()
            on_ready()
            agent.start()
            result = agent.result(None)
        except KeyboardInterrupt:
            interrupted = True
            agent.stop()
            result = agent.result(_RESULT_TIMEOUT_S)
        return result, agent.packet_log, interrupted
