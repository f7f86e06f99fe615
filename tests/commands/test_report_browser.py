"""The page in a real browser: it draws, it runs only its own scripts, hostile text does nothing."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import run_builder
from capture_bytes import pcap, probes

from netbench.report import write_reports

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=3000",
]

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed here: apt-get install chromium"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def browse(page: Path, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--enable-logging=stderr", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)


def test_the_browser_draws_plots_and_time_series_and_complains_of_nothing(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the page's plots need matplotlib: pip install 'netbench[analysis]'")
    page, _ = write_reports(run_builder.complete_run(), tmp_path / "report")

    seen = browse(page, tmp_path / "profile", "--dump-dom")

    assert len(re.findall(r"<canvas", seen.stdout)) == 2
    assert len(re.findall(r'<svg class="plot"', seen.stdout)) == 4
    assert [line for line in seen.stderr.splitlines() if "CONSOLE" in line] == []


def test_hostile_text_runs_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    page, _ = write_reports(run_builder.hostile_run(), tmp_path / "report")

    seen = browse(page, tmp_path / "profile", "--dump-dom")

    assert "<img" not in seen.stdout
    assert len(re.findall(r"<canvas", seen.stdout)) == 2
    assert [line for line in seen.stderr.splitlines() if "CONSOLE" in line] == []


def test_the_report_of_a_file_is_drawn_too(tmp_path: Path, netbench: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    """3000 probes 1 ms apart, every 100th missing, in a file that ends within a packet."""
    pytest.importorskip("matplotlib", reason="the page's plots need matplotlib: pip install 'netbench[analysis]'")
    file = tmp_path / "</script><img src=x>.pcap".replace("/", "")
    file.write_bytes(pcap(probes(number for number in range(3000) if number % 100 != 50))[:-5])

    done = netbench("analyze", str(file), "-o", str(tmp_path / "report"), "--quiet")
    seen = browse(tmp_path / "report" / "index.html", tmp_path / "profile", "--dump-dom")

    assert done.returncode == 4, done.stderr  # the file is broken
    assert "30 of" in done.stdout
    assert len(re.findall(r"<canvas", seen.stdout)) == 2
    assert len(re.findall(r'<svg class="plot"', seen.stdout)) == 1
    assert "Damaged file" in seen.stdout
    assert "<img" not in seen.stdout
    assert [line for line in seen.stderr.splitlines() if "CONSOLE" in line] == []


@pytest.mark.parametrize("width", [800, 1280])
def test_a_screenshot_can_be_taken(tmp_path: Path, width: int) -> None:
    page, _ = write_reports(run_builder.complete_run(samples=1), tmp_path / "report")
    picture = tmp_path / "page.png"

    browse(page, tmp_path / "profile", f"--window-size={width},1200", f"--screenshot={picture}")

    header = picture.read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    assert int.from_bytes(header[16:20], "big") == width
