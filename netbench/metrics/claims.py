"""Which counters can explain a missing packet, on which side of the tap, and how much of it they may claim.

Theory of operation

A packet passes the layers in this order; a tap (AF_PACKET) sees it between (2) and (3):

    (1) sender's place     qdisc, netfilter, link transmit
    (2) wire side          the card's ring, the backlog
    (3) tap's place        tc ingress, netdev rules, macvlan queue | netfilter, conntrack, IP, qdisc, link transmit, bridge
    (4) receiver's place   the card's ring (a guest's), the backlog, tc ingress, netfilter, conntrack, IP, UDP socket

One packet can move several counters. Each such pair is settled here, always so that less is explained, never more:

- What the sender's stack refused and told the sender (ENOBUFS, EPERM) is `unsent`, not lost; the same packet has counted in the
  qdisc, in netfilter, in the link's tx_dropped or in OutDiscards. So refusals are taken off these, in that order.
- A veth's tx_dropped is its peer's backlog refusing: softnet.dropped counts it too, and so does rx_dropped of the peer, which may
  be a macvlan's parent. So it is taken off both.
- softnet.dropped counts for the whole machine. What the interfaces on the way did not count in rx_dropped were strangers' packets.
- A classful qdisc counts its child's drops as its own: of one place the qdisc that counted most speaks for all.
- A full UDP buffer counts in the socket and in udp.RcvbufErrors: the socket's own count, where there is one, speaks alone.
- conntrack counts one packet in `drop` and in `insert_failed`: the larger speaks. (`early_drop` counts connections, not packets.)

A counter off the path explains nothing. What a ring sees has not met netfilter, IP or a socket of its own place yet. What a macvlan
takes off its parent never meets IP or the inet rules of the parent's place. Unicast does not go through the broadcast queue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from netbench.metrics.counters import Counters, widest

Side = Literal["sender", "before_tap", "after_tap", "unknown"]

_INGRESS_QDISCS = ("ingress", "clsact")
_NIC_SUFFIXES = (".rx_missed_errors", ".rx_fifo_errors", ".rx_no_buffer")
_RULE_DROPS = (".drops", ".reject")
_IP_IN = ("ip.InDiscards", "ip.InAddrErrors", "ip.InHdrErrors", "ipext.InNoRoutes", "tcpext.IPReversePathFilter")
_CONNTRACK = ("conntrack.drop", "conntrack.insert_failed")
_UDP_BUFFER = ("udp.RcvbufErrors", "udp.MemErrors")


class Reach(IntEnum):
    """How close a counter is to the packets in question; the closer one explains first."""

    OWN = 0
    PLACE = 1
    MACHINE = 2


@dataclass(frozen=True)
class Claim:
    """What one counter, or a few of one layer and place, could explain.

    Attributes:
        packets: at most so many.
        counted: what the counters themselves said.
    """

    layer: str
    side: Side
    reach: Reach
    packets: int
    counted: int
    evidence: str


@dataclass(frozen=True)
class Path:
    """The way of the packets to one receiver.

    Attributes:
        sender, tap, receiver: the places on it; None where there is no tap.
        sender_interface: where the packets leave.
        refused_packets: datagrams that the sender's stack refused after a layer dropped them, and told the sender.
        skipped_packets: sequences that the sender left out on purpose.
        multicast: the packets go to groups.
        parent_interface: what a macvlan hangs on, in the tap's place; None without macvlan.
        backend: what receives.
        own: the receiver's own counts: socket_drops, kernel_drops, refused_streams, damaged; a missing key was not counted.
    """

    sender: Counters
    tap: Counters | None
    receiver: Counters
    sender_interface: str
    refused_packets: int = 0
    skipped_packets: int = 0
    multicast: bool = True
    parent_interface: str | None = None
    backend: str = "socket"
    own: Mapping[str, int] = field(default_factory=dict)

    @property
    def through_macvlan(self) -> bool:
        """The packets leave the tap's place by its parent interface's macvlan."""
        return self.parent_interface is not None and self.tap is not None and self.tap.place != self.receiver.place

    @property
    def places(self) -> list[Counters]:
        """All places on the way, each once."""
        places = [self.sender, *([self.tap] if self.tap else []), self.receiver]
        return list({place.place: place for place in places}.values())


def claims(path: Path) -> list[Claim]:
    """All that counters say about the packets on this path; only what counted something."""
    found = [*_own(path), *_sender(path), *_tap(path), *_receiver(path), *_machine(path)]
    return [claim for claim in found if claim.packets > 0]


def _own(path: Path) -> Iterator[Claim]:
    """Exact counts of the two ends themselves."""
    skipped = path.skipped_packets
    yield Claim("sender_skip", "sender", Reach.OWN, skipped, skipped, f"the sender left {skipped} sequences out on purpose")
    own = [
        ("capture_ring", "kernel_drops", "the receiver's own capture: kernel_drops"),
        ("udp_socket", "socket_drops", "the receiver's own sockets: socket_drops"),
        ("stream_table", "refused_streams", "the receiver's own stream table: refused_streams"),
        ("damaged", "damaged", "probes with a wrong check at the receiver: damaged"),
    ]
    for layer, key, what in own:
        count = path.own.get(key, 0)
        yield Claim(layer, "after_tap", Reach.OWN, count, count, f"{what} from 0 to {count} in {path.receiver.place}")


def _sender(path: Path) -> Iterator[Claim]:
    """(1) The sender's place; of what is told to the sender as refused, nothing is explained again."""
    place = path.sender
    shared = place.place in {path.receiver.place, path.tap.place if path.tap else None}
    told = path.refused_packets
    candidates: list[tuple[str, Side, list[str]]] = [
        ("sender_qdisc", "sender", _busiest(place, _qdiscs(place, ingress=False))),
        ("link_transmit", "before_tap", _grown(place, f"link.{path.sender_interface}.tx_dropped")),
    ]
    if not shared:  # where both ends share a stack, its rules are met by arriving packets too: see _stack()
        candidates.append(("netfilter", "before_tap", place.named("nft.", _RULE_DROPS)))
    explained = 0
    for layer, side, names in candidates:
        counted = _sum(place, names)
        taken = min(told, counted)
        told -= taken
        explained += counted
        yield _claim(place, layer, side, names, taken, "told to the sender as refused")
    discarded = _grown(place, "ip.OutDiscards")
    if not shared:
        yield _claim(place, "ip", "before_tap", discarded, explained + told, "counted above, or told to the sender as refused")


