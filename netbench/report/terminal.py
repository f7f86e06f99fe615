"""The verdict in the terminal: table first, then causes with what to type, then limits and floor, then where the files are."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.style import Style
from rich.table import Table
from rich.text import Text

from netbench.report import format
from netbench.report.palette import TERMINAL_TONES
from netbench.report.view import View, build_view
from netbench.report.view.cells import Cell
from netbench.report.view.verdict_rows import VerdictRow
from netbench.report.words import HYPOTHESES, VerdictLook
from netbench.result.run import Run

WIDEST_PROSE = 110
_ANY_WIDTH = 10_000
_TONE_OF_BANNER = {
    "interrupted": "care",
    "injected": "care",
    "sender-limited": "care",
    "error": "bad",
    "silent": "care",
    "holes": "care",
    "caveat": "care",
}


def print_run(run: Run, files: Sequence[Path] = (), console: Console | None = None) -> None:
    """Print what a run found.

    Args:
        run: complete or not.
        files: what was written, named at the end.
        console: where to; None: standard output, plain when that is no terminal, without colour when NO_COLOR is set.
    """
    print_view(build_view(run), files, console or Console(highlight=False))


def print_view(view: View, files: Sequence[Path], console: Console) -> None:
    """Print a view; the same layout rules on any width: a table where it fits, else a block for each environment."""
    page = Page(console)
    page.prose(view.headline, style="bold")
    page.prose(view.subtitle, style="dim")
    for banner in view.banners:
        page.prose(f"! {banner.text}", style=TERMINAL_TONES[_TONE_OF_BANNER[banner.kind]], hanging=2)
    page.gap()
    table = _verdict_table(view, page)
    if console.measure(table, options=console.options.update(width=_ANY_WIDTH)).maximum <= console.width:
        console.print(table)
        page.gap()
        _print_explanations(view, page)
    else:
        _print_blocks(view, page)
    _print_ladders(view, page)
    _print_absences(view, page)
    for limit in view.limits:
        page.prose(f"Limit  {limit}", hanging=7)
    page.prose("Floor  " + view.floor_sentence, style="dim", hanging=7)
    if files:
        page.gap()
        for path in files:
            page.line(Text.assemble(("Wrote  ", "dim"), str(path)))


class Page:
    """A console that never breaks a word, a number from its unit or a command, and lets no control character through."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._unicode = (console.encoding or "").lower().startswith("utf")

    def text(self, text: str) -> str:
        """What may be printed, in the terminal's encoding."""
        kept = _printable(text)
        if self._unicode:
            return kept
        for fancy, plain in _ASCII.items():
            kept = kept.replace(fancy, plain)
        return kept.encode("ascii", "replace").decode("ascii")

    def symbol(self, look: VerdictLook) -> str:
        """The verdict's character."""
        return look.symbol if self._unicode else look.ascii_symbol

    def prose(self, text: str, *, style: str = "", indent: int = 0, hanging: int = 0) -> None:
        """A paragraph, wrapped at spaces only."""
        lines = textwrap.wrap(
            _printable(text),
            min(self.console.width, WIDEST_PROSE),
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent + hanging),
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines:
            self.line(Text(line, style=style))

    def line(self, text: Text) -> None:
        """One line as it stands; a command that is too long overflows, so that it can be copied whole."""
        text.plain = self.text(text.plain)
        self.console.print(text, soft_wrap=True)

    def gap(self) -> None:
        """An empty line."""
        self.console.print()


def _printable(text: str) -> str:
    """Without control characters: they are what a hostile name would use to paint over a verdict."""
    return "".join(character if character.isprintable() or character in format.SPACES else "·" for character in text)


_ASCII = {
    "µ": "u",
    format.ABSENT: "-",
    format.MINUS: "-",
    format.TIMES: "x",
    "…": "...",
    "≤": "<=",
    "≥": ">=",
    format.GROUP_SPACE: " ",
    format.UNIT_SPACE: " ",
}


def _verdict_table(view: View, page: Page) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for heading in ("Environment", "Verdict", "Loss (at 95 %)", "Distortion p99", "Delivery p99", "IAT p99", *HYPOTHESES):
        table.add_column(page.text(heading.replace("95 %", f"95{format.UNIT_SPACE}%")), no_wrap=True)
    for row in view.verdicts:
        table.add_row(
            Text(page.text(row.environment), style="bold"),
            _badge(row.look, page),
            _figure(row.loss, page, brief=True),
            _figure(row.distortion, page),
            _figure(row.delivery, page),
            _figure(row.iat, page),
            *(_mark(item.look, page) for item in row.hypotheses),
        )
        cells = (row.loss, row.distortion, row.delivery, row.iat)
        if any(item.note for item in cells):
            notes = (Text(page.text(item.note), style="dim") for item in cells)
            table.add_row("", "", *notes)
    return table


