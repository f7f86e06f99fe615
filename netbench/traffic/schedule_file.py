"""Read a written schedule from a CSV or a NumPy file, every mistake with its line."""

from __future__ import annotations

import ast
import csv
import sys
from array import array
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

from netbench.errors import CannotRunError, UsageError
from netbench.traffic.schedule import MOST_SECONDS, MOST_TURNS, WrittenSchedule

_MOST_NS = MOST_SECONDS * 1_000_000_000
_MISTAKES_TOLD = 5
_NPY_MAGIC = b"\x93NUMPY"
_FORMS = (
    "a CSV file begins with a line that names its columns: one of offset_ns, gap_ns, offset_s, gap_s, and stream where packets "
    "are given to streams; a NumPy file (.npy) holds int64 offsets in ns"
)


def read_schedule(path: Path, streams: int) -> WrittenSchedule:
    """The schedule of a file: `.npy` by NumPy, anything else CSV.

    Args:
        path: of the file.
        streams: how many there are; a column `stream` holds their numbers, from 1.

    Raises:
        UsageError: there is no such file, or it holds no schedule; the mistakes with their lines.
        CannotRunError: it cannot be read.
    """
    try:
        written = _read_npy(path) if path.suffix == ".npy" else _read_csv(path, streams)
    except FileNotFoundError as error:
        raise UsageError(f"there is no schedule {path}", "name a CSV or .npy file; docs/sending.md shows both") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no text file", _FORMS) from error
    except OSError as error:
        raise CannotRunError(f"cannot read {path}: {error.strerror or error}") from error
    if not written.offsets_ns:
        raise UsageError(f"{path} holds no packet", _FORMS)
    if len(written.offsets_ns) > MOST_TURNS:
        raise UsageError(f"{path} holds more than {MOST_TURNS} packets", "divide it")
    return written


# ---- CSV


def _nanoseconds(text: str) -> int:
    return int(text)


def _seconds(text: str) -> int:
    value = Decimal(text)
    if not value.is_finite() or abs(value) > MOST_SECONDS:
        raise ValueError("out of range")
    return int((value * 1_000_000_000).to_integral_value(ROUND_HALF_EVEN))


_COLUMNS: dict[str, tuple[Callable[[str], int], bool]] = {
    "offset_ns": (_nanoseconds, False),
    "gap_ns": (_nanoseconds, True),
    "offset_s": (_seconds, False),
    "gap_s": (_seconds, True),
}
"""How a value is read, in ns, and whether it counts from the packet before."""


def _read_csv(path: Path, streams: int) -> WrittenSchedule:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = _rows(csv.reader(file, skipinitialspace=True))
        try:
            line, header = next(rows)
        except StopIteration:
            raise UsageError(f"{path} is empty", _FORMS) from None
        except csv.Error as error:
            raise UsageError(f"{path} is no CSV file: {error}", _FORMS) from error
        names = [name.strip() for name in header]
        times = [name for name in names if name in _COLUMNS]
        if len(times) != 1 or len(names) != len(set(names)) or set(names) - {*_COLUMNS, "stream"}:
            raise UsageError(f"{path}, line {line}: {','.join(names)!r} does not name the columns of a schedule", _FORMS)
        table = _Table(names, times[0], streams)
        try:
            for line, row in rows:
                table.take(line, row)
        except csv.Error as error:
            table.mistakes.append(f"after line {line}: {error}")
    if table.mistakes:
        told = "\n".join(f"  - {mistake}" for mistake in table.mistakes[:_MISTAKES_TOLD])
        more = len(table.mistakes) - _MISTAKES_TOLD
        raise UsageError(f"{path} is no schedule:\n{told}" + (f"\n  - and {more} more" if more > 0 else ""), _FORMS)
    return WrittenSchedule(table.offsets_ns, table.turn_streams)


def _rows(reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Lines that are neither empty nor a comment, with their numbers."""
    for row in reader:
        if row and any(cell.strip() for cell in row) and not row[0].startswith("#"):
            yield reader.line_num, row


class _Table:
    """The lines of one file, one by one."""

    def __init__(self, names: list[str], time_name: str, streams: int) -> None:
        self.offsets_ns: array[int] = array("q")
        self.turn_streams: array[int] = array("I")
        self.mistakes: list[str] = []
        self._columns = len(names)
        self._time_name = time_name
        self._time_at = names.index(time_name)
        self._stream_at = names.index("stream") if "stream" in names else None
        self._parse, self._is_gap = _COLUMNS[time_name]
        self._streams = streams
        self._last_ns = 0

    def take(self, line: int, row: list[str]) -> None:
        mistake = self._take(row)
        if mistake is not None:
            self.mistakes.append(f"line {line}: {mistake}")

    def _take(self, row: list[str]) -> str | None:
        if len(row) != self._columns:
            return f"{len(row)} values where the first line names {self._columns}"
        text = row[self._time_at].strip()
        try:
            value_ns = self._parse(text)
        except (ValueError, ArithmeticError):  # Decimal's own are of the latter
            return f"{text!r} is no {self._time_name}"
        offset_ns = self._last_ns + value_ns if self._is_gap else value_ns
        if value_ns < 0:
            return f"{self._time_name} {text} is below zero"
        if offset_ns < self._last_ns:
            return f"{self._time_name} {text} is before the packet that precedes it"
        if offset_ns > _MOST_NS:
            return f"{self._time_name} {text} is more than {MOST_SECONDS} s after the start"
        if self._stream_at is not None:
            number = row[self._stream_at].strip()
            if not number.isdecimal() or not 1 <= int(number) <= self._streams:
                return f"stream {number!r} is not in 1..{self._streams}, the streams that are sent"
            self.turn_streams.append(int(number) - 1)
        self.offsets_ns.append(offset_ns)
        self._last_ns = offset_ns
        return None


# ---- NumPy


def _read_npy(path: Path) -> WrittenSchedule:
    """A one-dimensional int64 array; by hand (the format is documented and small), for an agent's packages know no NumPy."""
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8 or not start.startswith(_NPY_MAGIC):
            raise UsageError(f"{path} is no NumPy file", _FORMS)
        length = int.from_bytes(file.read(2 if start[6] == 1 else 4), "little")
        order = _npy_byte_order(path, file.read(min(length, 65_536)))
        raw = file.read(8 * (MOST_TURNS + 1))
    if len(raw) % 8:
        raise UsageError(f"{path} is cut: it ends within a value", "save it again: numpy.save(FILE, offsets)")
    offsets_ns = array("q", raw)
    if order != sys.byteorder:
        offsets_ns.byteswap()
    last_ns = 0
    for index, offset_ns in enumerate(offsets_ns):
        if not last_ns <= offset_ns <= _MOST_NS:
            raise UsageError(f"{path}, element {index}: {offset_ns} ns is before the one that precedes it, or out of range", _FORMS)
        last_ns = offset_ns
    return WrittenSchedule(offsets_ns, array("I"))


def _npy_byte_order(path: Path, header: bytes) -> str:
    try:
        described = ast.literal_eval(header.decode("latin-1").strip())
        kind, shape = described["descr"], described["shape"]
    except (ValueError, SyntaxError, KeyError, TypeError, RecursionError, MemoryError) as error:
        raise UsageError(f"{path} has no header that NumPy would write", _FORMS) from error
    if kind not in ("<i8", ">i8") or not isinstance(shape, tuple) or len(shape) != 1:
        raise UsageError(
            f"{path} holds an array of type {kind!r} and shape {shape!r}",
            "save one row of int64 nanoseconds: offsets.astype('int64')",
        )
    return "little" if kind == "<i8" else "big"
