"""Configs with rungs: what is refused, in which words, and which networks there are."""

from __future__ import annotations

import re
from typing import Any

import pytest

from nas_steps.config.load import load
from nas_steps.config.scaling import rung_networks
from nas_steps.errors import UserError

TEXT: dict[str, Any] = {
    "data": {"source": "stdlib"},
    "search": {"estimator": {"compute": 1e12}},
    "ranking": {"recipe": {"compute": 1e12}},
    "retrain": {"recipe": {"compute": 1e12}},
}


def rungs(**changes: Any) -> dict[str, Any]:
    return {**TEXT, "scaling": {"rungs": {"enabled": True, "compute": 1e13, **changes}}}


def test_rungs_are_off_unless_asked_for() -> None:
    config = load(TEXT)
    assert not config.scaling.rungs.enabled
    assert rung_networks(config.scaling.rungs, config.search.strategies, config.retrain.baselines) == {}


def test_the_winner_is_compared_with_the_block_of_each_baseline() -> None:
    config = load({**rungs(), "retrain": {**TEXT["retrain"], "baselines": ["llama_d128_l4", "gpt2", "llama"]}})
    found = rung_networks(config.scaling.rungs, config.search.strategies, config.retrain.baselines)
    assert found == {"winner": "searched", "llama": "baseline", "gpt2": "baseline"}


def test_each_strategy_can_be_compared() -> None:
    config = load(rungs(searched="strategies"))
    found = rung_networks(config.scaling.rungs, config.search.strategies, config.retrain.baselines)
    assert [name for name, kind in found.items() if kind == "searched"] == ["random", "evolution"]


def test_a_recipe_of_the_rungs_has_the_defaults_of_text() -> None:
    own = load(rungs(recipe={"learning_rate": 1e-2})).scaling.rungs.recipe
    assert own is not None
    assert own == load(TEXT).retrain.recipe.model_copy(update={"learning_rate": 1e-2, "compute": None})


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (
            {"scaling": {"rungs": {"enabled": True, "compute": 1e13}}},
            "scaling.rungs.enabled is true, but data.source is digits: rungs compare language models; take data.source "
            "stdlib or text, or set scaling.rungs.enabled: false",
        ),
        (
            rungs(compute=None),
            "enabled is true, but no compute is given; set it to the training FLOPs of the first rung",
        ),
        (rungs(factors=[1, 4]), "give 3 or more"),
        (rungs(factors=[1, 16, 4]), "given ['1', '16', '4'], but they rise from 1; give for instance [1, 4, 16]"),
        (rungs(factors=[2, 4, 8]), "but they rise from 1"),
        (
            rungs(recipe={"compute": 1e12}),
            "scaling.rungs.recipe.compute is 1000000000000, but each rung has a compute of its own "
            "(scaling.rungs.compute times its factor); leave it out",
        ),
        (rungs(recipe={"optimizer": "sgd"}), "scaling.rungs.recipe.optimizer is sgd, but data.source is stdlib"),
        (rungs(sizes=2), "must be 3 or more"),
        (rungs(spread=1), "must be more than 1"),
        (
            {**rungs(), "search": {**TEXT["search"], "strategies": {"winner": {"kind": "random"}, "evolution": {}}}},
            "search.strategies.winner has the name of another network of scaling.rungs; rename the strategy",
        ),
        (
            rungs(compute=1e7),
            "scaling.rungs.compute is 10000000, which trains the largest size on 2,887 tokens, but one step takes "
            "up to 6,144; give at least",
        ),
    ],
)
def test_what_cannot_be_climbed_is_refused_in_words(config: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)):
        load(config)


def test_the_least_compute_that_a_message_names_is_enough() -> None:
    with pytest.raises(UserError, match="give at least") as refused:
        load(rungs(compute=1e7))
    least = float(re.search(r"give at least ([\d.e+]+)", str(refused.value))[1])  # type: ignore[index]
    load(rungs(compute=1.1 * least))
