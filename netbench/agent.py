"""The process at a site that does one job. Read netbench.protocol first, and agent_jobs for what each job is.

Starts in a guest, in a bare image, over ssh: standard library and C core only (libpcap where that backend is asked for).
"""

from __future__ import annotations

import gc
import signal
import sys

from netbench.agent_jobs import do
from netbench.agent_session import EXIT_STATUS_ORPHANED, Commands, emit
from netbench.protocol import decode_job
from netbench.refusals import refusal

_EXIT_STATUS_DONE = 0
_EXIT_STATUS_FAILED = 1


def main() -> int:
    """Do the job of the first line of standard input."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the runner's to handle; it says `stop`, or closes our input
    line = sys.stdin.readline()
    if not line:
        return EXIT_STATUS_ORPHANED
    try:
        job = decode_job(line)
    except ValueError as error:
        emit("error", {"kind": "usage", "message": str(error), "remedy": None, "errno": None})
        return _EXIT_STATUS_FAILED
    commands = Commands()
    commands.listen()
    gc.disable()  # a collection in the middle of a measurement is a delay of our own making
    try:
        do(job, commands)
    except OSError as error:
        emit("error", refusal(job, error))
        return _EXIT_STATUS_FAILED
    except ValueError as error:
        emit("error", {"kind": "usage", "message": str(error), "remedy": None, "errno": None})
        return _EXIT_STATUS_FAILED
    return _EXIT_STATUS_DONE


if __name__ == "__main__":
    sys.exit(main())
