"""Programs that print facts (ip, tc, nft): found, started side by side, and given up on in time."""

from __future__ import annotations

import os
import shutil
import subprocess

from netbench.facts.reading import Unreadable

DEADLINE_S = 3.0
# A service or a bare shell often has no sbin on its PATH.
_SYSTEM_DIRECTORIES = ("/usr/sbin", "/sbin", "/usr/local/sbin", "/usr/bin", "/bin")


class Program:
    """A program that has been started; several run at once while their caller reads files."""

    def __init__(self, name: str, *arguments: str) -> None:
        """Start it. One that is missing or fails tells so when it is asked for its output, not before."""
        self._name = name
        self._process: subprocess.Popen[str] | None = None
        self._reason = ""
        search = os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_DIRECTORIES])
        path = shutil.which(name, path=search)
        if path is None:
            self._reason = f"the program {name} is not installed here"
            return
        try:
            self._process = subprocess.Popen(
                [path, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
                env={**os.environ, "LC_ALL": "C"},
            )
        except OSError as error:
            self._reason = f"{name} could not be started: {error.strerror}"

    def output(self) -> str:
        """What it printed; waits for its end.

        Raises:
            Unreadable: it is missing, it failed, or it did not end in time.
        """
        if self._process is None:
            raise Unreadable(self._reason)
        try:
            printed, complaint = self._process.communicate(timeout=DEADLINE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
            raise Unreadable(f"{self._name} did not answer within {DEADLINE_S:.0f} s") from None
        if self._process.returncode != 0:
            first_line = complaint.strip().partition("\n")[0][:200] or "no reason given"
            raise Unreadable(f"{self._name} failed: {first_line}")
        return printed
