"""Shortlist, ranked list, winners and agreement."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from stepping import run
from tiny_world import settings

from nas_steps.estimation.estimates import Estimate, write_estimates
from nas_steps.provenance.files import read_csv, write_csv
from nas_steps.ranking.rank import agreement, kendall, ranked, winners
from nas_steps.ranking.shortlist import shortlist
from nas_steps.search.tables import write_candidates


def row(index: int, strategy: str = "random", seed: int = 0, score: float = 0.5, **more: str) -> dict[str, str]:
    return {
        "index": str(index),
        "architecture": f"a{index}",
        "strategy": strategy,
        "kind": "random" if strategy == "random" else "searched",
        "search_seed": str(seed),
        "search_rank": "1",
        "search_score": str(score),
        "estimator": "short_training",
        **more,
    }


def trained(index: int, score: float, macs: int = 100, status: str = "ok") -> Estimate:
    return Estimate(index, f"a{index}", score, status, parameters=10, macs=macs)


def candidates(*names: str) -> list[dict[str, str]]:
    return [
        {"rank": str(rank), "architecture": name, "score": str(1 / rank), "estimator": "short_training"}
        for rank, name in enumerate(names, start=1)
    ]


def test_the_shortlist_numbers_each_architecture_once() -> None:
    found = shortlist(
        {("random", 0): candidates("x", "y", "z"), ("darts", 0): candidates("y", "w"), ("darts", 1): candidates("x")},
        {"random": "random", "darts": "darts"},
        best=2,
    )
    assert [(line["index"], line["architecture"]) for line in found] == [
        (0, "x"),
        (1, "y"),
        (1, "y"),
        (2, "w"),
        (0, "x"),
    ]
    assert [line["kind"] for line in found] == ["random", "random", "searched", "searched", "searched"]
    assert [(line["strategy"], line["search_seed"], line["search_rank"]) for line in found[2:]] == [
        ("darts", 0, 1),
        ("darts", 0, 2),
        ("darts", 1, 1),
    ]


def test_ranked_by_mean_then_macs_with_the_diverged_last() -> None:
    shortlisted = [row(0), row(1), row(2), row(3), row(1, "darts", 1)]
    trainings = [
        trained(0, math.nan, macs=1, status="diverged"),
        trained(0, math.nan, macs=1, status="diverged"),
        trained(1, 0.6, macs=200),
        trained(1, 0.8, macs=200),
        trained(2, 0.7, macs=150),
        trained(2, math.nan, macs=150, status="diverged"),
        trained(3, 0.9, macs=999),
        trained(3, 0.7, macs=999),
    ]
    found = ranked(shortlisted, trainings)
    assert [line["index"] for line in found] == [3, 2, 1, 0]
    assert [line["rank"] for line in found] == [1, 2, 3, 4]
    assert [line["trainings"] for line in found] == [2, 1, 2, 0]
    assert [line["score"] for line in found[:3]] == pytest.approx([0.8, 0.7, 0.7])
    assert found[0]["std"] == pytest.approx(np.std([0.9, 0.7], ddof=1))
    assert math.isnan(found[1]["std"])
    assert found[2]["proposed_by"] == "random-0 darts-1"
    assert [line["status"] for line in found] == ["ok", "ok", "ok", "diverged"]


def test_winners_are_the_best_ranked_of_each_search() -> None:
    shortlisted = [row(0), row(1), row(1, "darts"), row(2, "darts"), row(3, "darts", 1)]
    ranking = ranked(
        shortlisted, [trained(0, 0.5), trained(1, 0.7), trained(2, 0.9), trained(3, math.nan, status="diverged")]
    )
    found = {entry["entry"]: entry for entry in winners(shortlisted, ranking)}
    assert {name: entry["architecture"] for name, entry in found.items()} == {"random-0": "a1", "darts-0": "a2"}
    assert [found[name]["kind"] for name in found] == ["random", "searched"]
    assert found["darts-0"]["score"] == 0.9


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0]),
        ([1.0, 1.0, 2.0, 3.0, 3.0], [5.0, 4.0, 4.0, 1.0, 2.0]),
        ([1.0, 1.0, 2.0, 3.0, 3.0, 4.0, 5.0, 6.0], [5.0, 4.0, 4.0, 1.0, 2.0, 1.5, 2.5, 0.0]),
        (list(range(12)), [0.0, 2.0, 1.0, 3.0, 5.0, 4.0, 6.0, 8.0, 7.0, 9.0, 11.0, 10.0]),
    ],
)
def test_kendall_is_scipys(first: list[float], second: list[float]) -> None:
    found = kendall(first, second)
    expected = stats.kendalltau(first, second)
    assert found["kendall_tau"] == pytest.approx(expected.statistic)
    assert found["p_value"] == pytest.approx(expected.pvalue)
    if len(first) < 7:
        assert (found["low"], found["high"]) == (None, None)
        assert "too few for an interval" in found["note"]
    else:
        assert -1 <= found["low"] <= found["kendall_tau"] <= found["high"] <= 1
        assert ("rough" in found["note"]) is (len(first) < 10)
    assert kendall(first, second) == found


def test_kendall_of_equal_orders_has_no_spread() -> None:
    found = kendall(list(range(7)), [10.0 * value for value in range(7)])
    assert (found["kendall_tau"], found["low"], found["high"]) == pytest.approx((1, 1, 1))


@pytest.mark.parametrize(
    ("first", "second", "note"),
    [
        ([], [], "0 architectures are too few"),
        ([1.0, 2.0], [2.0, 1.0], "2 architectures are too few"),
        ([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], "all scores are equal"),
        ([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], "all accuracies after separate training are equal"),
    ],
)
def test_kendall_says_why_it_has_no_figure(first: list[float], second: list[float], note: str) -> None:
    found = kendall(first, second)
    assert note in found["note"]
    assert all(math.isnan(found[key]) for key in ("kendall_tau", "low", "high", "p_value"))


def test_agreement_has_a_row_for_all_that_share_an_estimator() -> None:
    shortlisted = [
        *(row(index, "random", score=index / 10) for index in range(4)),
        *(row(index, "evolution", score=index / 10) for index in (3, 4, 5)),
        *(row(index, "darts", score=-index, estimator="alpha_likelihood") for index in (0, 1, 2)),
        row(6, "random", score=0.0),
    ]
    scores = [0.1, 0.2, 0.4, 0.3, 0.6, 0.5]
    trainings = [trained(index, score) for index, score in enumerate(scores)]
    ranking = ranked(shortlisted, [*trainings, trained(6, math.nan, status="diverged")])
    found = {(line["strategy"], line["estimator"]): line for line in agreement(shortlisted, ranking)}
    assert list(found) == [
        ("darts", "alpha_likelihood"),
        ("evolution", "short_training"),
        ("random", "short_training"),
        ("all", "short_training"),
    ]
    assert [line["architectures"] for line in found.values()] == [3, 3, 4, 6]
    together = found["all", "short_training"]["kendall_tau"]
    assert together == pytest.approx(stats.kendalltau(range(6), scores).statistic)
    assert found["darts", "alpha_likelihood"]["kendall_tau"] == pytest.approx(-1)


def test_the_steps(tmp_path: Path) -> None:
    folder = tmp_path / "search"
    write_candidates(
        folder / "random-0" / "candidates.csv",
        [(name, 0.5 - 0.1 * place, "short_training") for place, name in enumerate("xyz")],
    )
    write_candidates(folder / "evolution-0" / "candidates.csv", [("y", 0.4, "short_training")])
    write_candidates(folder / "darts-0" / "candidates.csv", [])
    paths = [str(folder / name / "candidates.csv") for name in ("random-0", "evolution-0", "darts-0")]
    run("shortlist", settings=settings()["shortlist"], candidates=paths, output=tmp_path)
    found = read_csv(tmp_path / "shortlist.csv")
    assert [(line["index"], line["architecture"], line["strategy"]) for line in found] == [
        ("0", "x", "random"),
        ("1", "y", "random"),
        ("1", "y", "evolution"),
    ]
    write_estimates(tmp_path / "seed-0.csv", [Estimate(0, "x", 0.2), Estimate(1, "y", 0.6)])
    write_estimates(tmp_path / "seed-1.csv", [Estimate(0, "x", 0.4), Estimate(1, "y", 0.8)])
    trainings = [tmp_path / f"seed-{seed}.csv" for seed in (0, 1)]
    run("rank", shortlist=tmp_path / "shortlist.csv", trainings=trainings, output=tmp_path)
    assert [(line["architecture"], line["trainings"]) for line in read_csv(tmp_path / "ranked.csv")] == [
        ("y", "2"),
        ("x", "2"),
    ]
    assert [(line["entry"], line["architecture"]) for line in read_csv(tmp_path / "winners.csv")] == [
        ("random-0", "y"),
        ("evolution-0", "y"),
    ]
    assert [line["strategy"] for line in read_csv(tmp_path / "agreement.csv")] == ["evolution", "random", "all"]


def test_nothing_to_rank_gives_empty_tables(tmp_path: Path) -> None:
    write_csv(tmp_path / "shortlist.csv", [], ("index", "architecture"))
    write_estimates(tmp_path / "seed-0.csv", [])
    run("rank", shortlist=tmp_path / "shortlist.csv", trainings=[tmp_path / "seed-0.csv"], output=tmp_path)
    assert [read_csv(tmp_path / name) for name in ("ranked.csv", "winners.csv", "agreement.csv")] == [[], [], []]
