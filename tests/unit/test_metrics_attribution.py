"""Where packets died: each counter explains what it may, nothing is explained twice, nothing is guessed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.errors import InvalidDataError
from netbench.metrics.attribution import Attribution, Missing, attribute, split
from netbench.metrics.claims import Path, claims
from netbench.metrics.counters import Counters, cpu_load, once, widest
from netbench.metrics.layers import LAYERS


def place(name: str, **moved: int) -> Counters:
    """Counters that moved by so much from 1000; a double underscore stands for the dot."""
    names = {key.replace("__", "."): by for key, by in moved.items()}
    return Counters(name, dict.fromkeys(names, 1000), {key: 1000 + by for key, by in names.items()})


def macvlan(**changes: object) -> Path:
    """Multicast from `wire` by `par` in the tap's place into a probe behind macvlan."""
    path = Path(
        sender=place("wire"),
        tap=place("host"),
        receiver=place("probe"),
        sender_interface="wire0",
        parent_interface="par",
        own={"socket_drops": 0},
    )
    return replace(path, **changes)  # type: ignore[arg-type]


def host(**changes: object) -> Path:
    """The probe in the place of the tap."""
    return macvlan(**({"parent_interface": None, "tap": place("host"), "receiver": place("host")} | changes))


def bridge(**changes: object) -> Path:
    """The probe behind a bridge and address translation in the tap's place."""
    return macvlan(**({"parent_interface": None, "multicast": False} | changes))


def shares(found: Attribution) -> dict[tuple[str, str], int]:
    """(layer, side) -> packets."""
    totals: dict[tuple[str, str], int] = {}
    for drop in found.drops:
        totals[(drop.layer, drop.side)] = totals.get((drop.layer, drop.side), 0) + drop.packets
    return totals


def before(packets: int) -> Missing:
    return Missing(before=packets, after=0, exact=True)


def after(packets: int) -> Missing:
    return Missing(before=0, after=packets, exact=True)


# What the report must be able to show


def test_nft_drops_of_every_100th_behind_the_tap() -> None:
    rule = place("host", nft__ip__filter__input__7__drops=285)
    found = attribute(after(285), claims(host(tap=rule, receiver=rule)))
    assert shares(found) == {("netfilter", "after_tap"): 285}
    assert found.unattributed_packets == 0
    assert found.drops[0].evidence == "nft.ip.filter.input.7.drops from 1000 to 1285 in host"


def test_nft_drops_of_every_100th_before_the_tap() -> None:
    found = attribute(before(285), claims(host(sender=place("wire", nft__netdev__t__egress__3__drops=285))))
    assert shares(found) == {("netfilter", "before_tap"): 285}


def test_loss_on_the_wire_that_no_counter_sees_is_unattributed() -> None:
    found = attribute(before(285), claims(host()))
    assert (found.drops, found.unattributed_packets) == ([], 285)


def test_macvlan_queue_drops_hit_each_of_three_receivers() -> None:
    parent = place("host", link__par__rx_dropped=9_926)
    for number in (1, 2, 3):
        found = attribute(after(9_926), claims(macvlan(tap=parent, receiver=place(f"probe-{number}"))))
        assert shares(found) == {("macvlan_broadcast_queue", "after_tap"): 9_926}
        assert found.unattributed_packets == 0


def test_one_more_than_the_queue_dropped_is_unattributed() -> None:
    found = attribute(after(9_927), claims(macvlan(tap=place("host", link__par__rx_dropped=9_926))))
    assert found.unattributed_packets == 1


def test_socket_overflow_is_exact_and_not_counted_twice() -> None:
    receiver = place("host", udp__RcvbufErrors=500)
    found = attribute(after(600), claims(host(receiver=receiver, tap=receiver, own={"socket_drops": 500})))
    assert shares(found) == {("udp_socket", "after_tap"): 500}
    assert found.unattributed_packets == 100


def test_without_a_count_of_its_own_the_places_udp_errors_speak() -> None:
    receiver = place("host", udp__RcvbufErrors=500, udp__MemErrors=20)
    found = attribute(after(600), claims(host(receiver=receiver, tap=receiver, own={})))
    assert shares(found) == {("udp_socket", "after_tap"): 520}


