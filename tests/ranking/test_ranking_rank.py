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
from nas_steps.provenance.files import read_csv, write_csv, write_json
from nas_steps.ranking.rank import agree, agreement, ranked, winners
from nas_steps.ranking.shortlist import shortlist
from nas_steps.search.tables import HISTORY, gather, write_candidates

#: MACs that order no list of these tests
SIZES = [5.0, 2.0, 7.0, 3.0, 9.0, 4.0, 8.0, 6.0, 1.0, 11.0, 10.0, 12.0]


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
        "within": "all",
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
    found = agree(first, second, SIZES[: len(first)])
    expected = stats.kendalltau(first, second)
    assert found["kendall_tau"] == pytest.approx(expected.statistic)
    assert found["p_value"] == pytest.approx(expected.pvalue)
    if len(first) < 7:
        assert (found["low"], found["high"]) == (None, None)
        assert "too few for an interval" in found["note"]
    else:
        assert -1 <= found["low"] <= found["kendall_tau"] <= found["high"] <= 1
        assert ("rough" in found["note"]) is (len(first) < 10)
    assert agree(first, second, SIZES[: len(first)]) == found


def test_kendall_of_equal_orders_has_no_spread() -> None:
    found = agree(list(range(7)), [10.0 * value for value in range(7)], SIZES[:7])
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
    found = agree(first, second, SIZES[: len(first)])
    assert note in found["note"]
    assert all(math.isnan(found[key]) for key in ("kendall_tau", "low", "high", "p_value"))


def test_agreement_tells_what_the_score_says_beyond_macs() -> None:
    found = agree([1.0, 2.0, 3.0, 5.0, 4.0, 6.0, 8.0, 7.0], [2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0, 8.0], SIZES[:8])
    # squared rank differences 1, 1, 0, 1, 4, 1, 1, 1
    assert found["spearman"] == pytest.approx(1 - 6 * 10 / (8 * 63))
    assert found["lead"] == pytest.approx(found["spearman"] - found["spearman_macs"])
    assert (found["partial_n"], found["claim"]) == (8, "few")
    unknown = agree([1.0, 2.0, 3.0], [1.0, 3.0, 2.0], [math.nan] * 3)
    assert (unknown["claim"], unknown["partial_note"]) == ("unknown", "MACs are not known")
    assert unknown["kendall_tau"] == pytest.approx(1 / 3)


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


def search_of(root: Path, name: str, *scored: tuple[str, float], epochs: int = 1) -> None:
    """Write the files of a search by short trainings, or of a supernet if nothing was scored."""
    estimates = [Estimate(place, *one, macs=100, epochs=epochs, seconds=2.0) for place, one in enumerate(scored)]
    if scored:
        gather([estimates], root / name / "candidates.csv", root / name / "history.csv", "short_training")
        return
    write_candidates(root / name / "candidates.csv", [])
    write_csv(root / name / "history.csv", [{"step": 1, "status": "ok"}], HISTORY)
    write_json(root / name / "cost.json", {"seconds": 9.5, "work_seconds": 7.5})


#: an evaluation of one epoch of a network of 100 MACs costs 300
PRICES = {
    **{"supernet": 0.0, "macs": 100.0, "scale": 1.0, "epoch": 3.0, "score": 0.0, "scores": 1, "each_epoch": False},
    **{"untrained": 0.0, "screened": 0.0},
}
SUPERNET = {"warmup_epochs": 0, "warmup_epoch": 0.0, "epoch": 310.0, "product": 0.0, "drawn": 0.0, "selection": 0.0}


