"""Configs on text: what is filled in, and what is refused in one message."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from nas_steps.config.load import load
from nas_steps.config.recipe import Recipe
from nas_steps.config.space import Space, filled
from nas_steps.config.text import TextData
from nas_steps.errors import UserError
from nas_steps.spaces.declare import declared
from nas_steps.spaces.language.space import LanguageSpace

COMPUTE = {"compute": 1e12}
TEXT: dict[str, Any] = {
    "data": {"source": "stdlib"},
    "search": {"estimator": {**COMPUTE}},
    "ranking": {"recipe": {**COMPUTE}},
    "retrain": {"recipe": {**COMPUTE}},
}


def changed(path: str, value: Any, raw: dict[str, Any] = TEXT) -> dict[str, Any]:
    raw = copy.deepcopy(raw)
    section, (*keys, last) = raw, path.split(".")
    for key in keys:
        section = section.setdefault(key, {})
    section[last] = value
    return raw


def refusal(raw: dict[str, Any]) -> str:
    with pytest.raises(UserError) as error:
        load(raw)
    message = str(error.value)
    assert message.count("\n") == 1, message  # the origin, and one line
    return message


def test_what_is_left_out_is_that_of_language_models() -> None:
    config = load(TEXT)
    assert isinstance(config.data, TextData)
    assert config.metric == "neg_bits_per_byte"
    assert config.space.preset == "language_small"
    assert list(config.search.strategies) == ["random", "evolution"]
    assert config.retrain.baselines == ["gpt2", "llama", "primer_ez", "nanogpt_speedrun"]
    assert config.retrain.budget is not None
    assert config.retrain.budget.winner
    assert not config.scaling.enabled
    for recipe in (config.search.estimator, config.ranking.recipe, config.retrain.recipe):
        assert isinstance(recipe, Recipe)
        assert (recipe.optimizer, recipe.gradient_clip, recipe.compute) == ("adamw", 1.0, 1e12)
    assert config.retrain.recipe.epochs == 4
    assert config.search.estimator.epochs == 1  # type: ignore[union-attr]


def test_what_is_given_stays() -> None:
    raw = changed("retrain.recipe", {**COMPUTE, "epochs": 2, "learning_rates": [1e-3, 1e-2]})
    raw = changed("search.strategies", {"random": {"evaluations": 3}}, raw)
    raw = changed("retrain.baselines", ["llama_d64_l2", "gpt2"], raw)
    config = load(raw)
    assert config.retrain.recipe.epochs == 2
    assert config.retrain.recipe.learning_rates == [1e-3, 1e-2]
    assert config.retrain.recipe.weight_decay == 0.1
    assert list(config.search.strategies) == ["random"]
    assert config.retrain.baselines == ["llama_d64_l2", "gpt2"]


def test_a_config_that_is_written_out_is_the_same() -> None:
    config = load(TEXT)
    assert load(config.model_dump(mode="json")) == config


def test_settings_of_images_have_no_key_of_text() -> None:
    dump = load({}).model_dump(mode="json")
    assert not {"compute", "learning_rates"} & dump["retrain"]["recipe"].keys()
    assert "mixer" not in dump["space"]


def test_a_space_has_the_vocabulary_of_the_data() -> None:
    config = load(changed("data", {"source": "stdlib", "tokens": "bpe", "vocabulary": 300}))
    space = declared(filled(config.space))
    assert isinstance(space, LanguageSpace)
    assert space.choices.vocabulary == 300


def test_a_filled_space_is_the_same_when_it_is_filled_again() -> None:
    for keys in ({}, {"depth": 2}, {"sizes": [[2, 64], [4, 96]]}, {"mixer": ["attn_h4", "none"], "by": "network"}):
        once = filled(Space(preset="language_small", **keys))  # type: ignore[arg-type]
        assert filled(once) == once
        assert declared(once) == declared(filled(Space.model_validate(once.model_dump(mode="json"))))
    assert filled(Space(preset="language_small", sizes=[[2, 64], [4, 96]])).depth is None
    assert filled(Space(preset="language_gpt2", depth=[2, 3], width=384)).sizes is None


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (
            "search.strategies",
            {"random": {"evaluations": 3}, "darts": {}},
            ["kind darts", "take it"],
        ),
        ("search.strategies", {"random": {}, "enas": {}}, ["search.strategies.enas", "supernet"]),
        ("search.strategies", {"random": {}, "milp": {}}, ["search.strategies.milp", "blocks"]),
        ("search.estimator", {"kind": "extrapolation"}, ["estimator.kind is extrapolation", "short_training"]),
        (
            "search.estimator",
            {"kind": "shared_weights"},
            ["position (rope, pos256)", "one value"],
        ),
        ("search.estimator", {"kind": "zero_cost", "proxy": "naswot"}, ["proxy is naswot", "params, macs, grad_norm"]),
        ("search.screen", {"proxy": "synflow"}, ["search.screen.proxy is synflow", "not defined for tokens"]),
        ("search.estimator.images", 0.5, ["search.estimator.images is 0.5", "compute"]),
        ("search.estimator.resolution", 8, ["search.estimator.resolution is 8", "no pixels"]),
        ("search.network", {"channels": 4}, ["search.network stacks cells", "space.depth"]),
        ("search.constraints", {"latency_ms": 3}, ["latency", "limit macs"]),
        ("search.constraints", {"macs": 10}, ["search.constraints.macs is 10", "raise the limit"]),
        ("retrain.recipe.augment", {"flip": True}, ["retrain.recipe.augment", "leave it out"]),
        ("retrain.recipe.mixup", 0.2, ["retrain.recipe.mixup", "leave it out"]),
        ("retrain.recipe.optimizer", "sgd", ["retrain.recipe.optimizer is sgd", "adamw"]),
        ("retrain.recipe.compute", None, ["retrain.recipe.compute is not given", "same training FLOPs"]),
        ("ranking.recipe.compute", 1e9, ["ranking.recipe.compute is 1e+09", "one step", "raise compute", "batch_size"]),
        ("retrain.train_on", "train+valid", []),
        ("retrain.together", 2, ["retrain.together is 2", "set it to 1"]),
        ("retrain.baselines", ["resnet20", "llama"], ["resnet20", "llama_d128_l4"]),
        ("retrain.baselines", ["llama_d0_l2", "gpt2"], ["llama_d0_l2"]),
        ("retrain.budget", None, ["gpt2 takes its size from a budget", "winner"]),
        ("retrain.budget", {"macs": 10}, ["gpt2 is to have 10 MACs", "raise retrain.budget"]),
        ("scaling", {"enabled": True}, ["scaling.enabled is true", "false"]),
        ("weights", "imagenet", ["weights is imagenet", "weights: none"]),
        ("metric", "macro_f1", ["metric is macro_f1", "bits per byte"]),
        ("space.preset", "darts", ["space.preset is darts", "language_small"]),
        ("space.nodes", 2, ["nodes declares cells", "language_small"]),
        ("space.vocabulary", 300, ["space.vocabulary is 300", "256 tokens", "leave"]),
        ("space.mixer", ["attn_h5"], ["attn_h5", "width 64", "5 does not divide 64"]),
        ("data.context", 512, ["pos256", "data.context is 512", "pos512"]),
        ("data.source", "text", ["data.source is text", "no path", "data.path"]),
        ("data.resolution", 8, ["data.resolution", "unknown key", "context"]),
        ("export.int8", {"enabled": True}, ["export.int8.enabled", "calibration"]),
        ("export.formats", ["openvino"], ["export.formats is openvino", "ONNX file alone", "leave it out"]),
    ],
)
def test_what_makes_no_sense_with_text_is_refused(path: str, value: Any, words: list[str]) -> None:
    raw = changed(path, value)
    if not words:
        load(raw)
        words, raw = ["learning_rates", "train+valid"], changed("retrain.recipe.learning_rates", [1e-3, 1e-2], raw)
    message = refusal(raw)
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("retrain.recipe.compute", 1e12, ["retrain.recipe.compute", "digits", "leave it out"]),
        ("search.estimator.learning_rates", [0.1, 0.2], ["search.estimator.learning_rates", "digits"]),
        ("space.preset", "language_small", ["space.preset is language_small", "stdlib, text"]),
        ("space.mixer", ["attn_h4"], ["mixer declares language models", "small is of cells"]),
        ("metric", "neg_bits_per_byte", ["metric is neg_bits_per_byte", "accuracy"]),
        ("retrain.baselines", ["gpt2", "resnet20"], ["gpt2, a language model", "digits"]),
    ],
)
def test_keys_of_text_are_refused_for_images(path: str, value: Any, words: list[str]) -> None:
    message = refusal(changed(path, value, {}))
    assert all(word in message for word in words), message


def test_a_size_above_the_budget_is_refused() -> None:
    raw = changed("retrain.baselines", ["llama_d64_l2", "gpt2_d128_l4"], changed("retrain.budget", {"macs": 1e8}))
    message = refusal(raw)
    assert "the budget is 100,000,000 MACs, but gpt2_d128_l4 has" in message
    assert "fitted by the name gpt2" in message


def test_rates_differ() -> None:
    assert "stands twice" in refusal(changed("retrain.recipe.learning_rates", [1e-3, 1e-3]))


def test_a_share_of_the_final_recipe_is_a_share_of_its_compute() -> None:
    load(changed("ranking", {"final_share": 0.5}))
    message = refusal(changed("ranking", {"final_share": 0.001}))
    assert "ranking.final_share of retrain.recipe.compute is 1e+09" in message


def test_the_first_rung_of_halving_has_a_step_too() -> None:
    estimator = {"compute": 1e12, "epochs": 9, "warmup_epochs": 0.1, "halving": {"epochs": 1}}
    strategies = {"random": {"rounds": 3, "evaluations": 9}}
    raw = changed("search.strategies", strategies, changed("search.estimator", estimator))
    load(raw)
    assert "its first rung has 3.333e+10" in refusal(changed("search.estimator.compute", 3e11, raw))
