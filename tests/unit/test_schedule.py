from __future__ import annotations

import base64
import struct
import zlib
from array import array
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netbench.errors import CannotRunError, UsageError
from netbench.protocol import Schedule, SendJob, StreamSpec, decode_job, encode_job
from netbench.traffic.schedule import WrittenSchedule, pack, unpack
from netbench.traffic.schedule_file import read_schedule


def written(*offsets_ns: int, streams: tuple[int, ...] = ()) -> WrittenSchedule:
    return WrittenSchedule(array("q", offsets_ns), array("I", streams))


@given(st.lists(st.integers(0, 10**16), min_size=1, max_size=50).map(sorted), st.booleans())
def test_a_schedule_survives_the_job(offsets_ns: list[int], to_streams: bool) -> None:
    streams = array("I", (index % 3 for index in range(len(offsets_ns)))) if to_streams else array("I")
    job = SendJob(
        streams=(StreamSpec(1, "239.1.1.1", 5004),),
        rate_pps=0,
        packets=0,
        session=1,
        schedule=pack(WrittenSchedule(array("q", offsets_ns), streams)),
    )
    arrived = decode_job(encode_job(job))

    assert isinstance(arrived, SendJob) and arrived.schedule is not None
    assert unpack(arrived.schedule) == (array("q", offsets_ns), streams)


def test_equal_gaps_take_no_room() -> None:
    schedule = pack(WrittenSchedule(array("q", range(0, 100_000 * 1_052_800, 1_052_800)), array("I")))

    assert schedule.turns == 100_000
    assert len(schedule.gaps) < 2000


@pytest.mark.parametrize(
    "schedule",
    [
        replace(pack(written(1, 2)), turns=0),
        replace(pack(written(1, 2)), turns=1),
        replace(pack(written(1, 2)), turns=3),
        replace(pack(written(1, 2)), turns=1 << 40),
        replace(pack(written(1, 2)), gaps="no base64"),
        replace(pack(written(1, 2)), gaps=base64.b64encode(b"no zlib").decode()),
        replace(pack(written(1, 2)), streams=pack(written(1, 2, 3)).gaps),
        Schedule(2, base64.b64encode(zlib.compress(struct.pack("<qq", 2**62, 2**62))).decode()),
        Schedule(1, base64.b64encode(zlib.compress(bytes(50_000_000))).decode()),
    ],
)
def test_a_damaged_schedule_is_refused(schedule: Schedule) -> None:
    with pytest.raises(ValueError, match="schedule"):
        unpack(schedule)


def test_the_busiest_second() -> None:
    second = 1_000_000_000

    assert written(0).busiest_second_packets() == 1
    assert written(0, second - 1, second, second + 1).busiest_second_packets() == 3  # the last three; the first is a second before
    assert written(0, 0, 0, 5 * second, 5 * second).busiest_second_packets() == 3
    assert written(0, second).duration_ns == second
    assert written(1, 2, 3, streams=(0, 1, 0)).head(2) == written(1, 2, streams=(0, 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("offset_ns\n0\n1000\n1000\n", written(0, 1000, 1000)),
        ("gap_ns\n5\n0\n10\n", written(5, 5, 15)),
        ("offset_s\n0\n0.001\n1e-2\n", written(0, 1_000_000, 10_000_000)),
        ("gap_s\n0.1\n0.1\n0.1\n", written(100_000_000, 200_000_000, 300_000_000)),  # exact: no float in between
        ("\ufeff# a comment\n\n stream , gap_ns\n1,5\n# another\n3, 7 \n", written(5, 12, streams=(0, 2))),
        ("offset_ns\r\n3\r\n4", written(3, 4)),
    ],
)
def test_a_csv_file(tmp_path: Path, text: str, expected: WrittenSchedule) -> None:
    path = tmp_path / "schedule.csv"
    path.write_text(text, encoding="utf-8", newline="")

    assert read_schedule(path, streams=3) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("offset_ns\n", "holds no packet"),
        ("0\n1\n2\n", "line 1: '0' does not name the columns"),
        ("offset_ns,gap_ns\n0,0\n", "line 1: 'offset_ns,gap_ns' does not name"),
        ("offset_ns,colour\n0,0\n", "line 1"),
        ("offset_ns\n0\n1.5\n", "line 3: '1.5' is no offset_ns"),
        ("gap_s\n0\nsoon\n", "line 3: 'soon' is no gap_s"),
        ("gap_s\nnan\n", "line 2: 'nan' is no gap_s"),
        ("gap_s\n1e999999999\n", "line 2: '1e999999999' is no gap_s"),
        ("gap_ns\n0\n-1\n", "line 3: gap_ns -1 is below zero"),
        ("offset_ns\n\n7\n6\n", "line 4: offset_ns 6 is before the packet that precedes it"),
        ("offset_ns\n99999999999999999999\n", "line 2: offset_ns 99999999999999999999 is more than 10000000 s"),
        ("offset_ns,stream\n0\n", "line 2: 1 values where the first line names 2"),
        ("offset_ns,stream\n0,4\n", "line 2: stream '4' is not in 1..3"),
        ("offset_ns\nx\nx\nx\nx\nx\nx\nx\n", "and 2 more"),
        ("offset_ns\n" + "9" * 5000 + "\n", "line 2"),
        ('offset_ns\n"' + "x" * 200_000, "after line"),
    ],
)
def test_a_wrong_csv_file_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "schedule.csv"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(UsageError) as raised:
        read_schedule(path, streams=3)
    assert told in raised.value.message
    assert raised.value.remedy


@pytest.mark.parametrize("kind", ["<i8", ">i8"])
def test_a_numpy_file(tmp_path: Path, kind: str) -> None:
    numpy = pytest.importorskip("numpy")
    path = tmp_path / "schedule.npy"
    numpy.save(path, numpy.array([0, 5, 1 << 40], dtype=kind))

    assert read_schedule(path, streams=1) == written(0, 5, 1 << 40)


def test_a_wrong_numpy_file_is_told(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    path = tmp_path / "schedule.npy"
    for array_, told in (
        ([0.5], "type '<f8'"),
        ([[1], [2]], "shape (2, 1)"),
        ([3, 2], "element 1: 2 ns is before"),
        ([-1], "element 0"),
        (numpy.zeros(0, dtype="int64"), "holds no packet"),
    ):
        numpy.save(path, numpy.array(array_))
        with pytest.raises(UsageError) as raised:
            read_schedule(path, streams=1)
        assert told in raised.value.message
    numpy.save(path, numpy.arange(4))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        if length >= len(whole) - 32 and (len(whole) - length) % 8 == 0 and length > len(whole) - 32:
            assert read_schedule(path, streams=1) == written(*range(4 - (len(whole) - length) // 8))
            continue
        with pytest.raises(UsageError):
            read_schedule(path, streams=1)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no schedule"):
        read_schedule(tmp_path / "none.csv", streams=1)
    with pytest.raises(CannotRunError, match="directory"):
        read_schedule(tmp_path, streams=1)
    (tmp_path / "binary.csv").write_bytes(b"offset_ns\n\xff\xfe\n")
    with pytest.raises(UsageError, match="no text"):
        read_schedule(tmp_path / "binary.csv", streams=1)
