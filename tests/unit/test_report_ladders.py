"""The ladder of hardware timestamps in every format: each rung beside each environment, and why there is none."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import run_builder
import test_timestamp_ladder as answers
from rich.console import Console

from netbench.report import html, markdown
from netbench.report.terminal import print_run
from netbench.report.timestamps import print_ladder
from netbench.report.view import build_view
from netbench.result.run import Run


def run() -> Run:
    """TEST DATA: host has a perfect card, macvlan's delivers nothing, the bridge's could not be asked."""
    complete = run_builder.complete_run()
    updates = [
        {"timestamp_ladder": answers.ladder()},
        {"timestamp_ladder": answers.ladder(**answers.NOTHING)},
        {"timestamp_ladder_absent": "the agent said nothing"},
    ]
    environments = [record.model_copy(update=update) for record, update in zip(complete.environments, updates, strict=True)]
    return complete.model_copy(update={"environments": environments})


def terminal(width: int) -> str:
    output = io.StringIO()
    print_run(run(), console=Console(file=output, width=width))
    return output.getvalue()


def test_a_row_a_rung() -> None:
    ladders = build_view(run()).ladders
    assert ladders.environments == [("host", 0), (run_builder.MACVLAN, 1)]
    words = {row.name: [cell.look.word for cell in row.cells] for row in ladders.rungs}
    assert words["accepted"] == ["proven", "proven"]
    assert words["delivered"] == ["proven", "failed"]
    assert words["sane"] == ["proven", "not proven"]
    assert ladders.absent == [("bridge", "the agent said nothing")]


def test_terminal_in_a_table_where_it_fits() -> None:
    assert "4 delivered       ✓     ✗" in terminal(120)


def test_terminal_in_lines_where_it_does_not() -> None:
    narrow = terminal(30)
    assert "1✓ 2✓ 3✓ 4✓ 5✓ 6✓" in " ".join(narrow.split())
    assert max(map(len, (line for line in narrow.splitlines() if "Hardware" in line))) <= 30


def test_markdown() -> None:
    text = markdown.render(build_view(run()))
    assert "| 4 delivered | ✅ proven | ❌ failed |" in text
    assert "UDP at full rate 0 of 9,500 at 4,750 pps" in text
    assert "bridge: the agent said nothing" in text


def test_html() -> None:
    pytest.importorskip("matplotlib")
    page = html.render(build_view(run()))
    assert 'id="timestamps"' in page
    assert "carried one: UDP at a low rate" in page
    assert "bridge: not measured: the agent said nothing" in page


def test_a_run_without_ladders_shows_none() -> None:
    bare = build_view(run_builder.complete_run())
    assert bare.ladders.rungs == []
    assert "rung" not in markdown.render(bare)


def test_by_hand() -> None:
    output = io.StringIO()
    print_ladder(answers.ladder(**answers.NOTHING), Console(file=output, width=200))
    text = output.getvalue()
    assert "✗ 4 delivered" in text
    assert "? 5 sane" in text
    assert "eth0 was set to stamp, and put back to NONE" in text
    assert text.rstrip().endswith("eth0: advertised and accepted, delivered on 0 of all 9,900 packets.")
