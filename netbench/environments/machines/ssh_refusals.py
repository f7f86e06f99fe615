"""What ssh said, in words: what failed, why, what to type next."""

from __future__ import annotations

from netbench.environments.machines.machine import Machine
from netbench.errors import CannotRunError

# Part of what ssh says, in lower case -> what it means, and what helps. {typed} is the command line by hand.
_MEANINGS = (
    (
        "remote host identification has changed",
        "its host key is not the one that known_hosts holds",
        "find out why; if the machine was installed anew: ssh-keygen -R HOST, then {typed} true",
    ),
    (
        "host key verification failed",
        "its host key is not known here, and netbench never accepts one by itself",
        "log in once by hand and check the fingerprint: {typed} true",
    ),
    (
        "permission denied",
        "it accepts none of the keys here (netbench types no passwords)",
        "give it your key: ssh-copy-id (or ssh-add, if the key has a passphrase), until this asks for nothing: {typed} true",
    ),
    ("too many authentication failures", "it was offered too many keys", "name the right one (IdentityFile) in ~/.ssh/config"),
    ("connection refused", "nothing listens at that port", "start sshd there, or name its port: ssh:USER@HOST:PORT"),
    ("timed out", "it did not answer", "is the machine up, the address right, and the port let through? {typed} true"),
    ("could not resolve hostname", "its name is not known here", "name its address: ssh:USER@ADDRESS"),
    ("no route to host", "no route leads there", "ip route get ADDRESS"),
    ("network is unreachable", "no route leads there", "ip route get ADDRESS"),
    ("can't open user config file", "the configuration file cannot be read", "check ssh_config=FILE"),
    ("bad configuration option", "ssh's configuration has a mistake", "check it by hand: {typed} true"),
    ("unprotected private key file", "the key's file can be read by others, so that ssh does not use it", "chmod 600 KEYFILE"),
    ("kex_exchange_identification", "what answers at that port is no ssh server, or it hung up", "{typed} true"),
)


def refusal(machine: Machine, said: str, status: int | None) -> CannotRunError:
    """The error for a connection that did not come about.

    Args:
        machine: that was to be reached.
        said: the standard error of ssh.
        status: its exit status; None: it still runs, but was silent.
    """
    lowered = said.lower()
    for part, meaning, remedy in _MEANINGS:
        if part in lowered:
            return CannotRunError(
                f"{machine.destination} cannot be reached by ssh: {meaning} (ssh said: {_line(said, part)}).",
                remedy.format(typed=machine.typed),
            )
    last = (said.strip().splitlines() or [f"nothing, exit status {status}" if status is not None else "nothing in time"])[-1]
    return CannotRunError(
        f"{machine.destination} was reached by ssh, but the command there could not be run. Said was: {last.strip()}"
        if status != 255  # ssh's own
        else f"{machine.destination} cannot be reached by ssh: it said {last.strip()}",
        f"{machine.typed} true",
    )


def _line(said: str, part: str) -> str:
    return next(line.strip(" \r@") for line in said.splitlines() if part in line.lower())
