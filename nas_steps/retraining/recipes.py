"""Compare recipes: does a verdict hold for each, and does each put the entries in the same order? Imports no torch.

A comparison by one recipe says which network that recipe suits. ConfOpt (AutoML 2025) found that verdicts on DARTS
depend on it: so a verdict that differs between recipes is none.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

from scipy import stats

from nas_steps.facts import FEWEST_FOR_INTERVAL
from nas_steps.provenance.files import write_csv
from nas_steps.ranking.correlation import correlation
from nas_steps.retraining.contests import CONTESTS, Opponents, contests
from nas_steps.retraining.summary import Metrics, by_entry, needed, sound, summarise, tested

RECIPES = (
    "recipe", "entry", "kind", "strategy", "trainings", "diverged", "test_mean", "test_std", "test_low", "test_high",
)  # fmt: skip
RECIPE_CONTESTS = ("recipe", *CONTESTS, "across")
RECIPE_AGREEMENT = ("recipe", "other", "entries", "kendall_tau", "low", "high", "p_value", "note")
#: outcomes that claim something
CLAIMS = frozenset(("beat", "lost"))

#: trainings by the name of their recipe, the main one first
ByRecipe = Mapping[str, Sequence[Metrics]]


def write_tables(trainings: ByRecipe, opponents: Opponents, folder: Path) -> None:
    """Write recipes.csv, recipe_contests.csv and recipe_agreement.csv; `opponents` are rows of opponents.csv."""
    trainings = {recipe: needed(of_one) for recipe, of_one in trainings.items()}
    write_csv(folder / "recipes.csv", accuracies(trainings), RECIPES)
    write_csv(folder / "recipe_contests.csv", judged(trainings, list(opponents)), RECIPE_CONTESTS)
    write_csv(folder / "recipe_agreement.csv", agreement(trainings), RECIPE_AGREEMENT)


def accuracies(trainings: ByRecipe) -> list[dict[str, Any]]:
    """Return a row for each recipe and entry; the columns are RECIPES."""
    return [
        {"recipe": recipe, **{key: row[key] for key in RECIPES[1:]}}
        for recipe, of_one in trainings.items()
        for row in summarise(of_one)
    ]


def judged(trainings: ByRecipe, opponents: Opponents | None = None) -> list[dict[str, Any]]:
    """Return the rows of `contests` of each recipe; `across` says if the outcome holds for all of them."""
    rows = [{"recipe": recipe, **row} for recipe, of_one in trainings.items() for row in contests(of_one, opponents)]
    return [{**row, "across": across} for row, across in zip(rows, _across(rows), strict=True)]


def flipped(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str]]:
    """Return (strategy, against, role) of each contest that a recipe reverses or does not confirm.

    `rows` have recipe, strategy, against, role and outcome.
    """
    found: dict[tuple[str, ...], tuple[str, str, str]] = {}
    for row, contest, across in zip(rows, _contests_of(rows), _across(rows), strict=True):
        if across != "same":
            found.setdefault(contest, (row["strategy"], row["against"], row["role"]))
    return list(found.values())


def _across(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield for each row what the recipes make of its contest together.

    - reversed: the strategy beat the opponent by one recipe and lost by another
    - not confirmed: one recipe shows a difference, and another a tie, too few trainings or none
    - same: no recipe contradicts another's claim, or there is none
    """
    recipes = dict.fromkeys(row["recipe"] for row in rows)
    outcomes: dict[tuple[str, ...], dict[str, str]] = {}
    for row, contest in zip(rows, _contests_of(rows), strict=True):
        outcomes.setdefault(contest, dict.fromkeys(recipes, "missing"))[row["recipe"]] = row["outcome"]
    for contest in _contests_of(rows):
        known = set(outcomes[contest].values())
        claims = known & CLAIMS
        yield "reversed" if claims == CLAIMS else "not confirmed" if claims and known != claims else "same"


def _contests_of(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Return what is the same contest by every recipe: the best baseline may be another one."""
    counts = Counter((row["recipe"], row["strategy"]) for row in rows if row["role"] == "baseline")
    one_baseline = max(counts.values(), default=1) == 1
    return [
        (row["strategy"], row["role"], *(() if row["role"] == "baseline" and one_baseline else (row["against"],)))
        for row in rows
    ]


def agreement(trainings: ByRecipe) -> list[dict[str, Any]]:
    """Return Kendall's tau-b between the entries' mean test accuracies for every two recipes.

    low and high are the 95 % bootstrap interval over entries, NaN for fewer than FEWEST_FOR_INTERVAL; p_value is that
    of no association. An entry without a sound training by one of the two does not count.
    """
    means = {
        recipe: {entry: fmean(tested(ok)) for entry, mine in by_entry(of_one).items() if (ok := sound(mine))}
        for recipe, of_one in trainings.items()
    }
    return [
        {"recipe": recipe, "other": other, **_tau(means[recipe], means[other])}
        for recipe, other in combinations(means, 2)
    ]


def _tau(ours: Mapping[str, float], theirs: Mapping[str, float]) -> dict[str, Any]:
    entries = [entry for entry in ours if entry in theirs]
    first, second = ([means[entry] for entry in entries] for means in (ours, theirs))
    row: dict[str, Any] = {"entries": len(entries), **dict.fromkeys(RECIPE_AGREEMENT[3:-1], math.nan)}
    if entries and 1 in (len(set(first)), len(set(second))):
        return row | {"note": "all accuracies by one of the recipes are equal, so there is no order to compare"}
    figure = correlation(first, second, "kendall")
    if figure.value is None:
        return row | {"note": figure.note}
    row |= {"kendall_tau": figure.value, "p_value": float(stats.kendalltau(first, second).pvalue), "note": figure.note}
    if len(entries) < FEWEST_FOR_INTERVAL:
        return row | {"note": f"an interval needs {FEWEST_FOR_INTERVAL} entries"}
    return row | {"low": figure.low, "high": figure.high}
