"""Bytes of a capture file, whatever it is compressed with: told by how it begins, never by its name."""

from __future__ import annotations

import bz2
import errno
import gzip
import importlib
import lzma
import zlib
from collections.abc import Iterator
from contextlib import closing
from typing import IO, Any

PIECE_BYTES = 1 << 20

_MAGICS = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
)
_LONGEST_MAGIC = max(len(magic) for magic, _ in _MAGICS)


class BrokenCompressionError(Exception):
    """The compressed data end early, or make no sense. What came before was delivered."""


def compression(path: str) -> str | None:
    """What a file is compressed with: gzip, bzip2, xz, zstd; None: nothing that is known.

    Raises:
        OSError: it cannot be read, with what failed.
    """
    with _opened(path) as raw:
        beginning = raw.read(_LONGEST_MAGIC)
    return next((name for magic, name in _MAGICS if beginning.startswith(magic)), None)


def pieces(path: str, piece_bytes: int = PIECE_BYTES) -> Iterator[bytes]:
    """The file's bytes, decompressed, in pieces that bound the memory.

    Raises:
        OSError: it cannot be read, with what failed; ENOPKG: for want of a decompressor.
        BrokenCompressionError: the compressed data are damaged here.
    """
    kind = compression(path)
    with _opened(path) as raw, closing(_decompressed(raw, kind, path)) as source:
        # read1, where there is one: read() would throw away what it has when the data end early.
        read = getattr(source, "read1", source.read)
        while True:
            try:
                piece = read(piece_bytes)
            except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
                raise BrokenCompressionError(f"the {kind} data end early or are damaged ({error})") from error
            except OSError as error:
                if kind is None:
                    raise OSError(error.errno, f"read {path}") from error
                raise BrokenCompressionError(f"the {kind} data are damaged ({error})") from error
            except Exception as error:
                if type(error).__name__ != "ZstdError":
                    raise
                raise BrokenCompressionError(f"the {kind} data are damaged ({error})") from error
            if not piece:
                return
            yield piece


def _opened(path: str) -> IO[bytes]:
    try:
        return open(path, "rb", buffering=0)
    except OSError as error:
        raise OSError(error.errno, f"read {path}") from error


def _decompressed(raw: IO[bytes], kind: str | None, path: str) -> Any:
    """Anything with read() and close()."""
    if kind == "gzip":
        return gzip.GzipFile(fileobj=raw, mode="rb")
    if kind == "bzip2":
        return bz2.BZ2File(raw)
    if kind == "xz":
        return lzma.LZMAFile(raw)
    if kind == "zstd":
        return _zstd(raw, path)
    return raw


def _zstd(raw: IO[bytes], path: str) -> Any:
    try:
        zstandard = importlib.import_module("zstandard")
    except ImportError as error:
        raise OSError(errno.ENOPKG, f"read {path}, which is compressed with zstd, without the Python package zstandard") from error
    return zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True, closefd=False)
