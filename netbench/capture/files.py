"""Capture files as a source of packets: one or many, directories, rotated rings; read in the order of time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from netbench.capture.compressed import BrokenCompressionError, compression, pieces
from netbench.core import CaptureReader, StreamTable
from netbench.protocol import AnalyzeJob, StreamSpec

# A record of a pcap file that the packet log takes is at least so long: its header, IPv4, UDP, and 12 bytes of sequence.
_LEAST_RECORD_BYTES = 16 + 20 + 8 + 12
_MOST_LOGGED_PACKETS = 64 << 20
_PEEK_BYTES = 1 << 16
_PEEK_PIECES = 128

_COUNTS = (
    "bytes",
    "records",
    "datagrams",
    "filtered",
    "not_udp",
    "fragments",
    "cut_headers",
    "damaged",
    "unknown_link",
    "first_fragments",
    "cut_packets",
    "outgoing",
    "unstamped",
    "wire_bytes",
    "capturer_drops",
    "sections",
    "interfaces",
)


def table_of(job: AnalyzeJob, log_capacity: int) -> StreamTable:
    """The table that a job asks for."""
    return StreamTable(
        max_streams=job.max_streams,
        session=job.session,
        decode=job.decode,
        rtp_clock_hz=job.rtp_clock_hz,
        media_rate_bps=job.media_rate_bps,
        error_iat_ns=job.error_iat_ns,
        window_ns=job.window_ns,
        loss_distance=job.loss_distance,
        series_ns=job.series_ns,
        log_capacity=log_capacity,
    )


@dataclass
class _File:
    """One file, before and after it was read.

    Attributes:
        first_ns: the first stamp in it, as far as a look at its beginning told; None: none there.
        books: CaptureReader.counts(), once it was read.
        broken: what is wrong with it, in words, or None.
    """

    path: str
    compression: str | None
    first_ns: int | None = None
    is_capture: bool = True
    overlaps: bool = False
    books: dict[str, Any] = field(default_factory=dict)
    broken: str | None = None
    read: bool = False


class CaptureFiles:
    """What the paths of a job hold, in the order of time.

    Of a directory, the files in it and below that begin like a capture are taken; what is named itself is taken as it is.

    Raises:
        OSError: a file cannot be read, with what failed.
    """

    def __init__(self, paths: Sequence[str], listens: Sequence[StreamSpec] = ()) -> None:
        self._listens = [(spec.destination, spec.source or "0.0.0.0", spec.port) for spec in listens] or None
        self._stopped = False
        named = [_File(path, compression(path)) for path in paths if not os.path.isdir(path)]
        found = [_File(path, compression(path)) for root in paths if os.path.isdir(root) for path in _below(root)]
        if len(named) + len(found) > 1:
            for file in (*named, *found):
                _peek(file)
        self.left_out = sum(not file.is_capture for file in found)
        self._files = sorted((*named, *(file for file in found if file.is_capture)), key=_position)

    def run(self, table: StreamTable) -> None:
        """Feed the table with all files, one after the other. A broken file does not keep the next from being read."""
        latest_ns: int | None = None
        for file in self._files:
            if self._stopped:
                return
            self._read(file, table)
            if file.books["stamped"]:
                file.overlaps = latest_ns is not None and file.books["first_ns"] < latest_ns
                latest_ns = file.books["last_ns"] if latest_ns is None else max(latest_ns, file.books["last_ns"])

    def stop(self) -> None:
        """End run() from another thread, after the piece that it is at."""
        self._stopped = True

    @property
    def resolution_ns(self) -> int:
        """Coarsest step of the stamps of all files that were read; 0 when there are none."""
        return max((file.books["resolution_ns"] for file in self._files if file.read), default=0)

    def counts(self) -> dict[str, int]:
        """The books of all files together: the sum of theirs."""
        read = [file for file in self._files if file.read]
        total = {key: sum(file.books[key] for file in read) for key in _COUNTS}
        return {
            "files": len(read),
            "broken_files": sum(file.broken is not None for file in read),
            "left_out_files": self.left_out,
            "resolution_ns": self.resolution_ns,
            **total,
        }

    def books(self) -> list[dict[str, Any]]:
        """Each file's own books, in the order of reading."""
        return [
            {
                "path": file.path,
                "compression": file.compression,
                "overlaps_previous": file.overlaps,
                **file.books,
                "broken": file.broken is not None,
                "broken_what": file.broken,
            }
            for file in self._files
            if file.read
        ]

    def log_capacity(self) -> int:
        """Room that a packet log of all files needs: at most; of compressed files they are counted first."""
        capacity = 0
        for file in self._files:
            if file.compression is None:
                capacity += os.path.getsize(file.path) // _LEAST_RECORD_BYTES + 1
            else:
                counted = _File(file.path, file.compression)
                self._read(counted, StreamTable(max_streams=1))
                capacity += counted.books["records"]
        return min(capacity, _MOST_LOGGED_PACKETS)

    def _read(self, file: _File, table: StreamTable) -> None:
        reader = CaptureReader(listens=self._listens)
        try:
            for piece in pieces(file.path):
                if self._stopped or not reader.feed(piece, table):
                    break
            else:
                reader.finish()
        except BrokenCompressionError as error:
            file.broken = str(error)
        file.books, file.read = reader.counts(), True
        if file.books["broken"]:
            file.broken = str(file.books["broken_what"])
        elif file.broken is not None:
            file.books["broken_at"] = file.books["bytes"]


def _below(root: str) -> list[str]:
    """Regular files of a directory and below; hidden ones left out."""
    found: list[str] = []
    for directory, names, files in os.walk(root):
        names[:] = [name for name in names if not name.startswith(".")]
        found += [os.path.join(directory, name) for name in files if not name.startswith(".")]
    return sorted(path for path in found if os.path.isfile(path))


def _peek(file: _File) -> None:
    """Its first stamp, and whether it is a capture at all, by reading as little as it takes."""
    reader, table = CaptureReader(), StreamTable(max_streams=1)
    try:
        for number, piece in enumerate(pieces(file.path, _PEEK_BYTES)):
            more = reader.feed(piece, table)
            if not more or number == _PEEK_PIECES or reader.counts()["stamped"]:
                break
    except BrokenCompressionError:
        pass
    books = reader.counts()
    file.is_capture = int(books["sections"]) > 0
    file.first_ns = int(books["first_ns"]) if books["stamped"] else None


def _position(file: _File) -> tuple[bool, int, str]:
    return (file.first_ns is None, file.first_ns or 0, file.path)
