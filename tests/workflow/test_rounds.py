"""Searches as rounds of jobs: what more rounds compute, and every strategy and estimator through snakemake."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from tiny_workflow import TINY, change, finish, jobs_to_run

SEARCH = ("--until", "gather_search")
#: random search is doubled by evaluations and rounds, the others by rounds
STRATEGIES: dict[str, Any] = {
    "random": {"evaluations": 3, "rounds": 2},
    "evolution": {"population": 3, "sample": 2, "children": 2, "rounds": 2},
    "nsga2": {"population": 3, "children": 2, "rounds": 2, "objectives": ["macs", "parameters"]},
    "reinforce": {"batch": 2, "rounds": 2},
    "predictor": {"initial": 3, "batch": 2, "rounds": 2},
    "milp": {"initial": 3, "batch": 2, "rounds": 2},
    "bayesian": {"initial": 3, "batch": 1, "candidates": 5, "rounds": 2},
    "local_search": {"initial": 2, "batch": 2, "rounds": 2},
}
#: those that are finished with more rounds, too; the jobs of the others take time and show nothing else
FINISHED = [name for name in STRATEGIES if name not in ("bayesian", "local_search")]
#: scores that need no training, so that many rounds are quick
CHEAP = change(
    TINY,
    search__estimator={"kind": "zero_cost", "proxy": "synflow", "batch_size": 20},
    search__strategies=STRATEGIES,
)


def rows(folder: Path, file: str) -> list[dict[str, str]]:
    """A CSV file of a search, what was measured aside."""
    with (folder / "results/tiny/search" / file).open(newline="") as stream:
        return [{name: cell for name, cell in row.items() if name != "seconds"} for row in csv.DictReader(stream)]


def more_rounds(number: int, *names: str) -> dict[str, Any]:
    """The searches in `number` rounds, and random search with as many evaluations a round as in two; only `names`."""
    longer = {name: {**one, "rounds": number} for name, one in STRATEGIES.items() if name in (names or STRATEGIES)}
    longer["random"]["evaluations"] = STRATEGIES["random"]["evaluations"] * number // 2
    searched = change(CHEAP)
    searched["search"] = {**searched["search"], "strategies": longer}
    return searched


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every strategy, two rounds."""
    folder = tmp_path_factory.mktemp("rounds") / "run"
    finish(folder, CHEAP, *SEARCH)
    return folder


def test_every_strategy_searches_without_repeating_itself(searched: Path) -> None:
    for name in STRATEGIES:
        history = rows(searched, f"{name}-0/history.csv")
        expected = {"random": 3, "reinforce": 4, "bayesian": 4, "local_search": 4}.get(name, 5)
        assert len({row["architecture"] for row in history}) == len(history) == expected
        candidates = rows(searched, f"{name}-0/candidates.csv")
        assert {row["estimator"] for row in candidates} == {"synflow"}
        scores = [float(row["score"]) for row in candidates]
        assert scores == sorted(scores, reverse=True)


def test_what_block_scores_predicted_is_in_the_history(searched: Path) -> None:
    history = rows(searched, "milp-0/history.csv")
    assert [row["optimality"] for row in history] == ["", "", "", "optimal", "optimal"]
    told = {row["architecture"]: row["predicted"] for row in rows(searched, "milp-0/round-1/predicted.csv")}
    assert told == {row["architecture"]: row["predicted"] for row in history[3:]}
    for name in ("evolution", "random"):
        assert {row["predicted"] for row in rows(searched, f"{name}-0/history.csv")} == {""}


def test_more_rounds_run_the_new_ones_alone_and_end_as_from_scratch(searched: Path, tmp_path: Path) -> None:
    jobs = jobs_to_run(searched, more_rounds(4), *SEARCH)
    new = [
        f"{rule} strategy={name}, seed=0, round={number}{shard}"
        for name in STRATEGIES
        for number in (2, 3)
        for rule, shard in (("propose", ""), ("evaluate", ", shard=0"))
    ]
    assert sorted(jobs) == sorted([*new, *(f"gather_search strategy={name}, seed=0" for name in STRATEGIES)])
    four = more_rounds(4, *FINISHED)
    finish(searched, four, *SEARCH)
    finish(tmp_path / "scratch", four, *SEARCH)
    for name in FINISHED:
        for file in ("candidates.csv", "history.csv"):
            assert rows(searched, f"{name}-0/{file}") == rows(tmp_path / "scratch", f"{name}-0/{file}")
    # and fewer rounds are but gathered
    fewer = jobs_to_run(searched, more_rounds(2, *FINISHED), *SEARCH)
    assert fewer == sorted(f"gather_search strategy={name}, seed=0" for name in FINISHED)


def test_a_screen_and_promotions_go_through_the_rounds(tmp_path: Path) -> None:
    config = change(
        TINY,
        search__estimator={"epochs": 2, "warmup_epochs": 0, "halving": {"epochs": 1, "eta": 2}},
        search__screen={"proxy": "params", "batch_size": 20, "proposals_per_evaluation": 3},
        search__strategies={
            "random": {"evaluations": 4, "rounds": 2},
            "evolution": {"population": 2, "sample": 1, "children": 2, "rounds": 2},
        },
    )
    finish(tmp_path / "run", config, *SEARCH)
    for name in ("random", "evolution"):
        history = rows(tmp_path / "run", f"{name}-0/history.csv")
        first, second = ([row for row in history if row["round"] == number] for number in "01")
        # six are proposed, two of them trained for an epoch; then one goes on, and of five more two are trained
        assert [row["status"] for row in first].count("ok") == 2
        assert [row["status"] for row in first].count("screened") == 4
        assert [row["epochs"] for row in second if row["status"] == "ok"] == ["2", "1", "1"]
        assert all(row["reason"].startswith("params ") for row in history if row["status"] == "screened")
        candidates = rows(tmp_path / "run", f"{name}-0/candidates.csv")
        assert [row["estimator"] for row in candidates] == [
            "short_training of 2 epochs",
            *["short_training of 1 epochs"] * 3,
        ]


def test_extrapolation_says_what_it_saved(tmp_path: Path) -> None:
    config = change(
        TINY,
        search__estimator={"kind": "extrapolation", "epochs": 8, "observe": 5, "finish": 3, "learning_rate": 0.05},
        search__strategies={
            "random": {"evaluations": 2},
            "evolution": {"population": 4, "sample": 1, "children": 1, "rounds": 3},
        },
    )
    finish(tmp_path / "run", config, *SEARCH)
    history = rows(tmp_path / "run", "evolution-0/history.csv")
    assert [(row["epochs"], row["saved"]) for row in history[:3]] == [("8", "")] * 3
    for row in history[3:]:
        assert row["status"] == "ok"
        assert int(row["epochs"]) + int(row["saved"]) == 8
        assert int(row["epochs"]) == 5 or row["reason"].startswith("stopped after 4 epochs")
    first, later = (rows(tmp_path / "run", f"evolution-0/round-{number}/shard-0.csv") for number in (0, 1))
    residuals = [float(row["score"]) - float(row["predicted"]) for row in first[:3]]
    told = rows(tmp_path / "run", "evolution-0/round-1/proposals.csv")[0]["residuals"].split()
    assert [float(one) for one in told] == residuals
    assert float(later[0]["low"]) <= float(later[0]["score"]) <= float(later[0]["high"])
