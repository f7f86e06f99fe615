"""Capture files as a source: compressed, in directories, rotated, damaged; each packet counted once, in order of time."""

from __future__ import annotations

import bz2
import errno
import gzip
import importlib.util
import lzma
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from capture_bytes import START_NS, STEP_NS, pcap, pcapng, probes

from netbench.capture.files import CaptureFiles
from netbench.core import StreamTable
from netbench.protocol import StreamSpec


def read(*paths: Path, listens: tuple[StreamSpec, ...] = ()) -> tuple[CaptureFiles, StreamTable]:
    files = CaptureFiles([str(path) for path in paths], listens)
    table = StreamTable()
    files.run(table)
    table.finish()
    return files, table


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def zstd(content: bytes) -> bytes:
    return subprocess.run(["zstd", "-q", "-c"], input=content, capture_output=True, check=True).stdout


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress], ids=["plain", "gzip", "bzip2", "xz"])
@pytest.mark.parametrize("make", [pcap, pcapng])
def test_a_file_is_read_whatever_it_is_compressed_with(
    tmp_path: Path, make: Callable[..., bytes], compress: Callable[[bytes], bytes]
) -> None:
    files, table = read(write(tmp_path / "no suffix tells", compress(make(probes([0, 1, 3, 4])))))

    (stream,) = table.streams()
    assert (stream["unique"], stream["lost"], stream["loss_periods"]) == (4, 1, 1)
    assert (stream["first_ns"], stream["last_ns"]) == (START_NS, START_NS + 4 * STEP_NS)
    counts = files.counts()
    assert (counts["records"], counts["datagrams"], counts["broken_files"], counts["resolution_ns"]) == (4, 4, 0, 1)


def test_a_file_compressed_with_zstd_is_read_or_says_what_is_missing(tmp_path: Path) -> None:
    path = write(tmp_path / "file", b"\x28\xb5\x2f\xfd and more")
    if importlib.util.find_spec("zstandard") is None:
        with pytest.raises(OSError, match="zstandard") as refused:
            read(path)
        assert refused.value.errno == errno.ENOPKG
    else:
        write(path, zstd(pcap(probes(range(5)))))
        assert read(path)[0].counts()["datagrams"] == 5


def test_a_compressed_file_that_was_cut_counts_what_came_before(tmp_path: Path) -> None:
    whole = gzip.compress(pcap(probes(range(200))), compresslevel=0)
    files, table = read(write(tmp_path / "cut.gz", whole[: len(whole) // 2]))

    (book,) = files.books()
    assert book["broken"] is True
    assert "gzip data end early" in book["broken_what"]
    assert 0 < book["datagrams"] < 200
    assert table.totals()["tracked"] == book["datagrams"]


def test_a_rotated_ring_is_read_in_the_order_of_time_whatever_the_names(tmp_path: Path) -> None:
    # A ring of three that went round: the name that sorts first holds the newest packets.
    for name, first in (("ring2", 0), ("ring0", 20), ("ring1", 10)):
        write(tmp_path / name, pcap(probes(range(first, first + 10))))
    write(tmp_path / "README.txt", b"not a capture")
    write(tmp_path / "empty.pcap", b"")
    write(tmp_path / ".hidden.pcap", pcap(probes(range(5))))

    files, table = read(tmp_path)

    assert [Path(book["path"]).name for book in files.books()] == ["ring2", "ring1", "ring0"]
    assert not any(book["overlaps_previous"] for book in files.books())
    (stream,) = table.streams()
    assert (stream["unique"], stream["lost"], stream["reordered"], stream["clock_backwards"]) == (30, 0, 0, 0)
    assert files.counts()["left_out_files"] == 2


def test_files_that_overlap_in_time_are_told(tmp_path: Path) -> None:
    write(tmp_path / "a", pcap(probes(range(0, 10, 2))))
    write(tmp_path / "b", pcap(probes(range(1, 10, 2))))

    assert [book["overlaps_previous"] for book in read(tmp_path)[0].books()] == [False, True]


def test_a_broken_file_does_not_keep_the_next_from_being_read(tmp_path: Path) -> None:
    damaged = pcap(probes(range(3))) + b"\xff" * 40
    files, table = read(write(tmp_path / "a", damaged), write(tmp_path / "b", pcap(probes(range(3, 6)))))

    assert [book["broken"] for book in files.books()] == [True, False]
    assert files.books()[0]["broken_at"] == len(damaged) - 40
    assert files.counts()["broken_files"] == 1
    (stream,) = table.streams()
    assert (stream["unique"], stream["lost"]) == (6, 0)


@pytest.mark.parametrize(
    ("listen", "datagrams"),
    [
        (StreamSpec(1, "0.0.0.0", 5004), 5),
        (StreamSpec(1, "239.1.2.3", 0), 9),
        (StreamSpec(1, "239.1.2.3", 6000), 4),
        (StreamSpec(1, "239.1.2.3", 6000, "192.0.2.9"), 0),
    ],
)
def test_only_what_is_asked_for_is_used(tmp_path: Path, listen: StreamSpec, datagrams: int) -> None:
    packets = [*probes(range(5), destination_port=5004), *probes(range(5, 9), destination_port=6000, stream=2)]
    files, table = read(write(tmp_path / "file", pcap(packets)), listens=(listen,))

    assert (files.counts()["datagrams"], files.counts()["filtered"]) == (datagrams, 9 - datagrams)
    assert table.totals()["packets"] == datagrams


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_the_packet_log_has_room_for_every_packet(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    files = CaptureFiles([str(write(tmp_path / "file", compress(pcap(probes(range(1000))))))])
    table = StreamTable(log_capacity=files.log_capacity())
    files.run(table)

    totals = table.totals()
    assert (totals["logged"], totals["log_overflow"]) == (1000, 0)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"read .*gone"):
        CaptureFiles([str(tmp_path / "gone")])


def test_a_stop_ends_the_reading_without_calling_the_file_broken(tmp_path: Path) -> None:
    files = CaptureFiles([str(write(tmp_path / "file", pcap(probes(range(5)))))])
    files.stop()
    files.run(StreamTable())

    assert files.books() == []


def test_the_books_of_each_file_balance(tmp_path: Path) -> None:
    arp = bytes(12) + b"\x08\x06" + bytes(28)
    packets: list[tuple[int, bytes]] = [*probes(range(3)), (START_NS + 9 * STEP_NS, arp)]
    files, _ = read(write(tmp_path / "file", pcap(packets)))

    book: dict[str, Any] = files.books()[0]
    parts = ("datagrams", "filtered", "not_udp", "fragments", "cut_headers", "damaged", "unknown_link")
    assert book["records"] == sum(book[part] for part in parts) == 4
    assert book["not_udp"] == 1
