"""Plots as SVG that stands in a page and takes its colours from the page's style, light or dark."""

from __future__ import annotations

import io
import re
from html import escape
from typing import Any

# Colours that nothing else has, replaced by what the page's style says.
INK, ACCENT, QUIET = "#010101", "#020202", "#030303"
STYLES = {INK: "currentColor", ACCENT: "var(--accent)", QUIET: "var(--quiet)"}
ON_WHITE = "svg { --accent: #0b6e5b; --quiet: #5a606a; color: #1d2025; background: #fff; font-family: sans-serif }"
RC: Any = {
    "svg.fonttype": "none",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    **{key: INK for key in ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")},
}
# Of a drawing in a page: who made it, a style for the whole page, its list of fonts, and names of groups, which repeat.
SUPERFLUOUS = (
    re.compile(r"<metadata>.*?</metadata>", re.DOTALL),
    re.compile(r"<style.*?</style>", re.DOTALL),
    re.compile(r" font-family: [^;\"]*;"),
    re.compile(r' id="[A-Za-z][\w.]*_\d+"'),
)


def figure(height: float = 2.6) -> tuple[Any, Any]:
    """An empty drawing of a page's width, and its axes."""
    from matplotlib.figure import Figure

    canvas = Figure(figsize=(5.2, height), layout="constrained")
    return canvas, canvas.add_subplot()


def svg(canvas: Any, label: str, name: str) -> str:
    """The drawing as an element of a page: nothing that names another place, no names that two drawings share."""
    import matplotlib

    with io.StringIO() as file, matplotlib.rc_context({"svg.hashsalt": name}):
        canvas.savefig(file, format="svg", transparent=True, metadata={"Date": None})
        drawn = file.getvalue()
    head, inside = re.split(r"(?<=>)", drawn[drawn.index("<svg") :], maxsplit=1)
    size = re.search(r'viewBox="([^"]*)"', head)
    if size is None:
        raise ValueError("matplotlib wrote a drawing without a size")
    for superfluous in SUPERFLUOUS:
        inside = superfluous.sub("", inside)
    for colour, style in STYLES.items():
        inside = inside.replace(colour, style)
    return f'<svg role="img" aria-label="{escape(label)}" viewBox="{size[1]}">{inside}'


def standalone(drawing: str) -> str:
    """What `svg` gives as a file of its own, on white."""
    spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
    return drawing.replace("<svg ", f"<svg {spaces} ", 1).replace(">", f"><style>{ON_WHITE}</style>", 1)
