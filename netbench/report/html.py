"""The page: one file that opens without a network, holds everything, and trusts nothing that came from one.

Text is escaped by the template; a Content-Security-Policy allows no request at all, and only the two scripts that we put in.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netbench.report.definitions import DEFINITIONS
from netbench.report.palette import css_variables
from netbench.report.plots import Plot, draw_plots
from netbench.report.view import View
from netbench.report.view.series import TimeSeries
from netbench.report.words import HYPOTHESES

if TYPE_CHECKING:
    from markupsafe import Markup

_HERE = Path(__file__).parent
_TEMPLATES = _HERE / "templates"
_UPLOT = _HERE / "vendor" / "uplot"
_BREAKABLE = re.compile(r"([:,=_./])")


def render(view: View) -> str:
    """The whole page of a run as text."""
    return render_page("report.html.j2", view, view.figures.series, draw_plots(view.figures))


def render_page(template: str, view: Any, series: Sequence[TimeSeries], plots: Sequence[Plot]) -> str:
    """A page as text.

    Args:
        template: its name.
        view: what the template shows.
        series: for the charts over time; scripts are put in only where there are some.
        plots: drawn, or with the reason why not.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.do"],
    )
    environment.filters["breakable"] = _breakable
    scripts = [_read(_UPLOT / "uPlot.iife.min.js"), _read(_TEMPLATES / "series.js")] if series else []
    return environment.get_template(template).render(
        view=view,
        plots=[(plot, Markup(plot.svg) if plot.svg else None) for plot in plots],
        hypotheses=HYPOTHESES,
        definitions=DEFINITIONS,
        styles=Markup(_styles()),
        scripts=[Markup(script) for script in scripts],
        script_policy=" ".join(map(_hash_source, scripts)) or "'none'",
        series=Markup(_json_for_script([asdict(item) for item in series])),
    )


def _styles() -> str:
    style = _read(_TEMPLATES / "report.css")
    style = style.replace("/* light colours */", css_variables(dark=False)).replace("/* dark colours */", css_variables(dark=True))
    return _read(_UPLOT / "uPlot.min.css") + "\n" + style


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _hash_source(script: str) -> str:
    """The policy's name of a script: nothing else on the page may run, whatever gets into it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _json_for_script(data: Any) -> str:
    """JSON that cannot end the element that holds it."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _breakable(text: str) -> Markup:
    """Allow a line to break after punctuation inside a long name or key."""
    from markupsafe import Markup, escape

    parts = _BREAKABLE.split(text)
    return Markup("").join(escape(part) + Markup("<wbr>") if index % 2 else escape(part) for index, part in enumerate(parts))
