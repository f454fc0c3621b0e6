"""What changed in the settings of a step is told in the config's own words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas_steps.config.load import load
from nas_steps.provenance.changes import changed_modules, changed_values, changed_versions
from nas_steps.provenance.files import read_json
from nas_steps.workflow.plan import Plan
from nas_steps.workflow.steps import STEPS


def settings(raw: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The settings of all steps, the report's aside, by the name of their file without its fingerprint."""
    plan = Plan(raw, root=str(folder))
    files = {
        Path(plan.settings(name, step.variant(job)))
        for name, step in STEPS.items()
        if step.reads and name != "report"
        for job in plan.jobs(name)
    }
    return {file.stem.rpartition("-")[0]: read_json(file) for file in files}


def told(key: str, value: str, folder: Path) -> set[str]:
    """The keys that the settings say have changed when one is set."""
    # a calibration is part of the workflow where a uniform sample is
    start = {"ranking": {"uniform": 8}, "retrain": {"budget": {"macs": 1e9}}}
    raw: dict[str, Any] = load(start).model_dump(mode="json")
    before = settings(raw, folder)
    *path, last = key.split(".")
    section = raw
    for part in path:
        section = section[part]
    section[last] = value
    after = settings(raw, folder)
    plan = Plan(raw, root=str(folder))
    assert before
    assert before.keys() == after.keys()
    return {plan.config_key(name, path) for name in before for path, _, _ in changed_values(before[name], after[name])}


@pytest.mark.parametrize(
    "key",
    [
        "seed=1",
        "threads=2",
        "data.max_train=9",
        "space.nodes=2",
        "search.network.channels=9",
        "search.estimator.epochs=9",
        "search.strategies.darts.alpha_learning_rate=0.5",
        "search.strategies.evolution.sample=3",
        "ranking.shortlist=9",
        "ranking.uniform=9",
        "ranking.most=9",
        "ranking.recipe.epochs=9",
        "retrain.network.cells=9",
        "retrain.recipe.momentum=0.5",
        "retrain.train_on=train+valid",
        "scaling.recipe.epochs=9",
        "scaling.members=2",
        "export.tolerance=0.5",
    ],
)
def test_a_key_is_told_by_its_place_in_the_config(key: str, tmp_path: Path) -> None:
    name, _, value = key.partition("=")
    named = told(name, value, tmp_path)
    assert name in named
    # what several keys make, such as the budget's cost of an evaluation, has the name of what is above them
    assert all(name == one or name.startswith(f"{one}.") for one in named)


def test_old_and_new_are_compared_value_by_value() -> None:
    found = list(changed_values({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 4}, "e": None}))
    assert found == [(("b", "c"), 2, 4), (("b", "d"), 3, "(not there)"), (("e",), "(not there)", None)]
    assert list(changed_values({"a": [1, 2]}, {"a": [1, 2]})) == []
    assert changed_modules({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "4", "d": "5"}) == ["b", "c", "d"]
    assert changed_versions("torch 2.8.0, onnx 1.17", "torch 2.9.1, onnx 1.17") == ["torch 2.8.0 -> 2.9.1"]
    assert changed_versions("", "torch 2.9.1") == ["torch (not there) -> 2.9.1"]