def _print_explanations(view: View, page: Page) -> None:
    for row in view.verdicts:
        page.line(Text.assemble(_mark(row.look, page), " ", (row.environment, "bold")))
        page.prose(row.sentence, indent=2)
        if row.loss.footnote is None:
            page.prose(f"Worst    {row.loss.note + ': ' if row.loss.note else ''}{row.loss.text} lost", indent=2, hanging=9)
        _print_explanation(row, page)


def _print_blocks(view: View, page: Page) -> None:
    for row in view.verdicts:
        page.line(Text.assemble(_badge(row.look, page), "  ", (row.environment, "bold")))
        page.prose(row.sentence, indent=2)
        figures = (("loss", row.loss), ("distortion p99", row.distortion), ("delivery p99", row.delivery), ("IAT p99", row.iat))
        for name, item in figures:
            note = f"  {item.note}" if item.note else ""
            page.prose(f"{name:<15}{_figure(item, page).plain}{note}", indent=2, hanging=15)
        answers = Text("  ")
        for answer in row.hypotheses:
            answers.append_text(Text.assemble((f"{answer.id} ", "dim"), _mark(answer.look, page), f" {answer.look.word}   "))
        answers.rstrip()
        if answers.cell_len <= page.console.width:
            page.line(answers)
        else:
            for answer in row.hypotheses:
                page.line(Text.assemble("  ", (f"{answer.id} ", "dim"), _mark(answer.look, page), f" {answer.look.word}"))
        _print_explanation(row, page)


def _print_explanation(row: VerdictRow, page: Page) -> None:
    if row.injected:
        page.prose(f"Injected: {row.injected}", style=TERMINAL_TONES["care"], indent=2, hanging=10)
    for cause in row.causes:
        page.prose(f"Cause    {cause}", indent=2, hanging=9)
    for remedy in row.remedies:
        page.prose(f"Remedy   {remedy.sentence}", indent=2, hanging=9)
        if remedy.command:
            page.line(Text.assemble(" " * 11, (remedy.command, Style(color="cyan"))))
    page.gap()


def _print_ladders(view: View, page: Page) -> None:
    """Rung by environment where that fits; the sentences of H4 say the rest."""
    if not view.ladders.rungs:
        return
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column("Hardware stamps", no_wrap=True)
    for label, _ in view.ladders.environments:
        table.add_column(page.text(label), no_wrap=True)
    for row in view.ladders.rungs:
        table.add_row(f"{row.number} {row.name}", *(_mark(cell.look, page) for cell in row.cells))
    if page.console.measure(table, options=page.console.options.update(width=_ANY_WIDTH)).maximum <= page.console.width:
        page.console.print(table)
    else:
        for column, (label, _) in enumerate(view.ladders.environments):
            cells = [row.cells[column] for row in view.ladders.rungs]
            marks = "".join(f"{row.number}{page.symbol(cell.look)} " for row, cell in zip(view.ladders.rungs, cells, strict=True))
            page.prose(f"Hardware stamps of {label}: {marks.rstrip()}", hanging=2)
    page.gap()


def _print_absences(view: View, page: Page) -> None:
    notes = {note.number: note.reason for note in view.footnotes}
    shown = dict.fromkeys(item.footnote for item in _figures(view) if item.footnote is not None)
    for number in shown:
        page.prose(f"{format.ABSENT}[{number}]  {notes[number]}", style="dim", hanging=6)
    if shown:
        page.gap()


def _figures(view: View) -> Iterator[Cell]:
    for row in view.verdicts:
        yield from (row.loss, row.distortion, row.delivery, row.iat)


def _figure(item: Cell, page: Page, *, brief: bool = False) -> Text:
    if item.footnote is not None:
        return Text(page.text(f"{item.text}[{item.footnote}]"), style="dim")
    return Text(page.text(item.brief if brief else item.text))


def _badge(look: VerdictLook, page: Page) -> Text:
    return Text(f"{page.symbol(look)} {look.word}", style=f"bold {TERMINAL_TONES[look.tone]}")


def _mark(look: VerdictLook, page: Page) -> Text:
    return Text(page.symbol(look), style=TERMINAL_TONES[look.tone])
