"""The command line: one command a file, and the one place that turns errors into exit codes."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

import typer

from netbench.cli import analyze, capture, environments, inspect, multicast, receive, report, run, send, timestamps
from netbench.errors import ExitCode, NetbenchError

app = typer.Typer(
    name="netbench",
    help="Can a packet-measuring probe be trusted in this place? Measures it, with evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("run")(run.run)
app.command("environments")(environments.environments)
app.command("inspect")(inspect.inspect)
app.command("timestamps")(timestamps.timestamps)
app.command("send")(send.send)
app.command("receive")(receive.receive)
app.command("multicast")(multicast.multicast)
app.command("capture")(capture.capture)
app.command("analyze")(analyze.analyze)
app.command("report")(report.report)


def _version(wanted: bool) -> None:
    if wanted:
        from netbench import __version__

        typer.echo(f"netbench {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: bool = typer.Option(False, "--version", help="Print the version.", callback=_version, is_eager=True),
) -> None:
    pass


def main() -> NoReturn:
    """Entry point: run a command, tell errors in one message, exit with the code that belongs to them."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, _terminated)
    try:
        code = app(standalone_mode=False)
    except NetbenchError as error:
        _tell(error.message, error.remedy)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone: `netbench … | head`
        sys.exit(ExitCode.PASS)
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # click's own: a wrong option
            context = getattr(error, "ctx", None)
            command = context.command_path if context is not None else "netbench"
            _tell(error.format_message(), f"{command} --help")
            sys.exit(ExitCode.USAGE)
        if type(error).__name__ in ("Abort",):
            sys.exit(ExitCode.INTERRUPTED)
        raise
    sys.exit(code if isinstance(code, int) else ExitCode.PASS)


def _terminated(number: int, frame: FrameType | None) -> None:
    """SIGTERM, and SIGHUP of a terminal that closes, are handled like Ctrl-C: what was measured is saved, everything is undone."""
    raise KeyboardInterrupt


def _tell(message: str, remedy: str | None) -> None:
    print(f"netbench: {message}", file=sys.stderr)
    if remedy:
        print(f"  try: {remedy}", file=sys.stderr)
