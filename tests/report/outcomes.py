"""Outcomes of comparisons, made up by hand, and what the verdict says of them."""

from __future__ import annotations

from typing import Any

from made_up import results_of

from nas_steps.config.schema import Config
from nas_steps.report.records import (
    Comparison,
    Contest,
    Entry,
    HistoryRow,
    Search,
    SearchCost,
    Training,
    Winner,
)
from nas_steps.report.results import Results
from nas_steps.report.verdict import Verdict, decide

DARTS = {"search": {"seeds": 4, "strategies": {"random": {}, "darts": {}}}}


def row(difference: float | None, half: float | None = 0.004, **more: Any) -> Contest:
    """darts against random search with an interval of +- `half`; the outcome follows the interval."""
    low, high = (None, None) if difference is None or half is None else (difference - half, difference + half)
    outcome = "missing" if difference is None else "few" if low is None or high is None else "tie"
    if low is not None and high is not None and not low <= 0 <= high:
        outcome = "beat" if low > 0 else "lost"
    usual = {"strategy": "darts", "against": "random", "role": "random", "searches": 4, "against_searches": 4,
             "matched": 1, "difference": difference, "low": low, "high": high, "p_holm": 0.01,
             "outcome": outcome}  # fmt: skip
    return Contest(**{**usual, **more})


def baseline(difference: float, half: float = 0.004, **more: Any) -> Contest:
    return row(difference, half, **{"role": "baseline", "against": "resnet20", "against_searches": 1, **more})


def uniform(difference: float, half: float = 0.004, **more: Any) -> Contest:
    given = {"role": "uniform", "against": "uniform", "against_searches": 8, "relative_improvement": difference / 0.9}
    return row(difference, half, **{**given, **more})


def opponent(strategy: str = "darts", **more: Any) -> dict[str, Any]:
    usual = {"strategy": strategy, "search_seed": 0, "random": "random", "entry": "random-0", "evaluations": 20,
             "of": 20, "cost": 1e8, "random_cost": 1e8, "matched": 1, "seconds": 110.0,
             "random_seconds": 100.0, "note": ""}  # fmt: skip
    return {**usual, **more}


def made(*rows: Contest, **more: Any) -> Results:
    """Results with one DARTS search, one of random search, one baseline."""
    config = more.pop("config", Config.model_validate(DARTS))
    usual: dict[str, Any] = {
        "meta": {},
        "budget": {"strategies": {}},
        "searches": (Search("random", "random", 0), darts()),
        "entries": (
            Entry("random-0", "random", "random", macs=900, test_mean=0.95, valid_mean=0.95),
            Entry("darts-0", "searched", "darts", macs=1000, test_mean=0.96, valid_mean=0.96),
            Entry("resnet20", "baseline", macs=1100, test_mean=0.97, valid_mean=0.97),
        ),
        "winners": (Winner("random-0", "random", "random", 0, "x", 0.9), Winner("darts-0", "searched", "darts", 0)),
        "trainings": (Training("darts-0", "searched", 0, "ok", train_seconds=20.0),),
        "contests": rows,
        "opponents": (opponent(),),
        "search_costs": (SearchCost("random", 0, search_seconds=80.0, ranking_seconds=20.0),
                         SearchCost("darts", 0, search_seconds=90.0, ranking_seconds=20.0)),
    }  # fmt: skip
    return results_of(config, **{**usual, **more})


def darts(*history: HistoryRow) -> Search:
    return Search("darts", "darts", 0, history, trains_supernet=True, has_alphas=True)


def plain(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")


def headline(*rows: Contest, **more: Any) -> str:
    return plain(decide(made(*rows, **more)).headline)


def warned(verdict: Verdict) -> list[str]:
    return [plain(one.text) for one in verdict.cautions]


def folded(verdict: Verdict) -> str:
    sentences = [one.text for strategy in verdict.strategies for one in strategy.sentences]
    return plain(" ".join([*sentences, *(one.text for one in verdict.general)]))


def compared(difference: float | None, half: float | None = 0.004, **more: Any) -> Comparison:
    """The network of darts-0 against that of random-0."""
    like = row(difference, half)
    usual = {"entry": "darts-0", "strategy": "darts", "against": "random-0", "role": "random", "seeds": "3 against 3",
             "difference": difference, "low": like.low, "high": like.high, "outcome": like.outcome}  # fmt: skip
    return Comparison(**{**usual, **more})


def one_search(*comparisons: Comparison, searches: int = 1, rows: tuple[Contest, ...] = (), **more: Any) -> Results:
    few = row(0.0, None, searches=searches, against_searches=searches)
    return made(few, *rows, comparisons=comparisons, **more)


def many(number: int) -> tuple[Config, list[str]]:
    names = [f"s{place}" for place in range(number)]
    strategies = {"random": {}, **{name: {"kind": "evolution"} for name in names}}
    return Config.model_validate({"search": {"strategies": strategies}}), names