def _tap(path: Path) -> Iterator[Claim]:
    """(2) and (3) The tap's place, where it is not the receiver's: what packets pass through on their way on."""
    tap = path.tap
    if tap is None:
        return
    yield _claim(tap, "nic", "before_tap", _busiest(tap, tap.named("link.", _NIC_SUFFIXES)))
    if tap.place == path.receiver.place:
        return
    side = _inside(path, tap)
    if path.through_macvlan:
        yield _claim(tap, "qdisc", side, _busiest(tap, _qdiscs(tap, ingress=True)))
        yield _claim(tap, "netfilter", side, tap.named("nft.netdev.", _RULE_DROPS))
        if path.multicast:
            yield _claim(
                tap,
                "macvlan_broadcast_queue",
                "after_tap",
                _grown(tap, f"link.{path.parent_interface}.rx_dropped"),
                _refused_by_peer(path),
                "refused by the backlog before it",
            )
        return
    yield from _stack(tap, side)
    yield _claim(tap, "ip", side, _grown(tap, "ip.OutDiscards"))
    yield _claim(tap, "qdisc", side, _busiest(tap, [*_qdiscs(tap, ingress=True), *_qdiscs(tap, ingress=False)]))
    yield _claim(tap, "link_transmit", side, _busiest(tap, _forwarding(path, tap)))


def _receiver(path: Path) -> Iterator[Claim]:
    """(4) The receiver's place. A ring or libpcap takes its packets before everything but the card."""
    place = path.receiver
    side = _inside(path, place)
    if path.tap is None or place.place != path.tap.place:
        yield _claim(place, "nic", side, _busiest(place, place.named("link.", _NIC_SUFFIXES)))
    if path.backend != "socket":
        return
    yield _claim(place, "qdisc", side, _busiest(place, _qdiscs(place, ingress=True)))
    yield from _stack(place, side)
    if "socket_drops" not in path.own:
        yield _claim(place, "udp_socket", side, _grown(place, *_UDP_BUFFER))