def test_ring_drops_are_the_tools_own() -> None:
    found = attribute(after(40), claims(host(backend="ring", own={"kernel_drops": 40})))
    assert shares(found) == {("capture_ring", "after_tap"): 40}
    assert LAYERS["capture_ring"].fault == "tool"


def test_softnet_gets_its_side_from_the_tap() -> None:
    wire = place("wire", softnet__dropped=70)
    assert shares(attribute(before(60), claims(host(sender=wire)))) == {("backlog", "before_tap"): 60}
    assert shares(attribute(after(60), claims(host(sender=wire)))) == {("backlog", "after_tap"): 60}


def test_without_an_exact_tap_the_side_of_softnet_is_unknown() -> None:
    found = attribute(Missing(before=60, after=0, exact=False), claims(host(tap=None, sender=place("wire", softnet__dropped=70))))
    assert shares(found) == {("backlog", "unknown"): 60}


def test_a_backlog_that_refused_strangers_explains_nothing() -> None:
    # 70 packets were refused on this machine; of the interfaces on the way, one counted 9 of them.
    wire = place("wire", softnet__dropped=70, link__wire0__rx_dropped=0)
    here = place("host", link__eth0__rx_dropped=9, link__lo__rx_dropped=0)
    found = attribute(before(60), claims(host(sender=wire, tap=here, receiver=here)))
    assert shares(found) == {("backlog", "before_tap"): 9}
    assert found.unattributed_packets == 51
    assert found.drops[0].counted_packets == 70
    assert "the interfaces on the way refused 9" in found.drops[0].evidence


def test_a_macvlan_queue_does_not_vouch_for_the_backlog() -> None:
    # The parent's 40 are the queue's. None of the machine's 70 was refused at an interface on the way.
    wire = place("wire", softnet__dropped=70, link__wire0__rx_dropped=0)
    path = macvlan(sender=wire, tap=place("host", link__par__rx_dropped=40), receiver=place("probe", link__macvlan0__rx_dropped=0))
    found = attribute(Missing(50, 40, exact=True), claims(path))
    assert shares(found) == {("macvlan_broadcast_queue", "after_tap"): 40}
    assert found.unattributed_packets == 50


# One packet, several counters


def test_a_veth_drop_is_not_a_backlog_drop_too() -> None:
    wire = place("wire", link__wire0__tx_dropped=30, softnet__dropped=30)
    found = attribute(before(50), claims(host(sender=wire)))
    assert shares(found) == {("link_transmit", "before_tap"): 30}
    assert found.unattributed_packets == 20


def test_a_veth_drop_that_the_parent_counts_is_not_the_macvlan_queues() -> None:
    wire = place("wire", link__wire0__tx_dropped=30, softnet__dropped=30)
    found = attribute(Missing(30, 25, exact=True), claims(macvlan(sender=wire, tap=place("host", link__par__rx_dropped=40))))
    assert shares(found) == {("link_transmit", "before_tap"): 30, ("macvlan_broadcast_queue", "after_tap"): 10}
    assert found.unattributed_packets == 15


def test_what_was_told_to_the_sender_is_not_explained_again() -> None:
    wire = place("wire", **{"qdisc.wire0.tbf.1:.drops": 100}, ip__OutDiscards=100)
    found = attribute(before(20), claims(host(sender=wire, refused_packets=90)))
    assert shares(found) == {("sender_qdisc", "sender"): 10}
    assert found.drops[0].counted_packets == 100
    assert "90 of these told to the sender" in found.drops[0].evidence


def test_a_veth_refusal_told_to_the_sender_explains_nothing_at_all() -> None:
    wire = place("wire", link__wire0__tx_dropped=500, softnet__dropped=500, ip__OutDiscards=500)
    found = attribute(before(7), claims(host(sender=wire, refused_packets=500)))
    assert (found.drops, found.unattributed_packets) == ([], 7)


