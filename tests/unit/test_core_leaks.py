"""Every entry point of the C core, called again and again: nothing may grow. An entry point without a test here is an error."""

from __future__ import annotations

import atexit
import ctypes
import gc
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from core_frames import probe_frame

from netbench import _core

GROUP = "239.1.2.3"
PORT = 5004
CALLS = 50
FEWER_CALLS = 8  # the kernel takes its time to close a packet socket
ROUNDS = 3
SMALLEST_ALLOCATION_BYTES = 16  # what one call would leave behind at least, if it left anything


class Mallinfo2(ctypes.Structure):
    """struct mallinfo2 of glibc 2.33; the fields uordblks and hblkhd are bytes in use."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in ("arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost")
    )


C_LIBRARY = ctypes.CDLL(None)
C_LIBRARY.mallinfo2.restype = Mallinfo2
C_LIBRARY.malloc.restype = ctypes.c_void_p


def malloc_bytes() -> int:
    info = C_LIBRARY.mallinfo2()
    return int(info.uordblks + info.hblkhd)


def held() -> dict[str, int]:
    """What a leak would make grow: exact counts, where resident memory would only be a hint."""
    gc.collect()
    with open("/proc/self/maps") as maps:
        mappings = sum(1 for _ in maps)
    return {
        "bytes of malloc": malloc_bytes(),
        "Python blocks": sys.getallocatedblocks(),
        "file descriptors": len(os.listdir("/proc/self/fd")),
        "memory mappings": mappings,
    }


def growth_per_round(call: Callable[[], object], calls: int = CALLS) -> dict[str, int]:
    """Smallest growth over the rounds: a leak grows in each of them, a cache that fills up does not."""
    call()
    growth: list[dict[str, int]] = []
    for _ in range(ROUNDS):
        before = held()
        for _ in range(calls):
            call()
        after = held()
        growth.append({what: after[what] - before[what] for what in before})
    return {what: min(one[what] for one in growth) for what in growth[0]}


def leaking(growth: dict[str, int], calls: int) -> list[str]:
    """What grew by at least half of one thing a call; the other half is room for what Python itself frees meanwhile."""
    things = {what: calls * (SMALLEST_ALLOCATION_BYTES if what == "bytes of malloc" else 1) for what in growth}
    return [what for what in growth if 2 * growth[what] >= things[what]]


def refused(call: Callable[[], object], *kinds: type[Exception]) -> None:
    try:
        call()
    except kinds:
        return
    raise AssertionError("nothing was refused")


# ---- what is called


def loopback() -> int:
    return socket.if_nametoindex("lo")


def socket_sender(**arguments: Any) -> _core.SocketSender:
    given: dict[str, Any] = {"streams": [(1, GROUP, PORT), (2, GROUP, PORT)], "rate_pps": 0.0, "packets": 2, "payload_bytes": 64}
    return _core.SocketSender(**given | {"interface_index": loopback()} | arguments)


def frame_sender(**arguments: Any) -> _core.FrameSender:
    given: dict[str, Any] = {"streams": [(1, GROUP, PORT)], "rate_pps": 0.0, "packets": 2, "payload_bytes": 64}
    return _core.FrameSender(**given | {"interface_index": loopback(), "source": "127.0.0.1", "source_port": 6000} | arguments)


def socket_capture(**arguments: Any) -> _core.SocketCapture:
    return _core.SocketCapture(**{"listens": [(GROUP, "0.0.0.0", PORT)], "interface_index": loopback()} | arguments)


def ring_capture(**arguments: Any) -> _core.RingCapture:
    return _core.RingCapture(**{"interface_index": loopback(), "port_low": PORT, "port_high": PORT, "blocks": 2} | arguments)


def fed_table() -> _core.StreamTable:
    table = _core.StreamTable(series_ns=1_000_000, log_capacity=64)
    for sequence in range(20):
        frame = probe_frame(sequence, 1_700_000_000_000_000_000 + sequence * 1_000_000, stream=sequence % 3)
        table.feed(frame, 1_700_000_000_000_100_000 + sequence * 1_000_000, len(frame))
    return table


def ran(maker: Callable[[], Any], method: str) -> Callable[[], object]:
    """`method` of one object, which has run where that makes a difference."""
    made = maker()
    made.stop()
    made.run(*([_core.StreamTable()] if "Capture" in type(made).__name__ else []))
    return getattr(made, method)


def histogram_calls() -> dict[str, Callable[[], object]]:
    histogram = _core.Histogram()
    return {
        "Histogram": lambda: (_core.Histogram(), refused(lambda: _core.Histogram(1), TypeError)),
        "Histogram.record": lambda: (histogram.record(123_456), refused(lambda: histogram.record(-1), ValueError)),
        "Histogram.quantile": lambda: histogram.quantile(0.99),
        "Histogram.data": lambda: histogram.data(),
    }


def table_calls() -> dict[str, Callable[[], object]]:
    table = fed_table()
    frame = probe_frame(3, 1_700_000_000_000_000_000)

    def feed() -> None:
        table.feed(frame, 1_700_000_000_020_000_000, len(frame))
        table.feed(b"short", 0, 5)
        refused(lambda: table.feed(frame, 0, 1), ValueError)

    return {
        "StreamTable": lambda: (fed_table(), refused(lambda: _core.StreamTable(reorder_window=3), ValueError)),
        "StreamTable.feed": feed,
        "StreamTable.finish": lambda: table.finish(),
        "StreamTable.restart": lambda: fed_table().restart(),
        "StreamTable.totals": lambda: table.totals(),
        "StreamTable.streams": lambda: (table.streams(), table.streams(histograms=True)),
        "StreamTable.histogram": lambda: (table.histogram("iat"), refused(lambda: table.histogram("x"), ValueError)),
        "StreamTable.series": lambda: table.series(),
        "StreamTable.log": lambda: table.log(),
    }


def sender_calls(name: str, maker: Callable[..., Any]) -> dict[str, Callable[[], object]]:
    bad_second_stream = [(1, GROUP, PORT), (2, "nonsense", PORT)]
    return {
        name: lambda: (
            maker(),
            refused(lambda: maker(streams=bad_second_stream), ValueError),
            refused(lambda: maker(dscp=64), ValueError),
            maker(envelope="rtp-mpegts", payload_bytes=1328),
            maker(envelope="mpegts", payload_bytes=1316, schedule=bytes(64), schedule_streams=bytes(32)),
            refused(lambda: maker(schedule=bytes(64), schedule_streams=bytes(28)), ValueError),
            refused(lambda: maker(schedule=bytes(64), burst=2), ValueError),
            refused(lambda: maker(schedule=3), TypeError),
            refused(lambda: maker(schedule=bytes(64), payloads=b"x", payload_ends=bytes(64)), ValueError),
        ),
        f"{name}.run": lambda: maker().run(),
        f"{name}.stop": lambda: maker().stop(),
        f"{name}.counts": ran(maker, "counts"),
        f"{name}.streams": ran(maker, "streams"),
        f"{name}.lateness": ran(maker, "lateness"),
    }


def capture_calls(name: str, maker: Callable[..., Any], wrong: dict[str, Any]) -> dict[str, Callable[[], object]]:
    def run() -> None:
        capture = maker()
        refused(lambda: capture.run(None), TypeError)
        capture.run(_core.StreamTable(max_streams=1), 1)
        refused(lambda: capture.run(_core.StreamTable(max_streams=1)), RuntimeError)

    return {
        name: lambda: (maker(), refused(lambda: maker(**wrong), ValueError, OSError)),
        f"{name}.run": run,
        f"{name}.stop": lambda: maker().stop(),
        f"{name}.counts": ran(maker, "counts"),
    }


def stamp_calls() -> dict[str, Callable[[], object]]:
    def stamps(**arguments: Any) -> _core.StampCapture:
        return _core.StampCapture(**{"interface_index": loopback(), "listens": [(GROUP, "0.0.0.0", PORT)]} | arguments)

    def run() -> None:
        capture = stamps()
        refused(lambda: capture.run(-1), ValueError)
        refused(lambda: capture.run((1 << 63) - 1), ValueError)
        capture.run(1)
        refused(lambda: capture.run(1), RuntimeError)

    sockets, frames = stamps(frames=False), stamps()
    return {
        "StampCapture": lambda: (
            stamps(),
            refused(lambda: stamps(listens=[("192.0.2.9", "0.0.0.0", PORT), ("nonsense", "0.0.0.0", PORT)]), ValueError),
            refused(lambda: stamps(listens=None, frames=False), ValueError),
            refused(lambda: stamps(interface_index=12345), OSError),
        ),
        "StampCapture.run": run,
        "StampCapture.stop": lambda: stamps().stop(),
        "StampCapture.listens": lambda: frames.listens(),
        "StampCapture.frames": lambda: (frames.frames(), sockets.frames()),
        "StampCapture.counts": lambda: frames.counts(),
    }


def reader_calls() -> dict[str, Callable[[], object]]:
    table, frame = _core.StreamTable(), probe_frame(3, 1_700_000_000_000_000_000)
    header = bytes.fromhex("4d3cb2a1 02000400 00000000 00000000 00000400 01000000")
    record = (1).to_bytes(4, "little") * 2 + len(frame).to_bytes(4, "little") * 2 + frame
    reader = _core.CaptureReader()
    keeping = _core.CaptureReader(keep_bytes=1000)
    reader.feed(header, table)

    def feed() -> None:
        reader.feed(record[:20], table)
        reader.feed(record[20:], table)
        refused(lambda: reader.feed(record, None), TypeError)
        refused(lambda: reader.feed("text", table), TypeError)

    return {
        "CaptureReader": lambda: (
            _core.CaptureReader(listens=[(GROUP, "0.0.0.0", PORT)]),
            refused(lambda: _core.CaptureReader(listens=[(GROUP, "nonsense", PORT)]), ValueError),
        ),
        "CaptureReader.feed": feed,
        "CaptureReader.finish": lambda: _core.CaptureReader().finish(),
        "CaptureReader.counts": lambda: reader.counts(),
        "CaptureReader.kept": lambda: (keeping.kept(), refused(lambda: reader.kept(), RuntimeError)),
    }


def writer_calls() -> dict[str, Callable[[], object]]:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = f"{folder}/a.pcapng"

    def writer(**arguments: Any) -> _core.PcapWriter:
        return _core.PcapWriter(**{"path": path, "overwrite": True, "rotate_bytes": 1000, "files": 3} | arguments)

    def close() -> None:
        to, capture = writer(), ring_capture(port_low=0, port_high=0, filter=[(6, 0, 0, 96)])
        capture.stop()
        capture.run(None, writer=to)
        to.close()
        refused(lambda: socket_capture().run(None, writer=to), TypeError)
        refused(lambda: ring_capture().run(None, writer=path), TypeError)

    return {
        "PcapWriter": lambda: (
            writer(),
            refused(lambda: writer(overwrite=False), OSError),
            refused(lambda: writer(format="x"), ValueError),
        ),
        "PcapWriter.close": close,
        "PcapWriter.counts": writer().counts,
        "PcapWriter.files": writer().files,
    }


def function_calls() -> dict[str, Callable[[], object]]:
    probe = _core.probe_encode(1, 2, 3, 4, 5)
    return {
        "probe_encode": lambda: _core.probe_encode(1, 2, 3, 4, 5),
        "probe_decode": lambda: (_core.probe_decode(probe), _core.probe_decode(b"")),
        "timestamp_capabilities": lambda: (
            _core.timestamp_capabilities("lo"),
            refused(lambda: _core.timestamp_capabilities("nb-none"), OSError),
        ),
        "timestamp_setting": lambda: refused(lambda: _core.timestamp_setting("lo"), OSError),
        "set_timestamp_setting": lambda: (
            refused(lambda: _core.set_timestamp_setting("lo", 0, 1), OSError),
            refused(lambda: _core.set_timestamp_setting("lo", 0, -1), ValueError),
        ),
        "clock_cost_ns": lambda: _core.clock_cost_ns(10),
        "clock_step_ns": lambda: _core.clock_step_ns(10),
        "wakeup_latency": lambda: _core.wakeup_latency(1, 1000),
    }


GROUPS: dict[str, Callable[[], dict[str, Callable[[], object]]]] = {
    "Histogram": histogram_calls,
    "StreamTable": table_calls,
    "SocketSender": lambda: sender_calls("SocketSender", socket_sender),
    "FrameSender": lambda: sender_calls("FrameSender", frame_sender),
    "SocketCapture": lambda: capture_calls("SocketCapture", socket_capture, {"listens": [("192.0.2.9", "0.0.0.0", PORT)]}),
    "RingCapture": lambda: capture_calls("RingCapture", ring_capture, {"block_bytes": 3}),
    "StampCapture": stamp_calls,
    "CaptureReader": reader_calls,
    "PcapWriter": writer_calls,
    "functions": function_calls,
}


def entry_points() -> Iterable[str]:
    for name, value in vars(_core).items():
        if name.startswith("_") or not callable(value):
            continue
        yield name
        if isinstance(value, type):
            yield from (f"{name}.{method}" for method in vars(value) if not method.startswith("_"))


LEAKS = {  # what would be noticed: one object, 16 bytes of malloc and one descriptor left behind by each call
    "an object": lambda kept=[]: kept.append(object()),
    "sixteen bytes": lambda: C_LIBRARY.malloc(ctypes.c_size_t(1)) and None,
    "a descriptor": lambda: os.dup(0) and None,
}


def grown(in_private_network, group: str, calls: int) -> dict[str, dict[str, int]]:
    """Measured in an interpreter of its own, whose malloc keeps nothing back for the next call: else that counts as in use."""
    exact = {"GLIBC_TUNABLES": "glibc.malloc.tcache_count=0:glibc.malloc.mxfast=0", "PYTHONPATH": os.path.dirname(__file__)}
    command = [sys.executable, "-P", __file__, group, str(calls)]

    def measure() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=os.environ | exact, capture_output=True, text=True, timeout=100)

    done = in_private_network(measure)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.mark.parametrize("group", GROUPS)
def test_nothing_grows(in_private_network, group):
    calls = FEWER_CALLS if group in ("FrameSender", "RingCapture", "StampCapture", "PcapWriter") else CALLS
    for name, growth in grown(in_private_network, group, calls).items():
        assert leaking(growth, calls) == [], name


def test_a_leak_would_be_noticed(in_private_network):
    growth = grown(in_private_network, "leaks", CALLS)

    assert "Python blocks" in leaking(growth["an object"], CALLS)
    assert "bytes of malloc" in leaking(growth["sixteen bytes"], CALLS)
    assert "file descriptors" in leaking(growth["a descriptor"], CALLS)


def test_every_entry_point_has_a_leak_test(in_private_network):
    def measure() -> list[str]:
        return sorted(name for group in GROUPS.values() for name in group())

    assert in_private_network(measure) == sorted(entry_points())


if __name__ == "__main__":
    measured = LEAKS if sys.argv[1] == "leaks" else GROUPS[sys.argv[1]]()
    print(json.dumps({name: growth_per_round(call, int(sys.argv[2])) for name, call in measured.items()}))
