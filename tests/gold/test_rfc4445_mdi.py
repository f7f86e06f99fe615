"""RFC 4445, the Media Delivery Index DF:MLR. The cases are constructed by its section 3."""

from __future__ import annotations

from core_arrivals import Arrival, stream_of

RATE_BPS = 10e6
BYTES = 1316  # seven packets of MPEG-TS
EVERY_NS = 1_052_800  # 1316 * 8 / 10^7 s: one datagram at that rate


def media(arrivals: list[Arrival]) -> dict:
    return stream_of(arrivals, payload_bytes=BYTES, media_rate_bps=RATE_BPS)


def constant_rate(packets: int) -> list[Arrival]:
    return [Arrival(number, number * EVERY_NS) for number in range(packets)]


def test_a_perfect_constant_rate_is_one_packet_deep():
    # Just before each packet the buffer has run down by one packet, VB(pre) = -1316; just after it, VB(post) = 0:
    # DF = 1316 B / (10^7 / 8 B/s) = 1.0528 ms, not 0.
    # An interval ends with the last packet within 1 s: floor(10^9 / 1 052 800) = 949 packets; 3000 hold three whole ones.
    stream = media(constant_rate(3000))
    assert round(stream["delay_factor_max_ns"]) == EVERY_NS
    assert round(stream["delay_factor_last_ns"]) == EVERY_NS
    assert (stream["intervals"], stream["interval_missing_max"]) == (3, 0)


def test_bursts_of_ten():
    # The first packet begins the interval. Then ten packets at once every 10.528 ms: VB falls to -13 160, rises to 0.
    # DF = 13 160 B / MR = 10.528 ms.
    arrivals = [Arrival(0, 0)] + [Arrival(1 + n, (n // 10 + 1) * 10 * EVERY_NS) for n in range(2000)]
    assert round(media(arrivals)["delay_factor_max_ns"]) == 10 * EVERY_NS


def test_a_gap_of_ten():
    # 300..309 are lost. Packet 310 finds VB(pre) = 309 * 1316 - 10 * 1316 - 310 * 1316 = -11 * 1316, as every later one; before the
    # gap VB(post) was 0: DF = 11 * 1.0528 ms = 11.5808 ms. The next interval begins with an empty buffer: DF = 1.0528 ms again.
    # MLR: 10 datagrams of 7 packets in an interval of 1 s.
    arrivals = [arrival for arrival in constant_rate(2000) if not 300 <= arrival.sequence < 310]
    stream = media(arrivals)
    assert round(stream["delay_factor_max_ns"]) == 11 * EVERY_NS
    assert round(stream["delay_factor_last_ns"]) == EVERY_NS
    assert (stream["intervals"], stream["interval_missing_max"], stream["interval_missing_last"]) == (2, 10, 0)


def test_out_of_order_counts_as_lost_does():
    # MLR counts "lost or out-of-order" packets (3.2): 300 comes right after 301, and 600 not at all: 2 in that interval.
    arrivals = [arrival for arrival in constant_rate(2000) if arrival.sequence != 600]
    arrivals[300], arrivals[301] = Arrival(301, 300 * EVERY_NS), Arrival(300, 301 * EVERY_NS)
    stream = media(arrivals)
    assert (stream["lost"], stream["reordered"]) == (1, 1)
    assert (stream["interval_missing_max"], stream["interval_missing_last"]) == (2, 0)


def test_no_media_rate_no_index():
    stream = stream_of(constant_rate(2000), payload_bytes=BYTES)
    assert (stream["delay_factor_max_ns"], stream["delay_factor_last_ns"], stream["intervals"]) == (None, None, 0)


def test_less_than_an_interval_no_index():
    # The 949 packets within 1 s after the first are an interval only when the next one shows that it is over.
    assert media(constant_rate(950))["delay_factor_max_ns"] is None
    assert round(media(constant_rate(951))["delay_factor_max_ns"]) == EVERY_NS
