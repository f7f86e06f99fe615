"""`netbench inspect`: facts and findings about this place, read only."""

from __future__ import annotations

import json as json_text
from typing import Annotated

import typer

from netbench.errors import ExitCode, UsageError

_TIMEOUT_S = 20.0


def inspect(
    interface: Annotated[
        str | None, typer.Option("-i", "--interface", metavar="IF", help="The interface that the probe would use.")
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(
            "-g", "--group", metavar="[S,]G[:port]", help="What it would receive: firewall and routes are asked about it."
        ),
    ] = None,
    port: Annotated[int, typer.Option("-p", "--port", metavar="PORT", help="UDP port.", min=1, max=65535)] = 5004,
    everything: Annotated[bool, typer.Option("-v", "--all", help="Also the requirements that are met, and every fact.")] = False,
    json: Annotated[bool, typer.Option("-J", "--json", help="Print JSON.")] = False,
) -> int:
    """Read what this place is, and check it against what a probe needs. Changes nothing."""
    from netbench.agent_client import AgentClient
    from netbench.cli.options import stream_specs
    from netbench.compare import findings
    from netbench.interface import interface_index
    from netbench.protocol import FactsJob
    from netbench.report.inspection import print_inspection

    streams = stream_specs(group or [], port, 1)
    if interface is not None:
        try:
            interface_index(interface)
        except OSError as error:
            raise UsageError(f"cannot {error.strerror}", "list the interfaces here: ip -brief link") from error
    with AgentClient("the facts' agent", FactsJob(interface=interface, streams=streams)) as agent:
        facts = agent.result(_TIMEOUT_S)
    found = findings.judge(facts)
    absent = facts.pop("absent", {})
    if json:
        typer.echo(
            json_text.dumps(
                {"facts": facts, "absent": absent, "findings": [item.model_dump() for item in found]}, indent=1, default=str
            )
        )
    else:
        print_inspection(facts, absent, found, everything=everything)
    return ExitCode.FAIL if any(item.severity == "fail" for item in found) else ExitCode.PASS
