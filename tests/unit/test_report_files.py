from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

import run_builder

from netbench.errors import CannotRunError
from netbench.report import html, markdown, write_reports
from netbench.report.view import build_view

RUNS = ["complete", "one_stamp", "interrupted", "sender_limited", "injected", "hostile"]
LARGEST_PAGE_BYTES = 2_000_000


class Page(HTMLParser):
    """Elements, attributes and text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside not in ("script", "style"):
            self.text += data


def run_named(name: str):  # type: ignore[no-untyped-def]
    return getattr(run_builder, f"{name}_run")()


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    pytest.importorskip("matplotlib", reason="the page's plots need matplotlib: pip install 'netbench[analysis]'")
    return {name: html.render(build_view(run_named(name))) for name in RUNS}


@pytest.mark.parametrize("name", RUNS)
def test_a_page_asks_for_nothing_outside_itself(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    linking = ("src", "href", "xlink:href", "srcset", "action", "data", "poster")
    targets = [value or "" for _, attributes in page.elements for key, value in attributes.items() if key in linking]

    assert [target for target in targets if not target.startswith("#")] == []
    assert re.findall(r"url\(\s*['\"]?(?!#)", pages[name]) == []
    assert "@import" not in pages[name]
    assert not {"link", "iframe", "object", "embed", "base", "img"} & {tag for tag, _ in page.elements}


@pytest.mark.parametrize("name", RUNS)
def test_a_page_is_small_and_its_ids_are_unique_and_its_links_lead_somewhere(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    links = {attributes["href"] for tag, attributes in page.elements if tag in ("a", "use") and "href" in attributes}

    assert len(pages[name].encode()) < LARGEST_PAGE_BYTES
    assert len(ids) == len(set(ids))
    assert {link for link in links if link and link.removeprefix("#") not in ids} == set()


@pytest.mark.parametrize("name", RUNS)
def test_every_table_has_a_caption_and_every_heading_cell_a_scope(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    tags = [tag for tag, _ in page.elements]

    assert tags.count("table") == tags.count("caption")
    assert [attributes for tag, attributes in page.elements if tag == "th" and attributes.get("scope") not in ("row", "col")] == []


def test_hostile_text_stays_text(pages: dict[str, str]) -> None:
    page = Page(pages["hostile"])

    assert not any(tag == "img" or "onerror" in attributes for tag, attributes in page.elements)
    assert "alert(1)" in page.text
    scripts = [attributes for tag, attributes in page.elements if tag == "script"]
    assert [attributes.get("type") for attributes in scripts] == ["application/json", None, None]


def test_the_policy_names_exactly_the_scripts_of_the_page(pages: dict[str, str]) -> None:
    import base64
    import hashlib

    policy = next(
        attributes["content"] or ""
        for tag, attributes in Page(pages["complete"]).elements
        if tag == "meta" and "http-equiv" in attributes
    )
    scripts = re.findall(r"<script>(.*?)</script>", pages["complete"], re.S)
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts]

    assert len(scripts) == 2
    assert "default-src 'none'" in policy
    assert f"script-src {' '.join(hashes)};" in policy


def test_a_sender_limited_trial_and_injected_loss_are_marked(pages: dict[str, str]) -> None:
    assert "it is not the environment's loss" in Page(pages["sender_limited"]).text
    assert "Loss was put into host on purpose" in Page(pages["injected"]).text
    assert "This run was interrupted" in Page(pages["interrupted"]).text


def test_both_files_are_written_whole_and_nothing_else(tmp_path: Path) -> None:
    written = write_reports(run_builder.interrupted_run(), tmp_path / "new" / "reports")

    assert written == [tmp_path / "new" / "reports" / "index.html", tmp_path / "new" / "reports" / "summary.md"]
    assert sorted(path.name for path in (tmp_path / "new" / "reports").iterdir()) == ["index.html", "summary.md"]
    assert written[0].read_text().rstrip().endswith("</html>")


def test_a_full_disk_is_told_and_the_old_report_survives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_builder.interrupted_run()
    page, _ = write_reports(run, tmp_path)
    before = page.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CannotRunError, match="the disk is full") as caught:
        write_reports(run_builder.complete_run(samples=1), tmp_path)

    assert caught.value.remedy
    assert page.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "summary.md"]


def test_without_matplotlib_the_page_says_how_to_get_the_plots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    page = Page(html.render(build_view(run_builder.complete_run(samples=1))))

    assert "svg" not in {tag for tag, _ in page.elements}
    assert page.text.count("pip install 'netbench[analysis]'") == 4


def test_the_heavy_library_is_loaded_only_when_a_page_is_drawn() -> None:
    code = "import sys, netbench.report, netbench.report.terminal, netbench.report.live, netbench.report.progress; print('matplotlib' in sys.modules, 'jinja2' in sys.modules)"  # noqa: E501

    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split() == [
        "False",
        "False",
    ]


def test_markdown_has_the_verdicts_what_to_type_and_the_name_of_the_page() -> None:
    text = markdown.render(build_view(run_builder.complete_run()), page="index.html")

    assert text.startswith("## A probe can be trusted in host; not in macvlan:receivers=3;")
    assert "| **macvlan:receivers=3** | ❌ fail | 29" in text
    assert "`ip link set dev macvlan0 type macvlan bcqueuelen 100000`" in text
    assert "`index.html`" in text
    assert text.count("<details>") == text.count("</details>") == 1


def test_every_row_of_a_markdown_table_has_the_columns_of_its_head() -> None:
    for name in RUNS:
        columns = None
        for line in markdown.render(build_view(run_named(name))).splitlines():
            if not line.startswith("|"):
                columns = None
                continue
            found = len(re.findall(r"(?<!\\)\|", line))
            columns = columns or found
            assert found == columns, line


def test_hostile_text_is_no_markdown() -> None:
    text = markdown.render(build_view(run_builder.hostile_run()))
    prose = re.sub(r"(`+) .*? \1", "", text)

    assert "\x1b" not in text
    assert re.findall(r"(?<!\\)<(?!/?(?:details|summary|sub|sup)>)", prose) == []
    assert re.findall(r"(?<!\\)\]\(", prose) == []
