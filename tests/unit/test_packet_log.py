from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from netbench.errors import CannotRunError, InvalidDataError
from netbench.metrics import packet_log
from netbench.metrics.packet_log import PacketLogFolder

duckdb: Any = pytest.importorskip("duckdb")

ROWS = [(1_700_000_000_000_000_001, 7, 0), (1_700_000_000_000_000_002, 4_294_967_295, 4_294_967_295), (-5, 1, 2)]
LOG = b"".join(struct.pack("=qII", *row) for row in ROWS)


def test_every_entry_is_a_row(tmp_path: Path) -> None:
    path = PacketLogFolder(tmp_path / "new" / "logs").write("a", "probe", LOG, {})

    assert path == tmp_path / "new" / "logs" / "a.parquet"
    with duckdb.connect() as connection:
        found = connection.execute("SELECT * FROM read_parquet($1)", [str(path)])
        assert [column[0] for column in found.description] == ["received_ns", "stream", "sequence", "site"]
        assert found.fetchall() == [(*row, "probe") for row in ROWS]
        types = connection.execute("SELECT typeof(COLUMNS(*)) FROM read_parquet($1) LIMIT 1", [str(path)]).fetchone()
    assert types == ("BIGINT", "UINTEGER", "UINTEGER", "VARCHAR")


def test_names_and_texts_that_would_hurt(tmp_path: Path) -> None:
    folder = PacketLogFolder(tmp_path / "it's")
    path = folder.write("macvlan:receivers=3,bcqueuelen=1/../../x", "the 'tap'", LOG, {"profile": "it's", "overflow_packets": 4})

    assert path.parent == tmp_path / "it's"
    assert path.name == "macvlan_receivers=3_bcqueuelen=1_.._.._x.parquet"
    with duckdb.connect() as connection:
        told = dict(connection.execute("SELECT decode(key), decode(value) FROM parquet_kv_metadata($1)", [str(path)]).fetchall())
        sites = connection.execute("SELECT DISTINCT site FROM read_parquet($1)", [str(path)]).fetchall()
    assert sites == [("the 'tap'",)]
    assert (told["site"], told["profile"], told["packets"], told["overflow_packets"]) == ("the 'tap'", "it's", "3", "4")


def test_an_empty_log_is_a_file_without_rows(tmp_path: Path) -> None:
    path = PacketLogFolder(tmp_path).write("a", "probe", b"", {})

    with duckdb.connect() as connection:
        assert connection.execute("SELECT count(*) FROM read_parquet($1)", [str(path)]).fetchone() == (0,)


def test_a_log_that_is_cut(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataError, match="cut"):
        PacketLogFolder(tmp_path).write("a", "probe", LOG[:-1], {})
    assert list(tmp_path.iterdir()) == []


def test_no_folder_to_write_to(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotRunError, match="cannot make the folder"):
        PacketLogFolder(tmp_path / "file" / "logs")


def test_duckdb_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packet_log, "find_spec", lambda name: None)
    with pytest.raises(CannotRunError, match="DuckDB, which is not installed") as told:
        PacketLogFolder(tmp_path / "logs")
    assert told.value.remedy == "pip install duckdb"
    assert not (tmp_path / "logs").exists()
