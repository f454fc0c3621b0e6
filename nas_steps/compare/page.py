"""The page of a comparison: one self-contained HTML file in the look of the report."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from nas_steps.compare.reading import Experiment
from nas_steps.report import numbers
from nas_steps.report.columns import Table
from nas_steps.report.records import Cells
from nas_steps.report.signals import Sentence
from nas_steps.report.svg import COLOURS, inline_svg, new_figure, style
from nas_steps.wording import in_words

#: of the drawings, in CSS pixels: the width, and the height of a row
WIDTH, HEIGHT = 640, 34
#: in characters: the longest name of an experiment
LONGEST = 30


@dataclass(frozen=True)
class Drawing:
    """A figure of the page, and what it shows."""

    svg: Markup
    caption: str


def render(
    experiments: Sequence[Experiment],
    rows: Sequence[Cells],
    tables: Mapping[str, Table],
    sentences: Sequence[Sentence],
    output: Path,
) -> str:
    """Make the text of the page, to be written to `output`."""
    own = PackageLoader("nas_steps.compare", ".")
    report = PackageLoader("nas_steps.report", ".")
    environment = Environment(
        loader=ChoiceLoader([own, report]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("compare.html.j2").render(
        # our own file: the only text, with the figures, that is not escaped
        css=Markup(report.get_source(environment, "style.css")[0]),
        title=f"{numbers.plural(len(experiments), 'experiment')} beside each other",
        tables=tables,
        rows=rows,
        sentences=sentences,
        drawings=list(drawings(experiments, rows)),
        links={one.name: _link(one, output) for one in experiments},
    )


def _link(one: Experiment, output: Path) -> str:
    """Return the address of an experiment's report from the page; empty if there is none."""
    page = one.folder / "report" / "report.html"
    return quote(Path(os.path.relpath(page, output.resolve().parent)).as_posix()) if page.is_file() else ""


def drawings(experiments: Sequence[Experiment], rows: Sequence[Cells]) -> Iterator[Drawing]:
    """Draw the test figures of each two or more experiments that share metric and test set, in the order given."""
    by_name = {row["experiment"]: row for row in rows}
    groups: dict[str, list[Experiment]] = {}
    for one in experiments:
        if one.results is not None and by_name[one.name]["test_mean"] is not None:
            groups.setdefault(one.comparable, []).append(one)
    for number, group in enumerate(groups.values()):
        if len(group) > 1:
            letter = by_name[group[0].name]["test_set"]
            caption = f"Test accuracy of the recommended networks on test set {letter}, with 95 % intervals"
            caption = in_words(caption, group[0].metric)
            yield Drawing(Markup(_intervals(group, [by_name[one.name] for one in group], number, caption)), caption)


def _intervals(group: Sequence[Experiment], rows: Sequence[Cells], number: int, caption: str) -> str:
    measure = group[0].results.measure if group[0].results is not None else None
    assert measure is not None
    with style():
        figure = new_figure(WIDTH, 60 + HEIGHT * len(group))
        axes = figure.add_subplot()
        for place, row in enumerate(rows):
            if row["test_low"] is not None and row["test_high"] is not None:
                axes.plot([row["test_low"], row["test_high"]], [-place] * 2, color=COLOURS["searched"], linewidth=2.4)
            axes.plot([row["test_mean"]], [-place], "o", color=COLOURS["searched"], ms=9)
        axes.set_ylim(0.6 - len(group), 0.6)
        axes.set_yticks([-place for place in range(len(group))], [_short(one.name) for one in group])
        axes.grid(axis="y", visible=False)
        measure.axis(axes.xaxis)
        axes.margins(x=0.06)
        told = "; ".join(
            f"{row['experiment']}: {measure.level(row['test_mean'])} {measure.span(row['test_low'], row['test_high'])}"
            for row in rows
        )
        return inline_svg(figure, f"compared-{number}", f"{caption}. {told}")


def _short(name: str) -> str:
    half = (LONGEST - 1) // 2
    return name if len(name) <= LONGEST else f"{name[:half]}\N{HORIZONTAL ELLIPSIS}{name[-half:]}"
