"""What a firewall does with a packet: its chains and rules in one form, whoever wrote them, and the walk of a packet through them.

Theory of operation: nothing is sent. A packet is described by what is known of it ahead (where it comes in, its protocol, the range
that its destination and port lie in), and each condition of a rule is true, false, or not decided by that. A verdict reached by
decided conditions alone is certain; one behind an undecided condition may or may not come about, and is told as such. A packet
that a base chain accepts goes on to the next base chain of its path, as in the kernel (nft(8)); one that is dropped is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Fate = Literal["accept", "drop", "unclear"]
Range = tuple[int, int]  # both ends belong to it
# Of a walk: the packet left the base chain, perhaps alive (accepted) or certainly not (dropped); it came to the end of the chain
# (through), or may have been accepted on the way (maybe).
_Outcome = Literal["accepted", "dropped", "through", "maybe"]

_DEEPEST_JUMP = 16  # NFT_JUMP_STACK_SIZE


@dataclass(frozen=True)
class Packet:
    """What is known of a packet.

    Attributes:
        path: the hooks that it passes, in order: (families whose chains see it, hook).
        words: what it has of the fields that are words: iif, oif, protocol, state, pkttype, destination_type, version. A field that
            is not among them decides nothing.
        numbers: the same of fields that are numbers: destination (of IPv4) and port.
        device: the interface whose ingress hook it passes.
    """

    path: tuple[tuple[frozenset[str], str], ...]
    words: Mapping[str, str]
    numbers: Mapping[str, Range] = field(default_factory=dict)
    device: str = ""


@dataclass(frozen=True)
class Condition:
    """One condition of a rule. Without a field it is one that this tool does not judge.

    Attributes:
        field: of a packet's words or numbers; "": not judged.
        words: any of these holds.
        ranges: any of these holds.
        negated: none of them may hold.
    """

    field: str = ""
    words: frozenset[str] = frozenset()
    ranges: tuple[Range, ...] = ()
    negated: bool = False

    def holds(self, packet: Packet) -> bool | None:
        """Whether it holds for every such packet, for none, or (None) that is not known."""
        if self.field in packet.numbers:
            inside = _within(packet.numbers[self.field], self.ranges)
        elif self.field in ("iif", "oif") and self.words == {"lo"} and self.field not in packet.words:
            inside = False  # where no interface is named, the wire is meant
        elif self.field in packet.words:
            inside = any(_matches(packet.words[self.field], word) for word in self.words)
        else:
            return None
        return inside if inside is None or not self.negated else not inside


UNJUDGED = Condition()


@dataclass(frozen=True)
class Rule:
    """One rule: with all conditions met, its verdict.

    Attributes:
        verdict: accept, drop (reject too), jump, goto, return, continue, or unknown for what this tool does not judge.
        target: chain of a jump or goto.
        handle: its number in nft; None: it has none.
        text: as its program prints it; "": not known.
    """

    conditions: tuple[Condition, ...]
    verdict: str
    target: str = ""
    handle: int | None = None
    text: str = ""


@dataclass(frozen=True)
class Chain:
    """A chain; a base chain has a hook.

    Attributes:
        devices: of a chain at the ingress hook.
        program: what its rules are typed with: `nft` or `iptables`.
    """

    family: str
    table: str
    name: str
    hook: str = ""
    priority: int = 0
    policy: str = "accept"
    devices: frozenset[str] = frozenset()
    rules: tuple[Rule, ...] = ()
    program: str = "nft"


@dataclass(frozen=True)
class Stop:
    """Where a packet ends, or may end.

    Attributes:
        base: the base chain that it was in.
        chain: name of the chain with the rule.
        rule: None: the policy of the base chain.
        certain: it does end here, unless it ended before.
    """

    base: Chain
    chain: str
    rule: Rule | None
    certain: bool


@dataclass(frozen=True)
class Course:
    """What becomes of a packet, and where it is stopped; without stops it gets through."""

    fate: Fate
    stops: tuple[Stop, ...]


class PacketFilter:
    """Every chain of a network stack."""

    def __init__(self, chains: list[Chain]) -> None:
        """Take the chains, in any order."""
        self._chains = {(chain.family, chain.table, chain.name): chain for chain in chains}

    def course(self, packet: Packet) -> Course:
        """Send a described packet through."""
        stops: list[Stop] = []
        for families, hook in packet.path:
            for base in self._bases(families, hook, packet.device):
                outcome = self._walk(base, base, packet, stops, arrives=True)
                if outcome in ("through", "maybe") and base.policy == "drop":
                    stops.append(Stop(base, base.name, None, outcome == "through"))
                if any(stop.certain for stop in stops):
                    return Course("drop", tuple(stops))
        return Course("unclear" if stops else "accept", tuple(stops))

    def _bases(self, families: frozenset[str], hook: str, device: str) -> list[Chain]:
        found = [chain for chain in self._chains.values() if chain.hook == hook and chain.family in families]
        if hook == "ingress":
            found = [chain for chain in found if device in chain.devices]
        return sorted(found, key=lambda chain: chain.priority)

    def _walk(self, chain: Chain, base: Chain, packet: Packet, stops: list[Stop], *, arrives: bool, depth: int = 0) -> _Outcome:
        """Go through a chain, and add to `stops` where the packet ends; it `arrives` certainly, unless it was dropped before."""
        accepted = returned = False  # it may have been accepted, or have left this chain alone, behind an undecided condition
        for rule in chain.rules if depth <= _DEEPEST_JUMP else ():
            met = [condition.holds(packet) for condition in rule.conditions]
            if False in met:
                continue
            decided = None not in met
            here = arrives and not accepted and not returned
            if rule.verdict == "drop":
                stops.append(Stop(base, chain.name, rule, here and decided))
            elif rule.verdict in ("jump", "goto"):
                target = self._chains.get((chain.family, chain.table, rule.target))
                outcome: _Outcome = "through"
                if target is not None:
                    outcome = self._walk(target, base, packet, stops, arrives=here and decided, depth=depth + 1)
                if outcome in ("accepted", "dropped") and decided:
                    return _left(outcome == "accepted" or accepted, returned)
                accepted = accepted or outcome in ("accepted", "maybe")
                if rule.verdict == "goto" and decided:
                    break
                returned = returned or rule.verdict == "goto"
            elif rule.verdict == "return":
                if decided:
                    break
                returned = True
            elif rule.verdict == "unknown" or (rule.verdict == "accept" and not decided):
                accepted = True
            if rule.verdict in ("accept", "drop") and decided:
                return _left(rule.verdict == "accept" or accepted, returned)
        return "maybe" if accepted else "through"


def _left(accepted: bool, returned: bool) -> _Outcome:
    """Outcome of a chain whose rest nobody sees; one that may have been returned from before goes on after it."""
    if returned:
        return "maybe" if accepted else "through"
    return "accepted" if accepted else "dropped"


def _within(known: Range, ranges: tuple[Range, ...]) -> bool | None:
    if any(low <= known[0] and known[1] <= high for low, high in ranges):
        return True
    return None if any(low <= known[1] and known[0] <= high for low, high in ranges) else False


def _matches(value: str, word: str) -> bool:
    return value.startswith(word[:-1]) if word.endswith("*") else value == word
