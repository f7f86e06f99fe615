"""The page of one reception: one file that opens without a network, as a run's."""

from __future__ import annotations

from dataclasses import replace

from netbench.report.html import render_page
from netbench.report.plots import Plot, draw_plots
from netbench.report.reception_view import ReceptionView
from netbench.report.view.figures import Figures

_CAPTION = (
    "The share of inter-arrival times up to x, each of one stream; both tails are stretched. Steeper is steadier: to the left "
    "packets came bunched, to the right they were late or missing."
)


def render(view: ReceptionView) -> str:
    """The whole page as text."""
    return render_page("reception.html.j2", view, view.series, [_arrival(view)])


def _arrival(view: ReceptionView) -> Plot:
    panels = [view.arrival] if view.arrival else []
    figures = Figures(
        arrival=panels,
        distortion=[],
        loss=[],
        layers=[],
        timing=[],
        distortion_threshold_us=0.0,
        floor_us=None,
        one_stamp=[],
        series=[],
    )
    plot = draw_plots(figures)[0]
    return replace(plot, caption=_CAPTION, missing=plot.missing if panels else view.no_arrival)
