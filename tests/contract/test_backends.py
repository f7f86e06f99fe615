"""What every capture backend owes its caller, asked of all of them alike."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

BACKENDS = ("socket", "ring", "pcap")
GROUPS = 25
PACKETS = 2000
PORT = 5004


def job(backend: str, **changes: Any) -> Any:
    from netbench.protocol import ReceiveJob, StreamSpec

    groups = tuple(StreamSpec(index + 1, f"239.9.9.{index + 1}", PORT) for index in range(GROUPS))
    return ReceiveJob(**({"listens": groups, "backend": backend, "interface": "lo", "receive_buffer_bytes": 8 << 20} | changes))


def sender(session: int = 5) -> Any:
    from netbench import core

    return core.SocketSender(
        streams=[(index + 1, f"239.9.9.{index + 1}", PORT) for index in range(GROUPS)],
        rate_pps=20_000,
        packets=PACKETS,
        session=session,
        payload_bytes=200,
        interface_index=1,
    )


def captured(backend: str) -> dict[str, Any]:
    """Send a known number of packets to a backend; what it and its table counted."""
    import time

    from netbench.capture.backend import open_backend
    from netbench.core import StreamTable

    table = StreamTable(session=5)
    capture = open_backend(job(backend))
    joined = Path("/proc/net/igmp").read_text().count("\n\t\t\t\t")
    running = threading.Thread(target=capture.run, args=(table, 0))
    running.start()
    sender().run()
    time.sleep(0.3)
    capture.stop()
    running.join(10)
    ended = not running.is_alive()
    table.finish()
    counts, streams = capture.counts(), table.streams()
    capture.close()
    return {
        "ended": ended,
        "joined": joined,
        "left": Path("/proc/net/igmp").read_text().count("\n\t\t\t\t"),
        "counts": counts,
        "streams": [(stream["stream"], stream["unique"], stream["duplicate"], stream["lost"]) for stream in streams],
        "totals": table.totals(),
    }


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_packet_of_every_group_once(in_private_network: Callable[..., Any], backend: str) -> None:
    seen = in_private_network(lambda: captured(backend))

    assert seen["ended"]
    assert sorted(seen["streams"]) == [(index + 1, PACKETS // GROUPS, 0, 0) for index in range(GROUPS)]
    assert seen["totals"]["tracked"] == PACKETS
    assert seen["totals"]["stamps_kernel"] == PACKETS


@pytest.mark.parametrize("backend", BACKENDS)
def test_groups_are_joined_before_it_is_ready_and_left_when_it_is_closed(
    in_private_network: Callable[..., Any], backend: str
) -> None:
    seen = in_private_network(lambda: captured(backend))

    assert seen["joined"] == seen["left"] + GROUPS


@pytest.mark.parametrize("backend", BACKENDS)
def test_its_own_books_say_that_it_lost_nothing(in_private_network: Callable[..., Any], backend: str) -> None:
    counts = in_private_network(lambda: captured(backend))["counts"]

    if backend == "socket":
        assert (counts["packets"], counts["socket_drops"]) == (PACKETS, 0)
    else:
        assert counts["datagrams"] == PACKETS
        assert counts["kernel_drops"] == 0
    if backend == "ring":
        assert counts["kernel_packets"] == counts["frames"] + counts["kernel_drops"]


def refused(changes: dict[str, Any], backend: str) -> tuple[int | None, str]:
    from netbench.capture.backend import open_backend

    try:
        open_backend(job(backend, **changes))
    except OSError as error:
        return error.errno, str(error)
    return None, "it was not refused"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("name", "number"), [("nosuch0", errno.ENODEV), ("a-name-that-is-too-long", errno.ENAMETOOLONG)])
def test_an_interface_that_is_not_there_is_named(
    in_private_network: Callable[..., Any], backend: str, name: str, number: int
) -> None:
    told, message = in_private_network(lambda: refused({"interface": name}, backend))

    assert told == number
    assert name in message


def port_in_use(backend: str) -> tuple[int | None, str]:
    import socket

    from netbench.protocol import StreamSpec

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        holder.bind(("127.0.0.1", 6001))
        return refused({"listens": (StreamSpec(1, "127.0.0.1", 6001),)}, backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_port_in_use_is_named(in_private_network: Callable[..., Any], backend: str) -> None:
    told, message = in_private_network(lambda: port_in_use(backend))

    assert told == errno.EADDRINUSE
    assert "6001" in message


@pytest.mark.parametrize("backend", BACKENDS)
def test_another_session_is_foreign(in_private_network: Callable[..., Any], backend: str) -> None:
    def measure() -> dict[str, int]:
        from netbench.capture.backend import open_backend
        from netbench.core import StreamTable

        table = StreamTable(session=6)
        capture = open_backend(job(backend))
        running = threading.Thread(target=capture.run, args=(table, 0))
        running.start()
        sender(session=5).run()
        threading.Event().wait(0.3)
        capture.stop()
        running.join(10)
        return table.totals()

    totals = in_private_network(measure)

    assert (totals["foreign"], totals["tracked"]) == (PACKETS, 0)