def test_the_steps(tmp_path: Path) -> None:
    folder = tmp_path / "search"
    search_of(folder, "random-0", ("z", 0.3), ("x", 0.5), ("y", 0.4))
    search_of(folder, "evolution-0", ("y", 0.4), ("y", 0.4), epochs=1)
    search_of(folder, "darts-0")
    names = ("random-0", "evolution-0", "darts-0")
    candidates, histories = ([folder / name / f"{which}.csv" for name in names] for which in ("candidates", "history"))
    budget = tmp_path / "budget.json"
    strategies = {"random": {}, "evolution": {}, "darts": {"prices": SUPERNET}}
    write_json(budget, {"matched_by": "training_macs", "evaluation": PRICES, "strategies": strategies})
    known = {"histories": histories, "output": tmp_path}
    run("match", settings=settings()["match"], budget=budget, **known)
    matches = tmp_path / "matches.csv"
    assert [(line["strategy"], line["evaluations"], line["of"], line["matched"]) for line in read_csv(matches)] == [
        ("evolution", "2", "3", "1"),
        ("darts", "1", "3", "1"),
    ]
    run("shortlist", settings=settings()["shortlist"], candidates=candidates, matches=matches, **known)
    found = read_csv(tmp_path / "shortlist.csv")
    # two of the whole search, two of its first two evaluations, the first one
    assert [(line["index"], line["architecture"], line["strategy"], line["within"]) for line in found] == [
        ("0", "x", "random", "all 2"),
        ("1", "y", "random", "all"),
        ("2", "z", "random", "1 2"),
        ("1", "y", "evolution", "all"),
    ]
    for seed, scores in enumerate([(0.2, 0.6, 0.1), (0.4, 0.8, 0.1)]):
        rows = [Estimate(index, "xyz"[index], score, seconds=10 + index) for index, score in enumerate(scores)]
        write_estimates(tmp_path / f"seed-{seed}.csv", rows)
    trainings = [tmp_path / f"seed-{seed}.csv" for seed in (0, 1)]
    more = {"costs": [folder / "darts-0" / "cost.json"], "matches": matches, "budget": budget, **known}
    run("rank", shortlist=tmp_path / "shortlist.csv", trainings=trainings, **more)
    assert [(line["architecture"], line["trainings"]) for line in read_csv(tmp_path / "ranked.csv")] == [
        ("y", "2"),
        ("x", "2"),
        ("z", "2"),
    ]
    assert [(line["entry"], line["kind"], line["architecture"]) for line in read_csv(tmp_path / "winners.csv")] == [
        ("random-0", "random", "y"),
        ("evolution-0", "searched", "y"),
        ("random.2-0", "random", "x"),
        ("random.3-0", "random", "z"),
    ]
    assert [line["strategy"] for line in read_csv(tmp_path / "agreement.csv")] == ["evolution", "random", "all"]
    opponents = read_csv(tmp_path / "opponents.csv")
    assert [(line["entry"], float(line["cost"]), float(line["random_cost"])) for line in opponents] == [
        ("random.2-0", 600, 600),
        ("random.3-0", 310, 300),
    ]
    # evolution trained y alone; the first two of random search are x and z
    assert [(float(line["seconds"]), float(line["random_seconds"])) for line in opponents] == [
        (2 * 2 + 2 * 11, 2 * 2 + 2 * (10 + 12)),
        (7.5, 2 + 2 * 12),
    ]
    costs = {line["strategy"]: line for line in read_csv(tmp_path / "search_costs.csv")}
    assert {name: float(line["training_macs"]) for name, line in costs.items()} == {
        "random": 900,
        "evolution": 600,
        "darts": 310,
    }
    assert [costs[name]["evaluations"] for name in ("random", "evolution", "darts")] == ["3", "2", ""]
    assert float(costs["random"]["search_seconds"]) == 3 * 2
    assert float(costs["random"]["ranking_seconds"]) == 2 * (10 + 11)
    assert (float(costs["darts"]["search_seconds"]), float(costs["darts"]["ranking_seconds"])) == (7.5, 0)


def test_nothing_to_rank_gives_empty_tables(tmp_path: Path) -> None:
    write_csv(tmp_path / "shortlist.csv", [], ("index", "architecture"))
    write_csv(tmp_path / "matches.csv", [], ("strategy",))
    write_csv(tmp_path / "search/random-0/history.csv", [], HISTORY)
    write_json(tmp_path / "budget.json", {"evaluation": PRICES, "strategies": {"random": {}}})
    write_estimates(tmp_path / "seed-0.csv", [])
    given = {name: tmp_path / f"{name}.csv" for name in ("shortlist", "matches")}
    given |= {"budget": tmp_path / "budget.json", "histories": [tmp_path / "search/random-0/history.csv"]}  # type: ignore[dict-item]
    run("rank", **given, trainings=[tmp_path / "seed-0.csv"], output=tmp_path)
    names = ("ranked", "agreement", "winners", "opponents")
    assert [read_csv(tmp_path / f"{name}.csv") for name in names] == [[], [], [], []]
    assert [line["training_macs"] for line in read_csv(tmp_path / "search_costs.csv")] == ["0.0"]
