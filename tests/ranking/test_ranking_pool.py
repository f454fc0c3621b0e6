"""The pool: which architectures it holds, by what accuracies and scores they count."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from nas_steps.estimation.estimates import Estimate, write_estimates
from nas_steps.ranking.pool import BASELINES, by_seed, pool, read_scores, reference, rows, scores_of


def trained(name: str, score: float, status: str = "ok", macs: int = 100) -> Estimate:
    return Estimate(0, name, score, status, parameters=macs // 10, macs=macs)


def shortlisted(name: str, score: str, estimator: str = "short_training", strategy: str = "random") -> dict[str, str]:
    return {"architecture": name, "search_score": score, "estimator": estimator, "strategy": strategy}


# -------------------------------------------------------------------------------------------------- the pool


def test_the_pool_is_the_sample_then_what_the_shortlist_adds() -> None:
    rows = [shortlisted("b", "0.7"), shortlisted("c", "0.5"), shortlisted("c", "0.7", strategy="evolution")]
    found = pool(
        ["a", "b"],
        rows,
        rows,
        {0: [trained(name, 0.1) for name in "abc"], 1: [trained(name, 0.2) for name in "abc"]},
        {"short_training": {"a": 0.3, "b": 0.4}},
    )
    assert [(one.architecture, one.sampled, one.shortlisted) for one in found] == [
        ("a", True, False),
        ("b", True, True),
        ("c", False, True),
    ]
    assert [one.accuracies for one in found] == [(0.1, 0.2)] * 3
    # of the sample the scores that were made for it; of the rest what their searches say, in the mean
    assert scores_of(found, "short_training").tolist() == pytest.approx([0.3, 0.4, 0.6])


def test_an_architecture_that_both_trained_counts_once() -> None:
    found = pool(["a"], [shortlisted("a", "0.5")], [], {0: [trained("a", 0.9), trained("a", 0.9)]}, {})
    assert [one.accuracies for one in found] == [(0.9,)]


def test_another_estimators_score_is_none_of_this_one() -> None:
    rows = [shortlisted("a", "0.5", "supernet"), shortlisted("b", "")]
    found = pool([], rows, rows, {0: [trained("a", 0.9)]}, {})
    assert np.isnan(scores_of(found, "short_training")).all()
    assert scores_of(found, "supernet")[0] == 0.5
    # nor do rows that are of another supernet count
    assert np.isnan(scores_of(pool([], rows, [], {0: [trained("a", 0.9)]}, {}), "supernet")).all()


def test_failed_trainings_and_scores_are_missing() -> None:
    trainings = {
        0: [trained("a", 0.9), trained("b", 0.4, "diverged")],
        2: [trained("a", math.nan, "diverged", macs=0), trained("b", math.nan, "memory", macs=0)],
    }
    found = pool(["a", "b", "lost"], [], [], trainings, {"naswot": {"a": 5.0, "b": math.nan}})
    table = reference(found)
    assert table.shape == (3, 2)
    assert table[0, 0] == 0.9
    assert np.isnan(table).sum() == 5
    assert np.isnan(scores_of(found, "naswot")).tolist() == [False, True, True]
    assert scores_of(found, "MACs").tolist()[:2] == [100, 100]
    assert all(math.isnan(scores_of(found, name)[2]) for name in BASELINES)


def test_without_members_there_is_an_empty_reference() -> None:
    assert reference([]).shape == (0, 1)
    assert rows([], ["x"])[0] == []


def test_the_table_of_the_pool_has_a_column_for_each_seed_and_score() -> None:
    found = pool(["a"], [], [], {0: [trained("a", 0.5)], 1: [trained("a", 0.7)]}, {"short of 3": {"a": 0.4}})
    (row,), columns = rows(found, ["short of 3"])
    assert set(row) == set(columns)
    assert (row["accuracy"], row["trainings"], row["sampled"], row["shortlisted"]) == (pytest.approx(0.6), 2, 1, 0)
    assert (row["accuracy_seed_0"], row["accuracy_seed_1"], row["score_short_of_3"]) == (0.5, 0.7, 0.4)


def test_scores_are_read_from_estimates_and_from_any_file_with_both_columns(tmp_path: Path) -> None:
    write_estimates(tmp_path / "a.csv", [trained("a", 0.5), trained("b", 0.6, "diverged"), trained("c", math.nan)])
    (tmp_path / "b.csv").write_text("architecture,score\nd,0.7\n")
    found = read_scores([str(tmp_path / "a.csv"), str(tmp_path / "b.csv")])
    assert {name: None if math.isnan(score) else score for name, score in found.items()} == {
        "a": 0.5,
        "b": None,
        "c": None,
        "d": 0.7,
    }


def test_files_are_read_by_the_training_seed_in_their_name(tmp_path: Path) -> None:
    paths = []
    for folder, seed, shard, name in (("", 0, 0, "a"), ("", 10, 0, "b"), ("", 10, 1, "c"), ("sample", 0, 0, "d")):
        paths.append(str(tmp_path / folder / f"seed-{seed}-shard-{shard}.csv"))
        write_estimates(paths[-1], [trained(name, 0.5)])
    found = by_seed(paths)
    assert {seed: sorted(one.architecture for one in told) for seed, told in found.items()} == {
        0: ["a", "d"],
        10: ["b", "c"],
    }
