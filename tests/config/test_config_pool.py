"""The pool that ranks: which is refused, and by which recipe it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from configs import refused

from nas_steps.config import derive
from nas_steps.config.load import load
from nas_steps.config.ranking import ranking_recipe


@pytest.mark.parametrize(
    ("ranking", "words"),
    [
        ({"shortlist": "auto", "uniform": 0}, ["shortlist is auto, but uniform is 0", "raise uniform"]),
        ({"shortlist": "auto", "uniform": 2}, ["sample of 7 or more"]),
        ({"uniform": 10**12}, ["ranking.uniform is 1000000000000", "architectures; lower it"]),
        ({"final_share": 0.04}, ["ranking.final_share is 0.04", "leaves 1 of 30 epochs"]),
    ],
)
def test_a_pool_that_cannot_be_drawn_or_trained_is_refused(ranking: dict[str, Any], words: list[str]) -> None:
    (told,) = refused({"ranking": ranking, "space": {"preset": "small", "nodes": 2}})
    for word in words:
        assert word in told


def test_in_a_table_no_length_can_be_found(tmp_path: Path) -> None:
    table = {"kind": "table", "path": str(tmp_path), "search": "few", "report": "all"}
    search = {"estimator": table, "strategies": {"random": {"evaluations": 4}}}
    (told,) = refused({"search": search, "space": {"preset": "nasbench201"}, "ranking": {"shortlist": "auto"}})
    assert "ranking.shortlist is auto, but search.estimator is a table" in told


def test_the_pool_is_trained_by_its_recipe_or_a_share_of_the_final_one() -> None:
    own = load({"ranking": {"recipe": {"epochs": 7}}})
    assert ranking_recipe(own.ranking, own.retrain) == own.ranking.recipe
    share = load({"ranking": {"final_share": 0.5}, "retrain": {"recipe": {"epochs": 21, "learning_rate": 0.3}}})
    recipe = ranking_recipe(share.ranking, share.retrain)
    assert (recipe.epochs, recipe.learning_rate) == (10, 0.3)


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        ({"epochs": 9}, "short_training"),
        ({"epochs": 9, "halving": {"epochs": 3}}, "short_training of 9 epochs"),
        ({"kind": "zero_cost", "proxy": "naswot"}, "naswot"),
        ({"kind": "extrapolation", "epochs": 9, "observe": 5}, "extrapolation"),
    ],
)
def test_scores_are_called_as_in_the_tables_of_candidates(estimator: dict[str, Any], name: str) -> None:
    strategies = {"random": {"rounds": 3}, "evolution": {}}
    assert derive.score_name(load({"search": {"estimator": estimator, "strategies": strategies}})) == name
