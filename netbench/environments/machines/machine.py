"""Another machine as typed: `ssh:user@host:port,interface=eth1`."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from netbench.environments.base import Option
from netbench.environments.options import parse_value, resolve, unknown
from netbench.errors import UsageError

if TYPE_CHECKING:
    from netbench.result.plan import OptionValue

_TARGET = re.compile(
    r"ssh:(?:(?P<user>[^-@\s,:/][^@\s,:/]*)@)?(?P<host>\[[0-9A-Fa-f:.%\w]+\]|[^-@\s,:/\[\]][^@\s,:/\[\]]*)(?::(?P<port>\d+))?"
)
_PLAIN_PATH = re.compile(r"[\w./+~-]*")  # it passes through shells there
_EXAMPLE = "for example ssh:probe@192.0.2.7, or ssh:probe.example:2222"

OPTIONS = (
    Option("interface", "", "interface there that takes part; none: the one that ssh came in by"),
    Option("address", "", "IPv4 address that test packets reach it by; none: the one that ssh reached"),
    Option("python", "", "interpreter there, 3.11 or newer; none: python3 and its kin on the PATH"),
    Option("ssh_config", "", "configuration file for ssh (ssh -F); none: the user's own"),
)


@dataclass(frozen=True)
class Machine:
    """A machine that ssh reaches.

    Attributes:
        host: a name, an address, or an alias of ssh's configuration.
        user: None: as ssh's configuration says.
        port: None: as ssh's configuration says.
        interface: there; "" lets it be found, as the other ones.
        address: that test packets reach it by.
        python: the interpreter there.
        ssh_config: a file instead of the user's own configuration.
    """

    host: str
    user: str | None = None
    port: int | None = None
    interface: str = ""
    address: str = ""
    python: str = ""
    ssh_config: str = ""

    @property
    def destination(self) -> str:
        """As ssh wants it."""
        return f"{self.user}@{self.host}" if self.user else self.host

    @property
    def typed(self) -> str:
        """What a person types to get there by hand."""
        words = ["ssh", *(["-F", self.ssh_config] if self.ssh_config else []), *(["-p", str(self.port)] if self.port else [])]
        return shlex.join([*words, self.destination])

    @classmethod
    def of(cls, target: str, options: dict[str, OptionValue]) -> Machine:
        """From `ssh:user@host:port` and checked OPTIONS.

        Raises:
            UsageError: the text is no such target.
        """
        match = _TARGET.fullmatch(target)
        if match is None:
            raise UsageError(f"{target!r} names no machine: it is ssh:[USER@]HOST[:PORT].", _EXAMPLE)
        port = int(match["port"]) if match["port"] else None
        if port is not None and not 1 <= port <= 65_535:
            raise UsageError(f"{target!r}: port {port} is not in 1..65535.", _EXAMPLE)
        host = match["host"].strip("[]")
        if not _PLAIN_PATH.fullmatch(str(options["python"])):
            raise UsageError(
                f"python={options['python']} is no plain path of an interpreter.", "for example python=/usr/bin/python3.12"
            )
        return cls(host, match["user"], port, **{option.name: str(options[option.name]) for option in OPTIONS})


def parse_machine(text: str, flag: str) -> Machine:
    """From one text, `ssh:user@host:port,interface=eth1`.

    Args:
        text: as typed.
        flag: where it was typed, for messages.

    Raises:
        UsageError: it names no machine, or has an option that there is not.
    """
    target, *items = text.split(",")
    known = {option.name: option for option in OPTIONS}
    given: dict[str, OptionValue] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or key not in known:
            raise UsageError(f"{flag} {text}: {unknown('option', key, known)}", f"{flag} {target},interface=NAME")
        given[key] = parse_value(known[key], value)
    return Machine.of(target, resolve(flag, OPTIONS, given))
