"""The figures of the report as inline SVG. A figure without anything to show is None; bars are 95 % intervals."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from nas_steps.report import numbers
from nas_steps.report.records import Entry, Search
from nas_steps.report.results import Results
from nas_steps.report.signals import pareto
from nas_steps.report.svg import COLOURS, CYCLE, Segment, inline_svg, new_figure, percent, place_labels, style
from nas_steps.spaces.cells.space import CellSpace

#: kind of a network -> its mark, its colour, its words in the legend
KINDS = {
    "searched": ("o", "searched", "searched"),
    "random": ("D", "random", "random search"),
    "uniform": ("p", "other", "uniform draw"),
    "largest": ("P", "spare", "largest of the space"),
    "baseline": ("s", "baseline", "hand-designed"),
    "pretrained": ("X", "win", "pretrained, whole"),
    "from_nothing": ("v", "muted", "winner from nothing"),
    "scaled": ("^", "scaled", "scaled family"),
}
#: of more networks in one figure, only the notable ones are named
MOST_LABELS = 12
_DASHED = (0, (4, 3))


def sampling_curves(results: Results, prefix: str = "sampling") -> str | None:
    """Draw the best score so far of each search as a line, and each evaluation as a dot."""
    searches = [search for search in results.searches if not search.trains_supernet and _column(search, "best")[0]]
    if not searches:
        return None
    # random search keeps its colour; the others share the rest in the config's order
    colours = dict.fromkeys(results.strategies(searched=False), COLOURS["random"])
    for place, name in enumerate(results.strategies(searched=True)):
        colours[name] = COLOURS[CYCLE[place % len(CYCLE)]]
    with style():
        figure = new_figure(470, 400)
        axes = figure.add_subplot()
        ends: dict[str, float] = {}
        for search in searches:
            colour = colours[search.strategy]
            axes.plot(*_column(search, "score"), "o", color=colour, ms=4.5, alpha=0.5, mew=0)
            x, y = _column(search, "best")
            axes.step(x, y, where="post", color=colour)
            ends[search.strategy] = max(y[-1], ends.get(search.strategy, y[-1]))
        axes.set(title="Best so far, by evaluation", xlabel="evaluation", ylabel=results.proxy or "validation accuracy")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if not results.proxy:
            results.measure.axis(axes.yaxis)
        axes.margins(x=0.04, y=0.08)
        for name in ends:
            axes.plot([], [], color=colours[name], label=name)
        figure.legend(loc="outside lower center", ncols=4, columnspacing=1.2)
        reached = numbers.listed([f"{name} reaches {results.spelled_score(end)}" for name, end in ends.items()])
        label = f"Best {results.proxy or 'validation accuracy'} so far by evaluation: {reached}"
        return inline_svg(figure, prefix, label)


def darts_curves(results: Results, prefix: str = "darts") -> str | None:
    """Draw a supernet's accuracy, edges without weights and entropy by epoch. A mobile space has no edges."""
    searches = [search for search in results.searches if search.trains_supernet and search.history]
    if not searches:
        return None
    space = results.space
    learnt = "alphas" if isinstance(space, CellSpace) else "controller"
    panels = {"score": "Supernet (line) and its discrete network (dots): validation"}
    if isinstance(space, CellSpace):
        panels["parameter_free"] = f"Kept edges without weights ({'normal cell' if space.inputs == 2 else 'cell'})"
    panels["entropy"] = f"Mean entropy of the {learnt}, nats"
    with style():
        figure = new_figure(470, 400)
        stack = figure.subplots(len(panels), 1, sharex=True, height_ratios=[3, 2, 2][: len(panels)])
        for axes, (column, title) in zip(stack, panels.items(), strict=True):
            for number, search in enumerate(searches):
                colour = COLOURS[CYCLE[number % len(CYCLE)]]
                # lines that share a colour differ in their dashes
                dashes = ("-", "--", ":", "-.")[number // len(CYCLE) % 4]
                drawn = "steps-post" if column == "parameter_free" else "default"
                line, dots = _column(search, column), _column(search, "discrete_accuracy")
                alone = "o" if len(line[0]) == 1 else ""  # no line shows a single epoch
                axes.plot(*line, marker=alone, color=colour, label=search.name, drawstyle=drawn, linestyle=dashes)
                if column == "score":
                    axes.plot(*dots, color=colour, linewidth=1, alpha=0.6, marker=".", ms=3)
            axes.set_title(title, fontsize=11)
            axes.yaxis.set_major_locator(MaxNLocator(4))
        for axes in stack[:-1]:
            percent(axes.yaxis)
        last = stack[-1]
        if isinstance(space, CellSpace):
            stack[1].set_ylim(-0.04, 1.04)
            stack[1].set_yticks([0, 0.5, 1])
            largest = space.largest_entropy()
            last.axhline(largest, color=COLOURS["muted"], linestyle=_DASHED, linewidth=1)
            last.set_ylim(0, 1.4 * largest)
            last.annotate(
                "all alphas equal", (1, largest), (-2, 2), xycoords=("axes fraction", "data"),
                textcoords="offset points", ha="right", va="bottom", fontsize=10, color=COLOURS["muted"],
            )  # fmt: skip
        last.set_xlabel("epoch")
        last.xaxis.set_major_locator(MaxNLocator(integer=True))
        if len(searches) > 1:
            figure.legend(*stack[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
        names = numbers.listed([search.name for search in searches])
        label = f"{names} by epoch: supernet accuracy, edges without weights, entropy of the alphas"
        return inline_svg(figure, prefix, label)


def accuracy_against(results: Results, size: str, prefix: str = "size") -> str | None:
    """Draw test accuracy against `parameters` or `macs` of entries and scaled family, with the Pareto line.

    A ring marks the recommended network. Of many networks only the notable ones have their names beside them.
    """
    networks = [*results.entries, *results.members]
    shown = [one for one in networks if one.test_mean is not None and getattr(one, size)]
    if not shown:
        return None
    measure = results.measure
    words = {"parameters": "parameters", "macs": measure.cost_axis}[size]
    best = pareto([one for one in shown if one.kind != "scaled"])

    def at(one: Entry) -> float:
        return measure.costs(one.macs or 0) if size == "macs" else float(one.parameters or 0)

    named = _notable(results, shown, best)
    with style():
        figure = new_figure(500, 420)
        axes = figure.add_subplot()
        for kind, (mark, _, spelled) in KINDS.items():
            group = [one for one in shown if one.kind == kind]
            for one in group:
                _marked(axes, at(one), one)
            if group:
                axes.plot([], [], mark, color=_colour(kind), label=spelled)
        line: list[Segment] = []
        if size == "macs" and len(best) > 1:
            corners = [(at(one), one.test_mean or 0.0) for one in best]
            for (start, y), (end, above) in pairwise(corners):
                line += [((start, y), (end, y)), ((end, y), (end, above))]
            axes.step(
                *zip(*corners, strict=True), where="post", color=COLOURS["muted"], linestyle=_DASHED, linewidth=1.1,
                zorder=1, label="best trade-offs",
            )  # fmt: skip
        for one in shown:
            if one.entry == (results.recommended or {}).get("entry"):
                ring: dict[str, Any] = {"mfc": "none", "mec": COLOURS["ink"], "mew": 1.6, "zorder": 4}
                axes.plot([at(one)], [one.test_mean or 0.0], "o", ms=14, **ring)
                axes.plot([], [], "o", ms=10, label="recommended", **ring)
        labels = [(at(one), one.test_mean or 0.0, one.entry, _colour(one.kind)) for one in shown if one.entry in named]
        _log_axis(axes, [at(one) for one in shown])
        measure.axis(axes.yaxis)
        axes.margins(y=0.14)
        axes.set(title=f"Accuracy against {words.split(' ')[0]}", xlabel=words, ylabel="test accuracy")
        figure.legend(loc="outside lower center", ncols=3, handletextpad=0.4, columnspacing=1.2)
        place_labels(axes, labels, [*_bars(shown, at), *line])
        figures = "; ".join(f"{one.entry} {measure.named(one.test_mean)} at {numbers.macs(at(one))}" for one in shown)
        return inline_svg(figure, prefix, f"Test accuracy against {words}: {figures}")


def _notable(results: Results, shown: Sequence[Entry], best: Sequence[Entry]) -> set[str]:
    """Choose the networks whose names the figure has room for."""
    if len(shown) <= MOST_LABELS:
        return {one.entry for one in shown}
    recommended = results.recommended or {}
    names = [recommended.get("entry"), *(one["entry"] for one in recommended.get("alternatives") or ())]
    names += [one.entry for one in (*best, *shown) if one in best or one.kind in ("baseline", "scaled", "largest")]
    return {str(name) for name in names}


def dots(results: Results, prefix: str = "dots") -> str | None:
    """Draw each final training as a dot, with mean and interval, one row an entry, the best on top."""
    rows = sorted(results.entries, key=lambda one: one.test_mean if one.test_mean is not None else -math.inf)
    if not any(row.test_mean is not None for row in rows):
        return None
    with style():
        figure = new_figure(900, 70 + (38 if len(rows) <= MOST_LABELS else 26) * len(rows))
        size = 6.5 if len(rows) <= MOST_LABELS else 5
        axes = figure.add_subplot()
        for place, row in enumerate(rows):
            colour = _colour(row.kind)
            trainings = [one.figure for one in results.trainings if one.entry == row.entry]
            own = [accuracy for accuracy in trainings if accuracy is not None]
            axes.plot(own, [place - 0.17] * len(own), "o", color=colour, ms=size, alpha=0.55, mew=0, zorder=2)
            if row.test_mean is None:
                axes.annotate(
                    "no training ended with an accuracy", (0.01, place), xycoords=("axes fraction", "data"),
                    va="center", fontsize=11, color=COLOURS["muted"], style="italic",
                )  # fmt: skip
                continue
            if row.test_low is not None and row.test_high is not None:
                axes.plot([row.test_low, row.test_high], [place + 0.14] * 2, color=colour, linewidth=2, zorder=3)
            axes.plot([row.test_mean], [place + 0.14], "|", color=colour, ms=2 * size, mew=2.4, zorder=4)
        axes.set_yticks(range(len(rows)), [row.entry for row in rows])
        for text, row in zip(axes.get_yticklabels(), rows, strict=True):
            text.set_color(_colour(row.kind))
        axes.set_ylim(-0.6, len(rows) - 0.4)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        results.measure.axis(axes.xaxis)
        axes.set_xlabel("test accuracy: dots are trainings, the tick their mean, the bar its 95 % interval")
        means = "; ".join(f"{row.entry} {results.measure.named(row.test_mean)}" for row in reversed(rows))
        return inline_svg(figure, prefix, f"Test accuracy of every final training: {means}")


def family_curve(results: Results, prefix: str = "family") -> str | None:
    """Draw test accuracy against MACs of the scaled family, with untrained members at the foot."""
    members = [one for one in results.members if one.macs]
    trained = [one for one in members if one.test_mean is not None]
    if not trained:
        return None
    with style():
        figure = new_figure(900, 340)
        axes = figure.add_subplot()
        for one in trained:
            _marked(axes, one.macs or 0, one)
        points = [(float(one.macs or 0), one.test_mean or 0.0) for one in trained]
        axes.plot(*zip(*points, strict=True), color=COLOURS["scaled"], alpha=0.5, lw=1.2)
        budget = results.config.scaling.mac_budget
        axes.axvline(budget, color=COLOURS["muted"], linestyle=_DASHED, linewidth=1)
        _log_axis(axes, [float(one.macs or 0) for one in members] + [budget])
        axes.margins(y=0.2)
        axes.annotate(
            "budget", (budget, 1), (4, -2), xycoords=("data", "axes fraction"), textcoords="offset points",
            va="top", fontsize=10, color=COLOURS["muted"],
        )  # fmt: skip
        for one in members:
            if one.test_mean is None:
                axes.plot(
                    [one.macs or 0], [0.05], KINDS["scaled"][0], transform=axes.get_xaxis_transform(), mfc="none",
                    mec=COLOURS["muted"], ms=7, clip_on=False,
                )  # fmt: skip
                axes.annotate(
                    one.entry, (one.macs or 0, 0.05), (0, 9), xycoords=("data", "axes fraction"),
                    textcoords="offset points", ha="center", fontsize=11, color=COLOURS["muted"],
                )  # fmt: skip
        percent(axes.yaxis)
        axes.set(xlabel="multiply-accumulates an image (hollow: described, not trained)", ylabel="test accuracy")
        labels = [(x, y, one.entry, COLOURS["scaled"]) for (x, y), one in zip(points, trained, strict=True)]
        place_labels(axes, labels, _bars(trained, lambda one: one.macs or 0))
        figures = "; ".join(f"{name} {numbers.share(y)} at {numbers.macs(x)}" for x, y, name, _ in labels)
        return inline_svg(figure, prefix, f"Test accuracy of the scaled family: {figures}")


def _bars(group: Sequence[Entry], at: Callable[[Entry], float]) -> list[Segment]:
    return [
        ((at(one), one.test_low), (at(one), one.test_high))
        for one in group
        if one.test_low is not None and one.test_high is not None
    ]


def _marked(axes: Axes, x: float, one: Entry) -> None:
    colour = _colour(one.kind)
    if one.test_low is not None and one.test_high is not None:
        axes.plot([x, x], [one.test_low, one.test_high], color=colour, linewidth=1.5, alpha=0.65)
    mark = KINDS[one.kind][0]
    axes.plot([x], [one.test_mean or 0.0], mark, color=colour, ms=8, mec=COLOURS["surface"], mew=1, zorder=3)


def _colour(kind: str) -> str:
    return COLOURS[KINDS[kind][1]]


def _log_axis(axes: Axes, values: list[float]) -> None:
    """Set a logarithmic x axis around the values, with plain tick labels such as `500 k`."""
    low, high = math.log10(min(values)), math.log10(max(values))
    room = max(0.12 * (high - low), 0.12)
    axes.set_xscale("log")
    axes.set_xlim(10 ** (low - room), 10 ** (high + room))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high - low < 2.2 else (1,), numticks=12))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _round_number(value)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _round_number(value: float) -> str:
    digits, _, prefix = numbers.macs(value).partition("\N{NO-BREAK SPACE}")
    return f"{float(digits.replace(',', '')):g} {prefix}".strip()


def _column(search: Search, name: str) -> tuple[list[int], list[float]]:
    points = [(row.step, getattr(row, name)) for row in search.history]
    known = [(x, y) for x, y in points if x is not None and y is not None]
    return [x for x, _ in known], [y for _, y in known]
