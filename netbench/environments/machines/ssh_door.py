"""The door to another machine: `python -m netbench.environments.machines.ssh_door SSH… -- COMMAND…` becomes `SSH… 'COMMAND…'`.

ssh joins the words of a command by blanks and lets a shell there split them again; here they are quoted, so that they arrive as
they were given. This process replaces itself by ssh.
"""

from __future__ import annotations

import os
import shlex
import sys

SEPARATOR = "--"


def main() -> None:
    """Quote what follows the separator and become ssh."""
    words = sys.argv[1:]
    at = words.index(SEPARATOR)
    ssh, command = words[:at], words[at + 1 :]
    os.execvp(ssh[0], [*ssh, shlex.join(command)])


if __name__ == "__main__":
    main()
