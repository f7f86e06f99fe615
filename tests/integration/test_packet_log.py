"""--packet-log: the rows of the Parquet files are the packets of the record, one by one."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

duckdb: Any = pytest.importorskip("duckdb")

NETBENCH = [sys.executable, "-P", "-m", "netbench"]
READY = "Joined and listening"


def _rows(path: Path) -> list[tuple[int, int, int, str]]:
    with duckdb.connect() as connection:
        rows: list[tuple[int, int, int, str]] = connection.execute("SELECT * FROM read_parquet($1)", [str(path)]).fetchall()
        return rows


def test_receive_writes_every_packet(sites: Callable[[str], Any], step: Any, tmp_path: Path) -> None:
    lab, folder = sites("host"), tmp_path / "logs"
    received, sent = lab.run(
        step([*lab.receiver, *NETBENCH, "receive", "239.9.9.1", "--streams", "3", "-i", lab.interface, "-t", "4s", "--json",
              "--packet-log", str(folder)]),
        step([*lab.sender, *NETBENCH, "send", "239.9.9.1", "--streams", "3", "-n", "300", "--pps", "200", "--skip-every", "10",
              "--json"], READY),
    )  # fmt: skip

    assert (received["exit_code"], sent["exit_code"]) == (0, 0), received["errors"] + sent["errors"]
    (path,) = folder.glob("receive_*.parquet")
    assert str(path) in received["errors"]
    rows, got = _rows(path), json.loads(received["output"])
    assert len(rows) == got["received"]["packets"] == json.loads(sent["output"])["sent"]["packets"]
    assert {row[1] for row in rows} == {1, 2, 3}
    assert len({row[1:3] for row in rows}) == len(rows)
    assert {row[3] for row in rows} == {"receiver"}


def test_run_writes_a_file_for_every_trial_and_site(measure: Callable[..., Any], tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    done = measure(
        "-e", "host", "-e", "macvlan", "--profile", "iptv", "--samples", "2", "-t", "300ms", "--packet-log", str(folder)
    )  # fmt: skip

    names = {
        f"{trial.environment}_{trial.profile}_{trial.sample}_{site}.parquet"
        for trial in done.run.trials
        for site in ("tap", "probe")
    }
    assert {path.name for path in folder.iterdir()} == names
    for trial in done.run.trials:
        rows = _rows(folder / f"{trial.environment}_{trial.profile}_{trial.sample}_probe.parquet")
        assert len(rows) == trial.received.packets
        tapped = _rows(folder / f"{trial.environment}_{trial.profile}_{trial.sample}_tap.parquet")
        assert {row[1:3] for row in rows} <= {row[1:3] for row in tapped}
