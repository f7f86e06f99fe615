"""Real datagrams through the core, in a network of the test's own: every one is accounted for at both ends."""

from __future__ import annotations

import json
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import pytest

from netbench import _core

GROUP = "239.1.2.3"
PORT = 5004
SESSION = 77
Books = dict[str, Any]


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def veth_pair() -> tuple[int, int]:
    """Interfaces left (192.0.2.1) and right (192.0.2.2) of one namespace, joined by a wire; their indexes."""
    ip("link", "add", "name", "left", "type", "veth", "peer", "name", "right")
    for name, address in (("left", "192.0.2.1/24"), ("right", "192.0.2.2/24")):
        ip("address", "add", address, "dev", name)
        ip("link", "set", name, "up")
    return socket.if_nametoindex("left"), socket.if_nametoindex("right")


def measure_traffic(sender: Any, capture: Any, table: _core.StreamTable) -> Books:
    """Sends everything while the capture runs, then closes the books of both ends."""
    receiving = threading.Thread(target=capture.run, args=(table,))
    receiving.start()
    sender.run()
    capture.stop()
    receiving.join()
    table.finish()
    return {
        "sender": sender.counts(),
        "sent_streams": sender.streams(),
        "lateness": sender.lateness(),
        "capture": capture.counts(),
        "totals": table.totals(),
        "streams": sorted(table.streams(), key=lambda stream: stream["stream"]),
    }


def through_sockets(packets: int, rate_pps: float = 20_000.0, streams: int = 1, **sender_arguments: Any) -> Callable[[], Books]:
    """Multicast over loopback, socket to socket."""

    def measure() -> Books:
        ports = [(number, GROUP, PORT + number) for number in range(streams)]
        loopback = socket.if_nametoindex("lo")
        capture = _core.SocketCapture(
            listens=[(group, "0.0.0.0", port) for _, group, port in ports],
            interface_index=loopback,
            receive_buffer_bytes=4 << 20,
        )
        sender = _core.SocketSender(
            streams=ports, rate_pps=rate_pps, packets=packets, session=SESSION, interface_index=loopback, **sender_arguments
        )
        table = _core.StreamTable(session=SESSION, probes_only=True)
        return measure_traffic(sender, capture, table)

    return measure


def assert_books_balance(books: Books) -> None:
    sender = books["sender"]
    assert sender["sequences"] == sender["sent"] + sender["skipped"] + sender["unsent"]
    assert sender["datagrams"] == sender["sent"] + sender["repeated"]
    for stream in books["streams"]:
        assert stream["packets"] == stream["unique"] + stream["duplicate"] + stream["beyond_window"]
    totals = books["totals"]
    assert totals["packets"] == totals["tracked"] + totals["foreign"] + totals["damaged"] + totals["refused_streams"]


def test_everything_that_is_sent_arrives(in_private_network):
    books = in_private_network(through_sockets(2000))
    assert_books_balance(books)
    sender, capture = books["sender"], books["capture"]
    assert (sender["sent"], sender["datagrams"], sender["refused"]) == (2000, 2000, 0)
    assert sender["bytes"] == 2000 * 1316
    assert sender["started_ns"] < sender["ended_ns"]
    assert sender["intended"] == 2000
    assert books["lateness"]["count"] == 2000
    assert (capture["packets"], capture["socket_drops"], capture["truncated"]) == (2000, 0, 0)
    [stream] = books["streams"]
    assert (stream["packets"], stream["unique"], stream["lost"], stream["reordered"]) == (2000, 2000, 0, 0)
    assert stream["stamps_kernel"] == 2000
    assert stream["iat_ns"]["count"] == 1999
    assert stream["transit_ns"]["min"] >= 0  # one clock: nothing arrives before it was sent
    assert stream["destination"] == GROUP


def test_every_stream_gets_its_turn(in_private_network):
    books = in_private_network(through_sockets(1200, streams=6, payload_bytes=64))
    assert_books_balance(books)
    assert [stream["sent"] for stream in books["sent_streams"]] == [200] * 6
    assert [stream["stream"] for stream in books["sent_streams"]] == list(range(6))
    assert [stream["unique"] for stream in books["streams"]] == [200] * 6
    assert [stream["destination_port"] for stream in books["streams"]] == [PORT + number for number in range(6)]


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ({"skip_every": 10}, {"unique": 900, "duplicate": 0, "reordered": 0, "lost": 99, "loss_periods": 99}),
        ({"repeat_every": 10}, {"unique": 1000, "duplicate": 100, "reordered": 0, "lost": 0}),
        ({"swap_every": 10}, {"unique": 1000, "duplicate": 0, "reordered": 100, "lost": 0}),
    ],
)
def test_faults_made_by_the_sender_are_found_exactly(in_private_network, fault, expected):
    books = in_private_network(through_sockets(1000, **fault))
    assert_books_balance(books)
    [stream] = books["streams"]
    # The last sequence (999) is skipped too: a receiver alone cannot see a trailing hole, so it finds 99 of 100.
    assert {key: stream[key] for key in expected} == expected


