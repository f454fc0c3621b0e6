"""Which keys the schema has, and which of them a path names."""

from __future__ import annotations

import pytest

from nas_steps.config.estimators import ESTIMATORS, Halving
from nas_steps.config.strategies import GRADIENT, STRATEGIES, Evolution
from nas_steps.config.walk import NAME, keys, nearest_key, sections


def test_every_key_comes_before_those_inside_it() -> None:
    paths = [key.path for key in keys()]
    for index, path in enumerate(paths):
        parent = path[:-2] if path[-2:-1] == (NAME,) else path[:-1]
        assert not parent or parent in paths[:index]
    assert {("seed",), ("data", "max_train"), ("retrain", "recipe", "augment", "flip")} <= set(paths)


def test_keys_of_kinds_come_once_for_each_kind() -> None:
    strategies = ("search", "strategies", NAME)
    assert [key.section for key in keys() if key.path == (*strategies, "kind")] == [*STRATEGIES.values()]
    assert [key.section for key in keys() if key.path == ("search", "estimator", "kind")] == [*ESTIMATORS.values()]
    assert [key.section for key in keys() if key.path == (*strategies, "alpha_learning_rate")] == [*GRADIENT]
    (halving,) = (key for key in keys() if key.path == ("search", "estimator", "halving", "epochs"))
    assert halving.section is Halving
    assert halving.field.default == 2
    (sample,) = (key for key in keys() if key.path == (*strategies, "sample"))
    assert sample.section is Evolution


def test_a_field_of_plain_values_holds_no_section() -> None:
    plain = {key.path for key in keys() if not list(sections(key.field.annotation))}
    assert {("space", "operations"), ("space", "stages"), ("retrain", "baselines")} <= plain
    assert not {("search", "screen"), ("search", "strategies"), ("search", "estimator")} & plain


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("seed", "seed"),
        ("retrain.recipe.epochs", "retrain.recipe.epochs"),
        ("retrain.recipe.augment.flip", "retrain.recipe.augment.flip"),
        ("retrain.baselines.0", "retrain.baselines"),
        ("space.stages.2.width", "space.stages"),
        ("space.stem.width", "space.stem.width"),
        ("search.strategies.mine.alpha_learning_rate", "search.strategies.mine.alpha_learning_rate"),
        ("search.strategies.mine.no_such_key", "search.strategies.mine"),
        ("search.estimator.supernet.epochs", "search.estimator.supernet.epochs"),
        ("search.estimator.halving", "search.estimator.halving"),
        ("retrain.no_such_key.epochs", "retrain"),
        ("no_such_key.epochs", ""),
        ("", ""),
    ],
)
def test_the_nearest_key_is_the_longest_beginning_that_is_one(path: str, key: str) -> None:
    assert nearest_key(path) == key
