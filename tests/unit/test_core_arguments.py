"""What the C core takes, and how it refuses."""

from __future__ import annotations

import errno
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import netbench.core
from netbench import _core
from netbench.errors import CannotRunError

SENDER = {"streams": [(1, "127.0.0.1", 5004)], "rate_pps": 0.0, "packets": 1}


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: _core.StreamTable(reorder_windw=64), TypeError, "StreamTable() takes no argument 'reorder_windw'"),
        (lambda: _core.StreamTable(4096), TypeError, "StreamTable() takes 0 arguments by position, 1 were given"),
        (lambda: _core.StreamTable(max_streams=-1), ValueError, "max_streams must be 0..4294967295"),
        (lambda: _core.StreamTable(max_streams=1 << 80), ValueError, "max_streams must be 0..4294967295"),
        (lambda: _core.StreamTable(series_ns=1 << 63), ValueError, "series_ns must fit 64 bits"),
        (
            lambda: _core.StreamTable(stamp_class="atomic"),
            ValueError,
            "stamp_class must be 'user', 'kernel' or 'hardware', not 'atomic'",
        ),
        (lambda: _core.StreamTable(stamp_class=1), TypeError, "stamp_class must be a str"),
        (lambda: _core.StreamTable(stamp_class="user\0"), ValueError, "stamp_class holds a null character"),
        (lambda: _core.SocketSender(rate_pps=1.0, packets=1), TypeError, "SocketSender() needs streams"),
        (
            lambda: _core.SocketSender(**SENDER | {"packets": 1.5}),
            TypeError,
            "'float' object cannot be interpreted as an integer",
        ),
        (lambda: _core.SocketSender(**SENDER, ttl=256), ValueError, "ttl must be 0..255"),
        (lambda: _core.SocketSender(**SENDER, source_port=65536), ValueError, "source_port must be 0..65535"),
        (
            lambda: _core.SocketSender(**SENDER, source="::1"),
            ValueError,
            "source must be an IPv4 address, not '::1'",
        ),
        (lambda: _core.SocketSender(**SENDER | {"streams": []}), ValueError, "streams must hold 1..65535 entries, not 0"),
        (
            lambda: _core.SocketSender(**SENDER | {"streams": [(1, "127.0.0.1", 5004), (2, "localhost", 5004)]}),
            ValueError,
            "destination must be an IPv4 address, not 'localhost'",
        ),
        (
            lambda: _core.FrameSender(**SENDER, interface_index=1, source="127.0.0.1", source_port=1, next_hop="aa:bb"),
            ValueError,
            "next_hop must be a hardware address like aa:bb:cc:dd:ee:ff, not 'aa:bb'",
        ),
        (lambda: _core.FrameSender(**SENDER), TypeError, "FrameSender() needs interface_index"),
        (
            lambda: _core.SocketSender(**SENDER, envelope="mp4"),
            ValueError,
            "envelope must be 'raw', 'mpegts', 'rtp' or 'rtp-mpegts', not 'mp4'",
        ),
        (lambda: _core.SocketSender(**SENDER, rtp_first_sequence=65536), ValueError, "rtp_first_sequence must be 0..65535"),
        (
            lambda: _core.SocketSender(**SENDER, schedule=bytes(9)),
            ValueError,
            "schedule must be a whole number of values of 8 bytes, in their place",
        ),
        (
            lambda: _core.SocketSender(**SENDER, schedule=bytes(16), schedule_streams=bytes(4)),
            ValueError,
            "schedule_streams must be as long as schedule, or empty",
        ),
        (
            lambda: _core.SocketSender(**SENDER | {"packets": 3}, schedule=bytes(16)),
            ValueError,
            "packets must be 0..2, as many as schedule has",
        ),
        (lambda: _core.SocketSender(**SENDER, schedule="0"), TypeError, "a bytes-like object is required, not 'str'"),
        (lambda: _core.SocketCapture(listens=[("239.1.1.1", "0.0.0.0")]), TypeError, "listens: each() needs port"),
        (lambda: _core.RingCapture(), TypeError, "RingCapture() needs interface_index"),
        (
            lambda: _core.RingCapture(interface_index=1, port_low=1, port_high=1, filter=[(6, 0, 0, 1)]),
            ValueError,
            "filter by ports and by a program at once",
        ),
        (lambda: _core.PcapWriter(), TypeError, "PcapWriter() needs path"),
        (lambda: _core.PcapWriter(path=""), ValueError, "write a capture to no file"),
        (lambda: _core.PcapWriter(path="a", format="erf"), ValueError, "format must be 'pcap' or 'pcapng', not 'erf'"),
        (
            lambda: _core.PcapWriter(path="a", files=2),
            ValueError,
            "keep 2 files without a size or a time after which one is full",
        ),
        (lambda: _core.Histogram().record(-1), ValueError, "value must be 0..18446744073709551615"),
        (lambda: _core.Histogram().quantile(1.01), ValueError, "quantile must be 0..1"),
        (lambda: _core.Histogram().quantile(float("nan")), ValueError, "quantile must be 0..1"),
        (lambda: _core.Histogram().quantile(0.5, quantile=0.5), TypeError, "quantile() got quantile twice"),
        (
            lambda: _core.StreamTable().histogram("jitter"),
            ValueError,
            "name must be 'iat', 'pdv', 'transit', 'delivery' or another distribution, not 'jitter'",
        ),
        (lambda: _core.StreamTable().feed(b"12345", 0, 4), ValueError, "wire_length must be at least the length of frame"),
        (lambda: _core.StreamTable().feed("text", 0, 4), TypeError, "a bytes-like object is required, not 'str'"),
        (lambda: _core.clock_cost_ns(0), ValueError, "readings must be at least 1"),
        (lambda: _core.wakeup_latency(1, 0), ValueError, "interval_ns must be at least 1"),
    ],
)
def test_a_wrong_argument_is_named(call, kind, message):
    with pytest.raises(kind) as raised:
        call()
    assert str(raised.value) == message


