"""What an augmentation and a recipe may say, and what is refused in words."""

from __future__ import annotations

from typing import Any

import pytest

from nas_steps.config.recipe import Recipe
from nas_steps.config.schema import Config
from nas_steps.config.section import Augment

JITTER = {"jitter": {"brightness": 0.2, "hue": 0.1}}


def test_an_empty_resized_crop_is_the_usual_one() -> None:
    crop = Augment.model_validate({"resized_crop": {}}).resized_crop
    assert crop is not None
    assert (crop.scale, crop.ratio) == ([0.35, 1.0], [0.75, 1.3333])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"crop": 4, "resized_crop": {}}, r"crop \(4\) and resized_crop are both given.*set crop: 0"),
        ({"resized_crop": {"scale": [0.5, 0.2]}}, r"given \[0.5, 0.2\].*the lower one first"),
        ({"resized_crop": {"scale": [0, 1]}}, r"given \[0, 1\].*above 0"),
        ({"resized_crop": {"scale": [0.5, 1.5]}}, "scale ends in 1.5"),
        ({"resized_crop": {"ratio": [1]}}, "at least 2 items"),
        ({"jitter": {}}, "all keys are 0.*brightness: 0.2"),
        ({"jitter": {"hue": 0.6}}, "less than or equal to 0.5"),
    ],
)
def test_impossible_values_are_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Augment.model_validate(given)


@pytest.mark.parametrize(
    "key", [{"layer_decay": 0}, {"layer_decay": 1.1}, {"balance": "both"}, {"batch_norm": "no"}, {"cutmix": -1}]
)
def test_recipes_have_limits(key: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(key))):
        Recipe.model_validate(key)


@pytest.mark.parametrize(
    ("place", "config"),
    [
        ("search.estimator", {"search": {"estimator": {"augment": JITTER}}}),
        (
            "search.estimator.supernet",
            {
                "search": {
                    "estimator": {"kind": "shared_weights", "supernet": {"sampling": "uniform", "augment": JITTER}},
                    "strategies": {"random": {"evaluations": 20}},
                }
            },
        ),
        ("search.strategies.darts", {"search": {"strategies": {"random": {}, "darts": {"augment": JITTER}}}}),
        ("retrain.recipes.b", {"retrain": {"recipes": {"b": {"augment": JITTER}}}}),
        ("ranking.recipe", {"ranking": {"recipe": {"augment": JITTER}}}),
    ],
)
def test_other_colours_of_grey_images_are_refused_where_they_are_known_to_be_grey(
    place: str, config: dict[str, Any]
) -> None:
    with pytest.raises(
        ValueError, match=rf"{place}\.augment\.jitter\.hue is 0\.1.*source digits are grey.*channels to 3"
    ):
        Config.model_validate(config)
    Config.model_validate({**config, "data": {"source": "digits", "channels": 3}})
    with pytest.raises(ValueError, match=rf"{place}.*data\.channels is 1"):
        Config.model_validate({**config, "data": {"source": "cifar10", "channels": 1}})
