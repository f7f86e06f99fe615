"""`netbench report`: make the reports of runs again, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN.json…", help="Runs, or the directories that hold them.", show_default=False)
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Where the reports go; none: beside each run.json."),
    ] = None,
) -> int:
    """Read runs, print their verdicts, write index.html and summary.md."""
    from netbench.compare.verdict import exit_code
    from netbench.report import write_reports
    from netbench.report.terminal import print_run
    from netbench.result import store

    loaded = [(path, store.load(path)) for path in runs]  # a damaged one is told before anything is written
    worst = 0
    for path, result in loaded:
        beside = path if path.is_dir() else path.parent
        directory = (
            beside if output is None else output if len(loaded) == 1 else output / (path.stem if path.is_file() else path.name)
        )
        files = write_reports(result, directory)
        print_run(result, files=files)
        worst = max(worst, exit_code(result))
    return worst
