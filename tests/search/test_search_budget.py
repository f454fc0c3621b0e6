"""Random search is matched to the dearest other strategy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_world import settings, tiny_config

from nas_steps.config.stages import slices
from nas_steps.provenance.files import read_json
from nas_steps.search.budget import budget
from nas_steps.search.steps import budget as step
from nas_steps.spaces.cells import PRESETS

SHAPE = {"inputs": 1, "classes": 10, "side": 8}
ROOMY = {"nodes": 2, "operations": ["skip_connect", "max_pool_3x3", "nor_conv_1x1", "nor_conv_3x3"]}


@pytest.fixture(autouse=True)
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting is what takes time, and a mean of fewer sizes is a mean too."""
    monkeypatch.setattr("nas_steps.search.budget.DRAWS", 6)


def counted(strategies: dict[str, Any], **changes: Any) -> dict[str, Any]:
    config = tiny_config(search__strategies=strategies, **{"space": ROOMY, **changes})
    return budget(slices(config)["budget"], **SHAPE)  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", [name for name, space in PRESETS.items() if space.inputs == 2])
def test_every_space_of_two_inputs_has_a_budget(preset: str) -> None:
    found = counted({"random": {}, "darts": {"epochs": 1}}, space={"preset": preset})
    assert found["supernet_macs"] > found["candidate_macs"] > 0
    assert found["strategies"]["random"]["evaluations"] >= 2


@pytest.mark.parametrize("epochs", [2, 5, 9])
def test_random_matches_darts_within_half_an_evaluation(epochs: int) -> None:
    found = counted({"random": {}, "darts": {"epochs": epochs}})
    random, darts = found["strategies"]["random"], found["strategies"]["darts"]
    evaluation = 3 * 1 * found["candidate_macs"]  # the tiny estimator trains for one epoch
    assert darts["training_macs"] == 3 * 2 * epochs * found["supernet_macs"]
    assert random["evaluations"] > 2
    assert random["training_macs"] == pytest.approx(random["evaluations"] * evaluation)
    assert abs(random["training_macs"] - darts["training_macs"]) <= evaluation / 2
    assert random["matched_to"] == found["matched_to"] == "darts"
    assert random["relative"] == 1
    assert darts["relative"] == pytest.approx(darts["training_macs"] / random["training_macs"])


def test_random_matches_evolution_evaluation_by_evaluation() -> None:
    found = counted(
        {"random": {}, "evolution": {"population": 30, "children": 10, "rounds": 3}, "darts": {"epochs": 1}}
    )
    assert found["matched_to"] == "evolution"
    assert found["strategies"]["random"]["evaluations"] == 50


def test_a_number_of_evaluations_is_taken_as_it_is() -> None:
    found = counted({"random": {"evaluations": 7}, "darts": {"epochs": 5}})
    assert found["strategies"]["random"]["evaluations"] == 7
    assert found["matched_to"] is None


def test_random_gets_at_least_two_evaluations_and_at_most_the_space() -> None:
    poor = counted({"random": {}, "darts": {"epochs": 1}}, search__estimator__epochs=500)
    assert poor["strategies"]["random"]["evaluations"] == 2
    small = {"nodes": 1, "operations": ["skip_connect", "nor_conv_1x1"]}
    rich = counted({"random": {}, "darts": {"epochs": 200}}, space=small)
    assert rich["strategies"]["random"]["evaluations"] == 16


def test_the_step_writes_what_it_counted(tmp_path: Path, data: str) -> None:
    given = ["--settings", settings()["budget"], "--data", data, "--cost", str(tmp_path / "cost.json")]
    step.main([*given, "--output", str(tmp_path / "budget.json")])
    found = read_json(tmp_path / "budget.json")
    assert found == budget(slices(tiny_config())["budget"], **SHAPE)  # type: ignore[arg-type]
    assert set(found["strategies"]) == {"random", "evolution", "darts"}
    assert (tmp_path / "cost.json").is_file()
