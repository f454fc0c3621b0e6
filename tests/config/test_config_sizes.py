"""One config in several sizes."""

from __future__ import annotations

from typing import Any

import pytest

from nas_steps.config.load import load
from nas_steps.errors import UserError

RAW: dict[str, Any] = {
    "experiment": "many",
    "seed": 5,
    "search": {"seeds": 4, "strategies": {"random": {"evaluations": 6}, "darts": {"epochs": 50, "batch_size": 64}}},
    "sizes": {
        "small": {
            "experiment": "few",
            "data": {"max_train": 100},
            "search": {"seeds": 2, "strategies": {"darts": {"epochs": 3}}},
            "retrain": {"baselines": ["resnet20", "resnet20_x0.5"]},
        },
        "large": None,
    },
}


def test_a_size_is_laid_over_the_file_section_by_section() -> None:
    small, large = load({**RAW, "size": "small"}), load({**RAW, "size": "large"})
    assert (small.experiment, small.seed, small.data.max_train, small.search.seeds) == ("few", 5, 100, 2)
    darts: Any = small.search.strategies["darts"]
    assert (darts.epochs, darts.batch_size) == (3, 64)  # the rest of the section stays
    assert list(small.search.strategies) == ["random", "darts"]
    assert small.retrain.baselines == ["resnet20", "resnet20_x0.5"]  # a list is replaced
    without = {key: value for key, value in RAW.items() if key != "sizes"}
    assert large == load(without)
    assert RAW["search"]["seeds"] == 4  # not changed on the way


def test_what_is_told_of_a_sized_config_is_what_it_comes_to() -> None:
    small = load({**RAW, "size": "small"}).model_dump(mode="json")
    assert not {"size", "sizes"} & set(small)
    assert load(small) == load({**RAW, "size": "small"})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"sizes": RAW["sizes"]}, "size: not given, but there are sizes; name one of small, large"),
        ({"sizes": RAW["sizes"], "size": "huge"}, r"size: there is no size 'huge' \(known: small, large\)"),
        ({"size": "small"}, "size: given 'small', but there are no sizes"),
        ({"size": "small", "sizes": {}}, "sizes: given {}"),
        ({"size": "small", "sizes": {"small": 3}}, "sizes.small: keys and values are expected here, given 3"),
        ({"size": "a", "sizes": {"a": {"size": "b"}}}, "sizes.a.size: a size cannot have sizes"),
        ({"size": "a", "sizes": {"a": {"sead": 1}}}, "sead: unknown key"),
    ],
)
def test_a_size_that_is_none_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError, match=told):
        load(given)
