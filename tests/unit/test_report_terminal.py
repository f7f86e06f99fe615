from __future__ import annotations

import io
import re
import sys
from pathlib import Path

import pytest
from rich.console import Console

sys.path.insert(0, str(Path(__file__).parents[1]))

import run_builder

from netbench.report import terminal
from netbench.report.live import RateMeter, ReceiveDisplay, SendDisplay
from netbench.report.progress import RunProgress
from netbench.result.reception import Reception

COMMAND = "netbench run -e host -e macvlan:receivers=3,bcqueuelen=100000"


def printed(name: str = "complete", *, width: int = 120, encoding: str = "utf-8", color: bool = False) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, width=width, force_terminal=color, color_system="standard" if color else None, highlight=False)
    terminal.print_run(getattr(run_builder, f"{name}_run")(), files=[Path("reports/latest/index.html")], console=console)
    stream.flush()
    assert isinstance(stream.buffer, io.BytesIO)
    return stream.buffer.getvalue().decode(encoding)


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_nothing_but_a_command_is_wider_than_the_terminal_and_no_word_is_broken(width: int) -> None:
    lines = printed(width=width).splitlines()

    assert [line for line in lines if len(line.rstrip()) > width and not line.startswith(" " * 11)] == []
    assert not any("…" in line.replace("--network host …", "") for line in lines)
    assert sum(COMMAND in line for line in lines) == 1


def test_a_wide_terminal_has_a_table_and_a_narrow_one_a_block_for_each_environment() -> None:
    assert re.search(r"^Environment +Verdict +Loss \(at 95.%\) +Distortion p99", printed(width=120), re.M)
    assert "Environment " not in printed(width=80)
    assert "  distortion p99 " in printed(width=80)


def test_verdicts_come_first_then_remedies_then_floor_then_files() -> None:
    text = printed()
    order = [text.index(part) for part in ("A probe can be trusted", "Verdict", "Cause ", "Remedy ", "Floor ", "Wrote ")]

    assert order == sorted(order)


def test_color_never_stands_alone_and_a_pipe_gets_none() -> None:
    assert "\x1b[" not in printed()
    colored = printed(color=True)
    assert "\x1b[" in colored
    assert "✗ fail" in re.sub(r"\x1b\[[0-9;]*m", "", colored)


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stream = io.StringIO()
    terminal.print_run(run_builder.complete_run(samples=1), console=Console(file=stream, width=100, force_terminal=True))

    assert re.findall(r"\x1b\[[0-9;]*3[0-7]m", stream.getvalue()) == []


def test_a_terminal_without_unicode_gets_ascii() -> None:
    text = printed("interrupted", encoding="ascii")

    assert text.isascii()
    assert "+ pass" in text


def test_hostile_text_moves_no_cursor() -> None:
    assert "\x1b" not in printed("hostile")


def test_what_is_absent_has_a_number_and_its_reason() -> None:
    text = printed("interrupted", width=80)

    assert re.search(r"loss +\u2013\[\d+\]", text)
    assert re.search(r"^\u2013\[\d+\]  The run was interrupted before this was measured\.$", text, re.M)


def test_without_a_terminal_progress_is_one_line_a_trial() -> None:
    stream = io.StringIO()
    run = run_builder.complete_run(samples=1)
    with RunProgress(console=Console(file=stream, width=100)) as progress:
        progress.plan_known(run.plan, 2)
        progress.step("building host")
        for trial in (run.trials[0], run.trials[2]):
            progress.trial_started(trial.environment, trial.profile, trial.sample)
            progress.trial_ended(trial)
        assert progress.remaining_s() == 0

    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("1/2  host, iptv, sample 1: 0 of 1")
    assert lines[1].startswith("2/2  bridge, iptv, sample 1: unsupported: Groups from outside")


