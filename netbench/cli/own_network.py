"""`-i`: environments on an interface of the user's own, with a live feed, or with another machine that sends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from netbench.cli import machines
from netbench.environments import parent as own
from netbench.environments.base import Parent
from netbench.errors import UsageError
from netbench.result.plan import Plan


def check(plan: Plan, sender: str | None, *, packet_log: bool) -> None:
    """What goes with what, before anything is built; whether the interface is there, and this user may build on it.

    Raises:
        UsageError: nothing says what is measured, or where, or twice.
        CannotRunError: this user may not, or the interface is down.
    """
    machines.parse_sender(sender)
    if plan.interface is None:
        if sender is not None:
            raise UsageError("--sender needs the interface where its traffic comes in.", f"netbench run -i IF --sender {sender}")
        return
    if not plan.live and sender is None:
        raise UsageError(
            f"-i {plan.interface} says where to measure, and nothing says what: no feed and no sender were named.",
            f"netbench run -i {plan.interface} --live 239.1.1.1:5000, or --sender ssh:USER@HOST for a machine that sends",
        )
    if plan.live and sender is not None:
        raise UsageError("--live measures a feed that is there, --sender makes one: both were given.", "leave one of them out")
    if plan.live and packet_log:
        raise UsageError("--packet-log is of sequences, and a live feed is told by its content.", "leave --packet-log out")
    own.find(plan.interface)


@contextmanager
def parent(plan: Plan, sender: str | None) -> Iterator[Parent | None]:
    """The interface that a plan is measured on, with the machine that sends connected; None: the embedded lab.

    Raises:
        CannotRunError: the interface is gone, or the machine cannot be reached.
    """
    if plan.interface is None:
        yield None
        return
    found = own.find(plan.interface)
    machine = machines.parse_sender(sender)
    if machine is None:
        yield found
        return
    from netbench.environments.machines.far_end import sending_machine

    with sending_machine(machine, found.address) as site:
        yield replace(found, sender=site)
