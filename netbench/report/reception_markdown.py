"""One reception in GitHub's Markdown: the answer, what to mind, the worst streams; the rest folded away."""

from __future__ import annotations

from collections.abc import Iterator

from netbench.report import format
from netbench.report.markdown import cell_text, escaped, fact, table
from netbench.report.reception_view import ReceptionView

MOST_STREAM_ROWS = 20


def render(view: ReceptionView, page: str, record: str) -> str:
    """The whole summary.

    Args:
        view: what to show.
        page: name of the page beside it.
        record: name of the file with every number.
    """
    return "\n".join(_lines(view, page, record)).rstrip() + "\n"


def _lines(view: ReceptionView, page: str, record: str) -> Iterator[str]:
    yield f"## {escaped(view.headline)}"
    yield ""
    yield escaped(view.subtitle)
    yield ""
    for notice in view.notices:
        yield f"> ⚠️ **{notice.word}** {escaped(notice.text)}"
        yield ""
    if view.streams:
        yield "### Streams, the worst first"
        yield ""
        shown = view.streams[:MOST_STREAM_ROWS]
        yield from table(["stream", *view.stream_heads], ([escaped(row.name), *map(cell_text, row.cells)] for row in shown))
        more = len(view.streams) - len(shown)
        if more:
            yield f"{format.plural(more, 'more stream')} in `{page}`. {escaped(view.streams_left_out)}"
            yield ""
    yield f"The whole report, with plots, is in `{page}` beside this file; every number is in `{record}`."
    yield ""
    yield "<details><summary>Books, patterns, how it was measured</summary>"
    yield ""
    for title, rows in (*((item.title, item.rows) for item in view.sections), ("How it was measured", view.method)):
        yield f"**{title}**"
        yield ""
        yield from (fact(row) for row in rows)
        yield ""
    if view.footnotes:
        yield "**Absent**"
        yield ""
        yield from (f"- {format.ABSENT}{note.number}: {escaped(note.reason)}" for note in view.footnotes)
        yield ""
    yield "</details>"
