"""Random search at each strategy's own budget: how many of its first evaluations cost as much. Imports no torch.

Random search draws independently, so that its first n evaluations are a random search of n evaluations. They are
counted in the order of asking. With successive halving n counts trainings, and what had come furthest by the n-th is
best: the search as it stood when that much was spent.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nas_steps.estimation.estimates import Estimate
from nas_steps.provenance.files import number
from nas_steps.ranking.shortlist import WHOLE, Search, within
from nas_steps.search import spent
from nas_steps.search.slots import slot_entry, slots
from nas_steps.search.spent import Line
from nas_steps.search.tables import standing

#: budgets that differ by no more are called matched
TOLERANCE = 0.1
MATCHES = ("strategy", "search_seed", "random", "evaluations", "of", "cost", "random_cost", "matched", "note")
OPPONENTS = (
    "strategy", "search_seed", "random", "entry", "evaluations", "of", "cost", "random_cost", "matched", "seconds",
    "random_seconds", "note",
)  # fmt: skip
COSTS = ("strategy", "search_seed", "training_macs", "evaluations", "search_seconds", "ranking_seconds", "note")


@dataclass(frozen=True)
class Spent:
    """What one search cost: training MACs for each image, and the same up to each of its evaluations (none of a
    supernet of its own). In a benchmark's table nothing is trained: the cost is NaN."""

    macs: float
    up_to: tuple[float, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Point:
    """An evaluation, as far as it counts for what is best."""

    fitness: float


def spent_by(history: Sequence[Line], strategy: str, budget: Mapping[str, Any]) -> Spent:
    """Count a finished search by the prices in budget.json."""
    own = budget["strategies"][strategy]
    if "prices" in own:
        ended = "" if not history or history[-1]["status"] != "diverged" else "its supernet diverged"
        return Spent(spent.supernet(history, own["prices"]), (), ended)
    up_to = tuple(spent.cumulated(history, budget["evaluation"]))
    return Spent(up_to[-1] if up_to else budget["evaluation"]["supernet"], up_to)


def matches(
    searches: Mapping[Search, Spent], kinds: Mapping[str, str], *, by_evaluations: bool = False
) -> list[dict[str, Any]]:
    """Match each random search to each search of a strategy with the same seed.

    With `by_evaluations` strategies that evaluate get the same number of them, as all evaluations cost alike. Otherwise
    random search's cost is the nearest one that is at most TOLERANCE above; the whole search is taken if it is within
    TOLERANCE. A cost of 0 cannot be matched, nor can one that is not known, which meets the whole random search.
    """
    return [
        {"strategy": strategy, "search_seed": seed, "random": random, "of": len(theirs.up_to), "cost": mine.macs}
        | (_equal(mine, theirs) if by_evaluations and mine.up_to else _nearest(mine, theirs))
        for (strategy, seed), mine in searches.items()
        if kinds[strategy] != "random"
        for (random, other), theirs in searches.items()
        if kinds[random] == "random" and other == seed
    ]


def _equal(mine: Spent, theirs: Spent) -> dict[str, Any]:
    wanted, there = len(mine.up_to), len(theirs.up_to)
    count = min(wanted, there)
    note = "" if count == wanted else f"random search ended after {there} evaluations, this one after {wanted}"
    return _match(count, theirs, matched=count == wanted, note=note)


def _nearest(mine: Spent, theirs: Spent) -> dict[str, Any]:
    if not theirs.up_to:
        return _match(0, theirs, matched=False, note="random search has no evaluations")
    if math.isnan(mine.macs):
        # the evaluations of a table cost nothing that a supernet's training could be held against
        note = "a supernet was trained, which is no number of evaluations"
        return _match(len(theirs.up_to), theirs, matched=False, note=note)
    if not mine.macs > 0:
        return _match(1, theirs, matched=False, note="this search trained nothing")
    shares = [cost / mine.macs for cost in theirs.up_to]
    if abs(shares[-1] - 1) <= TOLERANCE:
        return _match(len(shares), theirs, matched=True)
    affordable = [place for place, share in enumerate(shares) if share <= 1 + TOLERANCE]
    if not affordable:
        note = f"one evaluation of random search costs {shares[0]:.1f} times this search"
        return _match(1, theirs, matched=False, note=note)
    place = min(affordable, key=lambda place: abs(shares[place] - 1))
    matched, note = abs(shares[place] - 1) <= TOLERANCE, ""
    if not matched and place == len(shares) - 1:
        note = f"random search ended before: it cost {shares[place]:.0%} of this search"
    elif not matched:
        note = f"one evaluation of random search costs too much: the nearest budget is {shares[place]:.0%} of this one"
    return _match(place + 1, theirs, matched=matched, note=note)


def _match(count: int, theirs: Spent, *, matched: bool, note: str = "") -> dict[str, Any]:
    cost = theirs.up_to[count - 1] if count else 0.0
    return {"evaluations": count, "random_cost": cost, "matched": int(matched), "note": note}


def budgets(matched: Iterable[Mapping[str, Any]]) -> dict[Search, list[int]]:
    """Return, by random search, the numbers of first evaluations that are asked for, rising; the whole one aside."""
    found: dict[Search, set[int]] = {}
    for row in matched:
        counts = found.setdefault((row["random"], int(row["search_seed"])), set())
        if 0 < int(row["evaluations"]) < int(row["of"]):
            counts.add(int(row["evaluations"]))
    return {search: sorted(counts) for search, counts in found.items()}


def best_of_first(history: Sequence[Line], count: int) -> list[str]:
    """Return the architectures with a score among a search's first `count` evaluations, best first."""
    first = spent.evaluated(history)[:count]
    points = [(line["architecture"], Point(_fitness(line))) for line in first]
    return [name for name, _, _ in standing(points)]


def _fitness(line: Line) -> float:
    score = number(line["score"])
    return score if line["status"] == "ok" and math.isfinite(score) else -math.inf


def slotted(
    matched: Sequence[Mapping[str, Any]], best: Mapping[tuple[str, int, int], Mapping[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return the rows of winners.csv of smaller budgets, and the entry of each match (empty if there is none).

    `best` has the winner within a number of evaluations: by (random, search seed, evaluations), architecture and score.
    Each strategy has a slot, in their order; it stays empty if a lower slot has the same network.
    """
    names = list(dict.fromkeys(row["strategy"] for row in matched))
    places = dict(zip(names, slots(len(names)), strict=True))
    known: dict[Search, dict[str, str]] = {}
    rows, entries = [], []
    for row in matched:
        random, seed = row["random"], int(row["search_seed"])
        whole = best.get((random, seed, int(row["of"])))
        first = {} if whole is None else {whole["architecture"]: slot_entry(random, 1, seed)}
        entry_of = known.setdefault((random, seed), first)
        winner = best.get((random, seed, int(row["evaluations"])))
        if winner is not None and winner["architecture"] not in entry_of:
            entry = entry_of[winner["architecture"]] = slot_entry(random, places[row["strategy"]], seed)
            rows.append({"entry": entry, "kind": "random", "strategy": random, "search_seed": seed, **winner})
        entries.append("" if winner is None else entry_of[winner["architecture"]])
    return rows, entries


@dataclass(frozen=True)
class Seconds:
    """Seconds of one search: up to each of its evaluations (once, in the end, of a supernet of its own), and of the
    ranking's trainings of its best within each budget. Starting processes and imports are left out."""

    search: tuple[float, ...]
    ranking: Mapping[str, float]

    def of(self, count: int | None = None) -> float:
        """Return those of the first `count` evaluations and the trainings that pick their best; None: of all."""
        if count is None or count == len(self.search):
            return (self.search[-1] if self.search else 0.0) + self.ranking.get(WHOLE, 0.0)
        return (self.search[count - 1] if count else 0.0) + self.ranking.get(str(count), 0.0)


def seconds_of(
    histories: Mapping[Search, Sequence[Line]],
    costs: Mapping[Search, float],
    supernets: Mapping[int, float],
    shortlisted: Sequence[Mapping[str, str]],
    trainings: Iterable[Estimate],
) -> dict[Search, Seconds]:
    """Return the seconds of each search.

    `costs` are those of searches by a supernet of their own, which evaluate nothing; `supernets`, by search seed, those
    of the shared one. What a cache knew counts as if it was trained.
    """
    trained: dict[int, float] = {}
    for one in trainings:
        trained[one.index] = trained.get(one.index, 0.0) + one.seconds
    ranking: dict[Search, dict[str, float]] = {}
    for row in shortlisted:
        mine = ranking.setdefault((row["strategy"], int(row["search_seed"])), {})
        for budget in within(row):
            mine[budget] = mine.get(budget, 0.0) + trained.get(int(row["index"]), 0.0)
    found = {}
    for search, history in histories.items():
        up_to = spent.seconds(history, supernets.get(search[1], 0.0))
        found[search] = Seconds((costs[search],) if search in costs else tuple(up_to), ranking.get(search, {}))
    return found


def opponents(
    matched: Sequence[Mapping[str, Any]], entries: Sequence[str], seconds: Mapping[Search, Seconds]
) -> list[dict[str, Any]]:
    """Return the rows of opponents.csv: the matches with the opponents' entries and both sides' seconds."""
    rows = []
    for row, entry in zip(matched, entries, strict=True):
        seed = int(row["search_seed"])
        mine, theirs = seconds[row["strategy"], seed], seconds[row["random"], seed]
        times = {"seconds": mine.of(), "random_seconds": theirs.of(int(row["evaluations"]))}
        rows.append({**row, "entry": entry, **times})
    return rows


def search_costs(searches: Mapping[Search, Spent], seconds: Mapping[Search, Seconds]) -> list[dict[str, Any]]:
    """Return the rows of search_costs.csv: what each search took, its share of the ranking beside it."""
    return [
        {"strategy": strategy, "search_seed": seed, "training_macs": mine.macs, "note": mine.note}
        | {"evaluations": len(mine.up_to) or None, "ranking_seconds": times.ranking.get(WHOLE, 0.0)}
        | {"search_seconds": times.search[-1] if times.search else 0.0}
        for (strategy, seed), mine in searches.items()
        for times in [seconds[strategy, seed]]
    ]
