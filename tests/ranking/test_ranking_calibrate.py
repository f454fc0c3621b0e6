"""How many of the best scored are trained: `shortlist: auto` on made-up samples, and the steps around it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stepping import run
from tiny_world import settings

from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate, write_estimates
from nas_steps.estimation.proposals import read_proposals
from nas_steps.provenance.files import read_csv, read_json, write_csv, write_json
from nas_steps.ranking.calibrate import calibrate
from nas_steps.ranking.pool import Member
from nas_steps.ranking.settings import CalibrationSettings
from nas_steps.search.tables import write_candidates


def step(**changes: Any) -> CalibrationSettings:
    return CalibrationSettings(
        **{"seed": 0, "estimator": "s", "shortlist": "auto", "tolerance": 0.005, "most": 10} | changes
    )


def sample(n: int, error: float, noise: float = 0.1, seeds: int = 2, spread: float = 0.01) -> list[Member]:
    """Architectures whose scores are their accuracies with an error; error and training noise are in spreads."""
    dice = np.random.default_rng(3)
    worth = dice.normal(0.9, spread, n)
    scores = worth + dice.normal(0, error * spread, n) if error else worth
    accuracies = worth[:, None] + noise * spread * np.random.default_rng(4).standard_normal((n, seeds))
    return [
        Member(f"a{place}", True, False, tuple(row), 10, 100, {"s": float(score)})
        for place, (row, score) in enumerate(zip(accuracies.tolist(), scores, strict=True))
    ]


@pytest.fixture
def few_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """An eighth of the simulated searches: enough where a test asks which of two is larger."""
    for module in ("calibrate", "sufficiency"):
        monkeypatch.setattr(f"nas_steps.ranking.{module}.REPEATS_A_WORLD", 32)
    monkeypatch.setattr("nas_steps.ranking.sufficiency.RESAMPLES", 25)


@pytest.mark.usefixtures("few_repeats")
def test_a_good_score_needs_fewer_trainings_than_a_poor_one() -> None:
    sizes = [calibrate(sample(50, error), 24, step(most=24))[0]["shortlist"] for error in (0, 0.5, 2)]
    assert sizes[0] <= 2
    assert sizes[0] < sizes[1] < sizes[2]


@pytest.mark.usefixtures("few_repeats")
def test_where_nothing_is_lost_one_is_enough() -> None:
    told, _ = calibrate(sample(30, 2), 24, step(tolerance=0.5))
    assert (told["shortlist"], told["within"], told["best"]["trainings"]) == (1, 1, 1)
    assert told["why"] == "the fewest whose pick loses no more than ranking.tolerance in 95%"


def test_the_fewest_keeps_the_promise_in_a_simulation_by_hand() -> None:
    """A large sample, so that its figures are the world's."""
    error, noise, candidates = 0.8, 0.5, 20
    told, rows = calibrate(sample(1400, error, noise), candidates, step(most=20, tolerance=0.007))
    assert told["read"] == "copula"
    dice = np.random.default_rng(0)
    worth = dice.standard_normal((20000, candidates))
    order = np.argsort(-(worth + error * dice.standard_normal(worth.shape)), axis=1)
    worth = np.take_along_axis(worth, order, axis=1)
    measured = worth + noise / math.sqrt(2) * dice.standard_normal(worth.shape)

    def within(k: int) -> float:
        picked = np.take_along_axis(worth, measured[:, :k].argmax(1)[:, None], axis=1)
        return float((picked >= worth.max(1, keepdims=True) - 0.7).mean())

    k = told["shortlist"]
    assert k > 1
    assert within(k) >= 0.95 - 0.025
    assert within(k - 1) < 0.95 + 0.025
    shown = {row["k"]: row["within"] for row in rows if row["predictor"] == "copula" and row["seeds"] == 2}
    for k in (1, 3, 10):
        assert shown[k] == pytest.approx(within(k), abs=0.04)
    assert (told["noise"], told["spread"]) == pytest.approx((0.005, 0.01), rel=0.05)
    assert told["true_tau"] > told["kendall_tau"]


def test_noise_makes_more_seeds_the_answer() -> None:
    """One training's noise as large as the spread: no k of one split is enough, more seeds are."""
    members = sample(50, 0.4, 1.0)
    told, rows = calibrate(members, 25, step(tolerance=0.006))
    assert told["within"] < 0.95
    best = told["best"]
    assert best["keeps"]
    assert best["seeds"] > 2
    assert best["trainings"] == best["k"] * best["seeds"]
    assert best["within_low"] < best["within"] < best["within_high"]
    assert "ranking.most allows 10" in told["why"]
    assert f"enough would be {best['k']} candidates x {best['seeds']} seeds: 9" in told["why"]
    # and the figures of that number of seeds are in the table
    same = [row for row in rows if (row["k"], row["seeds"]) == (best["k"], best["seeds"])]
    assert [row["within"] for row in same] == pytest.approx([best["within"]], abs=0.01)
    calmer, _ = calibrate(sample(50, 0.4, 0.1), 25, step(tolerance=0.006))
    assert calmer["within"] >= 0.95


