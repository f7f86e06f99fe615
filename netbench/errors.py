"""The errors that a user can meet: what failed, why, what to type next; and the exit code that belongs to each."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process says to its caller, with or without --json."""

    PASS = 0
    FAIL = 1
    USAGE = 2
    CANNOT_RUN = 3
    INCONCLUSIVE = 4
    INTERRUPTED = 130


class NetbenchError(Exception):
    """A failure that is told in one clear message.

    Args:
        message: what failed and why, a sentence.
        remedy: what to type next, or None when there is nothing.
    """

    exit_code = ExitCode.CANNOT_RUN

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class UsageError(NetbenchError):
    """The command line or a plan is wrong."""

    exit_code = ExitCode.USAGE


class CannotRunError(NetbenchError):
    """This place lacks something: a permission, a program, an interface, a daemon."""

    exit_code = ExitCode.CANNOT_RUN


class InvalidDataError(NetbenchError):
    """A file or a measurement cannot be used: truncated, empty, of another version, sender-limited."""

    exit_code = ExitCode.INCONCLUSIVE
