"""A thousand groups through one receive loop: every group's count is right, memory does not grow with packets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

STREAMS = 20
PACKETS = 300_000


def test_a_thousand_groups_counted_one_by_one(run_one_trial: Callable[..., Any]) -> None:
    trial = run_one_trial("host", "lineup:streams=1000,pps=20000", duration_s=2.0)

    assert trial.received.streams == 1000
    assert len(trial.streams) == 1000
    assert {stream.stream for stream in trial.streams} == set(range(1, 1001))
    assert len({stream.destination for stream in trial.streams}) == 1000
    for stream in trial.streams:
        assert stream.sequences_sent == 40
        assert stream.unique_packets + stream.lost_packets == 40
    assert sum(stream.lost_packets for stream in trial.streams) == trial.loss.lost_packets
    assert trial.loss.lost_packets == sum(drop.packets for drop in trial.drops) + trial.unattributed_packets


def memory_of_a_long_reception() -> dict[str, Any]:
    """Resident memory of this process, once every stream has been seen and each half second after that."""
    import threading
    import time

    from netbench import core

    groups = [f"239.9.9.{1 + index}" for index in range(STREAMS)]
    # A short reorder window, so that every page of it has been touched when the measurement begins.
    table = core.StreamTable(session=5, reorder_window=64, series_ns=100_000_000, series_points=16)
    capture = core.SocketCapture(
        listens=[(group, "0.0.0.0", 5004) for group in groups], interface_index=1, receive_buffer_bytes=8 << 20
    )
    sender = core.SocketSender(
        streams=[(index + 1, group, 5004) for index, group in enumerate(groups)],
        rate_pps=60_000,
        packets=PACKETS,
        session=5,
        payload_bytes=100,
        interface_index=1,
    )
    threads = [threading.Thread(target=capture.run, args=(table, 0)), threading.Thread(target=sender.run)]
    for thread in threads:
        thread.start()
    while table.totals()["packets"] < PACKETS // 5:
        time.sleep(0.02)
    kilobytes = []
    while threads[1].is_alive():
        kilobytes.append(resident_kilobytes())
        time.sleep(0.25)
    capture.stop()
    threads[0].join()
    return {"kilobytes": kilobytes, "streams": table.totals()["streams"], "sent": sender.counts()["sent"]}


def resident_kilobytes() -> int:
    with open("/proc/self/smaps_rollup") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("Rss:"))


def test_memory_is_flat_in_time(in_private_network: Callable[..., Any]) -> None:
    seen = in_private_network(memory_of_a_long_reception)

    assert (seen["streams"], seen["sent"]) == (STREAMS, PACKETS)
    kilobytes = seen["kilobytes"]
    assert len(kilobytes) >= 4
    # 240,000 packets come in between: at 16 bytes each they would show as 3.8 MB. A stream has up to 72 kB of histogram pages that
    # a new value can touch for the first time.
    assert max(kilobytes) - kilobytes[0] < STREAMS * 72