@pytest.mark.usefixtures("few_repeats")
def test_where_no_split_is_enough_the_best_is_named() -> None:
    told, _ = calibrate(sample(8, 2, 1.5), 25, step(tolerance=0.002))
    assert not told["best"]["keeps"]
    assert told["best"]["within"] < 0.95
    assert "no split is enough, the best is " in told["why"]
    assert "fewest" not in told["why"]


@pytest.mark.usefixtures("few_repeats")
def test_a_better_split_of_as_many_trainings_is_named() -> None:
    """Hardly any noise and a poor score: one training each lets more candidates in."""
    told, _ = calibrate(sample(50, 1.5, 0.02), 25, step(most=10, tolerance=0.015))
    same = told["same_cost"]
    assert same["seeds"] == 1
    assert same["trainings"] <= 2 * told["shortlist"]
    assert same["within"] > told["within"] + 0.005
    assert f"{same['k']} candidates x 1 seed: " in told["why"]


@pytest.mark.usefixtures("few_repeats")
def test_no_more_candidates_are_trained_than_there_are() -> None:
    told, rows = calibrate(sample(20, 3, 0.5), 4, step(tolerance=0.0001))
    assert told["shortlist"] <= 4
    assert max(row["k"] for row in rows) == 4
    fixed, _ = calibrate(sample(20, 3, 0.5), 4, step(shortlist=9))
    assert fixed["shortlist"] == 9
    assert fixed["within"] is not None


@pytest.mark.usefixtures("few_repeats")
def test_most_bounds_it_and_the_reason_says_so() -> None:
    told, _ = calibrate(sample(30, 3), 24, step(most=2))
    assert told["shortlist"] == 2
    assert told["enough"] > 2
    assert "ranking.most allows 2" in told["why"]


@pytest.mark.usefixtures("few_repeats")
def test_a_number_stays_and_is_judged() -> None:
    told, rows = calibrate(sample(30, 2), 24, step(shortlist=5))
    assert (told["shortlist"], told["why"]) == (5, "the config says so")
    assert told["enough"] > 1
    row = next(row for row in rows if (row["k"], row["seeds"], row["read"]) == (5, 2, 1))
    assert (row["within"], row["within_low"]) == (told["within"], told["within_low"])


@pytest.mark.usefixtures("few_repeats")
def test_the_pool_of_a_small_sample_is_shown_but_not_read() -> None:
    """The best of few is drawn again and again, so that the pool says one is enough."""
    told, rows = calibrate(sample(8, 1), 500, step())
    assert told["read"] == "copula"
    first = {row["predictor"]: row["within"] for row in rows if row["k"] == 1 and row["seeds"] == 2}
    assert first["copula"] < first["pool"]
    assert {row["predictor"] for row in rows if row["read"]} == {"copula"}


@pytest.mark.usefixtures("few_repeats")
def test_figures_that_do_not_exist_are_empty_and_not_infinite() -> None:
    told, rows = calibrate(sample(8, 1, 2.0), 25, step())
    assert told["enough"] is None
    for row in [told, *rows]:
        assert all(value is None or math.isfinite(value) for value in row.values() if not isinstance(value, str | dict))


def test_one_training_seed_promises_nothing() -> None:
    told, rows = calibrate(sample(30, 0, seeds=1), 24, step())
    assert (told["shortlist"], told["within"], told["best"], rows) == (10, None, None, [])
    assert "one training seed: its noise cannot be told from the architectures' differences" in told["why"]
    assert "set ranking.seeds to 2 or more" in told["why"]
    assert told["kendall_tau"] is not None


def failing(n: int) -> list[Member]:
    """Two seeds, one of which never ends soundly."""
    return [Member(f"a{place}", True, False, (place / 9, math.nan), 1, 1, {"s": place}) for place in range(n)]


@pytest.mark.parametrize(
    ("members", "candidates", "words"),
    [
        (sample(2, 0), 24, "2 architectures are too few"),
        (sample(6, 0), 24, "6 architectures are too few: 7 or more are needed"),
        ([], 24, "0 architectures are too few"),
        (failing(9), 24, "one training seed"),
        ([Member(f"a{n}", True, False, (0.5, 0.5), 1, 1, {"s": n}) for n in range(9)], 24, "accuracies after separate"),
        (
            [Member(f"a{n}", True, False, (n / 9, n / 8), 1, 1, {"s": 1.0}) for n in range(9)],
            24,
            "all scores are equal",
        ),
        ([Member(f"a{n}", True, False, (n / 9, 0.1), 1, 1, {"s": math.nan}) for n in range(9)], 24, "too few"),
        (sample(9, 0), 1, "no search had two candidates"),
    ],
)
def test_what_cannot_be_foretold_takes_the_most_and_says_why(members: Any, candidates: int, words: str) -> None:
    told, rows = calibrate(members, candidates, step())
    assert (told["shortlist"], told["enough"], rows) == (10, None, [])
    assert words in told["why"]
    assert "so ranking.most is taken" in told["why"]
    fixed, _ = calibrate(members, candidates, step(shortlist=3))
    assert fixed["shortlist"] == 3
    assert words in fixed["why"]


