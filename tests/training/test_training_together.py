"""Seeds that are trained together learn what each learns alone."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from stepping import run
from tiny_world import MIXED, prepared, settings, tiny_config
from torch import nn

from nas_steps.config.recipe import Recipe
from nas_steps.config.section import Augment
from nas_steps.config.space import Network
from nas_steps.data.batches import DeviceImages
from nas_steps.data.store import Meta
from nas_steps.errors import UserError
from nas_steps.models.build import build
from nas_steps.models.together import Draws, parts, side_by_side
from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.training import together
from nas_steps.training.networks import Images, train_network
from nas_steps.training.parking import block_of, park, parked, take
from nas_steps.training.progress import Progress
from nas_steps.training.supervised import SupervisedLearner
from nas_steps.training.together import ApartError, JointLearner, train_together

CELLS = (
    "normal:|sep_conv_3x3~0|dil_conv_5x5~1|+|max_pool_3x3~0|skip_connect~2|;"
    "reduce:|sep_conv_3x3~0|skip_connect~1|+|avg_pool_3x3~0|conv_7x1_1x7~2|"
)
STAGED = "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_1x1~1|+|noise~0|avg_pool_3x3~1|nor_conv_3x3~2|"
MOBILE = "stem_k3_s2_c8/mb_k3_e1_c8_se0.25/mb_r2_k5_s2_e3_c12_hse0.25_hswish/mb_k3_e2_c12/head_c24_l16_p0.2"
#: all that draws, mixes or keeps a state
EVERYTHING: dict[str, Any] = {
    "drop_path": 0.3,
    "auxiliary_weight": 0.4,
    "label_smoothing": 0.1,
    "mixup": 0.3,
    "cutmix": 1.0,
    "ema": 0.9,
    "gradient_clip": 0.5,
}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "cells": (CELLS, {}),
    "cells with everything": (CELLS, EVERYTHING),
    "cells with AdamW and weights of classes": (CELLS, {"optimizer": "adamw", "balance": "weights"}),
    "cells whose gradients are not clipped": (CELLS, {"gradient_clip": None, "drop_path": 0.2}),
    "one-input cells": (STAGED, {"drop_path": 0.3, "auxiliary_weight": 0.4}),
    "mobile blocks": (MOBILE, {}),
    "mobile blocks with everything": (MOBILE, {**EVERYTHING, "optimizer": "adamw"}),
    "resnet": ("resnet20_x0.25", {"mixup": 0.2}),
    "resnet18": ("resnet18_x0.25", {"label_smoothing": 0.1}),
    "mobilenet_v2": ("mobilenet_v2_x0.35", {"drop_path": 0.2}),
    "mobilenet_v3, resized": ("mobilenet_v3_small_x0.35_r48", {"cutmix": 1.0}),
    "efficientnet": ("efficientnet_b0_x0.25", {"drop_path": 0.2}),
    "mnasnet": ("mnasnet0_5", {}),
}
SEEDS = (3, 11, 12)
SIDE = 16
NETWORK = Network(channels=4, cells=4, stem_multiplier=2)


class Doubles(DeviceImages):
    """Images in float64, in which equal computations differ by rounding alone."""

    def batches(self, *given: Any, **named: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for images, labels in super().batches(*given, **named):
            yield images.double(), labels


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def images_of(count: int = 29) -> Images:
    draw = np.random.default_rng(0)

    def some(count: int) -> DeviceImages:
        pixels = draw.integers(256, size=(count, 3, SIDE, SIDE), dtype=np.uint8)
        labels = np.arange(count) % 4
        return Doubles(pixels, np.minimum(labels, 2), [0.5] * 3, [0.25] * 3, "cpu")

    train, valid = some(count), some(20)
    shape, mean, std = (3, SIDE, SIDE), (0.5,) * 3, (0.25,) * 3
    meta = Meta(("a", "b", "c"), {}, shape, mean, std, content="", checksums={})
    return Images(meta, train, valid, SIDE)


def recipe_of(**changes: Any) -> Recipe:
    augment = Augment(flip=True, crop=1, cutout=4)
    return Recipe(**{"epochs": 2, "batch_size": 8, "learning_rate": 0.05, "augment": augment, **changes})


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.usefixtures("double")
def test_each_step_is_that_of_a_seed_alone(family: str) -> None:
    architecture, changes = FAMILIES[family]
    recipe, images = recipe_of(**changes), images_of()
    networks: list[nn.Module] = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        made = build(architecture, NETWORK, inputs=3, classes=3, side=SIDE, auxiliary=recipe.auxiliary_weight > 0)
        networks.append(made.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    draws = Draws(len(SEEDS))
    joint = side_by_side(networks, draws)
    draws.seed([100 + seed for seed in SEEDS])
    weights = together.class_weighted(recipe, images)
    learner = JointLearner(joint, recipe, 4, SEEDS, draws, weights)
    batches = [list(images.train.batches(8, augment=recipe.augment, shuffle=True, seed=seed)) for seed in SEEDS]
    alone = [
        SupervisedLearner(copy.deepcopy(one), recipe, 4, seed, weights)
        for one, seed in zip(networks, SEEDS, strict=True)
    ]
    random = []
    for seed in SEEDS:
        torch.manual_seed(100 + seed)
        random.append(torch.get_rng_state())
    for step in range(4):
        done = 0.3 + step / 10
        some = [each[step] for each in batches]
        learner(torch.cat([one for one, _ in some], 1), torch.stack([labels for _, labels in some], 1), done)
        for number, (own, part) in enumerate(
            zip(alone, parts(learner.evaluated.state_dict(), len(SEEDS)), strict=True)
        ):
            torch.set_rng_state(random[number])
            loss, hits = own(*some[number], done)
            random[number] = torch.get_rng_state()
            assert learner.losses[step][number].item() == pytest.approx(loss.item(), rel=1e-9)
            assert learner.hits[step][number] == hits
            for name, tensor in own.evaluated.state_dict().items():
                torch.testing.assert_close(part(name), tensor, rtol=0, atol=1e-9, msg=f"{family}, step {step}, {name}")
    # a comparison of networks that all learnt the same would show nothing
    first, second = list(parts(joint.state_dict(), len(SEEDS)))[:2]
    assert any(not torch.equal(first(name), second(name)) for name, _ in networks[0].named_parameters())


@pytest.mark.parametrize("changes", [{}, EVERYTHING, {"balance": "sampling", "optimizer": "adamw", "ema": 0.5}])
@pytest.mark.usefixtures("double")
def test_a_training_is_that_of_a_seed_alone(changes: dict[str, Any]) -> None:
    recipe, images = recipe_of(**changes), images_of(33)  # the last batch has nine
    with Progress(2, "together") as progress:
        found = train_together(CELLS, NETWORK, recipe, images, seeds=SEEDS, progress=progress)
    for seed, one in zip(SEEDS, found, strict=True):
        with Progress(2, "alone") as progress:
            alone = train_network(CELLS, NETWORK, recipe, images, seed=seed, progress=progress)
        assert (one.parameters, one.macs, one.status) == (alone.parameters, alone.macs, "ok")
        for row, other in zip(one.history, alone.history, strict=True):
            assert row.keys() == other.keys()
            for name in row.keys() - {"seconds"}:
                # the loss of evaluation is added up in float32
                assert row[name] == pytest.approx(other[name], rel=1e-5 if name == "valid_loss" else 1e-9), name
        state = alone.model.state_dict()
        assert one.model.state_dict().keys() == state.keys()
        for name, tensor in one.model.state_dict().items():
            torch.testing.assert_close(tensor, state[name], rtol=0, atol=1e-9)


def test_what_cannot_be_trained_together_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    images = images_of()

    def why(recipe: Recipe, architecture: str = CELLS) -> str:
        with pytest.raises(ApartError) as caught, Progress(2, "together") as progress:
            train_together(architecture, NETWORK, recipe, images, seeds=SEEDS, progress=progress)
        return str(caught.value)

    torch.set_default_dtype(torch.float64)
    try:
        assert "diverged" in why(recipe_of(learning_rate=1e200, gradient_clip=None))
        with monkeypatch.context() as change:
            change.setattr(together, "HEAVIEST", {"cpu": 0.001})
            assert "faster up to 0.001 million" in why(recipe_of())
            change.setattr(together, "HEAVIEST", {})
            assert "kind cpu was never measured" in why(recipe_of())
        with monkeypatch.context() as change:
            change.setattr(JointLearner, "_loss", no_memory)
            assert "not enough memory" in why(recipe_of())
    finally:
        torch.set_default_dtype(torch.float32)


def no_memory(*_given: object) -> None:
    raise MemoryError


# ------------------------------------------------------------------------------------------------ jobs


def retrain(folder: Path, seed: int, size: int = 3, **changes: Any) -> Path:
    """Run the job of one seed of a block."""
    winners, output = folder / "winners.csv", folder / f"mine-0-s{seed}"
    write_csv(winners, [{"entry": "mine-0", "architecture": MIXED}], ("entry", "architecture"))
    made = settings(retrain__together=size, **changes)["retrain"]
    run(
        "retrain",
        settings=made,
        data=prepared(),
        seed=seed,
        entry="mine-0",
        kind="searched",
        winners=winners,
        output=output,
    )
    return output


def test_the_first_job_trains_a_block_and_the_others_take_their_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = retrain(tmp_path, 1)
    places = [parked(tmp_path / f"mine-0-s{seed}") for seed in (0, 2)]
    assert all((place / "metrics.json").exists() for place in places)
    assert not parked(first).exists()
    monkeypatch.setattr("nas_steps.training.final.train_together", no_memory)
    monkeypatch.setattr("nas_steps.training.final.train_network", no_memory)
    others = [retrain(tmp_path, seed) for seed in (0, 2)]
    assert "has trained seeds [0, 1, 2] together" in capsys.readouterr().out
    assert not any(place.exists() for place in places)
    for number, folder in zip((1, 0, 2), (first, *others), strict=True):
        metrics = read_json(folder / "metrics.json")
        assert (metrics["seed"], metrics["status"]) == (number, "ok")
        assert metrics["test_accuracy"] is not None
        assert len(read_csv(folder / "history.csv")) == 1
        cost = read_json(folder / "cost.json")
        assert cost["extra"] == {"together": [0, 1, 2]}
        assert cost["attempts"] == 1
    weights = [load_file(folder / "weights.safetensors") for folder in (first, *others)]
    name = "classifier.weight"
    assert not np.array_equal(weights[0][name], weights[1][name])
    assert not [name for name in tmp_path.iterdir() if name.name.startswith(".")]


def test_seeds_alone_and_together_agree(tmp_path: Path) -> None:
    joint = [retrain(tmp_path / "joint", seed, 2) for seed in (0, 1)]
    alone = [retrain(tmp_path / "alone", seed, 1) for seed in (0, 1)]
    for one, other in zip(joint, alone, strict=True):
        mine, theirs = read_json(one / "metrics.json"), read_json(other / "metrics.json")
        assert mine["train_loss"] == pytest.approx(theirs["train_loss"], rel=1e-3)
        assert mine["valid_loss"] == pytest.approx(theirs["valid_loss"], rel=1e-2)
        assert "together" not in read_json(other / "cost.json")["extra"]


def test_what_is_parked_is_only_taken_by_the_same_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    retrain(tmp_path, 0)
    retrain(tmp_path, 1, retrain__recipe={"epochs": 2, "warmup_epochs": 0, "batch_size": 20, "learning_rate": 0.05})
    assert "another settings" in capsys.readouterr().out
    assert len(read_csv(tmp_path / "mine-0-s1" / "history.csv")) == 2


def test_a_block_that_must_be_trained_apart_is_tried_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def refused(*_given: object, **_named: object) -> None:
        tried.append(1)
        raise ApartError("for a test")

    monkeypatch.setattr("nas_steps.training.final.train_together", refused)
    folders = [retrain(tmp_path, seed) for seed in (0, 1, 2)]
    assert len(tried) == 1
    assert "seeds [0, 1, 2] are trained one after the other: for a test" in capsys.readouterr().out
    for folder in folders:
        assert read_json(folder / "metrics.json")["status"] == "ok"
        assert read_json(folder / "cost.json")["extra"] == {}
    assert not [name for name in tmp_path.iterdir() if name.name.startswith(".")]


def test_a_block_is_known_by_its_size_alone() -> None:
    assert [block_of(seed, 3) for seed in (0, 2, 3, 5)] == [[0, 1, 2], [0, 1, 2], [3, 4, 5], [3, 4, 5]]


def test_a_half_parked_seed_is_not_taken(tmp_path: Path) -> None:
    folder = tmp_path / "x-s1"
    park(folder, {"seed": "1"}, {}, lambda place: (place / "metrics.json").write_text("{}", encoding="utf-8"))
    (parked(folder) / "parked.json").unlink()
    assert take(folder, {"seed": "1"}) is None
    assert not parked(folder).exists()
    assert not folder.exists()


def test_several_processes_do_not_train_seeds_together() -> None:
    with pytest.raises(UserError, match="together: one process trains seeds as one network"):
        tiny_config(retrain__together=2, retrain__processes=2)
