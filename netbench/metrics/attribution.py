"""Where packets died: share out what is missing among the counters that can explain it; the rest is unattributed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from netbench.errors import InvalidDataError
from netbench.metrics.claims import Claim, Side
from netbench.result.numbers import Drop


@dataclass(frozen=True)
class Missing:
    """What did not arrive at one receiver, split by the tap.

    Attributes:
        before: packets that the tap did not see either, sequences skipped on purpose included.
        after: packets that the tap saw.
        exact: the tap saw everything that passed it; else the split is only a guess, and not used.
    """

    before: int
    after: int
    exact: bool

    @property
    def packets(self) -> int:
        """All of them."""
        return self.before + self.after


@dataclass(frozen=True)
class Attribution:
    """sum(drop.packets for drop in drops) + unattributed_packets == missing packets."""

    drops: list[Drop]
    unattributed_packets: int


def split(lost: int, skipped: int, offered: int, seen_at_tap: int | None, seen_at_receiver: int, tap_complete: bool) -> Missing:
    """Split what is lost at the tap.

    Args:
        lost: packets missing at the receiver, skipped ones included.
        skipped: sequences that were left out on purpose.
        offered: packets that the sender's stack accepted (unique).
        seen_at_tap: unique packets at the tap; None without a tap.
        seen_at_receiver: unique packets at the receiver.
        tap_complete: the tap lost nothing itself.

    Raises:
        InvalidDataError: a packet was skipped and yet arrived, or the tap saw more than was sent.
    """
    if lost < skipped:
        raise InvalidDataError(f"books do not balance: {skipped} sequences were skipped on purpose, but only {lost} are missing")
    if seen_at_tap is None:
        return Missing(before=lost, after=0, exact=False)
    if seen_at_tap > offered:
        raise InvalidDataError(f"books do not balance: the tap saw {seen_at_tap} unique packets of {offered} that were sent")
    exact = tap_complete and seen_at_tap >= seen_at_receiver
    before = min(lost, offered - seen_at_tap + skipped)
    return Missing(before=before, after=lost - before, exact=exact)


def attribute(missing: Missing, claims: Iterable[Claim]) -> Attribution:
    """Give each claim what is still missing on its side, the closest counters first.

    A counter explains at most what it counted, and at most what is missing, so that nothing is explained twice. With an exact split
    a claim whose own side is unknown gets its side from the tap; without one, all sides draw from what is missing altogether.
    """
    left = {"before": missing.before, "after": missing.after} if missing.exact else {"all": missing.packets}
    drops: list[Drop] = []
    for claim in sorted(claims, key=lambda claim: claim.reach):
        unused = claim.packets
        for pool, side in _pools(claim.side, missing.exact):
            packets = min(unused, left[pool])
            if packets == 0:
                continue
            unused -= packets
            left[pool] -= packets
            drops.append(
                Drop(layer=claim.layer, side=side, packets=packets, counted_packets=claim.counted, evidence=claim.evidence)
            )
    drops.sort(key=lambda drop: -drop.packets)
    return Attribution(drops, sum(left.values()))


def _pools(side: Side, exact: bool) -> list[tuple[str, Side]]:
    """From which pools a claim may draw, and the side that its drop is then on."""
    if not exact:
        return [("all", side)]
    if side == "unknown":
        return [("before", "before_tap"), ("after", "after_tap")]
    return [("after", side)] if side == "after_tap" else [("before", side)]
