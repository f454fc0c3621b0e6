"""What changed in a slice is told in the config's own words."""

from __future__ import annotations

from typing import Any

import pytest

from nas_steps.config.keys import config_key
from nas_steps.config.load import load
from nas_steps.config.slicing import slices
from nas_steps.provenance.changes import changed_modules, changed_values, changed_versions


def told(key: str, value: str) -> set[str]:
    """The keys that the slices (the report's aside) say have changed when one is set."""
    raw: dict[str, Any] = load({}).model_dump(mode="json")
    *path, last = key.split(".")
    section = raw
    for part in path:
        section = section[part]
    section[last] = value
    before, after = slices(load({})), slices(load(raw))
    return {
        config_key(name, path)
        for name in before
        if name != "report"
        for path, _, _ in changed_values(before[name].model_dump(mode="json"), after[name].model_dump(mode="json"))
    }


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
def test_a_key_is_told_by_its_place_in_the_config(key: str) -> None:
    name, _, value = key.partition("=")
    assert told(name, value) == {name}


def test_old_and_new_are_compared_value_by_value() -> None:
    found = list(changed_values({"a": 1, "b": {"c": 2, "d": 3}}, {"a": 1, "b": {"c": 4}, "e": None}))
    assert found == [(("b", "c"), 2, 4), (("b", "d"), 3, "(not there)"), (("e",), "(not there)", None)]
    assert list(changed_values({"a": [1, 2]}, {"a": [1, 2]})) == []
    assert changed_modules({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "4", "d": "5"}) == ["b", "c", "d"]
    assert changed_versions("torch 2.8.0, onnx 1.17", "torch 2.9.1, onnx 1.17") == ["torch 2.8.0 -> 2.9.1"]
    assert changed_versions("", "torch 2.9.1") == ["torch (not there) -> 2.9.1"]
