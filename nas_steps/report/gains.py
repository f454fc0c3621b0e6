"""Did searching pay? What the searches won, and whether all sides have the same size. The page prints `RULES`."""

from collections.abc import Iterator

from nas_steps.facts import PROBE
from nas_steps.report import numbers, signals
from nas_steps.report.evidence import Standing, contests_of, standing
from nas_steps.report.records import Contest, Entry
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence

#: a sentence names no more networks than this
MOST_NAMED = 3
#: MACs above a budget by more than this share are no rounding
SLACK = 0.001
#: if there are more ratios of sizes than this, the sentence gives their range
MOST_RATIOS = 3

_RELATIVE = (
    "The relative improvement divides the difference to the mean of uniformly drawn networks by that mean "
    "(Yang et al. 2020)."
)
RULES = (
    "Searching paid if a strategy beat random search and lost neither to the mean of uniformly drawn networks nor to "
    "the best baseline. Of several strategies the sentence is about the one with the best outcome against random "
    "search, then against the other opponents, then the largest difference.",
    _RELATIVE,
    "The best baseline has the highest mean validation accuracy, so that the test set does not choose. If no baseline "
    "has a validation accuracy, all baselines are opponents.",
    "Sizes are not matched if networks exceed the budget of the baselines. Nor are they if the mean MACs of a "
    f"strategy's networks differ from those of the best baseline by more than a factor of {signals.COST_FACTOR}.",
)
RULES_OF_TEXT = tuple(rule for rule in RULES if rule != _RELATIVE)

_ORDER: tuple[Standing, ...] = ("beat", "mixed", "recipe", "failures", "tie", "few", "lost", "missing")
_ROLES = ("random", "uniform", "baseline", "pretrained")
_YES, _NO_MORE = "Yes", "No more than random search"
_ANSWERS: dict[Standing, str] = {
    "mixed": "Not against every random search",
    "recipe": "It depends on the recipe",
    "failures": "It depends on failed trainings",
    "lost": "No",
    "few": "Not known (too few searches)",
    "missing": "Not known",
}
#: what the sentence of a refused outcome is about
_UNDER: dict[Standing, str] = {"recipe": "with the main recipe ", "failures": "without failed trainings "}


def paid(results: Results) -> Sentence:
    """Answer whether searching paid, for the strategy with the best outcome against random search."""
    strategies = results.strategies(searched=True)
    if not strategies:
        return Sentence("Not known: add a strategy to search.strategies; its networks meet those of random search.")

    def rank(strategy: str) -> tuple[int, bool, float]:
        rows = contests_of(results, strategy, "random")
        largest = max((row.difference or 0.0 for row in rows), default=0.0)
        judged = _judged(results, strategy)
        return _ORDER.index(judged["random"]), _answer(judged)[0] not in (_YES, _NO_MORE), -largest

    return weighed(results, min(strategies, key=rank))


def weighed(results: Results, strategy: str) -> Sentence:
    """Weigh a strategy against random search, the mean of uniformly drawn networks, and the best baseline.

    The forest plot has the differences and their intervals. With too few searches the subject is the network, or the
    mean of the networks, and the sentence has the differences, since nothing is claimed of them.
    """
    judged = _judged(results, strategy)
    answer, tone = _answer(judged)
    parts: dict[str, list[str]] = {}
    for role in _ROLES:
        for row in contests_of(results, strategy, role):
            if row.difference is not None:
                parts.setdefault(_apart(results, row), []).append(
                    f"{opponent(results, row)}{_improvement(results, row)}"
                )
    if not parts:
        return Sentence(f"{answer}: {strategy} has no figure to compare.", "warning")
    subject = _UNDER.get(judged["random"], "") + _subject(results, strategy, contests_of(results, strategy, "random"))
    told = numbers.listed([f"{apart} {numbers.listed(names)}" for apart, names in parts.items()])
    return Sentence(f"{answer}: {subject} {told}.", tone)


def _judged(results: Results, strategy: str) -> dict[str, Standing]:
    return {role: standing(results, contests_of(results, strategy, role)) for role in _ROLES}


def _subject(results: Results, strategy: str, rows: list[Contest]) -> str:
    if not rows or rows[0].outcome != "few" or results.table is not None:
        return strategy
    winners = results.of_strategy(strategy)
    return f"the network {winners[0].entry}" if len(winners) == 1 else f"the mean of {strategy}'s networks"


def _apart(results: Results, row: Contest) -> str:
    """`is above`, `shows no difference to`; `is 3.0 points above` if nothing is claimed."""
    if row.outcome == "tie":
        return "shows no difference to"
    measure, difference = results.measure, row.difference or 0.0
    if row.outcome in ("beat", "lost"):
        return f"is {measure.worse if difference < 0 else measure.better}"
    return f"is {measure.apart(difference)}"


def _answer(judged: dict[str, Standing]) -> tuple[str, signals.Tone]:
    random = judged["random"]
    if random == "beat":
        if judged["baseline"] == "lost":
            return "Not against the best baseline", "warning"
        if judged["pretrained"] == "lost":
            return "Not against the pretrained network", "warning"
        if judged["baseline"] == "mixed":
            return "Not against every baseline", "warning"
        if judged["pretrained"] == "mixed":
            return "Not against every pretrained network", "warning"
        return ("Not against random networks", "warning") if judged["uniform"] == "lost" else (_YES, "win")
    if random == "tie":
        return (_NO_MORE if judged["uniform"] == "beat" else "Not shown"), "plain"
    return _ANSWERS[random], "loss" if random == "lost" else "warning"


