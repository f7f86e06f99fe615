"""The ladder's judgement, rung by rung, on constructed answers and counts."""

from __future__ import annotations

from typing import Any

import pytest

from netbench.cli.timestamps import exit_code
from netbench.compare.stamp_hypothesis import has_stamps, judge_stamps
from netbench.errors import ExitCode
from netbench.metrics.timestamp_ladder import build_ladder
from netbench.result.environment import EnvironmentRecord
from netbench.result.timestamps import TimestampLadder

ALL, NONE, PTP = "HWTSTAMP_FILTER_ALL", "HWTSTAMP_FILTER_NONE", "HWTSTAMP_FILTER_PTP_V2_EVENT"
START_NS = 1_700_000_000_000_000_000
LISTENED = (("udp_low_rate", None), ("udp_full_rate", None))
SENT = {"udp_low_rate": 200, "udp_full_rate": 9500, "ptp_ethernet": 100, "ptp_udp": 100}


def counted(packets: int = 0, hardware: int = 0, **more: Any) -> dict[str, Any]:
    counts = {
        "packets": packets,
        "hardware": hardware,
        "kernel": packets,
        "compared": max(0, hardware - 1),
        "backward": 0,
        "repeated": 0,
        "equal_kernel": 0,
        "first_ns": START_NS if packets else 0,
        "last_ns": START_NS + 2_000_000_000 if packets else 0,
        "rate_span_ns": 2_000_000_000 if hardware > 1 else 0,
        "rate_ppm": 3.5 if hardware > 1 else None,
    }
    return counts | more


def capabilities(*filters: str, hardware: bool = True, clock: int | None = 0) -> dict[str, Any]:
    return {"hardware_receive": hardware, "rx_filters": [NONE, *filters], "phc_index": clock}


def setting(wanted: str | None = ALL, before: str | None = NONE, during: str | None = ALL, **more: Any) -> dict[str, Any]:
    def named(rx_filter: str | None) -> dict[str, str] | None:
        return None if rx_filter is None else {"tx_type": "HWTSTAMP_TX_OFF", "rx_filter": rx_filter}

    told = {
        "wanted": wanted,
        "before": named(before),
        "unreadable": None if before else "Operation not supported",
        "skipped": None,
        "answered": named(during),
        "read_back": named(during),
        "refused": None,
        "restored": True if during else None,
        "not_restored": None,
    }
    return told | more


