"""Loss put in on purpose, exact and counted: how a run proves that netbench finds loss, and where it happened.

Theory of operation. The kernel hands a received packet first to packet sockets (the tap), then to netfilter. A rule at the probe's
input hook therefore drops what the tap has seen: loss inside the environment. Loss on the wire has to happen before the tap, and
the sender must not notice: a drop at its own egress would come back as ENOBUFS. So the wire gets a middle piece, the namespace
`line`, whose two ends forward each packet to each other by nft at ingress, and drop there.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netbench.environments.base import BuiltEnvironment, Option
from netbench.environments.netns import Network, enter, run
from netbench.environments.options import port_range
from netbench.environments.ownership import owner

if TYPE_CHECKING:
    from netbench.result.plan import OptionValue

COMMENT = "netbench injected"
_TABLE = "netbench_injection"
SHARED_TABLE = f"{_TABLE}_"  # followed by process and start time of the runner, and a token
_LISTING = ("nft", "-j", "list", "table")

OPTIONS = (
    Option("inject_drop_every", 0, "drop exactly every Nth UDP packet on purpose, to see it found; 0 drops none", minimum=0),
    Option("inject_at", "probe", "where it is dropped: behind the tap, or before it on the wire", choices=("probe", "sender")),
    Option("inject_ports", "1024-65535", "UDP destination ports that it concerns, FIRST-LAST"),
)


@dataclass(frozen=True)
class Injection:
    """What to drop.

    Attributes:
        every: drop each Nth packet; 0 drops none.
        at: `probe` or `sender`.
        ports: first and last UDP destination port.
    """

    every: int
    at: str
    ports: tuple[int, int]

    @classmethod
    def of(cls, options: dict[str, OptionValue]) -> Injection:
        """Read it from an environment's checked options.

        Raises:
            UsageError: inject_ports is no range of ports.
        """
        ports = port_range("inject_ports", options["inject_ports"])
        return cls(every=int(options["inject_drop_every"]), at=str(options["inject_at"]), ports=ports)

    @property
    def at_sender(self) -> bool:
        """Whether the wire needs its middle piece."""
        return self.every > 0 and self.at == "sender"

    @property
    def at_probe(self) -> bool:
        """Whether each receiver drops."""
        return self.every > 0 and self.at == "probe"

    @property
    def sentence(self) -> str | None:
        """For the report; None when nothing is dropped."""
        if self.every == 0:
            return None
        where = "at the probe, behind the tap" if self.at_probe else "on the wire, before the tap"
        first, last = self.ports
        return f"Exactly 1 of {self.every} UDP packets to the ports {first}-{last} is dropped on purpose {where}."

    def _input_steps(self, table: str, interface: str) -> str:
        steps = (
            f"add table ip {table}",
            f"add chain ip {table} input {{ type filter hook input priority 0; }}",
            f"add rule ip {table} input iifname {interface} {self._rule}",
        )
        return "; ".join(steps)

    @property
    def _rule(self) -> str:
        first, last = self.ports
        return f'udp dport {first}-{last} numgen inc mod {self.every} == {self.every - 1} counter drop comment "{COMMENT}"'

    def drop_at_input(self, network: Network, namespace: str, interface: str) -> tuple[str, ...]:
        """Drop where the packets of an interface enter the namespace's own stack. Returns the command that shows the counter."""
        network.inside(namespace, "nft", self._input_steps(_TABLE, interface))
        return (*enter(namespace), *_LISTING, "ip", _TABLE)

    def drop_in_shared(self, network: Network, within: tuple[str, ...], interface: str) -> tuple[str, ...]:
        """The same in a network that is not ours: by a table that says whose it is, and that is removed again.

        Args:
            network: under construction.
            within: what stands before a command so that it runs there.
            interface: that packets come in by.
        """
        table = f"{SHARED_TABLE}{owner().replace(':', '_')}_{network.token}"
        network.undo(run, (*within, "nft", f"add table ip {table}; delete table ip {table}"), "Removing the injected loss failed")
        network.run(*within, "nft", self._input_steps(table, interface))
        return (*within, *_LISTING, "ip", table)

    def drop_at_ingress(self, network: Network, namespace: str, interface: str) -> tuple[str, ...]:
        """Drop where an interface takes packets in, after packet sockets saw them and before a bridge or a macvtap takes them away.

        Returns:
            the command that shows the counter.
        """
        hook = f'{{ type filter hook ingress device "{interface}" priority 0; }}'
        steps = (
            f"add table netdev {_TABLE}",
            f"add chain netdev {_TABLE} {interface} {hook}",
            f"add rule netdev {_TABLE} {interface} {self._rule}",
        )
        network.inside(namespace, "nft", "; ".join(steps))
        return (*enter(namespace), *_LISTING, "netdev", _TABLE)

    def drop_between(self, network: Network, namespace: str, near: str, far: str) -> tuple[str, ...]:
        """Join two interfaces into one wire that drops on the way from near to far. Returns the command that shows the counter."""
        steps = [f"add table netdev {_TABLE}"]
        for interface in (near, far):
            hook = f'{{ type filter hook ingress device "{interface}" priority 0; }}'
            steps.append(f"add chain netdev {_TABLE} {interface} {hook}")
        steps.append(f"add rule netdev {_TABLE} {near} {self._rule}")
        steps.append(f'add rule netdev {_TABLE} {near} fwd to "{far}"')
        steps.append(f'add rule netdev {_TABLE} {far} fwd to "{near}"')
        network.inside(namespace, "nft", "; ".join(steps))
        return (*enter(namespace), *_LISTING, "netdev", _TABLE)


def dropped(built: BuiltEnvironment) -> tuple[int, ...]:
    """Packets dropped on purpose so far, one count for each of `injected_counters`.

    Raises:
        CannotRunError: the environment does not stand any more.
    """
    return tuple(_count(run(command, "Reading the injected drops failed")) for command in built.injected_counters)


def _count(ruleset: str) -> int:
    entries: list[dict[str, Any]] = json.loads(ruleset)["nftables"]
    rules = [entry["rule"] for entry in entries if entry.get("rule", {}).get("comment") == COMMENT]
    return sum(int(part["counter"]["packets"]) for rule in rules for part in rule["expr"] if "counter" in part)
