"""The layers where packets die (METRICS.md), as data: what each is called, and what helps against it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Fault = Literal["sender", "environment", "tool"]

FEED_LAYER = "feed"
"""What a live feed had lost before it came to this machine."""


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        name: as in `drops[].layer`.
        where: completes "packets died …".
        fault: whose loss it is: the sender's, the environment's, or this tool's own.
        remedy: what helps, a sentence.
        command: what to type; {interface} is the probe's, {parent} what it hangs on; {environment} takes
            another option. None: nothing to type.
    """

    name: str
    where: str
    fault: Fault
    remedy: str
    command: str | None = None


LAYERS: dict[str, Layer] = {
    layer.name: layer
    for layer in (
        Layer(
            "sender_skip",
            "at the sender, which left them out on purpose",
            "sender",
            "Nothing: this proves that the receiver counts.",
        ),
        Layer(
            "sender_qdisc",
            "in the sender's queueing discipline",
            "sender",
            "Lower the rate, or give the sender's queue more room.",
            "tc -s qdisc show",
        ),
        Layer(
            FEED_LAYER,
            "before they came here: the feed had holes at the tap already",
            "sender",
            "Look for them upstream: at the switch's port, on the path, at the source. No environment here can be blamed.",
            "ip -s link show dev {parent}",
        ),
        Layer(
            "link_transmit",
            "on a virtual link whose far end's backlog was full",
            "environment",
            "Give the backlog more room, and let several CPUs receive (RPS).",
            "sysctl -w net.core.netdev_max_backlog=100000",
        ),
        Layer(
            "nic",
            "in the network card's receive ring",
            "environment",
            "Give the card's receive ring more room.",
            "ethtool -G {parent} rx 4096",
        ),
        Layer(
            "backlog",
            "in the per-CPU receive backlog",
            "environment",
            "Give the backlog more room, and let several CPUs receive (RPS).",
            "sysctl -w net.core.netdev_max_backlog=100000",
        ),
        Layer(
            "bridge",
            "in the bridge",
            "environment",
            "Turn multicast snooping off, or put a querier into the segment.",
            "ip link set {parent} type bridge mcast_snooping 0",
        ),
        Layer(
            "macvlan_broadcast_queue",
            "in the macvlan broadcast queue",
            "environment",
            "Lengthen the queue that all multicast from {parent} goes through, by any macvlan interface on it; "
            "`-e {environment}bcqueuelen=100000` proves it.",
            "ip link set dev {interface} type macvlan bcqueuelen 100000",
        ),
        Layer(
            "qdisc",
            "in a queueing discipline on the way to the probe",
            "environment",
            "Look which queue drops, and give it more room or take its filter out.",
            "tc -s qdisc show",
        ),
        Layer(
            "netfilter",
            "in a netfilter rule",
            "environment",
            "Find the rule by the handle in the evidence, and let the probe's traffic pass before it.",
            "nft -a list ruleset",
        ),
        Layer(
            "conntrack",
            "in connection tracking",
            "environment",
            "Give the table more room, or exempt the probe's traffic (notrack).",
            "sysctl -w net.netfilter.nf_conntrack_max=1048576",
        ),
        Layer(
            "ip",
            "in the IP layer",
            "environment",
            "Loosen the reverse-path filter, and check the route back to the source.",
            "sysctl -w net.ipv4.conf.all.rp_filter=2",
        ),
        Layer(
            "udp_socket",
            "in the probe's UDP socket buffer",
            "environment",
            "Allow larger socket buffers, let the probe ask for one (SO_RCVBUF), and read with recvmmsg.",
            "sysctl -w net.core.rmem_max=67108864",
        ),
        Layer(
            "capture_ring",
            "in this tool's own capture ring",
            "tool",
            "The capture could not keep up, the environment is not to blame: measure at a lower rate, or with the socket backend.",
        ),
        Layer(
            "stream_table",
            "in this tool's own stream table, which was full",
            "tool",
            "More streams arrived than the receiver had room for: measure fewer streams.",
        ),
        Layer(
            "damaged",
            "on the way: they arrived with a wrong check",
            "environment",
            "Look for a faulty cable, card or checksum offload.",
            "ethtool -K {parent} rx off",
        ),
    )
}
