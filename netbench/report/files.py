"""The files of a report, each written beside and renamed into place."""

from __future__ import annotations

from pathlib import Path

from netbench.report.view import build_view
from netbench.result.run import Run
from netbench.result.store import replacing

PAGE_FILE = "index.html"
SUMMARY_FILE = "summary.md"


def write_reports(run: Run, directory: Path) -> list[Path]:
    """Write the page and the summary for a pull request.

    Args:
        run: complete or not.
        directory: made when it is not there. run.json is the store's to write, not ours.

    Returns:
        The files, the page first.

    Raises:
        CannotRunError: the disk is full, or the directory cannot be written; files that were there before are untouched.
    """
    from netbench.report import html, markdown

    view = build_view(run)
    texts = {directory / PAGE_FILE: html.render(view), directory / SUMMARY_FILE: markdown.render(view, page=PAGE_FILE)}
    for path, text in texts.items():
        with replacing(path) as stream:
            stream.write(text.encode("utf-8", errors="replace"))
    return list(texts)
