"""The page's plots as inline SVG: text stays text, colours are CSS variables, no two plots share an id."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from netbench.report import format
from netbench.report.palette import GRID, INK, LINE_STYLES, MUTED, SHADE, environment_color, layer_color, with_css_variables
from netbench.report.view.figures import Curve, Figures, Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS_ABREAST = 3
SMALLEST_US = 0.01  # where 0 is drawn on a logarithmic axis
_WIDTH_INCHES = 11.0
_SMALLEST_SHARE = 1e-6
_INSTALL = "pip install 'netbench[analysis]'"

_STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.frameon": False,
    "legend.fontsize": 9.5,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
}


@dataclass(frozen=True)
class Plot:
    """One plot of the page.

    Attributes:
        id: for links and for the ids inside.
        title: the question that it answers.
        caption: how to read it.
        svg: inline, or None when there is nothing to draw or nothing to draw with.
        missing: why there is none.
    """

    id: str
    title: str
    caption: str
    svg: str | None
    missing: str = ""


def draw_plots(figures: Figures) -> list[Plot]:
    """All plots; where matplotlib is missing, each says how to get it."""
    threshold = format.duration_us(figures.distortion_threshold_us)
    wanted: list[tuple[str, str, str, bool, Callable[[Figures], Figure]]] = [
        (
            "arrival",
            "When packets arrive: inter-arrival time",
            "For each environment, the share of inter-arrival times up to x; both tails are stretched. A steeper line is a "
            "steadier stream; to the left of the dotted schedule packets came bunched, to the right they were late or missing.",
            bool(figures.arrival),
            _draw_arrival,
        ),
        (
            "distortion",
            "What the environment does to arrival times: distortion against the tap",
            "Each packet is seen at the wire and at the probe; distortion is by how much its inter-arrival time differs between "
            f"the two. The line is the share of packets above x. H3 passes when a line crosses 1 % to the left of {threshold}. "
            f"Grey: up to this machine's floor, where nothing is blamed on an environment.{_without_curve(figures)}",
            bool(figures.distortion),
            _draw_distortion,
        ),
        (
            "loss",
            "Where packets are lost",
            "Share of the expected packets, by the layer whose counter grew by that much. No loss is shown with what it is "
            "worth: the 95 % upper bound.",
            bool(figures.loss),
            _draw_loss,
        ),
        (
            "timing",
            "What the tool itself adds: floor and sender",
            "How late or how far off: dot p50, diamond p99, bar maximum. What an environment shows below the floor cannot "
            "be told from this machine's own noise.",
            bool(figures.timing),
            _draw_timing,
        ),
    ]
    return [_plot(id, title, caption, drawable, draw, figures) for id, title, caption, drawable, draw in wanted]


def _without_curve(figures: Figures) -> str:
    """Which environments have no curve for distortion, and why."""
    if not figures.one_stamp:
        return ""
    return f" No curve for {format.listing(figures.one_stamp)}, where tap and probe read one stamp and distortion is exactly 0."


def _plot(id: str, title: str, caption: str, drawable: bool, draw: Callable[[Figures], Figure], figures: Figures) -> Plot:
    if not drawable:
        return Plot(
            id, title, caption, None, f"No trial gave numbers for this plot.{_without_curve(figures) if id == 'distortion' else ''}"
        )
    try:
        with _style(id):
            svg = _inline(draw(figures), id, title)
    except ImportError:
        return Plot(
            id, title, caption, None, f"Plots need matplotlib, which is not installed here. Then make the report again: {_INSTALL}"
        )
    return Plot(id, title, caption, svg)


@contextmanager
def _style(salt: str) -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(cast("Any", _STYLE | {"svg.hashsalt": salt})):
        yield


def _inline(figure: Figure, id: str, title: str) -> str:
    """The SVG element alone, its ids made unique in the page, readable by a screen reader as one image."""
    stream = io.StringIO()
    no_metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(stream, format="svg", bbox_inches="tight", pad_inches=0.06, metadata=no_metadata)
    svg = stream.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r'\bid="', f'id="{id}-', svg)
    svg = re.sub(r'href="#', f'href="#{id}-', svg).replace("url(#", f"url(#{id}-")
    svg = re.sub(
        r'<svg [^>]*?viewBox="([^"]*)"[^>]*>', rf'<svg class="plot" viewBox="\1" role="img" aria-label="{title}">', svg, count=1
    )
    return with_css_variables(svg.replace("xlink:href", "href"))


def _grid_of_panels(panels: list[Panel], draw: Callable[[Axes, Panel], None]) -> Figure:
    """One panel a profile, so many abreast, the environments' legend on top, all on one pair of axes' limits."""
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    rows = -(-len(panels) // PANELS_ABREAST)
    columns = min(len(panels), PANELS_ABREAST)
    figure = Figure(figsize=(_WIDTH_INCHES, 3.0 * rows + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, panel in zip(grid.flat, panels, strict=False):
        axes.set_title(panel.profile)
        draw(axes, panel)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_axis_off()
    shown = {curve.environment: curve.slot for panel in panels for curve in panel.curves}
    handles = [Line2D([], [], **_line(slot), label=_text(environment)) for environment, slot in shown.items()]
    figure.legend(handles=handles, loc="outside upper left", ncols=min(len(handles), 4), handlelength=3)
    return figure


def _draw_arrival(figures: Figures) -> Figure:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    smallest = min(_smallest_share(figures.arrival) / 2, 0.05)  # an axis even where all values are the same
    ticks = [
        share
        for share in (1e-5, 1e-4, 1e-3, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999)
        if smallest <= share <= 1 - smallest
    ]

    def draw(axes: Axes, panel: Panel) -> None:
        axes.set_xscale("log")
        axes.set_yscale("logit", nonpositive="clip")
        for curve in panel.curves:
            below = [min(max(1 - share, smallest), 1 - smallest) for share in curve.share_above]
            axes.plot(_drawable(curve), below, **_line(curve.slot))
        axes.set_ylim(smallest, 1 - smallest)
        axes.yaxis.set_major_locator(FixedLocator(ticks))
        axes.yaxis.set_major_formatter(FixedFormatter([f"p{100 * share:.6g}" for share in ticks]))
        axes.yaxis.set_minor_locator(NullLocator())
        if panel.nominal_us is not None:
            axes.axvline(panel.nominal_us, color=MUTED, linewidth=1, linestyle=":")
            axes.annotate(
                f"schedule {format.duration_us(panel.nominal_us)}",
                (panel.nominal_us, 0.93),
                xycoords=("data", "axes fraction"),
                xytext=(-5, 0),
                textcoords="offset points",
                ha="right",
                color=MUTED,
                fontsize=8.5,
            )
        _time_axis(axes, "inter-arrival time")

    return _grid_of_panels(figures.arrival, draw)


def _draw_distortion(figures: Figures) -> Figure:
    from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

    smallest = _smallest_share(figures.distortion)
    ticks = [share for share in (1.0, 0.1, 0.01, 0.001, 1e-4, 1e-5) if share >= smallest]

    def draw(axes: Axes, panel: Panel) -> None:
        axes.set_xscale("log")
        axes.set_yscale("log")
        for curve in panel.curves:
            axes.plot(_drawable(curve), [max(share, smallest / 2) for share in curve.share_above], **_line(curve.slot))
        left = min(_drawable(curve)[0] for curve in panel.curves)
        if figures.floor_us is not None:
            axes.axvspan(SMALLEST_US, max(figures.floor_us, SMALLEST_US), color=SHADE, linewidth=0)
        axes.plot([figures.distortion_threshold_us], [0.01], "x", color=INK, markersize=8, markeredgewidth=1.8, zorder=5)
        axes.annotate("H3 limit", (figures.distortion_threshold_us, 0.01), xytext=(7, 5), textcoords="offset points", fontsize=8.5)
        right = max(20 * figures.distortion_threshold_us, *(curve.x_us[-1] for curve in panel.curves))
        axes.set_xlim(left / 1.5, max(right, axes.get_xlim()[1]))
        axes.set_ylim(smallest * 0.7, 1.3)
        axes.yaxis.set_major_locator(FixedLocator(ticks))
        axes.yaxis.set_major_formatter(FixedFormatter([f"{100 * share:.6g} %" for share in ticks]))
        axes.yaxis.set_minor_locator(NullLocator())
        _time_axis(axes, "distortion")

    return _grid_of_panels(figures.distortion, draw)


def _draw_loss(figures: Figures) -> Figure:
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
    from matplotlib.ticker import FuncFormatter

    bars = figures.loss
    figure = Figure(figsize=(_WIDTH_INCHES, 0.9 + 0.3 * len(bars)), layout="constrained")
    axes = figure.subplots()
    for position, bar in enumerate(bars):
        left = 0.0
        for layer, ratio in bar.segments:
            axes.barh(position, 100 * ratio, left=left, height=0.62, color=layer_color(figures.layers.index(layer)))
            left += 100 * ratio
        axes.annotate(_text(bar.text), (left, position), xytext=(6, 0), textcoords="offset points", va="center", fontsize=8.5)
    axes.set_yticks(range(len(bars)), [_text(f"{bar.environment}, {bar.profile}") for bar in bars])
    for label, bar in zip(axes.get_yticklabels(), bars, strict=True):
        label.set_color(environment_color(bar.slot))
        label.set_fontsize(9.5)
    largest = max(sum(ratio for _, ratio in bar.segments) for bar in bars)
    axes.set_xlim(0, max(130 * largest, 0.001))
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.4g} %"))
    if not largest:
        axes.set_xticks([0])
    if figures.layers:
        handles = [Patch(color=layer_color(index), label=_text(layer)) for index, layer in enumerate(figures.layers)]
        figure.legend(handles=handles, loc="outside upper left", ncols=4, handlelength=1.2)
    return figure


def _draw_timing(figures: Figures) -> Figure:
    from matplotlib.figure import Figure

    rows = figures.timing
    figure = Figure(figsize=(_WIDTH_INCHES, 0.8 + 0.26 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.set_xscale("log")
    for position, row in enumerate(rows):
        color = MUTED if row.slot is None else environment_color(row.slot)
        p50, p99, largest = (max(value, SMALLEST_US) for value in (row.p50_us, row.p99_us, row.max_us))
        axes.plot([p50, largest], [position, position], color=color, linewidth=1.2)
        axes.plot([p50], [position], marker="o", color=color, markersize=5)
        axes.plot([p99], [position], marker="D", color=color, markersize=5)
        axes.plot([largest], [position], marker="|", color=color, markersize=9, markeredgewidth=1.6)
    floors = sum(row.slot is None for row in rows)
    if floors:
        axes.axhspan(-0.5, floors - 0.5, color=SHADE, linewidth=0)
    axes.set_yticks(range(len(rows)), [_text(row.label) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    _time_axis(axes, "")
    return figure


def _line(slot: int) -> dict[str, Any]:
    return {"color": environment_color(slot), "linestyle": LINE_STYLES[slot % len(LINE_STYLES)], "linewidth": 1.7}


def _time_axis(axes: Axes, label: str) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.xaxis.set_major_locator(LogLocator(numticks=7))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _decade(value)))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.tick_params(axis="x", which="both", labelbottom=True)
    axes.set_xlabel(label)


def _decade(microseconds: float) -> str:
    """A power of ten without trailing zeros: `10 µs`, not `10.0 µs`."""
    for factor, unit in ((1e6, "s"), (1e3, "ms"), (1.0, "µs"), (1e-3, "ns")):
        if microseconds >= factor * 0.999:
            return f"{microseconds / factor:.3g} {unit}"
    return f"{microseconds * 1e3:.3g} ns"


def _drawable(curve: Curve) -> list[float]:
    return [max(x, SMALLEST_US) for x in curve.x_us]


def _smallest_share(panels: list[Panel]) -> float:
    shares = [share for panel in panels for curve in panel.curves for share in curve.share_above if share > 0]
    return max(min(shares), _SMALLEST_SHARE)


def _text(text: str) -> str:
    """Text that matplotlib takes literally: it would read $…$ as mathematics, and XML has no control characters."""
    return "".join(character if character.isprintable() or character in format.SPACES else "·" for character in text).replace(
        "$", r"\$"
    )
