"""The budget of searches on text: each training costs its compute, whatever the network."""

from __future__ import annotations

from typing import Any

import pytest
from stepping import settings_of
from tiny_text import ROOT, tiny_config

from nas_steps.config.load import load
from nas_steps.search.budget import UNIT_OF_TEXT, budget
from nas_steps.search.settings import BudgetSettings
from nas_steps.search.spent import cumulated

SHAPE = {"inputs": 1, "classes": 256, "side": 16}


def counted(**changes: Any) -> dict[str, Any]:
    settings = settings_of(tiny_config(**changes), "budget", BudgetSettings, ROOT.name)
    return budget(settings, **SHAPE, images=50, valid=100)


def line(**more: Any) -> dict[str, str]:
    known = {"status": "ok", "round": "0", "epochs": "1", "macs": "1000", "architecture": "x", "seconds": "1"}
    return {**known, **{key: str(value) for key, value in more.items()}}


def test_random_search_gets_as_many_evaluations_of_the_same_compute() -> None:
    found = counted()
    assert found["unit"] == UNIT_OF_TEXT
    assert found["strategies"]["random"]["evaluations"] == found["strategies"]["evolution"]["evaluations"] == 3
    trained = 3 * 1e8 / 2  # a multiply-accumulate is two FLOPs
    scored = 3 * 100 * found["candidate_macs"]
    assert found["strategies"]["evolution"]["training_macs"] == pytest.approx(trained + scored)


def test_a_finished_search_is_counted_alike_for_all_networks_but_for_their_scoring() -> None:
    prices = counted()["evaluation"]
    costs = cumulated([line(macs=1000), line(macs=3000)], prices)
    assert costs == [1e8 / 2 + 100 * 1000, 1e8 + 100 * 4000]


def test_learning_rates_and_seeds_cost_what_they_train() -> None:
    rates = {"search__estimator__learning_rates": [1e-3, 1e-2, 3e-2]}
    one, three = counted()["evaluation"], counted(**rates)["evaluation"]
    assert three["part"] == 3 * one["part"]
    assert three["score"] == 3 * one["score"]
    assert counted(search__estimator__seeds=2)["strategies"]["evolution"]["training_macs"] == pytest.approx(
        2 * counted()["strategies"]["evolution"]["training_macs"]
    )


def test_a_rung_of_halving_costs_its_share() -> None:
    changes: dict[str, Any] = {
        "search__estimator__epochs": 9,
        "search__estimator__halving": {"epochs": 3},
        "search__estimator__compute": 9e8,
        "search__strategies__random": {"rounds": 2, "evaluations": 4},
    }
    prices = counted(**changes)["evaluation"]
    assert prices["part"] == 1e8 / 2
    assert cumulated([line(epochs=3), line(epochs=9)], prices)[1] == pytest.approx(12e8 / 2 + 2 * 100 * 1000)


def test_without_training_a_batch_is_counted() -> None:
    config = tiny_config().model_dump(mode="json")
    config["search"]["estimator"] = {"kind": "zero_cost", "proxy": "snip", "batch_size": 4}
    settings = settings_of(load(config), "budget", BudgetSettings, ROOT.name)
    found = budget(settings, **SHAPE, images=50, valid=100)
    assert found["strategies"]["evolution"]["training_macs"] == pytest.approx(3 * 3 * 4 * found["candidate_macs"])


def test_a_supernet_is_trained_once_and_an_evaluation_scores_windows() -> None:
    config = tiny_config().model_dump(mode="json")
    supernet = {"sampling": "uniform", "epochs": 3, "images": 0.5}
    config["search"]["estimator"] = {"kind": "shared_weights", "supernet": supernet, "valid_images": 20}
    # weights are shared by networks of one frame
    one = {"position": "rope", "norm": "rms", "order": "sequential", "embedding": "tied", "extras": "none"}
    config["space"] |= one
    settings = settings_of(load(config), "budget", BudgetSettings, ROOT.name)
    found = budget(settings, **SHAPE, images=50, valid=100)
    trained = 3 * 3 * 0.5 * 50 * found["candidate_macs"]
    assert found["evaluation"]["supernet"] == pytest.approx(trained)
    scored = 3 * 20 * found["candidate_macs"]
    assert found["strategies"]["evolution"]["training_macs"] == pytest.approx(trained + scored)
    assert found["matched_by"] == "evaluations"
