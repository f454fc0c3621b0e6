"""Name the winners of searches in a benchmark's table, and compare its column of search with that of the report."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nas_steps.estimation.completed import Completed
from nas_steps.estimation.table import Benchmark
from nas_steps.facts import MOST, MOST_IN_TABLE, REPORT, SEARCH, SECONDS, VALID
from nas_steps.ranking.opponents import Spent, best_of_first
from nas_steps.ranking.rank import agree
from nas_steps.ranking.shortlist import Search, kind_of
from nas_steps.search.spent import Line, evaluated
from nas_steps.spaces.protocol import Space, admitted

COUNTED = ("parameters", "macs")
#: candidates of one search, best first: architecture and score
Candidates = Sequence[Mapping[str, str]]


def winners(searches: Mapping[Search, Candidates], kinds: Mapping[str, str], table: Benchmark) -> list[dict[str, Any]]:
    """Return the best candidate of each search with its figure in the column of search, whatever the search saw.

    A supernet that diverged has no candidates: its row has neither architecture nor score.
    """
    rows = []
    for (strategy, seed), candidates in searches.items():
        row = {"entry": f"{strategy}-{seed}", "kind": kind_of(strategy, kinds), "strategy": strategy}
        name = candidates[0]["architecture"] if candidates else ""
        score = table.search(name) if name else None
        rows.append({**row, "search_seed": seed, "architecture": name, "score": score})
    return rows


def best_within(
    matched: Sequence[Mapping[str, Any]], histories: Mapping[Search, Sequence[Line]], table: Benchmark
) -> dict[tuple[str, int, int], dict[str, Any]]:
    """Return the best of random search within each of its matched budgets, by its column of search.

    By (random strategy, search seed, number of first evaluations): architecture and score.
    """
    found = {}
    for row in matched:
        random, seed = row["random"], int(row["search_seed"])
        for count in (int(row["of"]), int(row["evaluations"])):
            for name in best_of_first(histories[random, seed], count)[:1]:
                found[random, seed, count] = {"architecture": name, "score": table.search(name)}
    return found


def opponents_by_size(
    matched: Sequence[Mapping[str, Any]], histories: Mapping[Search, Sequence[Line]], table: Completed, within: Space
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    """Return what 'the most parameters that fit' finds: rows of winners.csv, the matches with it, and their entries.

    - `most_parameters`: of as many of the first uniform draws of random search as the strategy evaluated, the network
      with the most parameters; no evaluation is looked at
    - `most_parameters_in_table`: the same of all networks of the table within the limits, the same for all seeds
    """
    first = next(row["random"] for row in matched)
    found: list[dict[str, Any]] = []
    matches: list[dict[str, Any]] = []
    entries: list[str] = []
    fitting = [one for one in table.architectures() if admitted(within, table.parsed(one))]

    def size(one: str) -> int:
        return table.count(table.parsed(one)).parameters

    largest = max(fitting, key=size, default=None)
    for row in (row for row in matched if row["random"] == first):
        seed, count = int(row["search_seed"]), int(row["evaluations"])
        draws = [line["architecture"] for line in evaluated(histories[first, seed])[:count]]
        whole = count == int(row["of"])
        for name, one, of, slot in (
            (MOST, max(draws, key=size, default=None), count, "" if whole else f".{count}"),
            (MOST_IN_TABLE, largest, len(fitting), ""),
        ):
            if one is None:
                continue
            entry = f"{name}{slot}-{seed}"
            entries.append(entry)
            matches.append({**row, "random": name, "evaluations": of, "of": of, "matched": 1, "note": ""})
            line = {"entry": entry, "kind": MOST, "strategy": name, "search_seed": seed, "architecture": one}
            if line not in found:
                found.append(line)
    return [line | {"score": table.search(line["architecture"])} for line in found], matches, entries


def looked_up(
    histories: Mapping[Search, Sequence[Line]], others: Sequence[Mapping[str, Any]], table: Completed
) -> tuple[list[dict[str, Any]], list[str]]:
    """Return a row for each architecture that was evaluated or is among `others`, and the columns of such rows."""
    counts: Counter[str] = Counter()
    for history in histories.values():
        counts.update(line["architecture"] for line in evaluated(history))
    names = list(dict.fromkeys([*counts, *(row["architecture"] for row in others)]))
    rows = []
    for one in names:
        costs = table.count(table.parsed(one))
        rows.append({"architecture": one, "evaluations": counts[one]} | {key: getattr(costs, key) for key in COUNTED})
    # without a column of its own, `valid` is what the search saw
    hidden = (SECONDS, VALID) if table.columns[VALID] == table.columns[SEARCH] else (SECONDS,)
    asked = [name for name in table.columns if name not in hidden]
    for name in asked:
        for row, (low, high) in zip(rows, table.intervals(name, names), strict=True):
            one = row["architecture"]
            row |= {name: table.value(name, one), f"{name}_low": low, f"{name}_high": high}
            row[f"{name}_measured"] = int(table.is_measured(name, one))
    more = [f"{name}{end}" for name in asked for end in ("", "_low", "_high", "_measured")]
    return rows, ["architecture", "evaluations", *COUNTED, *more]


def spent_by(history: Sequence[Line], *, supernet: bool) -> Spent:
    """Return what a search in a table cost: its evaluations, and no multiply-accumulates. A supernet has no
    evaluations."""
    return Spent(math.nan, () if supernet else (math.nan,) * len(history))


def agreements(
    searches: Mapping[Search, Candidates], supernets: Sequence[str], column: str, table: Completed
) -> list[dict[str, Any]]:
    """Return Kendall's tau of the two columns for the candidates of each strategy, and for those of all of them.

    The strategies `supernets` did not see the column.
    """
    groups: dict[str, dict[str, None]] = {}
    for (strategy, _), candidates in searches.items():
        if strategy in supernets:
            continue
        for name in (strategy, "all"):
            groups.setdefault(name, {}).update(dict.fromkeys(row["architecture"] for row in candidates))

    def agreed(names: Mapping[str, None]) -> dict[str, Any]:
        macs = [float(table.count(table.parsed(one)).macs) for one in names]
        return agree([table.search(one) for one in names], [table.report(one) for one in names], macs)

    return [
        {"strategy": name, "estimator": column, "architectures": len(groups[name])} | agreed(groups[name])
        for name in sorted(groups, key=lambda name: name == "all")
    ]


def budget(
    searches: Mapping[Search, Candidates], kinds: Mapping[str, str], supernets: Sequence[str], table: Completed
) -> dict[str, Any]:
    """Return each strategy's evaluations (None of `supernets`), and the table's best by either column."""
    evaluations = {
        strategy: None if strategy in supernets else len(candidates) for (strategy, _), candidates in searches.items()
    }
    reference = next(evaluations[name] for name, kind in kinds.items() if kind == "random")
    relative = {name: count / reference if count and reference else None for name, count in evaluations.items()}
    # what a surrogate adds is no figure of the table
    known = [one for one in table.architectures() if math.isfinite(table.measured(SEARCH, one))]
    known = [one for one in known if math.isfinite(table.measured(REPORT, one))]
    best = max(known, key=table.search)
    reported = [table.report(one) for one in known]
    return {
        "unit": "evaluations",
        **dict.fromkeys(("supernet_macs", "candidate_macs", "matched_to")),
        "table": {
            "architectures": len(table),
            "best_search": table.search(best),
            "report_of_best_search": table.report(best),
            "best_report": max(reported),
            "mean_report": math.fsum(reported) / len(reported),
        },
        "strategies": {
            name: {"kind": kind, "evaluations": evaluations[name], "training_macs": None} | {"relative": relative[name]}
            for name, kind in kinds.items()
        },
    }
