"""Outcomes of comparisons, and the words for them. The page prints `RULES`."""

from collections.abc import Sequence
from typing import Literal

from nas_steps.facts import FEWEST_SEARCHES, MAIN_RECIPE
from nas_steps.report.records import Comparison, Contest, Effect, Entry
from nas_steps.report.results import Results
from nas_steps.retraining.comparison import ALPHA
from nas_steps.scaling.effects import FEWEST

Outcome = Literal["beat", "lost", "tie", "few", "missing"]
#: an outcome, or the reason to refuse it: it changes with the random search, the recipe or the failed trainings
Standing = Literal["beat", "lost", "tie", "few", "missing", "mixed", "recipe", "failures"]

_CLAIMS = ("beat", "lost")
_READING = {"tie": "no difference found", "missing": "no figure"}

RULES = (
    f"A claim about a strategy compares searches, at least {FEWEST_SEARCHES} a side. 'Beat' and 'lost' need a p below "
    f"{ALPHA}, adjusted by Holm over the strategies; else no difference was found. With fewer searches the sentence is "
    "about single networks.",
    "A claim about a network counts two errors: that of repeated trainings and that of a finite number of test images.",
    "A win or a loss is refused if another recipe does not repeat it. It is also refused if it changes when each "
    "failed training counts as one at chance level.",
    "If random search ran in several ways, a strategy beat or lost only if the comparisons with all of them say so.",
)


def outcome(row: Effect) -> Outcome:
    """Judge an effect of the factorial by the number of its units, its interval and adjusted p-value."""
    if row.difference is None:
        return "missing"
    if row.seeds is None or row.seeds < FEWEST[row.unit or "network"]:
        return "few"
    if row.low is None or row.high is None or row.p_holm is None:
        return "missing"
    if row.p_holm < ALPHA and not row.low <= 0 <= row.high:
        return "beat" if row.low > 0 else "lost"
    return "tie"


def reading(row: Contest | Comparison) -> str:
    """Spell an outcome for a table."""
    few = "too few searches" if isinstance(row, Contest) else "too few trainings"
    return few if row.outcome == "few" else _READING.get(row.outcome, row.outcome)


def enough_searches(row: Contest) -> bool:
    """Say if both sides have the searches that a claim needs; what is unknown then is the error of trainings."""
    return min(row.searches or 0, row.against_searches or 0) >= FEWEST_SEARCHES


def contests_of(results: Results, strategy: str, role: str) -> list[Contest]:
    """List the comparisons of a strategy with the opponents of a role."""
    return [row for row in results.contests if (row.strategy, row.role) == (strategy, role)]


def standing(results: Results, rows: Sequence[Contest]) -> Standing:
    """Judge comparisons with all opponents of one role together."""
    if any(flips(by_recipe(results, row)) for row in rows):
        return "recipe"
    if any(failures_matter(row) for row in rows):
        return "failures"
    outcomes = {row.outcome for row in rows} or {"missing"}
    if len(outcomes) > 1:
        if outcomes & set(_CLAIMS):
            return "mixed"
        outcomes = {"tie"} if "tie" in outcomes else {"few"}
    return outcomes.pop()  # type: ignore[return-value]


def by_recipe(results: Results, row: Contest) -> dict[str, Contest]:
    """Map each recipe to the same comparison under it. The best baseline may be another one."""
    same = {
        other.recipe: other
        for other in results.recipe_contests
        if (other.strategy, other.role) == (row.strategy, row.role)
        and (row.role == "baseline" or other.against == row.against)
    }
    return {MAIN_RECIPE: row} | {recipe: other for recipe, other in same.items() if recipe != MAIN_RECIPE}


def flips(recipes: dict[str, Contest]) -> bool:
    """Say if one recipe's win or loss is not repeated by another that could judge."""
    outcomes = {row.outcome for row in recipes.values()} & {"tie", *_CLAIMS}
    return len(outcomes) > 1


def failures_matter(row: Contest) -> bool:
    """Say if the outcome changes when each failed training counts as one at chance level."""
    changed = row.failures_outcome in ("tie", *_CLAIMS) and row.failures_outcome != row.outcome
    return changed and row.outcome in ("tie", *_CLAIMS) and bool(row.failed or row.against_failed)


def networks(results: Results, strategy: str, random: str) -> Comparison | None:
    """Find the comparison of a strategy's best network with that of random search of the same search seed and budget.

    None if there is no such pair, as in a table, whose winners have no trainings.
    """
    own = best(results, results.of_strategy(strategy))
    if own is None or results.table is not None:
        return None
    seeds = {winner.entry: winner.search_seed for winner in results.winners}
    named = {
        row["entry"]
        for row in results.opponents
        if (row["strategy"], row["random"]) == (strategy, random) and row["search_seed"] == seeds.get(own.entry)
    }
    winners = [one for one in results.of_strategy(random) if one.entry in named]
    theirs = best(results, winners or results.of_strategy(random))
    pairs = {(row.entry, row.against): row for row in results.comparisons}
    return None if theirs is None else pairs.get((own.entry, theirs.entry))


def best(results: Results, entries: Sequence[Entry]) -> Entry | None:
    """Choose the entry of the highest validation accuracy, or else of the highest score in the ranking, or the first.

    The test set chooses nothing.
    """
    scores = {winner.entry: winner.score for winner in results.winners}
    for figures in ({one.entry: one.valid_mean for one in entries}, scores):
        known = [one for one in entries if figures.get(one.entry) is not None]
        if known:
            return max(known, key=lambda one: figures[one.entry] or 0.0)
    return next(iter(entries), None)


def adjusted(row: Contest | Comparison) -> str:
    """` after Holm's adjustment` if a tie's interval excludes 0; else empty."""
    return "" if row.low is None or row.high is None or row.low <= 0 <= row.high else " after Holm's adjustment"
