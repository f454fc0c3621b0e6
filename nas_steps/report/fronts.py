"""The fronts of searches for several objectives, by the search's own score."""

from collections.abc import Collection
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

from nas_steps.config.estimators import ShortTraining
from nas_steps.config.strategies import Bayesian, Nsga2
from nas_steps.report import numbers
from nas_steps.report.columns import Table, figure, known, text
from nas_steps.report.records import HistoryRow, Search
from nas_steps.report.results import Results
from nas_steps.report.svg import COLOURS, CYCLE, inline_svg, new_figure, style
from nas_steps.search.pareto import non_dominated_fronts

WORDS = {"macs": "multiply-accumulates an image", "parameters": "parameters", "latency": "latency, ms (predicted)"}


COUNTED = ("macs", "parameters")


@dataclass(frozen=True)
class Point:
    """One evaluated architecture, its score, and its costs by objective."""

    architecture: str
    score: float
    costs: dict[str, float]


def fronts(results: Results) -> Table:
    """One row for each architecture of a front, by rising costs."""
    words = _words(results)
    rows = [
        {"search": search.name, "architecture": point.architecture, "score": point.score}
        | {name: point.costs.get(name) for name in words}
        for search, objectives in _searches(results)
        for point in front(evaluated(results, search, objectives), objectives, _maximised(results))
    ]
    columns = (
        text("search", "search"),
        figure("score", results.proxy or "score", results.spelled_score),
        known("macs", results.measure.cost_column, results.measure.cost),
        known("parameters", "parameters", numbers.count),
        known("latency", "latency, ms", numbers.milliseconds),
        *(known(name, name, numbers.digits) for name in words if name not in WORDS),
    )
    keys = ("search", "architecture", "score", *words)
    return Table("fronts", "Fronts of the searches for several aims, by their own score", keys, columns, rows)


def fronts_figure(results: Results, prefix: str = "fronts") -> str | None:
    """Draw score against each objective, a panel each: dots are evaluations, the line of a search joins its front."""
    drawn = [
        (search, objectives, points, front(points, objectives, _maximised(results)))
        for search, objectives in _searches(results)
        if (points := evaluated(results, search, objectives))
    ]
    words = _words(results)
    shown = [name for name in words if any(name in objectives for _, objectives, _, _ in drawn)]
    if not shown:
        return None
    with style():
        canvas = new_figure(max(470, 320 * len(shown)), 380)
        panels = canvas.subplots(1, len(shown), sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, shown, strict=True):
            for number, (search, objectives, points, best) in enumerate(drawn):
                if name not in objectives:
                    continue
                colour = COLOURS[CYCLE[number % len(CYCLE)]]
                axes.plot(*_scores(results, points, name), "o", color=colour, ms=4, alpha=0.35, mew=0)
                # a front of several objectives has no line in two dimensions
                mark = "o-" if len(objectives) == 1 else "o"
                best = sorted(best, key=lambda point: point.costs[name])
                axes.plot(
                    *_scores(results, best, name), mark, color=colour, ms=6, label=search.name, drawstyle="steps-post"
                )
            axes.set_xlabel(words[name])
            axes.xaxis.set_major_locator(MaxNLocator(4))
            if name in COUNTED:
                axes.xaxis.set_major_formatter(lambda value, _: numbers.macs(value) if value else "0")
        # a search may have none of the first panel's costs among its objectives
        labelled = [axes.get_legend_handles_labels() for axes in panels]
        legend = {name: handle for handles, names in labelled for handle, name in zip(handles, names, strict=True)}
        panels[0].set(ylabel=results.proxy or "the search's score", title="Score and costs of what was evaluated")
        if not results.proxy:
            results.measure.axis(panels[0].yaxis)
        canvas.legend(legend.values(), legend.keys(), loc="outside lower center", ncols=4)
        counts = [f"{search.name} has {numbers.plural(len(best), 'network')}" for search, _, _, best in drawn]
        return inline_svg(canvas, prefix, f"Score against costs; fronts: {numbers.listed(counts)}")


def _words(results: Results) -> dict[str, str]:
    """Return what each objective is called; columns of a table have their own names."""
    columns = {} if results.table is None else results.table.columns
    better = {name: "more" if one.goal == "maximise" else "less" for name, one in columns.items()}
    own = {"macs": results.measure.cost_axis}
    return WORDS | own | {name: f"{name} ({end} is better)" for name, end in better.items()}


def _maximised(results: Results) -> list[str]:
    """List the columns of a table whose goal is to be large."""
    columns = {} if results.table is None else results.table.columns
    return [name for name, one in columns.items() if one.goal == "maximise"]


def _scores(results: Results, points: list[Point], name: str) -> tuple[list[float], list[float]]:
    costs = [point.costs[name] for point in points]
    return [results.measure.costs(cost) for cost in costs] if name == "macs" else costs, [one.score for one in points]


def _searches(results: Results) -> list[tuple[Search, list[str]]]:
    """List the searches for several objectives, each with its costs to minimise."""
    kinds = results.config.search.strategies
    return [
        (search, list(strategy.objectives))
        for search in results.searches
        if isinstance(strategy := kinds[search.strategy], Nsga2 | Bayesian) and strategy.objectives
    ]


def evaluated(results: Results, search: Search, objectives: list[str]) -> list[Point]:
    """List the architectures of a search whose score and costs are known, each by its last evaluation.

    With successive halving only the last rung counts: scores of different rungs cannot be compared.
    """
    last = {row.architecture: row for row in search.history if row.score is not None}
    estimator = results.config.search.estimator
    halved = isinstance(estimator, ShortTraining) and estimator.halving is not None
    longest = max((row.epochs or 0 for row in last.values()), default=0)
    points = []
    for row in last.values():
        costs = {name: cost for name in objectives if (cost := _cost(results, row, name)) is not None}
        if len(costs) == len(objectives) and (not halved or row.epochs == longest):
            points.append(Point(row.architecture, row.score or 0.0, costs))
    return points


def _cost(results: Results, row: HistoryRow, name: str) -> float | None:
    if results.table is not None and name in results.table.columns:
        known = results.looked_up.get(row.architecture)
        return None if known is None else known[name]
    if name != "latency":
        return row.macs if name == "macs" else row.parameters
    return None if results.blocks is None else results.blocks.costs(results.space.parse(row.architecture)).latency_ms


def front(points: list[Point], objectives: list[str], maximised: Collection[str] = ()) -> list[Point]:
    """List the points that no other dominates in score and costs, by rising first cost."""
    if not points:
        return []
    signs = {name: -1.0 if name in maximised else 1.0 for name in objectives}
    first = non_dominated_fronts(
        [(-point.score, *(signs[name] * point.costs[name] for name in objectives)) for point in points]
    )[0]
    return sorted((points[index] for index in first), key=lambda point: (point.costs[objectives[0]], point.score))