def test_a_qdisc_and_its_child_count_once() -> None:
    wire = place("wire", **{"qdisc.wire0.htb.1:.drops": 50}, **{"qdisc.wire0.bfifo.10:.drops": 50})
    assert shares(attribute(before(100), claims(host(sender=wire)))) == {("sender_qdisc", "sender"): 50}


def test_conntrack_counts_once_and_evictions_never() -> None:
    probe = place("probe", conntrack__drop=8, conntrack__insert_failed=8, conntrack__early_drop=99)
    assert shares(attribute(after(100), claims(bridge(receiver=probe)))) == {("conntrack", "after_tap"): 8}


def test_softnet_read_at_three_places_counts_once() -> None:
    path = macvlan(
        sender=place("wire", softnet__dropped=5), tap=place("host", softnet__dropped=6), receiver=place("p", softnet__dropped=6)
    )
    assert shares(attribute(before(100), claims(path))) == {("backlog", "before_tap"): 6}


def test_softnet_of_a_guest_and_of_its_host_are_two_counters() -> None:
    guest = Counters("guest", {"softnet.dropped": 3}, {"softnet.dropped": 13})
    path = bridge(sender=place("wire", softnet__dropped=6), receiver=guest)
    assert shares(attribute(after(100), claims(path))) == {("backlog", "after_tap"): 16}


# Counters off the path


@pytest.mark.parametrize("counter", ["nft__ip__f__input__1__drops", "ip__InDiscards", "conntrack__drop", "udp__RcvbufErrors"])
def test_a_ring_meets_nothing_of_its_own_place_but_the_card(counter: str) -> None:
    here = place("host", **{counter: 50})
    assert claims(host(backend="ring", tap=here, receiver=here, own={"kernel_drops": 0})) == []


def test_macvlan_passes_by_ip_and_inet_rules_of_the_parents_place() -> None:
    parent = place("host", nft__inet__f__prerouting__1__drops=5, ip__InAddrErrors=5, conntrack__drop=5, link__other__tx_dropped=5)
    assert claims(macvlan(tap=parent)) == []


def test_macvlan_meets_netdev_rules_and_tc_ingress_of_the_parent() -> None:
    parent = place("host", nft__netdev__f__ingress__1__drops=5, **{"qdisc.par.ingress.ffff:.drops": 3})
    assert shares(attribute(after(100), claims(macvlan(tap=parent)))) == {("netfilter", "after_tap"): 5, ("qdisc", "after_tap"): 3}


def test_unicast_does_not_go_through_the_broadcast_queue() -> None:
    assert claims(macvlan(multicast=False, tap=place("host", link__par__rx_dropped=50))) == []


def test_an_interface_whose_name_begins_alike_is_another() -> None:
    tap = Counters("host", {"link.par.100.rx_dropped": 0}, {"link.par.100.rx_dropped": 50})
    assert claims(macvlan(tap=tap)) == []


def test_the_card_at_the_tap_drops_before_it_and_a_guests_card_behind_it() -> None:
    path = bridge(
        tap=place("host", link__eth0__rx_missed_errors=4, link__eth0__rx_fifo_errors=4),
        receiver=place("vm", link__ens3__rx_fifo_errors=2),
    )
    found = attribute(Missing(10, 10, exact=True), claims(path))
    assert shares(found) == {("nic", "before_tap"): 4, ("nic", "after_tap"): 2}


def test_a_bridge_forwards_through_the_whole_stack() -> None:
    tap = place(
        "host", nft__ip__f__forward__1__drops=1, tcpext__IPReversePathFilter=2, link__veth0__tx_dropped=3, ip__OutDiscards=4
    )
    found = attribute(after(100), claims(bridge(tap=tap)))
    assert shares(found) == {("netfilter", "after_tap"): 1, ("ip", "after_tap"): 6, ("link_transmit", "after_tap"): 3}
    assert found.unattributed_packets == 90


def test_where_both_ends_share_a_stack_the_rule_has_no_side_of_its_own() -> None:
    here = place("here", nft__ip__f__input__1__drops=12)
    found = attribute(Missing(12, 0, exact=False), claims(host(sender=here, tap=None, receiver=here)))
    assert shares(found) == {("netfilter", "unknown"): 12}


