"""The report of one reception: the answer first, books that add up, hostile text stays text, what is absent says why."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import run_builder
from core_frames import probe_frame, udp_frame

from netbench.core import DISTRIBUTIONS, StreamTable
from netbench.errors import CannotRunError
from netbench.metrics.passive import passive_reception
from netbench.metrics.two_points import PointCounts
from netbench.report import format
from netbench.report.reception_files import make_directory, write_reception_reports
from netbench.report.reception_view import MOST_STREAM_ROWS, ReceptionReport, build_reception_view
from netbench.report.view import build_view
from netbench.result.reception import Reception

MS = 1_000_000
START = 1_700_000_000_000_000_000
HISTOGRAMS = ("iat", "pdv", "transit", "delivery")


def received(frames: list[bytes]) -> Reception:
    """What a receiver says of frames that come 1 ms apart."""
    table = StreamTable(series_ns=50 * MS)
    for position, frame in enumerate(frames):
        assert table.feed(frame, START + position * MS, len(frame)) == "datagram"
    table.finish()
    raw: dict[str, Any] = {name: table.histogram(name) for name in HISTOGRAMS}
    raw["distributions"] = {name: table.histogram(name) for name in DISTRIBUTIONS}
    raw |= {
        "stamp_class": "kernel",
        "backend": "socket",
        "totals": table.totals(),
        "capture": {},
        "series": table.series(),
        "loss_distance": 99,
    }
    raw["streams"] = table.streams(histograms=True)
    return passive_reception(raw)


def report(reception: Reception, **more: Any) -> ReceptionReport:
    return ReceptionReport(reception, reception.model_dump(mode="json"), "netbench receive :5004", **more)


def book(**more: Any) -> dict[str, Any]:
    """The books of a file of 3 packets, as an agent gives them."""
    numbers = "filtered not_udp fragments cut_headers damaged unknown_link cut_packets outgoing unstamped capturer_drops"
    return {
        "path": "a.pcap",
        "compression": None,
        "records": 3,
        "datagrams": 3,
        "resolution_ns": 1000,
        "stamped": True,
        "overlaps_previous": False,
        "broken": False,
        "broken_at": 0,
        "broken_what": "",
        "unknown_link_type": 0,
        **dict.fromkeys(numbers.split(), 0),
        **more,
    }


def plain(text: str) -> str:
    return text.replace(format.UNIT_SPACE, " ").replace(format.GROUP_SPACE, " ")


class _Balanced(HTMLParser):
    """Every element that is opened is closed, in order."""

    VOID = ("meta", "br", "wbr", "link", "input", "img")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def balanced(page: str) -> bool:
    parser = _Balanced()
    parser.feed(page)
    parser.close()
    return parser.open == []


def test_no_loss_is_told_with_what_it_is_worth() -> None:
    """600 packets, none lost: 3/600 = 0.5 %."""
    view = build_reception_view(report(received([probe_frame(number, START) for number in range(600)])))

    assert plain(view.headline).startswith("0 of 600 packets lost (< 0.50 % at 95 %) in 1 stream; inter-arrival p99 1.00 ms")
    assert view.notices == []
    assert view.series[0].lines[0].packets_per_second[0] == 1000.0


def test_sections_hold_the_patterns() -> None:
    """0 1 (2 3 lost) 4 7 5 6 8 9: one period of 2; 5 and 6 come behind 7, so their extents are 1 and 2."""
    view = build_reception_view(report(received([probe_frame(number, START) for number in (0, 1, 4, 7, 5, 6, 8, 9)])))
    rows = {row.key: plain(row.value.text) for section in view.sections for row in section.rows}

    assert rows["Received = different + duplicates + too late to tell"] == "8 = 8 + 0 + 0"
    assert rows["Expected = different with a sequence + lost"] == "10 = 8 + 2"
    assert rows["Loss periods"] == "1, the longest of 2 packets"
    assert rows["Length of a period, packets"] == "min 2, p50 2, p99 2, p99.9 2, max 2"
    assert rows["Reordered"] == "2 (25.0 %)"
    assert rows["Extent, packets"] == "min 1, p50 1, p99 2, p99.9 2, max 2"
    assert rows["From one period to the next, sequences"] == format.ABSENT
    assert "no stream had two loss periods" in [note.reason for note in view.footnotes]


def test_the_worst_stream_comes_first_and_the_rest_is_counted() -> None:
    """Streams of 2 packets; the last one misses sequence 1."""
    count = MOST_STREAM_ROWS + 5
    frames = [probe_frame(number, START, stream=stream) for number in (0, 1) for stream in range(1, count)]
    frames += [probe_frame(number, START, stream=count) for number in (0, 2)]
    view = build_reception_view(report(received(frames)))

    assert len(view.streams) == MOST_STREAM_ROWS
    assert view.streams[0].loses
    assert plain(view.streams[0].cells[2].text) == "1 (33.3 %)"
    assert not view.streams[1].loses
    assert view.streams_left_out == "5 more streams (10 packets received, 0 lost) in reception.json only."


def test_traffic_without_sequences_claims_no_loss() -> None:
    view = build_reception_view(report(received([udp_frame(bytes(100))] * 3)))

    assert view.headline.startswith("3 packets in 1 stream without sequence numbers")
    assert view.streams[0].cells[2].text == format.ABSENT


def test_transport_streams_have_their_section() -> None:
    """Counters 0, 1, 4: one error, two packets missing."""
    frames = [udp_frame(bytes([0x47, 1, 0, 0x10 | counter]) + bytes([counter]) * 184) for counter in (0, 1, 4)]
    view = build_reception_view(report(received(frames)))
    section = next(section for section in view.sections if section.id == "mpegts")
    rows = {row.key: plain(row.value.text) for row in section.rows}

    assert rows["1.4 Continuity count error"] == "1; about 2 TS packets missing"
    assert "1 continuity error in 1 transport stream" in view.headline


def test_a_broken_file_is_told_before_any_number(tmp_path: Path) -> None:
    broken = book(broken=True, broken_at=1234, broken_what="the file ends within a packet", capturer_drops=7)
    view = build_reception_view(report(received([probe_frame(0, START)]), files=[broken]))

    assert [notice.kind for notice in view.notices] == ["error", "caveat"]
    assert plain(view.notices[0].text) == (
        "a.pcap: Broken at byte 1 234: the file ends within a packet. What came before is counted."
    )


def test_what_the_capture_itself_lost_is_told() -> None:
    reception = received([probe_frame(0, START)]).model_copy(update={"capture": {"backend": "ring", "kernel_drops": 3}})
    (notice,) = build_reception_view(report(reception)).notices

    assert notice.text == "The capture itself lost 3 packets here: what is missing was not all lost on the way."


def test_a_runs_details_hold_the_patterns_too() -> None:
    """0 1 (2 3 lost) 4 7 5 6 8 9 again, as a trial of a run."""
    seen = received([probe_frame(number, START) for number in (0, 1, 4, 7, 5, 6, 8, 9)])
    patterns = {"loss_pattern": seen.loss_pattern, "sequence": seen.sequence, "ipdv_us": seen.ipdv_us}
    run = run_builder.complete_run()
    run = run.model_copy(update={"trials": [trial.model_copy(update=patterns) for trial in run.trials]})
    rows = {row.key.partition(",")[0]: plain(row.value.text) for row in build_view(run).environments[0].rows}

    assert rows["Loss pattern (RFC 3357)"] == (
        "1 period, the longest of 2 packets; 1 of 2 losses at most 99 sequences after another"
    )
    assert rows["Reordering (RFC 4737)"] == "2 packets, 2 at most behind, late by up to 2.00 ms"
    assert any(key.startswith("Delay variation (IPDV") for key in rows)


def test_two_points_answer_first() -> None:
    counts = PointCounts(matched=7, lost_between=2, outside=1, missed_by_first=0, absent_streams=0, absent_packets=0)
    view = build_reception_view(report(received([probe_frame(number, START) for number in range(3)]), points=counts))

    assert plain(view.headline).startswith("2 of 9 packets lost between the two points; at the second 0 of 3 packets lost")


def test_files_are_written_whole_and_need_no_network(tmp_path: Path) -> None:
    reception = received([probe_frame(number, START) for number in range(400) if number % 50 != 7])
    written = write_reception_reports(report(reception), tmp_path / "out")

    assert [path.name for path in written] == ["reception.json", "index.html", "summary.md"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["index.html", "reception.json", "summary.md"]
    assert Reception.model_validate(json.loads(written[0].read_text())) == reception
    page = written[1].read_text()
    assert balanced(page)
    assert "default-src 'none'" in page
    assert not re.search(r"""(?:src|href)=["']?(?:https?:)?//""", page)
    assert page.count("<h1>") == 1
    assert plain(written[2].read_text()).startswith("## 8 of 400 packets lost (2.00 %, at most ")


@pytest.mark.parametrize("hostile", ["</script><img src=x onerror=alert(1)>", "a'\"|`*_\u202e", "\udcff.pcap", "${jndi}{{7*7}}"])
def test_hostile_names_stay_text(tmp_path: Path, hostile: str) -> None:
    named = book(path=hostile, broken=True, broken_what=hostile)
    written = write_reception_reports(report(received([probe_frame(0, START)]), files=[named]), tmp_path)

    page = written[1].read_text()
    assert balanced(page)
    assert "<img" not in page
    assert "<img" not in written[2].read_text().replace("\\<", "")


def test_nothing_received_is_a_page_too(tmp_path: Path) -> None:
    written = write_reception_reports(report(received([]), interrupted=True), tmp_path)

    page = written[1].read_text()
    assert balanced(page)
    assert "<h1>Nothing was received</h1>" in page
    assert "Ctrl-C ended it" in page


def test_a_directory_that_cannot_be_is_refused_before_measuring(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotRunError, match="cannot write a report"):
        make_directory(tmp_path / "file" / "out")
