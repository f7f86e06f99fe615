"""The summary for a pull request, in GitHub's Markdown: verdicts, causes and remedies, key figures; the rest folded away."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from netbench.report import format
from netbench.report.view import View
from netbench.report.view.cells import Cell, KeyValue
from netbench.report.words import HYPOTHESES

LARGEST_NUMBER_OF_TRIALS = 60
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~@])")


def render(view: View, page: str | None = None) -> str:
    """The whole summary.

    Args:
        view: what to show.
        page: name of the page beside it, or None.
    """
    return "\n".join(_lines(view, page)).rstrip() + "\n"


def _lines(view: View, page: str | None) -> Iterator[str]:
    yield f"## {escaped(view.headline)}"
    yield ""
    yield escaped(view.subtitle)
    yield ""
    for banner in view.banners:
        yield f"> ⚠️ {escaped(banner.text)}"
        yield ""
    yield from _verdicts(view)
    yield from _explanations(view)
    if view.limits:
        yield "**What this run cannot show**"
        yield ""
        yield from (f"- {escaped(limit)}" for limit in view.limits)
        yield ""
    yield "### Key figures"
    yield ""
    yield from table(
        ["environment", "profile", "trials", "lost (at 95 %)", "IAT p50", "IAT p99", "distortion p99", "delivery p99", "MDI"],
        (
            [
                escaped(row.environment),
                escaped(row.profile),
                *map(cell_text, (row.trials, row.loss, row.iat_p50, row.iat_p99, row.distortion, row.delivery_p99, row.mdi)),
            ]
            for row in view.measures
        ),
    )
    yield from _ladders(view)
    yield f"**Floor.** {escaped(view.floor_sentence)}"
    yield ""
    if page:
        yield f"The whole report, with plots, is in `{page}` beside this file; every number is in `run.json`."
        yield ""
    yield from _details(view)


def _verdicts(view: View) -> Iterator[str]:
    yield from table(
        [
            "environment",
            "verdict",
            "loss",
            "distortion p99",
            "delivery p99",
            "IAT p99",
            *(f"{id} {words[0]}" for id, words in HYPOTHESES.items()),
        ],
        (
            [
                f"**{escaped(row.environment)}**",
                f"{row.look.emoji} {row.look.word}",
                *map(cell_text, (row.loss, row.distortion, row.delivery, row.iat)),
                *(f"{item.look.emoji} {item.look.word}" for item in row.hypotheses),
            ]
            for row in view.verdicts
        ),
    )


def _explanations(view: View) -> Iterator[str]:
    for row in view.verdicts:
        yield f"- {row.look.emoji} **{escaped(row.environment)}**: {escaped(row.sentence)}"
        for cause in row.causes:
            yield f"  - Cause: {escaped(cause)}"
        for remedy in row.remedies:
            yield f"  - Remedy: {escaped(remedy.sentence)}{' ' + _code(remedy.command) if remedy.command else ''}"
    yield ""


def _ladders(view: View) -> Iterator[str]:
    if not view.ladders.rungs:
        return
    yield "### Hardware timestamps, rung by rung"
    yield ""
    yield from table(
        ["rung", *(escaped(label) for label, _ in view.ladders.environments)],
        (
            [f"{row.number} {row.name}", *(f"{cell.look.emoji} {cell.look.word}" for cell in row.cells)]
            for row in view.ladders.rungs
        ),
    )
    yield from (f"- {escaped(label)}: {escaped(sentence)}" for label, sentence in (*view.ladders.counts, *view.ladders.absent))
    yield ""


def _details(view: View) -> Iterator[str]:
    several = any(row.is_other_receiver for row in view.trials)
    yield "<details><summary>Trials, plan, machine, what is absent</summary>"
    yield ""
    yield from table(
        ["environment", "profile", "sample", "status", view.offered.lower(), "received", "lost", "IAT p99"],
        (
            [
                escaped(row.environment + (f" ({row.receiver})" if several and row.receiver else "")),
                escaped(row.profile),
                str(row.sample),
                row.status + (f": {escaped(row.reason)}" if row.reason else ""),
                *map(cell_text, (row.sent, row.received, row.lost, row.iat_p99)),
            ]
            for row in view.trials[:LARGEST_NUMBER_OF_TRIALS]
        ),
    )
    more = len(view.trials) - LARGEST_NUMBER_OF_TRIALS + view.trial_rows_left_out
    if more > 0:
        yield f"{format.plural(more, 'more row')} in `run.json`."
        yield ""
    yield from _places(view)
    for title, rows in (("Plan", view.plan), ("Thresholds", view.thresholds), ("Floor", view.floor), ("Measured by", view.method)):
        yield f"**{title}**"
        yield ""
        yield from (fact(row) for row in rows)
        yield ""
    shown = {item.footnote for item in _cells(view) if item.footnote is not None}
    if shown:
        yield "**Absent**"
        yield ""
        yield from (f"- {format.ABSENT}{note.number}: {escaped(note.reason)}" for note in view.footnotes if note.number in shown)
        yield ""
    yield "</details>"


def _places(view: View) -> Iterator[str]:
    """Of each environment: what a reader should know, the requirements that are not met, and how many are."""
    for item in view.environments:
        if not (item.remarks or item.findings or item.findings_left_out):
            continue
        yield f"**{escaped(item.label)}**"
        yield ""
        yield from (f"- {escaped(remark)}" for remark in item.remarks)
        for finding in item.findings:
            remedy = f" {_code(finding.remedy)}" if finding.remedy else ""
            yield f"- {finding.look.emoji} {escaped(finding.title)}: {escaped(finding.evidence)}{remedy}"
        if item.findings_left_out:
            yield f"- {escaped(item.findings_left_out)}"
        yield ""


def _cells(view: View) -> Iterator[Cell]:
    for verdict in view.verdicts:
        yield from (verdict.loss, verdict.distortion, verdict.delivery, verdict.iat)
    for measure in view.measures:
        yield from (measure.loss, measure.iat_p50, measure.iat_p99, measure.distortion, measure.delivery_p99, measure.mdi)
    for trial in view.trials[:LARGEST_NUMBER_OF_TRIALS]:
        yield from (trial.sent, trial.received, trial.lost, trial.iat_p99)
    yield from (row.value for row in (*view.plan, *view.thresholds, *view.floor, *view.method))


def fact(row: KeyValue) -> str:
    """One fact as an item of a list."""
    return f"- {escaped(row.key)}: {cell_text(row.value)}"


def table(heads: list[str], rows: Iterable[list[str]]) -> Iterator[str]:
    """The lines of a table, and the empty one after it."""
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(row) + " |"
    yield ""


def cell_text(item: Cell) -> str:
    """A figure, or the dash with the number of its reason."""
    if item.footnote is not None:
        return f"{item.text}<sup>{item.footnote}</sup>"
    return escaped(item.text) + (f" <sub>{escaped(item.note)}</sub>" if item.note else "")


def escaped(text: str) -> str:
    """Text on one line that stays text: no markup, no links, no mentions."""
    one_line = "".join(character if character.isprintable() or character in format.SPACES else " " for character in text)
    return _SPECIAL.sub(r"\\\1", one_line).replace("://", ":\u200b//")


def _code(text: str) -> str:
    """Text as code, whatever backticks it has."""
    one_line = "".join(character if character.isprintable() else " " for character in text)
    longest = max((len(run) for run in re.findall("`+", one_line)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{one_line}{space}{fence}"
