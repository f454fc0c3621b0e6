"""Does it last? What the rungs say of searched blocks at growing compute: sentences, a figure, a table."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from nas_steps.provenance.files import number, read_csv
from nas_steps.report import numbers
from nas_steps.report.columns import Table, figure, known, text
from nas_steps.report.signals import Sentence, Tone
from nas_steps.report.svg import COLOURS, CYCLE, inline_svg, new_figure, style
from nas_steps.scaling.rungs import ALPHA, CURVES, GAINS, MULTIPLIERS, OUTSIDE, outside

Row = Mapping[str, Any]

RULES = (
    "The winner is the block of the best ranked winner of all searches. Each network was trained at several sizes with "
    "the same compute. A parabola in the logarithm of its parameters gives the best loss there. The parabolas of one "
    "rung share their curvature.",
    "The multiplier is the share of the baseline's compute with which the searched network has the baseline's loss. "
    "Its own curve E + A C^−a says how much compute a difference of losses is worth. E is shared by all networks.",
    "Intervals are 95 % over trainings: of seeds, and of sizes about the parabolas. They do not hold the choice of the "
    "text. Losses are of the validation text, from which the search chose the block, too.",
    "By the clock, the multiplier is that of compute times the ratio of seconds for the same compute. The seconds are "
    "those of the rungs' trainings, on the machine that ran them, whatever ran beside them.",
    "The gain over a baseline is its best loss at the least compute less the searched network's at the most. Its two "
    "parts are averaged over both orders, search first or scaling first, and add up to it. Percentages are given if "
    "the interval of the gain is above 0 and neither part is below 0.",
    "A change from the first rung to the last is claimed if its interval excludes 1 and its p, adjusted by Holm over "
    f"all pairs, is below {ALPHA:.2f}. An advantage shrinks if the multiplier rises from an interval below 1.",
)
#: what the outcomes of `nas_steps.scaling.rungs.outcome` say
WORDS: dict[str, tuple[str, Tone]] = {
    "shrinks": ("The advantage shrinks", "loss"),
    "grows": ("The advantage grows", "win"),
    "rises": ("The multiplier rises", "loss"),
    "falls": ("The multiplier falls", "win"),
    "no change found": ("No change with compute was found", "plain"),
}


@dataclass(frozen=True)
class Section:
    """What the page shows of the rungs."""

    sentences: Sequence[Sentence]
    figure: Markup | None
    multipliers: Table
    effects: Table
    curves: Table
    rules: Sequence[str] = RULES


def section(folder: Path) -> Section | None:
    """Read the tables of the rungs below an experiment's folder; None if there are none."""
    if not (folder / "scaling/multipliers.csv").is_file():
        return None
    names = ("multipliers", "rung_curves", "rung_effects")
    multipliers, curves, effects = (read(folder / f"scaling/{name}.csv") for name in names)
    drawing = draw(multipliers, curves)
    return Section(
        list(sentences(multipliers, curves, effects)),
        None if drawing is None else Markup(drawing),
        table_of_multipliers(multipliers),
        table_of_effects(effects),
        table_of_curves(curves),
    )


def read(path: Path) -> list[dict[str, Any]]:
    """Read a table; a cell of a figure that is empty is None."""
    texts = {"network", "kind", "minimum", "searched", "baseline", "outcome", "note", "effect"}
    rows = read_csv(path)
    return [{key: cell if key in texts else _figure(cell) for key, cell in row.items()} for row in rows]


def _figure(cell: str) -> float | None:
    value = number(cell)
    return None if math.isnan(value) else value


def sentences(multipliers: Sequence[Row], curves: Sequence[Row], effects: Sequence[Row]) -> Iterator[Sentence]:
    """Tell what each searched network needs of each baseline's compute, whether that changes, and what scaling adds."""
    if not multipliers:
        yield Sentence("There is no searched network to follow over the rungs: no search has a winner.", "warning")
    for (searched, baseline), rows in pairs(multipliers).items():
        if rows[0]["multiplier"] is None:
            yield Sentence(f"{searched} was not compared with {baseline}: {rows[0]['note']}.", "warning")
            continue
        shown = [rows[0], rows[-1]]
        needs = ", and ".join(f"{_multiplier(row)} at {flops(row['compute'])}" for row in shown)
        text = f"{searched} needs {needs.replace(' at', f' of {baseline}’s compute at', 1)} FLOPs."
        if all(row["time"] is not None for row in shown):
            times = " and ".join(_estimate(row, "time", "time_low", "time_high") for row in shown)
            text += f" By the clock it needs {times} of the time."
        change = f"the last multiplier is {_estimate(rows[0], 'change', 'change_low', 'change_high')} times the first"
        words, tone = WORDS.get(rows[0]["outcome"], ("There is no interval", "warning"))
        yield Sentence(f"{text} {words}: {change}.", tone)
    yield from gains(effects)
    notes = dict.fromkeys(part for row in multipliers if row["multiplier"] is not None for part in _notes(row))
    for note in (*_beyond(curves), *notes):
        yield Sentence(note, "warning")
    if curves and curves[0]["law_points"]:
        first = curves[0]
        text = f"The curves stand on {numbers.count(first['law_points'])} best losses; the shared floor E is "
        yield Sentence(f"{text}{numbers.plain(first['floor'])} bits per byte.")