@pytest.mark.parametrize(
    "arguments",
    [
        {"payload_bytes": _core.PROBE_LENGTH - 1},
        {"payload_bytes": 65508},
        {"dscp": 64},
        {"rate_pps": -1.0},
        {"rate_pps": float("nan")},
        {"envelope": "mpegts", "payload_bytes": 1328},
        {"rate_pps": 10.0, "schedule": bytes(16)},
        {"burst": 2, "schedule": bytes(16)},
        {"packets": 2, "schedule": (5).to_bytes(8, "little") + (4).to_bytes(8, "little")},
        {"packets": 1, "schedule": bytes(8), "schedule_streams": (1).to_bytes(4, "little")},
    ],
)
def test_a_sender_that_makes_no_sense_is_refused_with_a_sentence(arguments):
    with pytest.raises(ValueError, match=r".{8}"):
        _core.SocketSender(**SENDER | arguments)


@pytest.mark.parametrize("reorder_window", [0, 63, 100, 1 << 21])
def test_a_reorder_window_that_is_no_power_of_two_in_range_is_refused(reorder_window):
    with pytest.raises(ValueError, match="window"):
        _core.StreamTable(reorder_window=reorder_window)


def test_a_capture_takes_no_other_table(in_private_network):
    def measure() -> str:
        capture = _core.SocketCapture(listens=[("127.0.0.1", "0.0.0.0", 5004)])
        with pytest.raises(TypeError) as raised:
            capture.run({})
        return str(raised.value)

    assert in_private_network(measure) == "table must be a StreamTable, not <class 'dict'>"


def test_what_the_system_refuses_is_an_oserror_that_says_what_and_why():
    with pytest.raises(OSError) as raised:
        _core.timestamp_capabilities("nb-no-such-if")
    assert raised.value.errno == errno.ENODEV
    assert "nb-no-such-if" in raised.value.strerror
    assert raised.value.strerror.endswith(f": {os.strerror(errno.ENODEV)}")
    assert str(raised.value) == f"[Errno {errno.ENODEV}] {raised.value.strerror}"


