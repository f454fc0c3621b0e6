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


def sample(n: int, noise: float, spread: float = 0.01) -> list[Member]:
    """Architectures whose scores are their accuracies with so much noise, in units of the spread."""
    dice = np.random.default_rng(3)
    worth = dice.normal(0.9, spread, n)
    scores = worth + dice.normal(0, noise * spread, n) if noise else worth
    return [
        Member(f"a{place}", True, False, (float(accuracy),), 10, 100, {"s": float(score)})
        for place, (accuracy, score) in enumerate(zip(worth, scores, strict=True))
    ]


def test_a_perfect_score_needs_one_training_and_a_poor_one_more() -> None:
    sizes = [calibrate(sample(30, noise), 24, step(most=24))[0]["shortlist"] for noise in (0, 1, 4)]
    assert sizes[0] == 1
    assert sizes[0] < sizes[1] < sizes[2]


def test_where_nothing_is_lost_one_is_enough() -> None:
    assert calibrate(sample(30, 2), 24, step(tolerance=0.5))[0]["shortlist"] == 1


def test_the_fewest_is_the_first_k_whose_regret_is_within_the_tolerance() -> None:
    """As a simulation by hand has it: the pool drawn from, the best k by score against the best of all."""
    members, candidates = sample(40, 1), 20
    told, rows = calibrate(members, candidates, step(most=20))
    assert told["read"] == "pool"
    dice = np.random.default_rng(0)
    accuracy = np.array([one.accuracies[0] for one in members])
    score = np.array([one.scores["s"] for one in members])
    drawn = dice.integers(0, 40, (4000, candidates))
    order = np.argsort(-score[drawn], axis=1)
    best_first = np.take_along_axis(accuracy[drawn], order, axis=1)
    leading = np.maximum.accumulate(best_first, axis=1)
    within = (leading >= leading[:, -1:] - 0.005).mean(0)
    k = told["shortlist"]
    assert within[k - 1] >= 0.95 - 0.01
    assert k == 1 or within[k - 2] < 0.95 + 0.01
    shown = {row["k"]: row["regret"] for row in rows if row["predictor"] == "pool"}
    assert shown[3] == pytest.approx((leading[:, -1] - leading[:, 2]).mean(), abs=4e-4)


def test_most_bounds_it_and_the_reason_says_so() -> None:
    told, _ = calibrate(sample(30, 3), 24, step(most=2))
    assert told["shortlist"] == 2
    assert told["enough"] > 2
    assert "ranking.most allows 2" in told["why"]


def test_a_number_stays_and_is_judged() -> None:
    told, rows = calibrate(sample(30, 2), 24, step(shortlist=5))
    assert (told["shortlist"], told["why"]) == (5, "the config says so")
    assert told["enough"] > 1
    assert 5 in {row["k"] for row in rows}


def test_a_sample_smaller_than_the_search_is_read_by_the_copula() -> None:
    """The best of few is drawn again and again, so that the pool says one is enough."""
    told, rows = calibrate(sample(8, 1), 500, step())
    assert told["read"] == "copula"
    enough = {row["predictor"]: row["enough"] for row in rows}
    assert enough["copula"] > enough["pool"]
    assert {row["predictor"] for row in rows if row["read"]} == {"copula"}


@pytest.mark.parametrize(
    ("members", "candidates", "words"),
    [
        (sample(2, 0), 24, "2 architectures are too few"),
        ([], 24, "0 architectures are too few"),
        ([Member(f"a{n}", True, False, (0.5,), 1, 1, {"s": n}) for n in range(5)], 24, "accuracies after separate"),
        ([Member(f"a{n}", True, False, (n / 9,), 1, 1, {"s": 1.0}) for n in range(5)], 24, "all scores are equal"),
        ([Member(f"a{n}", True, False, (n / 9,), 1, 1, {"s": math.nan}) for n in range(5)], 24, "too few"),
        (sample(9, 0), 1, "no search had two candidates"),
    ],
)
def test_what_cannot_be_foretold_takes_the_most_and_says_why(members: Any, candidates: int, words: str) -> None:
    told, rows = calibrate(members, candidates, step())
    assert (told["shortlist"], told["enough"], rows) == (10, None, [])
    assert words in told["why"]
    fixed, _ = calibrate(members, candidates, step(shortlist=3))
    assert fixed["shortlist"] == 3
    assert words in fixed["why"]


# ------------------------------------------------------------------------------------------------- the steps


@pytest.fixture
def pooled(tmp_path: Path) -> Path:
    """The files of a sample of 6, scored and trained by two seeds, and of two searches."""
    given = settings(ranking__uniform=6)
    run("sample", settings=given["sample"], output=tmp_path / "sample")
    drawn = [one.architecture for one in read_proposals(tmp_path / "sample/proposals.csv")]
    assert len(drawn) == 6
    found = [Estimate(place, name, place / 10, parameters=5 + place, macs=9) for place, name in enumerate(drawn)]
    write_estimates(tmp_path / "sample/score-0.csv", found)
    for seed in range(2):
        write_estimates(tmp_path / f"sample/seed-{seed}-shard-0.csv", found)
        write_estimates(tmp_path / f"seed-{seed}-shard-0.csv", [Estimate(0, "other", 0.9, parameters=1, macs=1)])
    for name in ("random-0", "evolution-0"):
        scored = [(drawn[0], 0.5, "short_training"), ("other", 0.4, "short_training"), ("x", 0.3, "supernet")]
        write_candidates(tmp_path / name / "candidates.csv", scored)
    return tmp_path


def test_the_steps_hand_on_how_many_are_shortlisted(pooled: Path) -> None:
    given = settings(ranking__uniform=6, ranking__shortlist="auto")
    candidates = [pooled / name / "candidates.csv" for name in ("random-0", "evolution-0")]
    run(
        "calibrate",
        settings=given["calibrate"],
        sample=pooled / "sample/proposals.csv",
        trainings=[pooled / "sample/seed-0-shard-0.csv"],
        scores=[pooled / "sample/score-0.csv"],
        candidates=candidates,
        output=pooled,
    )
    told = read_json(pooled / "calibration.json")
    assert (told["candidates"], told["architectures"], told["kendall_tau"]) == (2, 6, 1.0)  # the supernet's is none
    assert told["shortlist"] == 1
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
    assert [(row["sampled"], row["shortlisted"], row["trainings"]) for row in pool] == [("1", "0", "2")] * 6 + [
        ("0", "1", "2")
    ]
    taus = {
        (row["estimator"], row["pool"]): (row["value"], row["n"])
        for row in read_csv(pooled / "estimators.csv")
        if (row["measure"], row["part"]) == ("kendall", "all")
    }
    assert taus["short_training", "uniform sample"] == ("1.0", "6")
    assert taus["short_training", "whole pool"][1] == "7"
    assert {name for name, _ in taus} == {"short_training", "parameters", "MACs"}
