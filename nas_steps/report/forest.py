"""The forest plot: each strategy minus random search, random networks, the best baseline, the pretrained network."""

from dataclasses import dataclass
from html import escape
from typing import Any

from nas_steps.report import evidence, gains, numbers
from nas_steps.report.measures import Measure
from nas_steps.report.results import Results
from nas_steps.report.svg import COLOURS, inline_svg, new_figure, style

#: the columns of `forest_rows`; differences are shares of test accuracy
FOREST = (
    "strategy", "role", "opponent", "against", "searches", "against_searches", "matched", "difference", "low", "high",
    "p_holm", "standing", "note",
)  # fmt: skip

#: in CSS pixels: the drawing, and a row of it
WIDTH, HEIGHT = 440, 42
#: in characters: a strategy's name, and a name of an opponent with its figures
LONGEST_NAME, LONGEST_LINE = 36, 64
MINUS = "\N{MINUS SIGN}"
ROLES = ("random", "uniform", "baseline", "pretrained")


@dataclass(frozen=True)
class Mark:
    """How an outcome is drawn, and its words in the legend."""

    shape: str
    colour: str
    words: str
    filled: bool = True


_MARKS = {
    "beat": Mark(">", "win", "beat"),
    "lost": Mark("<", "loss", "lost"),
    "tie": Mark("o", "ink", "no difference found", filled=False),
    "few": Mark("D", "muted", "too few searches", filled=False),
    "refused": Mark("X", "warning", "refused: recipe or failures decide"),
}


def forest_rows(results: Results) -> list[dict[str, Any]]:
    """Return a row for each strategy and opponent, in the order of the plot, with the columns of FOREST.

    `standing` is the outcome (beat, lost, tie, few, missing), or why it is refused: recipe or failures.
    """
    return [
        {
            **{key: getattr(row, key) for key in FOREST if key not in ("opponent", "standing")},
            "opponent": gains.opponent(results, row),
            "standing": evidence.standing(results, [row]),
        }
        for strategy in results.strategies(searched=True)
        for role in ROLES
        for row in evidence.contests_of(results, strategy, role)
    ]


def forest(results: Results, prefix: str = "forest") -> str | None:
    """Draw the differences with their 95 % intervals; None if no difference is known. Figures are above each bar."""
    rows = [row for row in forest_rows(results) if row["difference"] is not None]
    if not rows:
        return None
    measure, at = results.measure, results.measure.differences
    strategies = list(dict.fromkeys(row["strategy"] for row in rows))
    lines: list[dict[str, Any] | str] = []
    for strategy in strategies:
        lines += [strategy, *(row for row in rows if row["strategy"] == strategy)]
    used = [name for name in _MARKS if name in {_mark(row) for row in rows}]
    with style():
        figure = new_figure(WIDTH, 62 + 18 * ((len(used) + 1) // 2) + HEIGHT * len(rows) + 28 * len(strategies))
        axes = figure.add_subplot()
        place = 0.0
        for line in lines:
            if isinstance(line, str):
                place -= 28
                _written(axes, place + 8, f"{_short(line)} {measure.versus} ...", weight="bold", size=13)
                continue
            place -= HEIGHT
            figures = _figures(measure, line)
            _written(axes, place + 24, f"{_short(line['opponent'], LONGEST_LINE - len(figures))}: {figures}")
            mark = _MARKS[_mark(line)]
            colour = COLOURS[mark.colour]
            if line["low"] is not None and line["high"] is not None:
                axes.plot([at(line["low"]), at(line["high"])], [place + 10] * 2, color=colour, linewidth=2.4)
            face = colour if mark.filled else COLOURS["surface"]
            axes.plot(
                [at(line["difference"])], [place + 10], mark.shape, color=colour, ms=9, mfc=face, mew=1.8, zorder=4
            )
        axes.axvline(0, color=COLOURS["muted"], linestyle=(0, (4, 3)), linewidth=1, zorder=1)
        axes.set_ylim(place - 4, 0)
        axes.set_yticks([])
        axes.grid(axis="y", visible=False)
        axes.spines["left"].set_visible(False)
        axes.margins(x=0.06)
        axes.xaxis.set_major_formatter(lambda value, _: "0" if not value else f"{value:+g}".replace("-", MINUS))
        intervals = ", with 95 % intervals" if any(row["low"] is not None for row in rows) else ""
        axes.set_xlabel(measure.difference_axis(intervals))
        for name in used:
            mark = _MARKS[name]
            face = COLOURS[mark.colour] if mark.filled else COLOURS["surface"]
            axes.plot([], [], mark.shape, color=COLOURS[mark.colour], mfc=face, mew=1.8, ms=8, label=mark.words)
        figure.legend(loc="outside lower center", ncols=2, handletextpad=0.4, columnspacing=1.2)
        told = "; ".join(
            f"{row['strategy']} {measure.versus} {row['opponent']}: {_spelled(measure, row)}" for row in rows
        )
        drawing = inline_svg(figure, prefix, f"Forest plot. {told}")
    head, bracket, rest = drawing.partition(">")
    return f"{head}{bracket}<title>{escape('What searching won, by opponent')}</title>{rest}"


def _written(axes: Any, height: float, words: str, **more: Any) -> None:
    """Write a line of text at the left edge, at a height in the units of the y axis, on the colour of the page."""
    behind = {"facecolor": COLOURS["surface"], "edgecolor": "none", "pad": 1}
    given = {"fontsize": more.pop("size", 12), "va": "center", "zorder": 5, "bbox": behind, **more}
    note = axes.annotate(words, (0, height), xycoords=("axes fraction", "data"), annotation_clip=False, **given)
    note.set_in_layout(False)  # a long name must not shrink the axes


def _short(name: str, most: int = LONGEST_NAME) -> str:
    """Cut the middle out of a long name; the words for screen readers have all of it."""
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}\N{HORIZONTAL ELLIPSIS}{name[-half:]}"


def _mark(row: dict[str, Any]) -> str:
    standing = str(row["standing"])
    return standing if standing in _MARKS else "few" if standing == "missing" else "refused"


def _figures(measure: Measure, row: dict[str, Any]) -> str:
    """`+1.2 [0.4, 2.0], 4 v 4`; with Holm's p if a tie's own interval excludes 0."""
    decimals = measure.decimals(row["low"], row["high"])
    text = measure.difference(row["difference"], decimals, sign=True)
    if row["low"] is not None:
        text += f" {measure.interval(row['low'], row['high'], decimals)}"
    counts = [row[key] for key in ("searches", "against_searches")]
    text += "" if None in counts else f", {counts[0]} v {counts[1]}"
    excludes = row["low"] is not None and not row["low"] <= 0 <= row["high"]
    return f"{text}, Holm p {numbers.small(row['p_holm'])}" if row["standing"] == "tie" and excludes else text


def _spelled(measure: Measure, row: dict[str, Any]) -> str:
    return f"{_figures(measure, row)} ({_MARKS[_mark(row)].words})"
