"""`netbench run`: build each environment, measure, judge, report."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from netbench.errors import ExitCode

DEFAULT_OUTPUT = Path("reports/latest")


def run(
    plan: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PLAN]",
            help="A TOML file, or `places`: containers and guests, too. None: host, macvlan and bridge.",
            show_default=False,
        ),
    ] = None,
    environment: Annotated[
        list[str] | None,
        typer.Option("-e", "--environment", metavar="ENV[:key=value,…]", help="Only these; repeatable. E.g. macvlan:receivers=3"),
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option("--profile", metavar="NAME[:key=value,…]", help="Only these; repeatable. E.g. lineup:streams=1000,pps=50000"),
    ] = None,
    site: Annotated[
        list[str] | None,
        typer.Option("--site", metavar="ssh:USER@HOST[:PORT]", help="A machine of your own, reached by ssh; repeatable."),
    ] = None,
    sender: Annotated[
        str | None,
        typer.Option("--sender", metavar="ssh:USER@HOST[:PORT]", help="With -i: this machine of yours sends, by ssh."),
    ] = None,
    uncapped: Annotated[bool, typer.Option("--uncapped", help="Allow more than 100 Mb/s on a real network.")] = False,
    interface: Annotated[
        str | None,
        typer.Option(
            "-i", "--interface", metavar="IF", help="Build on this interface of yours, not in the lab; with --live or --sender."
        ),
    ] = None,
    live: Annotated[
        list[str] | None,
        typer.Option(
            "--live", metavar="[S@]G:PORT", help="Measure this feed that is there, everywhere at once; repeatable. Also udp://…"
        ),
    ] = None,
    samples: Annotated[int | None, typer.Option("--samples", metavar="N", help="Samples of each trial (3).", min=1)] = None,
    duration: Annotated[
        str | None, typer.Option("-t", "--duration", metavar="TIME", help="Traffic of a trial: 10, 30s, 1m30s (2s; --live: 10s).")
    ] = None,
    omit: Annotated[
        str | None, typer.Option("-O", "--omit", metavar="TIME", help="Warm-up before each trial, not counted.")
    ] = None,
    backend: Annotated[
        str | None, typer.Option("-B", "--backend", metavar="socket|ring|pcap", help="How the probe captures (socket).")
    ] = None,
    method: Annotated[str | None, typer.Option("--method", metavar="socket|frame", help="How the sender sends (socket).")] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", metavar="ENV", help="What the others are compared with (host).")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Of the order of trials.")] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Where run.json and the report go.")
    ] = DEFAULT_OUTPUT,
    packet_log: Annotated[
        Path | None, typer.Option("--packet-log", metavar="DIR", help="Every packet as a row of Parquet files in DIR (DuckDB).")
    ] = None,
    json: Annotated[bool, typer.Option("-J", "--json", help="Print run.json instead of the tables.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress; only the verdicts.")] = False,
) -> int:
    """Measure environments with real traffic and say which one a probe can be trusted in."""
    from netbench.cli import machines, own_network
    from netbench.cli.plan_choice import chosen_plan
    from netbench.environments import lab
    from netbench.environments.guests import image as guest_image
    from netbench.place_facts import host_facts

    selected = chosen_plan(
        plan,
        environments=machines.with_sites(environment, site),
        profiles=machines.default_profiles(
            profile, planned=plan is not None or bool(live), outside=bool(site) or interface is not None
        ),
        overrides={
            "samples": samples,
            "duration": duration,
            "omit": omit,
            "backend": backend,
            "method": method,
            "reference": reference,
            "seed": seed,
            "interface": interface,
            "live": live or None,
        },
    )
    own_network.check(selected, sender, packet_log=packet_log is not None)
    if machines.is_outside(selected):
        machines.check_cap(selected, uncapped=uncapped)
    host = host_facts()
    if machines.needs_lab(selected):
        guest_image.prepare_ahead(wanted.name for wanted in selected.environments)
        lab.enter()  # while this process has one thread: numpy, which the rest imports, starts more
    from netbench.compare.verdict import exit_code
    from netbench.metrics.packet_log import PacketLogFolder
    from netbench.report import write_reports
    from netbench.report.progress import RunProgress
    from netbench.report.terminal import print_run
    from netbench.runner import run as measure

    logs = PacketLogFolder(packet_log) if packet_log is not None else None
    command = " ".join(["netbench", *sys.argv[1:]])
    with own_network.parent(selected, sender) as parent, RunProgress(quiet=quiet or json) as progress:
        result = measure(selected, output, progress, host=host, command=command, packet_logs=logs, parent=parent)
    files = write_reports(result, output)
    if json:
        sys.stdout.write(result.model_dump_json(indent=1) + "\n")
    else:
        print_run(result, files=[output / "run.json", *files])
    if result.status == "interrupted":
        return ExitCode.INTERRUPTED
    return exit_code(result)