def gains(effects: Sequence[Row]) -> Iterator[Sentence]:
    """Tell how much of the gain from the first to the last rung came from search, and how much from scaling."""
    for whole in (row for row in effects if row["effect"] == "both"):
        pair = whole["searched"], whole["baseline"]
        parts = {row["effect"]: row for row in effects if (row["searched"], row["baseline"]) == pair}
        search, scaling = (_estimate(parts[name], "difference", "low", "high") for name in ("search", "scaling"))
        text = (
            f"The gain of {pair[0]} at {flops(whole['scaled'])} FLOPs over {pair[1]} at {flops(whole['compute'])} is "
            f"{_estimate(whole, 'difference', 'low', 'high')} bits per byte: {search} from search and {scaling} from "
            "scaling"
        )
        if whole["share"] is not None:
            shares = (numbers.share(parts[name]["share"], 0) for name in ("search", "scaling"))
            text += ", that is {} from search and {} from scaling".format(*shares)
        yield Sentence(f"{text}.")


def pairs(multipliers: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Group rows by searched network and baseline, the smallest compute first."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in multipliers:
        found.setdefault((row["searched"], row["baseline"]), []).append(row)
    return {pair: sorted(rows, key=lambda row: row["compute"] or 0.0) for pair, rows in found.items()}


def _beyond(curves: Sequence[Row]) -> Iterator[str]:
    """Name at each compute the networks that may be best at a size that was not tried."""
    for compute in dict.fromkeys(row["compute"] for row in curves):
        for minimum in ("below the sizes", "above the sizes"):
            there = [row["network"] for row in curves if (row["compute"], row["minimum"]) == (compute, minimum)]
            if there:
                yield f"At {flops(compute)} FLOPs: {outside(there, minimum.startswith('below'))}."


def _notes(row: Row) -> Iterator[str]:
    for note in filter(None, str(row["note"]).split("; ")):
        if not note.endswith(OUTSIDE):  # see _beyond
            yield f"At {flops(row['compute'])} FLOPs: {note}."


def flops(value: float | None) -> str:
    """`1.6e14`."""
    if value is None:
        return numbers.NO_FIGURE
    digits, _, exponent = f"{value:.2g}".partition("e")
    return f"{digits}e{int(exponent)}" if exponent else digits


def _estimate(row: Row, value: str, low: str, high: str) -> str:
    """`0.83 [0.74, 0.95]`."""
    return f"{numbers.plain(row[value])} {numbers.bracket(row[low], row[high])}"


def _multiplier(row: Row) -> str:
    return _estimate(row, "multiplier", "low", "high")


def draw(multipliers: Sequence[Row], curves: Sequence[Row], prefix: str = "rungs") -> str | None:
    """Draw the best losses and the multipliers against compute; None without any multiplier."""
    known_ones = [row for row in multipliers if row["multiplier"] is not None]
    if not known_ones:
        return None
    names = list(dict.fromkeys(row["network"] for row in curves))
    colours = {name: COLOURS[CYCLE[place % len(CYCLE)]] for place, name in enumerate(names)}
    marks = {row["network"]: "o" if row["kind"] == "searched" else "s" for row in curves}
    with style():
        made = new_figure(760, 380)
        left, right = made.subplots(1, 2)
        for name in names:
            mine = sorted((row for row in curves if row["network"] == name), key=lambda row: row["compute"])
            x, y = [row["compute"] for row in mine], [row["loss"] for row in mine]
            left.plot(x, y, marker=marks[name], ms=5, color=colours[name], label=name)
            _bars(left, x, mine, colours[name])
        left.set(title="Best loss of each network", xlabel="training FLOPs", ylabel="bits per byte (validation)")
        several = len({row["searched"] for row in known_ones}) > 1
        for place, ((searched, baseline), rows) in enumerate(pairs(known_ones).items()):
            # bars of several pairs at one compute lie side by side
            x = [row["compute"] * 1.05 ** (place - len(pairs(known_ones)) / 2 + 0.5) for row in rows]
            colour = colours[baseline]
            dashes = ("-", "--", ":", "-.")[names.index(searched) % 4] if several else "-"
            right.plot(x, [row["multiplier"] for row in rows], dashes, marker="s", ms=5, color=colour)
            _bars(right, x, rows, colour)
        right.axhline(1, color=COLOURS["muted"], linewidth=1)
        right.set_yscale("log")
        title = "Compute needed for the baseline’s loss"
        right.set(title=title, xlabel="training FLOPs", ylabel="share of the baseline’s compute")
        right.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
        right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        right.yaxis.set_minor_formatter(NullFormatter())
        for axes in (left, right):
            axes.set_xscale("log")
            axes.set_xticks(sorted({row["compute"] for row in curves}))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: flops(value)))
            axes.xaxis.set_minor_locator(NullLocator())
        made.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=5, columnspacing=1.2)
        return inline_svg(made, prefix, _label(known_ones))


