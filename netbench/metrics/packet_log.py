"""Packet logs as Parquet files: one row a packet, for a user's own questions. DuckDB writes them; it is an extra."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from netbench import __version__
from netbench.errors import CannotRunError
from netbench.metrics.distortion import read_log

MOST_LOGGED_PACKETS = 4_000_000
"""Room of a log that is asked for, 64 MB; what comes behind it is counted as overflow."""

_UNSAFE = re.compile(r"[^A-Za-z0-9.=+-]+")


class PacketLogFolder:
    """Where packet logs go.

    Args:
        directory: made if need be.

    Raises:
        CannotRunError: DuckDB is missing, or the directory cannot be made.
    """

    def __init__(self, directory: Path) -> None:
        if find_spec("duckdb") is None:
            raise CannotRunError("--packet-log writes Parquet with DuckDB, which is not installed here", "pip install duckdb")
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CannotRunError(
                f"cannot make the folder of packet logs {directory}: {error.strerror}",
                "write to a folder of your own: --packet-log DIR",
            ) from error
        self._directory = directory

    def write(self, name: str, site: str, log: bytes, about: Mapping[str, str | int]) -> Path:
        """Write one log; a file of that name is replaced.

        Columns: received_ns (BIGINT, CLOCK_REALTIME), stream (UINTEGER), sequence (UINTEGER, its low 32 bits), site (VARCHAR).

        Args:
            name: of the file, without its suffix; what does not belong into a file's name becomes `_`.
            site: where the packets were seen.
            log: entries of 16 bytes (struct nb_log_entry).
            about: what the file's own metadata say beside `netbench`, the version; `site`; and `packets`.

        Returns:
            Its path.

        Raises:
            CannotRunError: the file cannot be written.
            InvalidDataError: the log is cut.
        """
        import duckdb
        import numpy as np

        entries = read_log(log)
        columns = {key: np.ascontiguousarray(entries[key]) for key in ("received_ns", "stream", "sequence")}
        facts = {"netbench": __version__, "site": site, "packets": len(entries), **about}
        path = self._directory / f"{_UNSAFE.sub('_', name)}.parquet"
        partial = path.with_name(f".{path.name}.{os.getpid()}")
        metadata = ", ".join(f"{_quoted(key)}: {_quoted(str(value))}" for key, value in facts.items())
        try:
            with duckdb.connect() as connection:
                connection.register("entries", columns)
                connection.execute(
                    f"COPY (SELECT received_ns, stream, sequence, {_quoted(site)}::VARCHAR AS site FROM entries) "
                    f"TO {_quoted(str(partial))} (FORMAT parquet, COMPRESSION zstd, KV_METADATA {{{metadata}}})"
                )
            os.replace(partial, path)
        except (duckdb.Error, OSError) as error:
            with suppress(OSError):
                partial.unlink()
            raise CannotRunError(
                f"cannot write the packet log {path}: {error}", "write to a folder of your own with room: --packet-log DIR"
            ) from error
        return path


def _quoted(text: str) -> str:
    """A literal of SQL."""
    return "'" + text.replace("'", "''") + "'"