# ------------------------------------------------------------------------------------------------- the steps


@pytest.fixture
def pooled(tmp_path: Path) -> Path:
    """The files of a sample of 8, scored and trained by two seeds, and of two searches."""
    given = settings(ranking__uniform=8)
    run("sample", settings=given["sample"], output=tmp_path / "sample")
    drawn = [one.architecture for one in read_proposals(tmp_path / "sample/proposals.csv")]
    assert len(drawn) == 8
    found = [Estimate(place, name, place / 10, parameters=5 + place, macs=9) for place, name in enumerate(drawn)]
    write_estimates(tmp_path / "sample/score-0.csv", found)
    for seed in range(2):
        moved = [Estimate(one.index, one.architecture, one.score + seed / 1000, parameters=5, macs=9) for one in found]
        write_estimates(tmp_path / f"sample/seed-{seed}-shard-0.csv", moved)
        write_estimates(tmp_path / f"seed-{seed}-shard-0.csv", [Estimate(0, "other", 0.9, parameters=1, macs=1)])
    for name in ("random-0", "evolution-0"):
        scored = [(drawn[0], 0.5, "short_training"), ("other", 0.4, "short_training"), ("x", 0.3, "supernet")]
        write_candidates(tmp_path / name / "candidates.csv", scored)
    return tmp_path


def test_the_steps_hand_on_how_many_are_shortlisted(pooled: Path) -> None:
    given = settings(ranking__uniform=8, ranking__shortlist="auto")
    candidates = [pooled / name / "candidates.csv" for name in ("random-0", "evolution-0")]
    run(
        "calibrate",
        settings=given["calibrate"],
        sample=pooled / "sample/proposals.csv",
        trainings=[pooled / f"sample/seed-{seed}-shard-0.csv" for seed in range(2)],
        scores=[pooled / "sample/score-0.csv"],
        candidates=candidates,
        output=pooled,
    )
    told = read_json(pooled / "calibration.json")
    assert (told["candidates"], told["architectures"], told["kendall_tau"]) == (2, 8, 1.0)  # the supernet's is none
    assert (told["seeds"], told["shortlist"], told["best"]["keeps"]) == (2, 1, True)
    assert (told["spearman"], told["partial_n"], told["claim"]) == (1.0, 8, "few")
    rows = read_csv(pooled / "sufficiency.csv")
    assert {(row["k"], row["seeds"]) for row in rows if row["read"] == "1"} >= {("1", "2"), ("2", "2")}
    write_csv(pooled / "matches.csv", [], ("strategy",))
    histories = [file.with_name("history.csv") for file in candidates]
    for file in histories:
        write_csv(file, [], ("step",))
    shortlist = {"settings": given["shortlist"], "candidates": candidates, "output": pooled}
    shortlist |= {"matches": pooled / "matches.csv", "histories": histories}
    run("shortlist", **shortlist, calibration=pooled / "calibration.json")
    assert len(read_csv(pooled / "shortlist.csv")) == 2
    write_json(pooled / "calibration.json", {"shortlist": 2})
    run("shortlist", **shortlist, calibration=pooled / "calibration.json")
    assert len(read_csv(pooled / "shortlist.csv")) == 4
    with pytest.raises(UserError, match=r"--calibration: the shortlist is auto"):
        run("shortlist", **shortlist)


def test_the_pool_is_compared_from_files(pooled: Path) -> None:
    rows = [{"index": 0, "architecture": "other", "strategy": "random", "search_seed": 0, "search_score": 0.4,
             "estimator": "short_training", "within": "all"}]  # fmt: skip
    write_csv(pooled / "shortlist.csv", rows, tuple(rows[0]))
    run(
        "compare",
        settings=settings()["compare"],
        shortlist=pooled / "shortlist.csv",
        trainings=[*pooled.glob("seed-*.csv"), *pooled.glob("sample/seed-*.csv")],
        sample=pooled / "sample/proposals.csv",
        scores=[pooled / "sample/score-0.csv"],
        output=pooled,
    )
    pool = read_csv(pooled / "pool.csv")
    assert [(row["sampled"], row["shortlisted"], row["trainings"]) for row in pool] == [("1", "0", "2")] * 8 + [
        ("0", "1", "2")
    ]
    taus = {
        (row["estimator"], row["pool"]): (row["value"], row["n"])
        for row in read_csv(pooled / "estimators.csv")
        if (row["measure"], row["part"]) == ("kendall", "all")
    }
    assert taus["short_training", "uniform sample"] == ("1.0", "8")
    assert taus["short_training", "whole pool"][1] == "9"
    assert {name for name, _ in taus} == {"short_training", "parameters", "MACs"}
