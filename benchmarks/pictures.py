"""Draw the pictures of docs/explanation from what docs/measurements.md tells: `python -m benchmarks.pictures docs`.

Figures have one place, the tables of docs/measurements.md and docs/nasbench_macro_64.csv, and are read from there. The
picture of staleness is drawn from the declarations of the steps. Same input, same bytes; each picture has a background
of its own and follows the reader's choice of light or dark.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from nas_steps.provenance.files import read_csv, write_text
from nas_steps.provenance.step import Reads
from nas_steps.report.svg import COLOURS, inline_svg, new_figure, style
from nas_steps.workflow.docs import CHOICES
from nas_steps.workflow.steps import STEPS

#: the colours of the dark theme, as in nas_steps/report/style.css
DARK = re.compile(r"prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}", re.DOTALL)
CSS = Path(__file__).resolve().parents[1] / "nas_steps" / "report" / "style.css"
#: rows of the picture of staleness: keys that users edit often
EDITED = (
    "data", "space", "search.network", "search.estimator", "search.strategies.{strategy}", "ranking.uniform",
    "ranking.recipe", "retrain.recipe", "retrain.tolerance", "scaling.recipe", "export",
)  # fmt: skip
#: columns of it: the stages, each with the folders of its steps
STAGES = {
    "data": ("data",),
    "search": ("search", "supernet"),
    "ranking": ("ranking",),
    "retraining": ("retraining", "recipes"),
    "scaling": ("scaling",),
    "export": ("export",),
}
Rows = list[list[str]]


def table(text: str, heading: str, first: str) -> Rows:
    """Return the cells of the table below a heading whose head row begins with the cell `first`, without that row."""
    section = text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    tables = re.findall(r"(?:^\|.*\n?)+", section, flags=re.MULTILINE)
    cells = [[[cell.strip() for cell in row.strip("|").split("|")] for row in one.splitlines()] for one in tables]
    found = next((one for one in cells if one[0][0] == first), None)
    if found is None:
        raise ValueError(f"docs/measurements.md has no table '{first}' below '{heading}'")
    return found[2:]


def interval(cell: str) -> tuple[float, float, float]:
    """Return the figure, and the ends of its interval, that a cell such as `-0.4 [-1.9, 1.2]` tells."""
    middle, low, high = (float(one) for one in re.findall(r"-?\d*\.\d+", cell)[:3])
    return middle, low, high


def forest(axes: Axes, rows: list[tuple[str, tuple[float, float, float], str]]) -> None:
    """Draw intervals, the first row on top: name, (figure, low, high), colour."""
    for height, (_, (middle, low, high), colour) in enumerate(reversed(rows)):
        axes.plot([low, high], [height, height], color=COLOURS[colour])
        axes.plot([middle], [height], "o", color=COLOURS[colour], markersize=7)
    axes.set_yticks(range(len(rows)), [name for name, _, _ in reversed(rows)])
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.axvline(0, color=COLOURS["muted"], linewidth=1)
    axes.grid(axis="y", visible=False)


def verdict(text: str, _: Path) -> Figure:
    """Differences of two strategies to each opponent of the verdict."""
    figure = new_figure(680, 360)
    axes = figure.add_subplot()
    names = ("random search", "8 uniform networks", "the largest network", "the best baseline")
    rows = []
    for name, row in zip(names, table(text, "Is searching worth it?", "against"), strict=True):
        rows += [(f"darts, {name}", interval(row[2]), "searched"), (f"evolution, {name}", interval(row[3]), "scaled")]
    forest(axes, rows)
    axes.set_xlabel("difference in points of test accuracy, 95 % interval")
    axes.set_title("What two strategies gained, against four opponents")
    return figure


def power(text: str, _: Path) -> Figure:
    """How often a true difference is found, by the number of searches."""
    figure = new_figure(680, 300)
    axes = figure.add_subplot()
    rows = table(text, "How often is the verdict wrong?", "searches")
    for shift, (column, colour) in enumerate(((2, "searched"), (3, "other"))):
        places = [place + 0.4 * shift for place in range(len(rows))]
        label = f"a true difference of {column - 1} standard deviation{'s' * (column > 2)}"
        axes.bar(places, [float(row[column]) for row in rows], 0.36, color=COLOURS[colour], label=label)
    labels = [f"{row[0]} searches\n{row[1]} strateg{'y' if row[1] == '1' else 'ies'}" for row in rows]
    axes.set_xticks([place + 0.2 for place in range(len(rows))], labels)
    axes.set_ylim(0, 100)
    axes.set_ylabel("found, % of experiments")
    axes.grid(axis="x", visible=False)
    axes.legend(loc="upper left")
    axes.set_title("More searches find more")
    return figure


def stale(_: str, __: Path) -> Figure:
    """How many steps of each stage read a key of the config."""
    figure = new_figure(680, 420)
    axes = figure.add_subplot()
    for height, key in enumerate(reversed(EDITED)):
        for place, stages in enumerate(STAGES.values()):
            number = readers(key, stages)
            colour = COLOURS["searched" if number else "grid"]
            axes.plot([place], [height], "s", color=colour, markersize=24 if number else 5)
            if number:
                axes.text(place, height, str(number), color=COLOURS["surface"], ha="center", va="center")
    axes.set_xticks(range(len(STAGES)), list(STAGES))
    axes.set_yticks(range(len(EDITED)), [key.replace(".{strategy}", ".NAME") for key in reversed(EDITED)])
    axes.set_xlim(-0.6, len(STAGES) - 0.4)
    axes.set_ylim(-0.6, len(EDITED) - 0.4)
    axes.grid(visible=False)
    axes.set_title("Steps that read a key of the config")
    return figure


def readers(key: str, stages: tuple[str, ...]) -> int:
    """Return how many declared steps of some stages read a key."""
    found = [step for step in STEPS.values() if step.stage in stages]
    paths = [[one for source in step.sources().values() for one in paths_of(source)] for step in found]
    return sum(key in one for one in paths)


def paths_of(source: Reads) -> list[str]:
    """Return the config paths that a source may read."""
    return [source.path] if isinstance(source.path, str) else [source.path(config) for config in CHOICES]


def statistics(_: str, docs: Path) -> Figure:
    """Scores of 64 architectures by one supernet, before and after batch norms are estimated anew."""
    figure = new_figure(680, 340)
    axes = figure.add_subplot()
    rows = read_csv(docs / "nasbench_macro_64.csv")
    macs = [float(row["macs"]) / 1e6 for row in rows]
    for column, colour, marker, label in (
        ("reestimated", "searched", "o", "estimated anew for each architecture"),
        ("running", "random", "^", "running statistics of all architectures together"),
    ):
        scores = [100 * float(row[column]) for row in rows]
        axes.plot(macs, scores, marker, color=COLOURS[colour], markersize=6, label=label)
    axes.set_xlabel("million multiply-accumulates")
    axes.set_ylabel("accuracy with shared weights, %")
    axes.set_ylim(0, 75)
    axes.legend(loc="lower right", title="batch norms")
    axes.set_title("The same weights, the same 64 architectures")
    return figure


def halves(text: str, _: Path) -> Figure:
    """Rank correlations of shared weights and of MACs with accuracies after training: all, and the better half."""
    figure = new_figure(680, 300)
    axes = figure.add_subplot()
    rows = {row[0]: row for row in table(text, "A supernet of NAS-Bench-Macro's space", "score")}
    picked = [
        ("shared weights, all 64", rows["re-estimated"][1], "searched"),
        ("a second supernet, all 64", rows["the second supernet's"][1], "searched"),
        ("MACs alone, all 64", rows["re-estimated"][2], "baseline"),
        ("shared weights, better 32", rows["re-estimated, better half"][1], "searched"),
        ("a second supernet, better 32", rows["the second supernet's, better half"][1], "searched"),
        ("MACs alone, better 32", rows["re-estimated, better half"][2], "baseline"),
    ]
    forest(axes, [(name, interval(cell), colour) for name, cell, colour in picked])
    axes.set_xlim(-0.05, 1)
    axes.set_xlabel("Spearman's correlation with the published accuracy, 95 % interval")
    axes.set_title("Good over the space, poor among the good")
    return figure


def factorial(text: str, _: Path) -> Figure:
    """Accuracies of three bases, each as it is and scaled in four ways to twice the MACs."""
    figure = new_figure(680, 320)
    axes = figure.add_subplot()
    names = ("none", "depth", "width", "resolution", "compound")
    colours = (("searched", "searched", "o"), ("random", "random", "^"), ("resnet20", "baseline", "s"))
    rows = table(text, "Search against scaling", "base")
    for row, (label, colour, marker) in zip(rows, colours, strict=True):
        assert row[0].startswith(label), row
        figures = [float(cell) for cell in row[1:]]
        axes.plot(figures, marker, color=COLOURS[colour], markersize=9, label=label)
    axes.set_xticks(range(len(names)), ["unscaled", *names[1:]])
    axes.set_xlim(-0.5, len(names) - 0.5)
    axes.set_ylabel("test accuracy, %")
    axes.legend(loc="lower left", ncols=3)
    axes.set_ylim(28, 46)
    axes.set_title("Three bases, and twice their compute in four ways")
    return figure


def effects(text: str, _: Path) -> Figure:
    """The effects of searching and of scaling, with their intervals."""
    figure = new_figure(680, 260)
    axes = figure.add_subplot()
    rows = table(text, "Search against scaling", "effect, points")
    colours = {"search": "searched", "scaling": "scaled", "interaction": "muted"}
    forest(axes, [(row[0].split(": ")[1], interval(row[1]), colours[row[0].split(":")[0]]) for row in rows])
    axes.set_xlabel("points of test accuracy, 95 % interval")
    axes.set_title("What search brought, and what scaling")
    return figure


#: file name -> what draws it, and what a screen reader says
PICTURES: dict[str, tuple[Callable[[str, Path], Figure], str]] = {
    "verdict": (verdict, "Differences of DARTS and evolution to four opponents, with intervals"),
    "power": (power, "Share of experiments that find a true difference, by number of searches"),
    "stale": (stale, "Which stages read which keys of the config"),
    "statistics": (
        statistics,
        "Accuracy with shared weights against multiply-accumulates, for two kinds of statistics",
    ),
    "halves": (halves, "Rank correlations over the space and among its better half"),
    "factorial": (factorial, "Test accuracy of three bases, unscaled and scaled in four ways"),
    "effects": (effects, "Effects of search and of scaling, with intervals"),
}


def picture(name: str, docs: Path) -> str:
    """Return one picture as the text of an SVG file, from the folder `docs`."""
    draw, label = PICTURES[name]
    text = (docs / "measurements.md").read_text(encoding="utf-8")
    with style():
        svg = inline_svg(draw(text, docs), name, label)
    dark = DARK.search(CSS.read_text(encoding="utf-8"))
    assert dark is not None
    colours = " ".join(dark[1].split())
    theme = f"<style>@media (prefers-color-scheme: dark) {{ svg {{ {colours} }} }}</style>"
    ground = f'<rect width="100%" height="100%" fill="var(--surface, {COLOURS["surface"]})"/>'
    opening, _, rest = svg.partition(">")
    return f"{opening}>{theme}{ground}{rest}\n"


if __name__ == "__main__":
    for name in PICTURES:
        folder = Path(sys.argv[1])
        write_text(folder / "explanation" / "pictures" / f"{name}.svg", picture(name, folder))