def opponent(results: Results, row: Contest) -> str:
    """Name the opponent of a comparison."""
    if row.role == "random":
        return random_search(results, row)
    if row.role == "uniform":
        return drawn(row)
    if row.role == "pretrained":
        return f"{'a new last layer of ' if row.against == PROBE else ''}the pretrained network ({row.against})"
    several = len(contests_of(results, row.strategy, "baseline")) > 1
    return row.against if several else f"the best baseline ({row.against})"


def random_search(results: Results, row: Contest) -> str:
    """Name the random search of a comparison with the budget that it had."""
    name = "random search" if len(results.strategies(searched=False)) < 2 else row.against
    if row.matched == 1:
        evaluations = results.matched_by_evaluations(row.strategy)
        return f"{name} {'with as many evaluations' if evaluations else 'of its budget'}"
    relative = signals.relative_cost(results, row.strategy, row.against)
    return name if relative is None else f"{name} with {numbers.ratio(relative)} times its training MACs"


def drawn(row: Contest) -> str:
    """`the mean of 8 random networks`."""
    networks = row.against_searches or 0
    return "one random network" if networks == 1 else f"the mean of {networks} random networks"


def _improvement(results: Results, row: Contest) -> str:
    """` (relative improvement 3.4 %)`; empty if it is not known, or says nothing."""
    if not results.measure.relative or row.relative_improvement is None or row.outcome in ("few", "tie"):
        return ""
    return f" (relative improvement {numbers.share(row.relative_improvement)})"


def unmatched_sizes(results: Results) -> Iterator[Sentence]:
    """Warn of networks above the budget of the baselines, and of strategies whose networks have another size."""
    found = _limits(results)
    if found is not None:
        limits, what = found
        units = {"macs": "MACs", "parameters": "parameters"}
        above = [
            (entry.entry, size / limit, units[key])
            for kind in ("baseline", "searched", "random", "uniform")
            for entry in results.entries
            for key, limit in limits.items()
            if entry.kind == kind and limit is not None and (size := getattr(entry, key) or 0) > limit * (1 + SLACK)
        ]
        named = [f"{name} ({numbers.ratio(times)} times the {unit})" for name, times, unit in above]
        if len(above) > MOST_NAMED:
            name, times, unit = max(above, key=lambda one: one[1])
            named = [f"{len({one[0] for one in above})} networks (the largest is {name}: {numbers.ratio(times)} times "
                     f"the {unit})"]  # fmt: skip
        if above:
            text = f"Sizes were not matched: above the budget of the baselines ({what}) are {numbers.listed(named)}."
            yield Sentence(text, "warning")
    for name in dict.fromkeys(row.against for row in results.contests if row.role == "baseline"):
        baseline = results.entry(name)
        times = {
            strategy: ratio
            for strategy in results.strategies(searched=True)
            if (ratio := _times(results, strategy, baseline)) is not None and not signals.agree(ratio)
        }
        if times:
            text = f"The networks of {numbers.shortened(list(times))} have"
            each = numbers.listed([numbers.ratio(ratio) for ratio in times.values()])
            if len(times) > MOST_RATIOS:
                each = f"{numbers.ratio(min(times.values()))} to {numbers.ratio(max(times.values()))}"
            yield Sentence(f"{text} {each} times the MACs of {name}: that difference is one of size, too.", "warning")


def _times(results: Results, strategy: str, baseline: Entry | None) -> float | None:
    """Divide the mean MACs of a strategy's networks by those of a baseline; None if one of them is not known."""
    macs = [entry.macs for entry in results.of_strategy(strategy) if entry.macs is not None]
    return sum(macs) / len(macs) / baseline.macs if macs and baseline is not None and baseline.macs else None


def fitted(results: Results) -> Iterator[Sentence]:
    """Tell the baselines that were made to fit a budget."""
    found = _limits(results)
    made = [one for one in results.entries if one.kind == "baseline" and one.architecture not in ("", one.entry)]
    if found is not None and made:
        named = [
            f"{one.entry} is {one.architecture} ({results.measure.cost(one.macs)} {results.measure.cost_head})"
            for one in made
        ]
        yield Sentence(f"Fitted to the budget ({found[1]}): {numbers.listed(named)}.")


def _limits(results: Results) -> tuple[dict[str, float | None], str] | None:
    """Return the budget of the baselines and its name; None if there is none, or no winner to match."""
    budget = results.config.retrain.budget
    if budget is None:
        return None
    if not budget.winner:
        return {"macs": budget.macs, "parameters": budget.parameters}, "in numbers"
    best = best_ranked(results)
    if best is None or best.macs is None:
        return None
    return {"macs": best.macs, "parameters": None}, f"the size of {best.entry}"


def best_ranked(results: Results) -> Entry | None:
    """Find the entry whose size `retrain.budget: winner` means: the best ranked searched winner, or else any winner."""
    winners = [one for one in results.winners if one.kind == "searched"] or results.winners
    best = max((one for one in winners if one.score is not None), key=lambda one: one.score or 0.0, default=None)
    return None if best is None else results.entry(best.entry)