def _machine(path: Path) -> Iterator[Claim]:
    """The backlog counts for the whole machine, and veth's drops are the same packets."""
    name = "softnet.dropped"
    here = _refused_by_backlogs_here(path)
    links = path.sender.grown(f"link.{path.sender_interface}.tx_dropped")
    if path.tap is not None and path.tap.place != path.receiver.place:
        links += _sum(path.tap, _busiest(path.tap, _forwarding(path, path.tap)))
    for place in widest(name, path.places):
        taken = min(links, place.grown(name))
        links -= taken
        counted = place.grown(name)
        own = counted - taken if here is None else max(0, min(counted - taken, here - taken))
        evidence = f"{place.tell([name])}, for the whole machine" + (
            f"; {taken} of these counted as link transmit" if taken else ""
        )
        if here is not None and own < counted - taken:
            evidence += f"; the interfaces on the way refused {here} (rx_dropped), so the others were no packets of theirs"
        yield Claim("backlog", "unknown", Reach.MACHINE, own, counted, evidence)


def _stack(place: Counters, side: Side) -> Iterator[Claim]:
    """What every packet meets that goes up or through a network stack."""
    yield _claim(place, "netfilter", side, place.named("nft.", _RULE_DROPS))
    yield _claim(place, "conntrack", side, _busiest(place, _grown(place, *_CONNTRACK)))
    yield _claim(place, "ip", side, _grown(place, *_IP_IN))


def _claim(place: Counters, layer: str, side: Side, names: list[str], elsewhere: int = 0, elsewhere_how: str = "") -> Claim:
    """A claim of a place's counters, less what is explained elsewhere."""
    counted = _sum(place, names)
    taken = min(elsewhere, counted)
    evidence = (place.tell(names) if names else "") + (f"; {taken} of these {elsewhere_how}" if taken else "")
    return Claim(layer, side, Reach.PLACE, counted - taken, counted, evidence)


def _inside(path: Path, place: Counters) -> Side:
    """A place of the environment is after the tap; where the sender shares it, nobody can tell."""
    return "unknown" if place.place == path.sender.place else "after_tap"


def _refused_by_peer(path: Path) -> int:
    """Packets that the backlog behind the sender's link refused: its peer, the parent, counts them in rx_dropped as well."""
    links = path.sender.grown(f"link.{path.sender_interface}.tx_dropped")
    return min(links, max((place.grown("softnet.dropped") for place in path.places), default=0))


def _refused_by_backlogs_here(path: Path) -> int | None:
    """The most that the backlog can have refused of these packets; None where a place's interfaces were not read.

    softnet counts for the whole machine, strangers' packets too. The backlog also counts each packet in rx_dropped of its
    interface. What counts there that was no backlog (an unknown protocol) makes this too large, never too small. The parent of a
    macvlan is left out for groups: its queue speaks by the same counter.
    """
    refused = 0
    for place in path.places:
        if not any(name.startswith("link.") and name.endswith(".rx_dropped") for name in place.after):
            return None
        names = place.named("link.", (".rx_dropped",))
        if path.through_macvlan and path.multicast and path.tap is not None and place.place == path.tap.place:
            names = [name for name in names if name != f"link.{path.parent_interface}.rx_dropped"]
        refused += _sum(place, names)
    return refused


def _forwarding(path: Path, tap: Counters) -> list[str]:
    """tx_dropped of the interfaces by which packets leave the tap's place towards the receiver; none with macvlan."""
    if path.through_macvlan:
        return []
    own = f"link.{path.sender_interface}.tx_dropped" if tap.place == path.sender.place else None
    return [name for name in tap.named("link.", (".tx_dropped",)) if name != own]


def _qdiscs(place: Counters, *, ingress: bool) -> list[str]:
    """Drop counters of qdiscs: qdisc.<interface>.<kind>.<handle>.drops."""
    kinds = tuple(f".{kind}." for kind in _INGRESS_QDISCS)
    return [name for name in place.named("qdisc.", (".drops",)) if any(kind in name for kind in kinds) == ingress]


def _busiest(place: Counters, names: list[str]) -> list[str]:
    """Of counters that may have counted the same packets, or those of other receivers: the one that grew most."""
    return [max(names, key=place.grown)] if names else []


def _grown(place: Counters, *names: str) -> list[str]:
    """Those of these counters that grew."""
    return [name for name in names if place.grown(name)]


def _sum(place: Counters, names: list[str]) -> int:
    return sum(place.grown(name) for name in names)