def raw(
    *,
    low: dict[str, Any] | None = None,
    full: dict[str, Any] | None = None,
    ethernet: dict[str, Any] | None = None,
    udp: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """An agent's result at a card that does everything right."""
    low, full = low or counted(200, 200), full or counted(9500, 9500)
    ethernet, udp = ethernet or counted(100, 100), udp or counted(100, 100)
    everything = [sum(item[key] for item in (low, full, ethernet, udp)) for key in ("packets", "hardware")]
    kinds = {"ptp_ethernet": ethernet, "ptp_udp": udp, "udp": counted(), "other": counted(), "all": counted(*everything)}
    answer = {
        "interface": "eth0",
        "link": {"kind": "physical", "driver": "e1000e", "parent": None},
        "capabilities": capabilities(ALL),
        "capabilities_refused": None,
        "configure": True,
        "setting": setting(),
        "listens": [low, full],
        "frames": kinds,
        "frames_refused": None,
        "capture": {"packets": 19800, "drops": 0},
        "observed_ns": 5_000_000_000,
        "clock": {"device": "/dev/ptp0", "advanced_ns": 50_000_100, "elapsed_ns": 50_000_000},
    }
    return answer | more


def ladder(**more: Any) -> TimestampLadder:
    return build_ladder(raw(**more), LISTENED, SENT)


def climbed(found: TimestampLadder) -> list[bool | None]:
    return [rung.passed for rung in found.rungs]


def record_of(found: TimestampLadder) -> EnvironmentRecord:
    return EnvironmentRecord(name="host", label="host", available=True, interface="eth0", timestamp_ladder=found)


NOTHING = {"low": counted(200), "full": counted(9500), "ethernet": counted(100), "udp": counted(100)}


def test_a_card_that_does_everything() -> None:
    found = ladder()
    assert climbed(found) == [True] * 6
    assert found.highest_rung == 6
    assert found.sentence == "eth0: advertised, accepted and delivered on all 9,900 packets."
    assert (found.configured, found.restored) == (True, True)
    assert exit_code(found) == ExitCode.PASS


def test_advertised_and_accepted_but_not_delivered() -> None:
    found = ladder(**NOTHING)
    assert climbed(found) == [True, True, True, False, None, True]
    assert found.highest_rung == 3
    assert found.sentence == "eth0: advertised and accepted, delivered on 0 of all 9,900 packets."
    assert "UDP at full rate 0 of 9,500" in found.rungs[3].evidence
    assert "PTP over Ethernet 0 of 100" in found.rungs[3].evidence
    assert exit_code(found) == ExitCode.FAIL
    answer = judge_stamps(None, record_of(found))  # type: ignore[arg-type]  # a ladder needs no trials
    assert answer.word == "fail"
    assert answer.hypothesis.sentence == found.sentence
    assert answer.hypothesis.numbers == {"hardware_packets": 0, "received_packets": 9900, "highest_rung": 3}
    assert not has_stamps(record_of(found))


def test_delivered_on_some() -> None:
    found = ladder(full=counted(9500, 9000))
    assert climbed(found)[3] is False
    assert found.sentence.startswith("eth0: advertised and accepted, delivered on 9,400 of 9,900 packets (94.95 %)")


def test_one_packet_missing_is_not_all() -> None:
    found = ladder(full=counted(9_500_000, 9_499_999))
    assert climbed(found)[3] is False
    assert "(99.99 %)" in found.rungs[3].evidence


def test_not_advertised() -> None:
    found = ladder(
        capabilities=capabilities(hardware=False, clock=None),
        setting=setting(None, None, None, skipped="nothing_to_ask_for"),
        link={"kind": "veth", "driver": "veth", "parent": None},
        clock=None,
        **NOTHING,
    )
    assert climbed(found) == [False, False, None, False, None, False]
    assert found.highest_rung == 0
    assert found.sentence == "eth0 (veth) advertises no hardware stamps for received packets."
    assert found.absent["restored"] == "nothing was changed"
    assert judge_stamps(None, record_of(found)).word == "fail"  # type: ignore[arg-type]


def test_ptp_only() -> None:
    found = ladder(
        capabilities=capabilities(PTP),
        setting=setting(PTP, NONE, PTP),
        low=counted(200),
        full=counted(9500),
        ethernet=counted(474, 1),
        udp=counted(400),
    )
    assert climbed(found) == [True, False, True, False, None, True]
    assert found.highest_rung == 1
    assert found.sentence.startswith(
        "eth0: advertised and accepted for some packets only (PTP_V2_EVENT); delivered on 1 of 10,574 packets (0.0095 %)"
    )
    assert "PTP over Ethernet 1 of 474" in found.sentence


def test_downgraded() -> None:
    found = ladder(setting=setting(ALL, NONE, PTP), **NOTHING)
    assert climbed(found)[2] is False
    assert found.rungs[2].evidence == "ALL was asked for, and PTP_V2_EVENT is what was set; put back afterwards"


def test_upgraded_is_no_downgrade() -> None:
    assert climbed(ladder(capabilities=capabilities(PTP), setting=setting(PTP, NONE, ALL)))[2] is True


def test_not_restored_is_told() -> None:
    found = ladder(setting=setting(restored=False, not_restored="Input/output error"))
    assert "it could NOT be put back: Input/output error" in found.rungs[2].evidence
    assert found.restored is False


@pytest.mark.parametrize("number", [1, 95, 34])
def test_refused(number: int) -> None:
    refused = {"errno": number, "reason": "refused so"}
    found = ladder(setting=setting(during=None, refused=refused), **NOTHING)
    rung = found.rungs[2]
    assert "ALL was refused (SIOCSHWTSTAMP): refused so" in rung.evidence
    if number == 1:  # an ordinary user: this rung is not climbed, the others are
        assert rung.passed is None
        assert rung.remedy is not None
        assert "CAP_NET_ADMIN" in rung.evidence
        assert climbed(found)[:2] == [True, True]
        assert climbed(found)[5] is True
    else:
        assert rung.passed is False


def test_refused_in_a_macvlan_names_the_parent() -> None:
    refused = {"errno": 95, "reason": "Operation not supported"}
    found = build_ladder(
        raw(
            setting=setting(during=None, refused=refused),
            link={"kind": "macvlan", "driver": "macvlan", "parent": {"name": None, "index": 2, "other_namespace": True}},
            **NOTHING,
        ),
        LISTENED,
        SENT,
        parent="enp1s0",
    )
    rung = found.rungs[2]
    assert rung.passed is False
    assert "initial network namespace only" in rung.evidence
    assert rung.remedy is not None
    assert "netbench timestamps -i enp1s0 --configure -t 1h" in rung.remedy
    assert "hwtstamp_ctl -i enp1s0 -r 1" in rung.remedy


def test_what_cannot_be_put_back_is_not_changed() -> None:
    found = ladder(setting=setting(before=None, during=None, skipped="cannot_be_put_back"), **NOTHING)
    assert climbed(found)[2] is None
    assert "could not be put back, and was not changed" in found.rungs[2].evidence
    assert climbed(found)[3] is None


def test_without_configure_nothing_is_failed_by_what_was_not_set() -> None:
    found = ladder(configure=False, setting=setting(during=None, skipped="not_asked_for"), **NOTHING)
    assert climbed(found) == [True, True, None, None, None, True]
    assert found.rungs[2].remedy == "netbench timestamps -i eth0 --configure"
    assert exit_code(found) == ExitCode.INCONCLUSIVE
    answer = judge_stamps(None, record_of(found))  # type: ignore[arg-type]
    assert answer.word == "warn"
    assert answer.remedies[0].command == "netbench timestamps -i eth0 --configure"


def test_without_configure_a_setting_that_stands_is_judged() -> None:
    found = ladder(configure=False, setting=setting(before=ALL, during=None, skipped="not_asked_for"), **NOTHING)
    assert climbed(found)[2:4] == [True, False]


def test_packets_prove_a_setting_that_cannot_be_read() -> None:
    found = ladder(configure=False, setting=setting(before=None, during=None, skipped="not_asked_for"))
    assert climbed(found)[2:4] == [True, True]
    assert "the packets show" in found.rungs[2].evidence


def test_no_packet_came() -> None:
    found = build_ladder(raw(low=counted(), full=counted(), ethernet=counted(), udp=counted()), LISTENED, SENT)
    assert climbed(found)[3] is None
    assert found.rungs[3].evidence == "no packet came in 5 s, so none shows a stamp"
    assert found.highest_rung == 3
    assert exit_code(found) == ExitCode.INCONCLUSIVE


def test_no_packet_socket_and_nothing_named() -> None:
    found = build_ladder(raw(frames=None, frames_refused="Operation not permitted", listens=[]))
    assert climbed(found)[3] is None
    assert "no group or port was named" in found.rungs[3].evidence
    assert "PTP over Ethernet was not counted" in found.absent["traffic"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"backward": 2}, "2 stamps went back"),
        ({"repeated": 1}, "1 stamp came twice"),
        ({"equal_kernel": 9500}, "9,500 of 9,900 are the kernel's own stamp"),
        ({"rate_ppm": 701.0}, "+701 ppm off the kernel's clock"),
        ({"rate_ppm": 251.0, "rate_span_ns": 20_000_000_000}, "+251 ppm off the kernel's clock"),
        ({"rate_ppm": -5000.0}, "-5000 ppm off the kernel's clock"),
    ],
)
def test_stamps_that_cannot_be_believed(fault: dict[str, Any], words: str) -> None:
    found = ladder(full=counted(9500, 9500, **fault))
    assert climbed(found) == [True, True, True, True, False, True]
    assert words in found.rungs[4].evidence
    assert found.highest_rung == 4
    assert exit_code(found) == ExitCode.FAIL
    assert judge_stamps(None, record_of(found)).word == "fail"  # type: ignore[arg-type]


