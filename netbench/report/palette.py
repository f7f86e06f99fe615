"""Colours: one for each environment, the same in every plot, table and time series; told apart by colour-blind readers too.

Okabe and Ito's set, darkened or lightened for contrast on either background. Plots are drawn in stand-ins, which become CSS
variables, so that one SVG serves light, dark and print.
"""

from __future__ import annotations

ENVIRONMENTS_LIGHT = ("#0067a5", "#c14f00", "#00805d", "#a8437f", "#8a6d00", "#2a86c4", "#5c4a9c", "#555555")
ENVIRONMENTS_DARK = ("#62b3f0", "#ff9350", "#35cda4", "#eb9fcb", "#e3c04a", "#a3d8fb", "#b3a4f0", "#bbbbbb")
LAYERS_LIGHT = ("#b3392f", "#e08a5b", "#7a1f4b", "#c9a227", "#8c5a3c", "#6d6d6d")
LAYERS_DARK = ("#e8695d", "#f2ad85", "#c75f97", "#e6c65c", "#c08b69", "#a0a0a0")
LINE_STYLES = ("-", (0, (5, 1.6)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
TERMINAL_TONES = {"good": "green", "care": "yellow", "bad": "red", "none": "dim"}

INK, MUTED, GRID, SHADE = "#010101", "#020202", "#030303", "#040404"
_ENVIRONMENT_STAND_IN = "#0a00{:02x}"
_LAYER_STAND_IN = "#0b00{:02x}"


def environment_color(slot: int) -> str:
    """Stand-in of an environment's colour."""
    return _ENVIRONMENT_STAND_IN.format(slot % len(ENVIRONMENTS_LIGHT))


def layer_color(index: int) -> str:
    """Stand-in of a layer's colour."""
    return _LAYER_STAND_IN.format(index % len(LAYERS_LIGHT))


def css_variables(dark: bool) -> str:
    """`--env0: #…; …` for a style sheet."""
    environments, layers = (ENVIRONMENTS_DARK, LAYERS_DARK) if dark else (ENVIRONMENTS_LIGHT, LAYERS_LIGHT)
    named = [(f"env{slot}", color) for slot, color in enumerate(environments)]
    named += [(f"layer{index}", color) for index, color in enumerate(layers)]
    return " ".join(f"--{name}: {color};" for name, color in named)


def with_css_variables(svg: str) -> str:
    """Replace every stand-in by the CSS variable that it stands for."""
    for stand_in, name in ((INK, "ink"), (MUTED, "muted"), (GRID, "grid"), (SHADE, "shade")):
        svg = svg.replace(stand_in, f"var(--{name})")
    for slot in range(len(ENVIRONMENTS_LIGHT)):
        svg = svg.replace(environment_color(slot), f"var(--env{slot})")
    for index in range(len(LAYERS_LIGHT)):
        svg = svg.replace(layer_color(index), f"var(--layer{index})")
    return svg
