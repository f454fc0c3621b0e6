"""Matplotlib figures as inline SVG: the same bytes each time, real text, colours of the page's theme.

A colour of the light theme becomes `var(--name, colour)`: the style sheet names it for light and dark, and the drawing
by itself keeps it.
"""

import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast
from xml.sax.saxutils import quoteattr

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

#: name of the CSS variable -> colour of the light theme, safe for the colour-blind
COLOURS = {
    "ink": "#1c2530",
    "muted": "#5a6572",
    "grid": "#dfe3e8",
    "surface": "#ffffff",
    "searched": "#0067a8",
    "random": "#c4500a",
    "baseline": "#44505e",
    "scaled": "#8a4fa3",
    "other": "#00796b",
    "spare": "#9c6b00",
    "win": "#1b7340",
    "loss": "#b3261e",
    "warning": "#8a5a00",
}
#: the colours of searches, in turn
CYCLE = ("searched", "scaled", "other", "spare", "baseline")
#: directions from a point to its label
_DIRECTIONS = ((1, 0), (-1, 0), (0.5, 1), (0.5, -1), (-0.5, 1), (-0.5, -1), (0, 1.2), (0, -1.2))
#: a line between two points, in the units of the axes
Segment = tuple[tuple[float, float], tuple[float, float]]
#: one unit of a figure is one CSS pixel, as matplotlib has 72 points an inch
PIXELS_PER_INCH = 72

_FONT = "DejaVu Sans"
_STYLE: dict[str, Any] = {
    "svg.hashsalt": "nas-steps",
    "font.family": ["sans-serif"],
    "font.sans-serif": [_FONT],
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlepad": 10,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "grid.color": COLOURS["grid"],
    **dict.fromkeys(("svg.fonttype", "axes.facecolor", "figure.facecolor"), "none"),
    **dict.fromkeys(("text.color", "axes.titlecolor"), COLOURS["ink"]),
    **dict.fromkeys(("axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), COLOURS["muted"]),
    **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), 12),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 11),
    **dict.fromkeys(("axes.linewidth", "grid.linewidth"), 0.8),
    **dict.fromkeys(("xtick.minor.size", "ytick.minor.size"), 0),
    **dict.fromkeys(("axes.unicode_minus", "axes.grid", "axes.axisbelow"), True),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon", "text.parse_math"), False),
}


@contextmanager
def style() -> Iterator[None]:
    """Use matplotlib's defaults and this report's settings, whatever the user's matplotlibrc says."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(cast(Any, _STYLE))  # its keys are known to be settings
        yield


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure with sides in CSS pixels."""
    figure = Figure(figsize=(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH), dpi=PIXELS_PER_INCH)
    figure.set_layout_engine("constrained", w_pad=4 / PIXELS_PER_INCH, h_pad=4 / PIXELS_PER_INCH)
    FigureCanvasSVG(figure)
    return figure


def settle(figure: Figure) -> None:
    """Lay the figure out once, so that later additions move nothing."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine(None)


def inline_svg(figure: Figure, prefix: str, label: str) -> str:
    """Make the figure an `<svg>` element; `prefix` keeps its ids apart from those of other figures."""
    settle(figure)
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    body = text[text.index(">", text.index("<svg")) + 1 :]
    body = re.sub(r"<metadata>.*?</metadata>", "", body, flags=re.DOTALL)
    body = body.replace("xlink:href", "href")
    body = re.sub(r'(\bid="|\bhref="#|url\(#)([^")]+)', rf"\1{prefix}-\2", body)
    # the page's own font: matplotlib's is only what the layout was measured with
    body = body.replace(f"'{_FONT}', sans-serif", "sans-serif")
    width, height = (PIXELS_PER_INCH * side for side in figure.get_size_inches())
    return opened(width, height, label) + themed(body)


def opened(width: float, height: float, label: str) -> str:
    """Make the opening tag of an SVG with sides in CSS pixels; screen readers say `label` instead."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'height="{height:g}" role="img" aria-label={quoteattr(label)}>'
    )


def themed(body: str) -> str:
    """Replace each colour of `COLOURS` by its CSS variable."""
    names = {colour: name for name, colour in COLOURS.items()}
    return re.sub("|".join(names), lambda match: f"var(--{names[match[0]]}, {match[0]})", body)


def percent(axis: Any) -> None:
    """Write the shares along an axis as per cent."""
    axis.set_major_formatter(lambda value, _: f"{100 * value:.6g} %".replace("-", "\N{MINUS SIGN}"))


def place_labels(axes: Axes, labels: Sequence[tuple[float, float, str, str]], lines: Sequence[Segment] = ()) -> None:
    """Write a text beside each point (x, y, text, colour), at the nearest place that covers least.

    The limits of the axes must be final. `lines`, upright or level, are kept clear, too.
    """
    figure = axes.get_figure()
    assert isinstance(figure, Figure)
    settle(figure)
    renderer = figure.canvas.get_renderer() if hasattr(figure.canvas, "get_renderer") else None
    frame = axes.get_window_extent(renderer)
    spots = [axes.transData.transform((x, y)) for x, y, _, _ in labels]
    taken: list[Sequence[float]] = [(x - 6, y - 6, x + 6, y + 6) for x, y in spots]
    crossed: list[Sequence[float]] = []
    for line in lines:
        (left, foot), (right, head) = sorted(axes.transData.transform(line).tolist())
        crossed.append((left - 2, min(foot, head) - 2, right + 2, max(foot, head) + 2))
    for (x, y, text, colour), own in zip(labels, spots, strict=True):
        note = axes.annotate(text, (x, y), (0, 0), textcoords="offset points", fontsize=11, color=colour)
        measured = note.get_window_extent(renderer)
        best, least = ((0.0, 0.0, 0.0, 0.0), 0), float("inf")
        for distance in (9, 18, 28, 40):
            for dx, dy in _DIRECTIONS:
                # the side of the text that faces the point is where it is held
                left = own[0] + dx * distance - measured.width * (dx < 0) - measured.width / 2 * (dx == 0)
                foot = own[1] + dy * distance - measured.height * (dy < 0) - measured.height / 2 * (dy == 0)
                box = (left, foot, left + measured.width, foot + measured.height)
                covered = sum(_overlap(box, other) for other in taken)
                covered += 0.4 * sum(_overlap(box, other) for other in crossed)  # a thin line behind a text can be read
                covered += 10 * _outside(box, frame.extents) + 1.5 * (distance - 9)
                if covered < least:
                    best, least = (box, distance), covered
        box, distance = best
        note.xyann = (box[0] - own[0], box[1] - own[1])
        if distance > 18:
            ends = zip((x, y), axes.transData.inverted().transform(_nearest(box, own)), strict=True)
            axes.plot(*ends, color=colour, linewidth=0.7, alpha=0.6)
        taken.append(box)


def _overlap(one: Any, other: Any) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return float(width * height) if width > 0 and height > 0 else 0.0


def _outside(box: Any, frame: Any) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1])) - _overlap(box, frame)


def _nearest(box: Any, point: Any) -> tuple[float, float]:
    return min(max(point[0], box[0]), box[2]), min(max(point[1], box[1]), box[3])