def _bars(axes: Axes, x: Sequence[float], rows: Sequence[Row], colour: str) -> None:
    for place, row in zip(x, rows, strict=True):
        if row["low"] is not None and row["high"] is not None:
            axes.plot([place, place], [row["low"], row["high"]], color=colour, linewidth=1.2)


def _label(multipliers: Sequence[Row]) -> str:
    """Say for screen readers what the figure shows."""
    said = [
        f"{searched} against {baseline}: "
        + numbers.listed([f"{numbers.plain(row['multiplier'])} at {flops(row['compute'])}" for row in rows])
        for (searched, baseline), rows in pairs(multipliers).items()
    ]
    return f"Compute multipliers by training FLOPs. {'; '.join(said)}"


def table_of_multipliers(rows: Sequence[Row]) -> Table:
    """One row a searched network, baseline and rung."""
    columns = [
        text("searched", "searched"),
        text("baseline", "baseline"),
        figure("compute", "FLOPs", flops),
        figure("multiplier", "multiplier", numbers.plain),
        figure("low", "low", numbers.plain),
        figure("high", "high", numbers.plain),
        known("time", "by the clock", numbers.plain),
        known("time_low", "low", numbers.plain),
        known("time_high", "high", numbers.plain),
        known("change", "last / first", numbers.plain),
        known("change_low", "low", numbers.plain),
        known("change_high", "high", numbers.plain),
        known("p_holm", "p (Holm)", numbers.small),
        text("outcome", "outcome"),
        text("note", "note"),
    ]
    caption = "The share of a baseline's compute that gives the searched network the same loss"
    return Table("multipliers", caption, MULTIPLIERS, columns, [dict(row) for row in rows]).without_empty()


def table_of_effects(rows: Sequence[Row]) -> Table:
    """One row an effect of search, of scaling or of both, for each searched network and baseline."""
    columns = [
        text("searched", "searched"),
        text("baseline", "baseline"),
        text("effect", "effect"),
        figure("difference", "bits per byte saved", lambda value: numbers.plain(value, 3)),
        figure("low", "low", lambda value: numbers.plain(value, 3)),
        figure("high", "high", lambda value: numbers.plain(value, 3)),
        known("share", "share", numbers.share),
    ]
    caption = "Search and scaling: the searched network at the most compute against a baseline at the least"
    return Table("rung_effects", caption, GAINS, columns, [dict(row) for row in rows]).without_empty()


def table_of_curves(rows: Sequence[Row]) -> Table:
    """One row a network and rung."""
    columns = [
        text("network", "network"),
        figure("compute", "FLOPs", flops),
        figure("loss", "bits per byte", lambda value: numbers.plain(value, 3)),
        figure("low", "low", lambda value: numbers.plain(value, 3)),
        figure("high", "high", lambda value: numbers.plain(value, 3)),
        figure("parameters", "best size, parameters", numbers.count),
        figure("parameters_low", "low", numbers.count),
        figure("parameters_high", "high", numbers.count),
        text("minimum", "minimum"),
        figure("power", "a", numbers.plain),
    ]
    caption = "The best loss at each compute, at the best size"
    return Table("rung_curves", caption, CURVES, columns, [dict(row) for row in rows]).without_empty()
