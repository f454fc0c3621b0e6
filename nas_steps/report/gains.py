"""Did searching pay? What the searches won, and whether all sides have the same size. The page prints `RULES`."""

from collections.abc import Iterator

from nas_steps.report import numbers, signals
from nas_steps.report.evidence import Standing, contests_of, signed, standing
from nas_steps.report.records import Contest, Entry
from nas_steps.report.results import Results
from nas_steps.report.signals import Sentence

#: MACs above a budget by more than this share are no rounding
SLACK = 0.001

RULES = (
    "Searching paid if a strategy beat random search and lost neither to the mean of uniformly drawn networks nor to "
    "the best baseline. Of several strategies the sentence is about the one with the best outcome against random "
    "search, then the largest difference.",
    "The relative improvement divides the difference to the mean of uniformly drawn networks by that mean "
    "(Yang et al. 2020).",
    "The best baseline has the highest mean validation accuracy, so that the test set does not choose. If no baseline "
    "has a validation accuracy, it is the best by test accuracy, and the page says so.",
    "Sizes are not matched if networks exceed the budget of the baselines, or if the mean MACs of a strategy's "
    f"networks and those of the best baseline differ by more than a factor of {signals.COST_FACTOR}.",
)

_ORDER: tuple[Standing, ...] = ("beat", "mixed", "recipe", "failures", "tie", "few", "lost", "missing")
_ANSWERS: dict[Standing, str] = {
    "mixed": "Not against every random search",
    "recipe": "It depends on the recipe",
    "failures": "It depends on failed trainings",
    "lost": "No",
    "few": "Not known from so few searches",
    "missing": "Not known",
}


def paid(results: Results) -> Sentence:
    """Answer whether searching paid, for the strategy with the best outcome against random search."""
    strategies = results.strategies(searched=True)
    if not strategies:
        return Sentence("Only random search was run, so there is no other search to weigh.")

    def rank(strategy: str) -> tuple[int, float]:
        rows = contests_of(results, strategy, "random")
        return _ORDER.index(standing(results, rows)), -max((row.difference or 0.0 for row in rows), default=0.0)

    return weighed(results, min(strategies, key=rank))


def weighed(results: Results, strategy: str) -> Sentence:
    """Weigh a strategy against random search, the mean of uniformly drawn networks, and the best baseline."""
    rows = {role: contests_of(results, strategy, role) for role in ("random", "uniform", "baseline")}
    judged = {role: standing(results, own) for role, own in rows.items()}
    parts = [f"{signed(row)} against {random_search(results, row)}" for row in rows["random"]]
    parts += [f"{signed(row)} against {drawn(row)}{_improvement(row)}" for row in rows["uniform"]]
    parts += [f"{signed(row)} against {row.against}, the best baseline" for row in rows["baseline"]]
    answer, tone = _answer(judged)
    if not parts:
        return Sentence(f"{answer}: {strategy} was compared with nothing.", "warning")
    return Sentence(f"{answer}: {strategy} has {numbers.listed(parts)}.", tone)


def _answer(judged: dict[str, Standing]) -> tuple[str, signals.Tone]:
    random = judged["random"]
    if random == "beat":
        if judged["baseline"] == "lost":
            return "Not against the best baseline", "warning"
        return ("Not against random networks", "warning") if judged["uniform"] == "lost" else ("Yes", "win")
    if random == "tie":
        return ("No more than random search" if judged["uniform"] == "beat" else "Not shown"), "plain"
    return _ANSWERS[random], "loss" if random == "lost" else "warning"


def random_search(results: Results, row: Contest) -> str:
    """Name the random search of a comparison with the budget that it had."""
    name = "random search" if len(results.strategies(searched=False)) < 2 else row.against
    if row.matched == 1:
        evaluations = results.table is not None or results.scores_by_shared_weights
        return f"{name} {'with as many evaluations' if evaluations else 'of its budget'}"
    relative = signals.relative_cost(results, row.strategy, row.against)
    return name if relative is None else f"{name} with {numbers.ratio(relative)} times its training MACs"


def drawn(row: Contest) -> str:
    """`the mean of 8 random networks`."""
    networks = row.against_searches or 0
    return "one random network" if networks == 1 else f"the mean of {networks} random networks"


def _improvement(row: Contest) -> str:
    """` (relative improvement 3.4 % [2.0, 4.8])`; empty if it is not known."""
    if row.relative_improvement is None:
        return ""
    interval = "" if row.ri_low is None else f" {numbers.interval(row.ri_low, row.ri_high, 1)}"
    return f" (relative improvement {numbers.share(row.relative_improvement)}{interval})"


def unmatched_sizes(results: Results) -> Iterator[Sentence]:
    """Warn of networks above the budget of the baselines, and of strategies whose networks have another size."""
    found = _limits(results)
    if found is not None:
        limits, what = found
        units = {"macs": "MACs", "parameters": "parameters"}
        above = [
            f"{entry.entry} ({numbers.ratio(size / limit)} times the {units[key]})"
            for kind in ("baseline", "searched", "random", "uniform")
            for entry in results.entries
            for key, limit in limits.items()
            if entry.kind == kind and limit is not None and (size := getattr(entry, key) or 0) > limit * (1 + SLACK)
        ]
        if above:
            text = f"Sizes were not matched: above the budget of the baselines ({what}) are {numbers.listed(above)}."
            yield Sentence(text, "warning")
    for row in results.contests:
        baseline = results.entry(row.against) if row.role == "baseline" else None
        macs = [entry.macs for entry in results.of_strategy(row.strategy) if entry.macs is not None]
        if baseline is None or not baseline.macs or not macs:
            continue
        times = sum(macs) / len(macs) / baseline.macs
        if not signals.agree(times):
            text = f"The networks of {row.strategy} have {numbers.ratio(times)} times the MACs of {row.against}: their"
            yield Sentence(f"{text} difference is one of size, too.", "warning")


def fitted(results: Results) -> Iterator[Sentence]:
    """Tell the baselines that were made to fit a budget."""
    found = _limits(results)
    made = [one for one in results.entries if one.kind == "baseline" and one.architecture not in ("", one.entry)]
    if found is not None and made:
        named = [f"{one.entry} is {one.architecture} ({numbers.macs(one.macs)} MACs)" for one in made]
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