# Order


def test_own_counts_go_before_the_places_and_these_before_the_machines() -> None:
    here = place("host", nft__ip__f__input__1__drops=50, softnet__dropped=50)
    found = attribute(after(70), claims(host(tap=here, receiver=here, own={"socket_drops": 50})))
    assert shares(found) == {("udp_socket", "after_tap"): 50, ("netfilter", "after_tap"): 20}


def test_skipped_on_purpose_is_exact_and_the_senders() -> None:
    found = attribute(before(30), claims(host(skipped_packets=30, sender=place("wire", softnet__dropped=99))))
    assert shares(found) == {("sender_skip", "sender"): 30}


def test_a_claim_never_crosses_an_exact_tap() -> None:
    here = place("host", nft__ip__f__input__1__drops=50)
    found = attribute(before(50), claims(host(tap=here, receiver=here)))
    assert (found.drops, found.unattributed_packets) == ([], 50)


# Splitting


def test_the_tap_splits_what_is_missing() -> None:
    assert split(lost=15, skipped=3, offered=97, seen_at_tap=90, seen_at_receiver=85, tap_complete=True) == Missing(
        10, 5, exact=True
    )


def test_a_tap_that_lost_packets_itself_splits_nothing_exactly() -> None:
    found = split(lost=5, skipped=0, offered=100, seen_at_tap=60, seen_at_receiver=95, tap_complete=False)
    assert found == Missing(5, 0, exact=False)


def test_a_tap_that_saw_less_than_the_probe_is_not_exact_either() -> None:
    assert not split(lost=0, skipped=0, offered=100, seen_at_tap=99, seen_at_receiver=100, tap_complete=True).exact


def test_impossible_books_are_refused() -> None:
    with pytest.raises(InvalidDataError, match="skipped on purpose"):
        split(lost=2, skipped=3, offered=97, seen_at_tap=None, seen_at_receiver=98, tap_complete=False)
    with pytest.raises(InvalidDataError, match="the tap saw 101"):
        split(lost=0, skipped=0, offered=100, seen_at_tap=101, seen_at_receiver=100, tap_complete=True)


# Counters


def test_a_counter_that_went_backwards_or_is_new_did_not_grow() -> None:
    counters = Counters(
        "p",
        {"link.a.rx_dropped": 9, "macvlan.a.bc_queue_len_used": 0},
        {"link.a.rx_dropped": 2, "x": 5, "macvlan.a.bc_queue_len_used": 9},
    )
    assert counters.moved() == {}


def test_a_counter_of_32_bits_may_wrap() -> None:
    assert Counters("p", {"softnet.dropped": 2**32 - 5}, {"softnet.dropped": 5}).grown("softnet.dropped") == 10


def test_of_two_readings_of_one_place_the_wider_counts() -> None:
    merged = once([place("host", udp__InErrors=4, cpu__total_ticks=10), place("host", udp__InErrors=3, cpu__total_ticks=20)])
    assert merged["host"].moved() == {"udp.InErrors": 4, "cpu.total_ticks": 20}


def test_cpu_load_says_what_it_cannot() -> None:
    cpu = cpu_load([place("a"), place("b", cpu__total_ticks=200, cpu__busy_ticks=50, cpu__steal_ticks=2)])
    assert (cpu.busy_ratio, cpu.steal_ratio, cpu.throttled_periods) == (0.25, 0.01, None)
    assert set(cpu.absent) == {"throttled_periods"}


def test_overlapping_readings_are_one_machine() -> None:
    readings = [Counters("a", {"c": 10}, {"c": 20}), Counters("b", {"c": 12}, {"c": 15}), Counters("d", {"c": 90}, {"c": 91})]
    assert [item.place for item in widest("c", readings)] == ["a", "d"]


# For all books

