"""The environment `host`: the probe runs on the host itself, at the interface where packets arrive. The usual reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from netbench.environments import abilities, injection, wire
from netbench.environments import parent as own
from netbench.environments.base import BuiltEnvironment, Parent, Unavailable
from netbench.environments.injection import Injection
from netbench.environments.netns import Network
from netbench.environments.options import resolve

if TYPE_CHECKING:
    from netbench.result.plan import OptionValue


class HostEnvironment:
    """`wire0` — veth — `eth0`, where tap and probe sit side by side; or an interface of the user's own, where they do."""

    name = "host"
    description = "the probe on the bare host; what the other environments are compared with"
    options = injection.OPTIONS

    def available(self) -> Unavailable | None:
        """None when it can be built here; reads only."""
        return abilities.missing("namespaces", "veth")

    @contextmanager
    def setup(self, options: dict[str, OptionValue], parent: Parent | None = None) -> Iterator[BuiltEnvironment]:
        """Build it; everything is undone on exit.

        Raises:
            UsageError: an option that it does not have, or a value that does not fit.
            CannotRunError: the system refused.
        """
        drops = Injection.of(resolve(self.name, self.options, options))
        if parent is not None:
            own.refuse_injection(self.name, parent, drops, at_probe=False)
            yield _on(parent)
            return
        with Network(self.name) as network:
            laid = wire.lay(network, drops)
            counters = laid.injected_counters
            if drops.at_probe:
                counters = (drops.drop_at_input(network, laid.host, laid.tap.interface),)
            yield BuiltEnvironment(
                sender=laid.sender,
                tap=laid.tap,
                receivers=(replace(laid.tap, name="probe"),),
                unicast_destination=wire.HOST_ADDRESS,
                next_hop=wire.HOST_MAC,
                built_by=tuple(network.commands),
                injected=drops.sentence,
                injected_counters=counters,
                remarks=abilities.remarks(),
            )


def _on(parent: Parent) -> BuiltEnvironment:
    """Nothing has to be built: the probe runs beside the tap."""
    tap = own.tap(parent)
    return BuiltEnvironment(
        sender=parent.sender,
        tap=tap,
        receivers=(replace(tap, name="probe"),),
        unicast_destination=parent.address or None,
    )