def test_a_port_in_use_is_told_with_its_errno(in_private_network):
    def measure() -> tuple[int | None, str]:
        used = _core.SocketSender(**SENDER, source_port=6000)
        assert used.counts()["sent"] == 0
        with pytest.raises(OSError) as raised:
            _core.SocketSender(**SENDER, source_port=6000)
        return raised.value.errno, str(raised.value)

    code, message = in_private_network(measure)
    assert code == errno.EADDRINUSE
    assert "6000" in message
    assert message.endswith(os.strerror(errno.EADDRINUSE))


def test_an_ordinary_user_is_told_that_a_ring_needs_permission(in_private_network):
    def measure() -> str:
        os.setuid(65534)
        with pytest.raises(PermissionError) as raised:
            _core.RingCapture(interface_index=1)
        return str(raised.value)

    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    assert in_private_network(measure).endswith(os.strerror(errno.EPERM))


def test_too_much_memory_is_a_memory_error():
    with pytest.raises((MemoryError, ValueError)):
        _core.StreamTable(log_capacity=1 << 62)


def test_types_can_be_neither_subclassed_nor_changed():
    with pytest.raises(TypeError):
        type("Mine", (_core.StreamTable,), {})
    with pytest.raises(TypeError):
        _core.StreamTable.feed = None


def test_a_probe_survives_the_round_trip():
    fields = {
        "session": 0xFFFFFFFF,
        "stream": 3,
        "sequence": (1 << 64) - 1,
        "scheduled_ns": -1,
        "sent_ns": 1_700_000_000_000_000_000,
    }
    encoded = _core.probe_encode(**fields)
    assert len(encoded) == _core.PROBE_LENGTH
    assert _core.probe_decode(encoded + b"padding") == fields
    assert _core.probe_decode(encoded[:-1]) is None
    assert _core.probe_decode(b"\0" + encoded[1:]) is None
    damaged = bytearray(encoded)
    damaged[20] ^= 1
    assert _core.probe_decode(damaged) is None


def test_histogram_data_is_exact_where_it_says_so():
    histogram = _core.Histogram()
    assert histogram.data() == {"count": 0, "sum": 0, "min": None, "max": None, "buckets": []}
    assert histogram.quantile(0.5) is None
    for value in (0, 7, 7, 1_000_003):
        histogram.record(value)
    data = histogram.data()
    assert (data["count"], data["sum"], data["min"], data["max"]) == (4, 1_000_017, 0, 1_000_003)
    assert data["buckets"][:2] == [(0, 1, 1), (7, 8, 2)]
    lower, upper, count = data["buckets"][2]
    assert lower <= 1_000_003 < upper <= lower * 33 // 32 + 1
    assert count == 1
    assert [histogram.quantile(q) for q in (0.0, 0.25, 0.5, 0.75, 1.0)] == [0, 0, 7, 7, 1_000_003]


def test_the_floor_is_measured():
    assert _core.clock_cost_ns(1000) > 0
    assert _core.clock_step_ns(1000) > 0
    assert _core.wakeup_latency(5, 100_000)["count"] == 5


def test_loopback_says_what_it_can_stamp():
    assert set(_core.timestamp_capabilities("lo")) == {
        "so_timestamping",
        "tx_types",
        "rx_filters",
        "phc_index",
        "configured_known",
        "configured_tx_type",
        "configured_rx_filter",
    }
    assert _core.timestamp_capabilities("lo")["phc_index"] == -1


def test_a_core_of_another_interface_version_is_refused(monkeypatch):
    monkeypatch.setattr(_core, "ABI_VERSION", 99)
    with pytest.raises(CannotRunError, match="interface version 99") as raised:
        importlib.reload(netbench.core)
    assert raised.value.remedy == "type: make setup"
    monkeypatch.undo()
    importlib.reload(netbench.core)


def test_python_files_without_a_built_core_say_what_to_type():
    source_tree = Path(__file__).parents[2]  # holds no compiled core: that one is installed
    program = """
from netbench.errors import CannotRunError
try:
    import netbench.core
except CannotRunError as error:
    print(error, "|", error.remedy)
"""
    told = subprocess.run(
        [sys.executable, "-P", "-c", program], env={"PYTHONPATH": str(source_tree)}, capture_output=True, text=True, check=True
    ).stdout
    assert told.startswith("the C core of netbench is not built here")
    assert told.strip().endswith("| type: make setup")