NAMES = [
    "softnet.dropped", "link.wire0.tx_dropped", "link.par.rx_dropped", "link.veth0.tx_dropped", "link.par.rx_missed_errors",
    "ip.InDiscards", "ip.OutDiscards", "tcpext.IPReversePathFilter", "udp.RcvbufErrors", "udp.MemErrors", "udp.InErrors",
    "qdisc.wire0.tbf.1:.drops", "qdisc.par.ingress.ffff:.drops", "nft.ip.f.input.1.drops", "nft.netdev.f.x.2.drops",
    "conntrack.drop", "conntrack.insert_failed", "conntrack.early_drop",
]  # fmt: skip
readings = st.dictionaries(st.sampled_from(NAMES), st.tuples(st.integers(0, 50), st.integers(0, 50)))
missing_packets = st.builds(Missing, st.integers(0, 80), st.integers(0, 80), st.booleans())


@st.composite
def paths(draw: st.DrawFn) -> Path:
    names = draw(st.sampled_from([("w", "h", "p"), ("w", "h", "h"), ("w", None, "p"), ("h", "h", "h"), ("h", "t", "h")]))
    places = {
        name: Counters(
            name, {key: start for key, (start, _) in read.items()}, {key: start + by for key, (start, by) in read.items()}
        )
        for name in dict.fromkeys(names)
        if name is not None and (read := draw(readings)) is not None
    }
    sender, tap, receiver = names
    return Path(
        sender=places[sender],
        tap=places[tap] if tap else None,
        receiver=places[receiver],
        sender_interface="wire0",
        refused_packets=draw(st.integers(0, 60)),
        skipped_packets=0,
        multicast=draw(st.booleans()),
        parent_interface=draw(st.sampled_from([None, "par"])),
        backend=draw(st.sampled_from(["socket", "ring", "pcap"])),
        own=draw(st.dictionaries(st.sampled_from(["socket_drops", "kernel_drops", "refused_streams"]), st.integers(0, 40))),
    )


@given(missing_packets, paths())
def test_the_books_always_balance(missing: Missing, path: Path) -> None:
    found = attribute(missing, claims(path))
    assert sum(drop.packets for drop in found.drops) + found.unattributed_packets == missing.packets
    assert all(0 < drop.packets <= drop.counted_packets for drop in found.drops)
    assert all(drop.evidence and drop.layer in LAYERS for drop in found.drops)
    if missing.exact:
        assert sum(drop.packets for drop in found.drops if drop.side == "after_tap") <= missing.after
        assert sum(drop.packets for drop in found.drops if drop.side in ("before_tap", "sender")) <= missing.before
        assert not any(drop.side == "unknown" for drop in found.drops)


@given(missing_packets, paths())
def test_one_claim_is_used_up_once(missing: Missing, path: Path) -> None:
    made = claims(path)
    found = attribute(missing, made)
    for claim in made:
        used = sum(drop.packets for drop in found.drops if (drop.layer, drop.evidence) == (claim.layer, claim.evidence))
        assert used <= claim.packets <= claim.counted


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_true_counters_give_the_truth(skip: int, queue: int, veth: int, rule: int, broadcast: int, socket: int) -> None:
    """Packets die in six layers, each of which counts exactly its own (and the kernel's side effects): all is found again."""
    wire = place("wire", **{"qdisc.wire0.tbf.1:.drops": queue}, link__wire0__tx_dropped=veth, softnet__dropped=veth)
    path = macvlan(
        sender=wire,
        tap=place("host", link__par__rx_dropped=broadcast + veth),
        receiver=place("probe", nft__ip__f__input__1__drops=rule, udp__RcvbufErrors=socket),
        skipped_packets=skip,
        own={"socket_drops": socket},
    )
    found = attribute(Missing(before=skip + queue + veth, after=rule + broadcast + socket, exact=True), claims(path))
    truth = {
        ("sender_skip", "sender"): skip,
        ("sender_qdisc", "sender"): queue,
        ("link_transmit", "before_tap"): veth,
        ("netfilter", "after_tap"): rule,
        ("macvlan_broadcast_queue", "after_tap"): broadcast,
        ("udp_socket", "after_tap"): socket,
    }
    assert shares(found) == {key: packets for key, packets in truth.items() if packets}
    assert found.unattributed_packets == 0
