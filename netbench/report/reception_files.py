"""The files of one reception's report, each written beside and renamed into place."""

from __future__ import annotations

import json
from pathlib import Path

from netbench.errors import CannotRunError
from netbench.report.files import PAGE_FILE, SUMMARY_FILE
from netbench.report.reception_view import ReceptionReport, build_reception_view
from netbench.result.store import replacing

RECORD_FILE = "reception.json"


def make_directory(directory: Path) -> None:
    """Make the directory of a report, before anything is measured for it.

    Raises:
        CannotRunError: it cannot be made.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotRunError(
            f"cannot write a report to {directory}: {error.strerror or error}", "name a directory that can be written: -o DIR"
        ) from error


def write_reception_reports(report: ReceptionReport, directory: Path) -> list[Path]:
    """Write the record, the page and the summary.

    Args:
        report: what was received.
        directory: made when it is not there.

    Returns:
        The files, the record first.

    Raises:
        CannotRunError: the disk is full, or the directory cannot be written; files that were there before are untouched.
    """
    from netbench.report import reception_html, reception_markdown

    view = build_reception_view(report)
    texts = {
        directory / RECORD_FILE: json.dumps(report.document, indent=1) + "\n",
        directory / PAGE_FILE: reception_html.render(view),
        directory / SUMMARY_FILE: reception_markdown.render(view, page=PAGE_FILE, record=RECORD_FILE),
    }
    for path, text in texts.items():
        with replacing(path) as stream:
            stream.write(text.encode("utf-8", errors="replace"))
    return list(texts)