def test_quiet_progress_says_nothing() -> None:
    stream = io.StringIO()
    run = run_builder.complete_run(samples=1)
    with RunProgress(quiet=True, console=Console(file=stream, force_terminal=True)) as progress:
        progress.plan_known(run.plan, 9)
        progress.trial_started("host", "iptv", 1)
        progress.trial_ended(run.trials[0])

    assert stream.getvalue() == ""


def test_on_a_terminal_the_bar_tells_what_is_measured_and_what_is_left() -> None:
    stream = io.StringIO()
    run = run_builder.complete_run(samples=1)
    with RunProgress(console=Console(file=stream, width=100, force_terminal=True)) as progress:
        progress.plan_known(run.plan, 9)
        progress.trial_started("host", "[iptv]", 1)
        progress._progress.refresh()

    assert "0/9" in stream.getvalue()
    assert "host, [iptv], sample 1" in stream.getvalue()
    assert 0 < (progress.remaining_s() or 0) <= 9 * (2 + 1.5)
    assert re.search(r"about \d:\d\d left", stream.getvalue())


def test_rates_are_of_the_time_between_two_events() -> None:
    meter = RateMeter()

    assert meter.update(1.0, 100, 131_600).packets_per_second is None
    rates = meter.update(3.0, 2100, 2_763_600)
    assert (rates.packets_per_second, rates.bits_per_second) == (1000, 8 * 1_316_000)
    assert meter.update(3.0, 2100, 2_763_600).packets_per_second is None


def stream_event(number: int) -> dict[str, object]:
    return {
        "source": "10.0.0.1",
        "destination": f"239.1.1.{number}",
        "destination_port": 5004,
        "packets": 100,
        "lost": 2,
        "sequenced": True,
        "iat_ns": {"p99": 1_052_800, "max": 2_000_000},
    }


def test_the_live_table_has_a_row_for_each_stream_up_to_a_limit() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=100, force_terminal=True)
    with ReceiveDisplay(console=console) as display:
        display.progress(
            {"totals": {"packets": 3000, "bytes": 3_948_000}, "streams": [stream_event(number) for number in range(1, 31)]}
        )

    text = stream.getvalue()
    assert "lost so far 60" in text
    assert "239.1.1.20:5004" in text
    assert "239.1.1.21:5004" not in text
    assert "and 10 more streams" in text


def test_an_event_of_another_version_shows_dashes() -> None:
    stream = io.StringIO()
    with ReceiveDisplay(console=Console(file=stream, width=100, force_terminal=True)) as display:
        display.progress({"streams": [{}]})
    with SendDisplay(console=Console(file=stream, width=100, force_terminal=True)) as display:
        display.progress({})

    assert "IAT p99 \u2013" in stream.getvalue()
    assert "late by at most \u2013" in stream.getvalue()


def test_the_result_of_receiving_is_a_few_lines() -> None:
    stream = io.StringIO()
    trial = run_builder.complete_run(samples=1).trials[4]
    ReceiveDisplay(quiet=True, result_console=Console(file=stream, width=100)).print_result(trial)

    names = [line.split()[0] for line in stream.getvalue().splitlines() if not line.startswith(" ")]
    assert names == ["Received", "Rate", "Lost", "IAT", "Jitter", "MDI", "Stamps", "Dropped"]


def test_receiving_nothing_says_what_to_look_at() -> None:
    stream = io.StringIO()
    ReceiveDisplay(quiet=True, result_console=Console(file=stream, width=100)).print_result(Reception())

    assert stream.getvalue().startswith("Nothing was received.")


def test_the_result_of_sending_tells_refused_from_lost() -> None:
    stream = io.StringIO()
    books = run_builder.complete_run(samples=1).trials[0].sent
    assert books is not None
    refused = books.model_copy(update={"unsent_packets": 12, "refusals": {"ENOBUFS": 12}})
    SendDisplay(quiet=True, result_console=Console(file=stream, width=100)).print_result(refused)

    assert "12 by the local stack, not lost (ENOBUFS 12)" in stream.getvalue()
