"""Further recipes: each is the final one with some keys changed, and is checked as that one is."""

from __future__ import annotations

from typing import Any

import pytest

from nas_steps.config.load import load
from nas_steps.config.recipe import Recipe
from nas_steps.errors import UserError

MAIN = {"epochs": 7, "learning_rate": 0.3, "warmup_epochs": 2, "augment": {"flip": True, "crop": 2}}


def recipes(value: Any, **more: Any) -> dict[str, Recipe]:
    return load({**more, "retrain": {"recipe": MAIN, "recipes": value}}).retrain.recipes


def test_a_further_recipe_is_the_final_one_with_the_given_keys_changed() -> None:
    found = recipes({"long": {"epochs": 20}, "b": {"augment": {"crop": 4}, "mixup": 0.2}, 3: {"learning_rate": "2e-1"}})
    assert list(found) == ["long", "b", "3"]
    main = Recipe.model_validate(MAIN)
    assert found["long"] == main.model_copy(update={"epochs": 20})
    assert found["b"].augment == main.augment.model_copy(update={"crop": 4})  # it still mirrors
    assert found["b"] == main.model_copy(update={"augment": found["b"].augment, "mixup": 0.2})
    assert found["3"].learning_rate == 0.2
    assert load({}).retrain.recipes == {}


def test_a_config_that_is_written_out_has_the_same_recipes() -> None:
    config = load({"retrain": {"recipe": MAIN, "recipes": {"long": {"epochs": 20}}}})
    assert load(config.model_dump(mode="json")) == config


MOBILE = {
    "space": {"preset": "mobile_small"},
    "data": {"source": "cifar10"},
    "search": {"strategies": {"random": {}, "evolution": {}}},
}


@pytest.mark.parametrize(
    ("given", "more", "line"),
    [
        ({"b": {"epocs": 9}}, {}, "retrain.recipes.b.epocs: unknown key (given 9); did you mean 'epochs'?"),
        ({"b": {"augment": {"flop": 1}}}, {}, "retrain.recipes.b.augment.flop: unknown key (given 1); did you mean"),
        ({"b": {"epochs": 0}}, {}, "retrain.recipes.b.epochs: given 0; must be more than 0"),
        ({"b": {"epochs": True}}, {}, "retrain.recipes.b.epochs: given True, but a whole number is wanted"),
        ({"b": {"epochs": 2}}, {}, "retrain.recipes.b: warmup_epochs (2) must be below epochs (2)"),
        ({"b": 3}, {}, "retrain.recipes.b: keys and values are expected here, given 3"),
        (["b"], {}, "retrain.recipes: keys and values are expected here, given ['b']"),
        ({"b": None}, {}, "retrain.recipes: b is the same recipe as retrain.recipe; change a key, or leave it out"),
        ({"b": {"epochs": 9}, "c": {"epochs": 9}}, {}, "retrain.recipes: c is the same recipe as b; change a key"),
        ({"main": {"epochs": 9}}, {}, "retrain.recipes: main is what retrain.recipe is called beside the others"),
        ({"b-1": {"epochs": 9}}, {}, "retrain.recipes.b-1: given 'b-1'; use letters, digits and '_', and begin"),
        ({"n" * 41: {"epochs": 9}}, {}, f"retrain.recipes.{'n' * 41}: given"),
        ({True: {"epochs": 9}}, {}, "retrain.recipes: the name True is no text; put it into quotes"),
        ({3: {"epochs": 9}, "3": {"epochs": 8}}, {}, "retrain.recipes: the name 3 stands twice; keep one"),
        # what is checked with the rest of the config
        (
            {"b": {"batch_size": 1, "auxiliary_weight": 0.4}},
            {"data": {"source": "cifar10"}},
            "config: retrain.recipes.b.batch_size is 1, but the auxiliary head ends in one pixel",
        ),
        (
            {"b": {"batch_size": 1}},
            {"data": {"source": "cifar10", "resolution": 4}},
            "config: retrain.recipes.b.batch_size is 1, but a network of the space",
        ),
        (
            {"b": {"precision": "float16"}},
            {"device": "cpu"},
            "config: retrain.recipes.b.precision is float16, which needs CUDA",
        ),
        (
            {"b": {"auxiliary_weight": 0.4}},
            MOBILE,
            "config: retrain.recipes.b.auxiliary_weight is 0.4, but networks of space mobile_small",
        ),
    ],
)
def test_what_is_wrong_is_told_in_one_line_with_its_place(given: Any, more: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError) as error:
        recipes(given, **more)
    _, *told = str(error.value).splitlines()
    assert len(told) == 1, told
    assert told[0].strip().startswith(line)


def test_a_fault_of_the_final_recipe_is_not_told_of_each_further_one() -> None:
    with pytest.raises(UserError) as error:
        load({"retrain": {"recipe": {"epochs": 0}, "recipes": {"b": {"mixup": 0.2}, "c": {"mixup": 0.4}}}})
    assert [line.split(":")[0].strip() for line in str(error.value).splitlines()[1:]] == ["retrain.recipe.epochs"]


def test_a_further_recipe_of_a_baseline_at_its_last_pixel() -> None:
    raw = {"data": {"source": "digits"}, "retrain": {"recipes": {"b": {"batch_size": 1}}}}
    raw["retrain"]["baselines"] = ["resnet20", "resnet18"]  # type: ignore[assignment]
    with pytest.raises(UserError, match=r"retrain\.recipes\.b\.batch_size is 1, but resnet18 brings images of 8"):
        load(raw)


def test_nothing_is_trained_in_a_table(tmp_path: Any) -> None:
    (tmp_path / "table.csv").write_text("")
    raw = {
        "space": {"preset": "nasbench201"},
        "search": {
            "estimator": {"kind": "table", "path": str(tmp_path / "table.csv"), "search": "a", "report": "b"},
            "strategies": {"random": {"evaluations": 4}},
        },
        "retrain": {"recipes": {"b": {"epochs": 9}}},
    }
    with pytest.raises(UserError, match=r"retrain\.recipes train, but search\.estimator is a table"):
        load(raw)
