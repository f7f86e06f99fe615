"""What happens around a blocking run(): other threads go on, stop() and Ctrl-C end it, nothing is freed under it."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from netbench import _core

GROUP = "239.1.2.3"
PORT = 5004
PATIENCE_S = 20.0  # far beyond what is promised: only tells a hang from an end


def endless_sender(rate_pps: float = 5000.0) -> _core.SocketSender:
    return _core.SocketSender(
        streams=[(1, GROUP, PORT)], rate_pps=rate_pps, packets=0, interface_index=socket.if_nametoindex("lo"), payload_bytes=64
    )


def capture_on_loopback() -> _core.SocketCapture:
    return _core.SocketCapture(listens=[(GROUP, "0.0.0.0", PORT)], interface_index=socket.if_nametoindex("lo"))


def started(call: Callable[..., Any], *arguments: Any) -> threading.Thread:
    thread = threading.Thread(target=call, args=arguments)
    thread.start()
    return thread


def ended(thread: threading.Thread) -> bool:
    thread.join(PATIENCE_S)
    return not thread.is_alive()


def wait_until(condition: Callable[[], bool]) -> bool:
    pause = threading.Event()
    for _ in range(2000):
        if condition():
            return True
        pause.wait(0.01)
    return False


def refusal(call: Callable[[], Any]) -> str:
    try:
        call()
    except RuntimeError as error:
        return str(error)
    return "no RuntimeError"


def test_other_threads_read_growing_counts_while_both_ends_run(in_private_network):
    def measure() -> dict[str, Any]:
        capture, sender, table = capture_on_loopback(), endless_sender(), _core.StreamTable()
        threads = [started(capture.run, table), started(sender.run)]
        snapshots = []

        def look() -> bool:  # runs in this thread only if the two others do not hold the GIL
            sent, received = sender.counts(), table.totals()
            streams = table.streams(histograms=True)
            snapshots.append((sent["sent"], received["packets"], streams[0]["iat_histogram"]["count"] if streams else 0))
            return received["packets"] >= 500 and len(snapshots) >= 20

        enough = wait_until(look)
        sender.stop()
        sender_ended = ended(threads[1])
        capture.stop()
        return {
            "enough": enough,
            "snapshots": snapshots,
            "ended": sender_ended and ended(threads[0]),
            "sent": sender.counts()["sent"],
            "received": table.totals()["packets"],
            "drops": capture.counts()["socket_drops"],
        }

    seen = in_private_network(measure)
    assert seen["enough"]
    assert seen["ended"]
    for column in zip(*seen["snapshots"], strict=True):
        assert list(column) == sorted(column)
    assert seen["received"] + seen["drops"] == seen["sent"]


def test_stop_before_run_ends_it_at_once(in_private_network):
    def measure() -> tuple[int, int]:
        sender, capture, table = endless_sender(), capture_on_loopback(), _core.StreamTable()
        sender.stop()
        capture.stop()
        sender.run()
        capture.run(table)
        return sender.counts()["sent"], table.totals()["packets"]

    sent, received = in_private_network(measure)
    assert received == sent <= 1


def test_run_is_once_and_never_twice_at_a_time(in_private_network):
    def measure() -> list[str]:
        sender, capture, table = endless_sender(), capture_on_loopback(), _core.StreamTable()
        threads = [started(sender.run), started(capture.run, table)]
        wait_until(lambda: table.totals()["packets"] > 0)
        during = [refusal(sender.run), refusal(lambda: capture.run(table))]
        sender.stop()
        capture.stop()
        assert all(ended(thread) for thread in threads)
        return [*during, refusal(sender.run), refusal(lambda: capture.run(table))]

    assert (
        in_private_network(measure)
        == [
            "run() was called before: a sender runs once, make another",
            "run() was called before: a capture runs once, make another",
        ]
        * 2
    )


def test_a_handle_in_use_is_not_freed(in_private_network):
    """The running threads hold the only references: the core must not lose sender, capture or table under them."""

    def measure() -> tuple[bool, bool]:
        capture, sender = capture_on_loopback(), endless_sender()
        stop_capture, stop_sender, read = capture.stop, sender.stop, capture.counts
        threads = [started(capture.run, _core.StreamTable()), started(sender.run)]
        del capture, sender
        gc.collect()
        received = wait_until(lambda: read()["packets"] > 100)
        stop_sender()
        stop_capture()
        return received, all(ended(thread) for thread in threads)

    assert in_private_network(measure) == (True, True)


def test_ctrl_c_interrupts_the_main_thread(in_private_network):
    def measure() -> dict[str, Any]:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        sender = endless_sender()

        def press_ctrl_c() -> None:
            wait_until(lambda: sender.counts()["sent"] > 10)
            os.kill(os.getpid(), signal.SIGINT)

        pressing = started(press_ctrl_c)
        try:
            sender.run()
            interrupted = False
        except KeyboardInterrupt:
            interrupted = True
        assert ended(pressing)
        counts = sender.counts()
        return {"interrupted": interrupted, "sent": counts["sent"], "closed": counts["ended_ns"] > 0}

    seen = in_private_network(measure)
    assert seen["interrupted"]
    assert seen["sent"] > 10
    assert seen["closed"]


def test_ctrl_c_interrupts_sleeps_too(in_private_network):
    def measure() -> bool:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            _core.wakeup_latency(100_000, 10_000_000)  # a thousand seconds, if nobody stops it
        except KeyboardInterrupt:
            return True
        return False

    assert in_private_network(measure)


def test_a_signal_that_raises_nothing_does_not_stop_a_capture(in_private_network):
    def measure() -> tuple[list[int], int]:
        handled: list[int] = []
        signal.signal(signal.SIGUSR1, lambda number, _: handled.append(number))
        capture, sender, table = capture_on_loopback(), endless_sender(), _core.StreamTable()
        sending = started(sender.run)

        def signal_then_stop() -> None:
            os.kill(os.getpid(), signal.SIGUSR1)
            wait_until(lambda: bool(handled) and table.totals()["packets"] > 200)
            capture.stop()

        stopping = started(signal_then_stop)
        capture.run(table)
        sender.stop()
        assert ended(sending) and ended(stopping)
        return handled, table.totals()["packets"]

    handled, received = in_private_network(measure)
    assert handled == [signal.SIGUSR1]
    assert received > 200
