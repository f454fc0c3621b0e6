"""What the searches' cost won, and whether all sides have the same size. `RULES` has the rules."""

from collections.abc import Iterator

from nas_steps.report import numbers
from nas_steps.report.records import Contest, Entry
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence

#: MACs above a budget by more than this share are no rounding
SLACK = 0.001

RULES = (
    "What an hour of search won is the difference to a uniformly drawn architecture, which took no search, and to "
    "random search, divided by the device-hours of one search. Where that difference cannot be told from 0, neither "
    "can what an hour won, and no number is given.",
    "A budget that baselines were held to is told where the searches' own winners or the random ones exceed it: then "
    "sizes were not matched, and the comparison favours the larger network.",
)


def gained(results: Results, strategy: str, rows: list[Contest], claimed: bool) -> Iterator[Sentence]:
    """Tell the accuracy that an hour of search won over the opponent of `rows`, if both are known."""
    hours = device_hours(results, strategy)
    row = next((row for row in rows if row.difference is not None), None)
    if hours is None or row is None or results.table is not None:
        return
    whom = "a uniform draw" if row.role == "uniform" else "random search of its budget"
    spent = f"{numbers.seconds(3600 * hours)} of device time"
    if not claimed:
        text = f"What {strategy} gained over {whom} in {spent} cannot be told from 0, nor what an hour of it gains."
        yield Sentence(text)
        return
    difference = row.difference or 0.0
    word = "gained" if difference > 0 else "lost"
    each = numbers.ratio(100 * abs(difference) / hours)
    text = f"In {spent} {strategy} {word} {numbers.points(abs(difference))} points over {whom}: {each} points a "
    yield Sentence(f"{text}device-hour at this length, which need not hold for a longer search.")


def device_hours(results: Results, strategy: str) -> float | None:
    """Sum the hours of one search, each as often as its job held devices; None if nothing was measured."""
    seconds = results.search_seconds(strategy)
    names = {search.name for search in results.searches if search.strategy == strategy}
    more = sum((cost.devices - 1) * cost.seconds for cost in results.costs if cost.search in names)
    return None if not seconds else (seconds + more / len(names)) / 3600


def sizes(results: Results) -> Iterator[Sentence]:
    """Tell the budget of the baselines, and which entries exceed it."""
    budget = results.config.retrain.budget
    if budget is None:
        return
    limits: dict[str, float | None] = {"macs": budget.macs, "parameters": budget.parameters}
    what = "in numbers"
    if budget.winner:
        best = best_ranked(results)
        if best is None or best.macs is None:
            yield Sentence("The baselines were to match the winner's size, and there is no winner.", "warning")
            return
        limits, what = {"macs": best.macs, "parameters": None}, f"the size of {best.entry}"
    units = {"macs": "multiply-accumulates", "parameters": "parameters"}
    for kind in ("baseline", "searched", "random", "uniform"):
        above = [
            f"{entry.entry} ({numbers.ratio(size / limit)} times the {units[key]})"
            for entry in results.entries
            for key, limit in limits.items()
            if entry.kind == kind and limit is not None and (size := getattr(entry, key) or 0) > limit * (1 + SLACK)
        ]
        if above:
            text = f"Sizes were not matched: above the budget of the baselines ({what}) are {numbers.listed(above)}."
            yield Sentence(text, "warning")
    fitted = [one for one in results.entries if one.kind == "baseline" and one.architecture != one.entry]
    if fitted:
        named = [
            f"{one.entry} is {one.architecture} ({numbers.macs(one.macs)} MACs)" for one in fitted if one.architecture
        ]
        yield Sentence(f"Fitted to the budget ({what}): {numbers.listed(named)}.")


def best_ranked(results: Results) -> Entry | None:
    """Find the entry whose size `retrain.budget: winner` means: the best ranked searched winner, or else any winner."""
    winners = [one for one in results.winners if one.kind == "searched"] or results.winners
    best = max((one for one in winners if one.score is not None), key=lambda one: one.score or 0.0, default=None)
    return None if best is None else results.entry(best.entry)
