"""The door to another machine: `python -m netbench.environments.machines.ssh_door SSH… -- COMMAND…` becomes `SSH… 'COMMAND…'`.

ssh joins the words of a command by blanks and lets a shell there split them again; here they are quoted, so that they arrive as
they were given. This process replaces itself by ssh, unless the master connection (ssh -S) has ended.
"""

from __future__ import annotations

import os
import shlex
import sys

SEPARATOR = "--"
EXIT_STATUS_NO_CONNECTION = 255  # as ssh says it


def main() -> None:
    """Quote what follows the separator and become ssh."""
    words = sys.argv[1:]
    at = words.index(SEPARATOR)
    ssh, command = words[:at], words[at + 1 :]
    if not os.path.exists(ssh[ssh.index("-S") + 1]):  # ssh itself would say "Connection closed by UNKNOWN port 65535"
        print(f"The ssh connection to {ssh[-1]} has ended.", file=sys.stderr)
        sys.exit(EXIT_STATUS_NO_CONNECTION)
    os.execvp(ssh[0], [*ssh, shlex.join(command)])


if __name__ == "__main__":
    main()