def test_a_stamp_that_is_the_kernels_by_chance() -> None:
    assert climbed(ladder(full=counted(9500, 9500, equal_kernel=3)))[4] is True


def test_200_ppm_are_allowed() -> None:
    assert climbed(ladder(full=counted(9500, 9500, rate_ppm=-200.0)))[4] is True


def test_what_late_interrupts_explain_is_no_fault() -> None:
    """Over 2 s, interrupts that are 1 ms late make up to 500 ppm."""
    found = ladder(full=counted(9500, 9500, rate_ppm=699.0))
    assert climbed(found)[4] is None
    assert "+699 ppm off the kernel's clock" in found.rungs[4].evidence
    assert "could make 500" in found.rungs[4].evidence
    assert found.rungs[4].remedy == "netbench timestamps -i eth0 -t 30s"


def test_too_short_for_a_rate() -> None:
    short = {"rate_ppm": None}
    found = ladder(
        low=counted(200, 200, **short),
        full=counted(50, 50, **short),
        ethernet=counted(1, 1),
        udp=counted(1, 1),
        frames={kind: counted(1, 1) for kind in ("ptp_ethernet", "ptp_udp", "udp", "other", "all")},
    )
    assert climbed(found)[3:5] == [True, None]
    assert found.rungs[4].remedy == "netbench timestamps -i eth0 -t 5s"


@pytest.mark.parametrize(
    ("clock", "passed"),
    [
        (None, False),
        ({"device": "/dev/ptp0", "advanced_ns": 1, "elapsed_ns": 5}, True),
        ({"device": "/dev/ptp0", "advanced_ns": 0, "elapsed_ns": 5}, False),
        ({"device": "/dev/ptp0", "refused": "No such file or directory", "errno": 2}, False),
        ({"device": "/dev/ptp0", "refused": "Permission denied", "errno": 13}, None),
    ],
)
def test_the_clock(clock: dict[str, Any] | None, passed: bool | None) -> None:
    found = ladder(clock=clock)
    assert climbed(found)[5] is passed
    assert found.highest_rung == (6 if passed else 5)
    assert exit_code(found) == ExitCode.PASS  # nobody needs to read it


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="books do not balance"):
        ladder(low=counted(200, 200, kernel=201))


def test_by_hand_every_packet_is_counted_once() -> None:
    kinds = {"udp": counted(7), "ptp_ethernet": counted(2), "ptp_udp": counted(1), "other": counted(3), "all": counted(13)}
    seen = raw(listens=[], frames=kinds)
    found = build_ladder(seen)
    assert sum(item.received_packets for item in found.traffic) == 13
    named = build_ladder(raw(listens=[counted(7)]), (("listen", "239.1.1.1:5004"),))
    assert [item.traffic for item in named.traffic] == ["listen", "ptp_ethernet", "ptp_udp"]