@pytest.mark.parametrize("mtu", [65_536, 1500])  # the ring sees whole frames, or first fragments
def test_a_long_datagram_has_one_content_at_a_ring_and_at_a_socket(in_private_network, mtu):
    def measure() -> tuple[bytes, bytes]:
        ip("link", "set", "lo", "mtu", str(mtu))
        loopback = socket.if_nametoindex("lo")
        ring = _core.RingCapture(interface_index=loopback, port_low=PORT, port_high=PORT, blocks=8, snapshot_bytes=65_535)
        joined = _core.SocketCapture(listens=[(GROUP, "0.0.0.0", PORT)], interface_index=loopback)
        tables = [_core.StreamTable(log_capacity=20, log_content=True, content_seed=5) for _ in range(2)]
        runs = [threading.Thread(target=capture.run, args=(table,)) for capture, table in zip((ring, joined), tables, strict=True)]
        for run in runs:
            run.start()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            for number in range(10):
                sender.sendto(bytes([number]) * 4000, (GROUP, PORT))
        for capture, run in zip((ring, joined), runs, strict=True):
            capture.stop()
            run.join()
        return tables[0].log(), tables[1].log()

    at_ring, at_socket = ([entry[1:] for entry in struct.iter_unpack("=qII", log)] for log in in_private_network(measure))
    assert at_ring == at_socket
    assert len(set(at_ring)) == 10


def test_the_ring_sees_what_the_socket_sees_and_its_books_balance(in_private_network):
    def measure() -> Books:
        loopback = socket.if_nametoindex("lo")
        ring = _core.RingCapture(interface_index=loopback, port_low=PORT, port_high=PORT, blocks=8)
        joined = _core.SocketCapture(listens=[(GROUP, "0.0.0.0", PORT)], interface_index=loopback)
        sender = _core.SocketSender(
            streams=[(1, GROUP, PORT)], rate_pps=20_000.0, packets=2000, session=SESSION, interface_index=loopback
        )
        books = measure_traffic(sender, ring, _core.StreamTable())
        assert joined.counts()["sockets"] == 1
        return books

    books = in_private_network(measure)
    assert_books_balance(books)
    ring = books["capture"]
    assert ring["kernel_packets"] == ring["frames"] + ring["kernel_drops"]
    assert ring["frames"] == ring["datagrams"] + ring["not_udp"] + ring["damaged"]
    assert (ring["datagrams"], ring["kernel_drops"]) == (2000, 0)
    [stream] = books["streams"]
    assert (stream["unique"], stream["lost"], stream["stamps_kernel"]) == (2000, 0, 2000)


def test_frames_cross_a_wire(in_private_network):
    def measure() -> Books:
        out, into = veth_pair()
        ring = _core.RingCapture(interface_index=into, port_low=PORT, port_high=PORT, blocks=8)
        sender = _core.FrameSender(
            streams=[(1, GROUP, PORT)],
            rate_pps=0.0,
            packets=3000,
            session=SESSION,
            interface_index=out,
            source="192.0.2.1",
            source_port=6000,
        )
        return measure_traffic(sender, ring, _core.StreamTable(session=SESSION))

    books = in_private_network(measure)
    assert_books_balance(books)
    ring = books["capture"]
    assert ring["kernel_packets"] == ring["frames"] + ring["kernel_drops"]
    [stream] = books["streams"]
    assert stream["unique"] + ring["kernel_drops"] == books["sender"]["sent"]
    assert (stream["source"], stream["source_port"]) == ("192.0.2.1", 6000)
    assert books["lateness"]["count"] == 0  # as fast as possible: nothing is late


def test_a_full_socket_is_the_sockets_own_loss(in_private_network):
    """The capture does not run while all is sent, so the small buffer overflows: what is missing is what the socket says."""

    def measure() -> Books:
        loopback = socket.if_nametoindex("lo")
        capture = _core.SocketCapture(listens=[(GROUP, "0.0.0.0", PORT)], interface_index=loopback, receive_buffer_bytes=65536)
        sender = _core.SocketSender(
            streams=[(1, GROUP, PORT)], rate_pps=0.0, packets=2000, session=SESSION, interface_index=loopback
        )
        sender.run()
        table = _core.StreamTable()
        capture.run(table, duration_ns=1)
        table.finish()
        return {"sender": sender.counts(), "capture": capture.counts(), "streams": table.streams()}

    books = in_private_network(measure)
    drops = books["capture"]["socket_drops"]
    assert drops > 0
    assert books["sender"]["sent"] == 2000
    assert books["streams"][0]["unique"] + drops == 2000


def test_the_books_are_plain_numbers(in_private_network):
    books = in_private_network(through_sockets(10))
    assert json.loads(json.dumps(books["sender"])) == books["sender"]
    assert set(books["sender"]) == {
        "sequences", "sent", "datagrams", "skipped", "repeated", "swapped", "unsent", "refused", "enobufs", "eagain",
        "other_errors", "last_errno", "bytes", "system_calls", "intended", "started_ns", "ended_ns",
    }  # fmt: skip
    assert set(books["sent_streams"][0]) == {
        "stream", "sequences", "sent", "datagrams", "skipped", "repeated", "swapped", "unsent", "refused",
    }  # fmt: skip
    assert set(books["capture"]) == {
        "packets", "truncated", "unasked", "socket_drops", "overflow_seen", "system_calls", "batches", "largest_batch", "sockets",
        "receive_buffer_bytes",
    }  # fmt: skip
