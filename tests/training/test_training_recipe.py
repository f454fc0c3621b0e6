"""Mixup, averaged weights, float16: what a recipe can ask for beside the plain training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from test_training_checkpoint import checkpoints
from tiny_world import MIXED, NETWORK, prepared
from torch import nn

import nas_steps.training.networks as networks
from nas_steps.config.recipe import Recipe
from nas_steps.config.schema import Config
from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.loop import evaluate
from nas_steps.training.networks import Trained, load_images, train_network
from nas_steps.training.progress import Progress
from nas_steps.training.supervised import SupervisedLearner, averaged

CPU = torch.device("cpu")
PLAIN: dict[str, Any] = {"epochs": 2, "batch_size": 20, "learning_rate": 0.05, "warmup_epochs": 0}
OPTIONS: dict[str, dict[str, Any]] = {
    "mixup": {"mixup": 0.4},
    "randaugment": {"augment": {"randaugment": 2, "flip": True}},
    "ema": {"ema": 0.9},
    "cutmix": {"cutmix": 1.0, "mixup": 0.4},
    "resized crop": {"augment": {"resized_crop": {}, "jitter": {"brightness": 0.3, "contrast": 0.3}, "flip": True}},
    "layer decay": {"layer_decay": 0.7, "ema": 0.9},
    "weights": {"balance": "weights", "mixup": 0.2},
    "sampling": {"balance": "sampling"},
    "frozen": {"batch_norm": "frozen"},
    "frozen stages": {"frozen_stages": 2},
    "all": {
        "mixup": 0.4,
        "ema": 0.9,
        "augment": {"randaugment": 1, "cutout": 2},
        "optimizer": "adamw",
        "learning_rate": 0.01,
        "drop_path": 0.2,
        "auxiliary_weight": 0.3,
        "label_smoothing": 0.1,
    },
}


#: what needs initial weights
FINE_TUNING = ("layer decay", "frozen", "frozen stages")


def given_weights(model: nn.Module) -> str:
    """Change one weight, as if the weights came from another training."""
    with torch.no_grad():
        model.get_parameter("classifier.weight").mul_(0.9)
    return "mine"


def train(recipe: Recipe, checkpoint: Checkpoint | None = None, pretrained: bool = True) -> Trained:
    tuned = recipe.layer_decay < 1 or recipe.batch_norm == "frozen" or recipe.frozen_stages
    initial = given_weights if pretrained and tuned else None
    with Progress(recipe.epochs, "test") as progress:
        images = load_images(prepared(), CPU)
        keys: dict[str, Any] = {"seed": 3, "progress": progress, "checkpoint": checkpoint, "initial": initial}
        return train_network(MIXED, Network(**NETWORK), recipe, images, **keys)


def rows(trained: Trained) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != "seconds"} for row in trained.history]


@pytest.mark.parametrize("option", OPTIONS)
def test_a_training_that_was_killed_goes_on_to_the_same_bits(
    option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = Recipe(**PLAIN | OPTIONS[option])
    whole = train(recipe)
    assert whole.status == "ok"

    class Killed(SupervisedLearner):
        def __call__(self, images: torch.Tensor, labels: torch.Tensor, done: float) -> Any:
            if self.steps == 4:  # the second batch of the second epoch, after the checkpoint of the first
                raise KeyboardInterrupt
            return super().__call__(images, labels, done)

    with monkeypatch.context() as patch:
        patch.setattr(networks, "SupervisedLearner", Killed)
        with pytest.raises(KeyboardInterrupt):
            train(recipe, checkpoints(tmp_path).of("training"))
    found = checkpoints(tmp_path).of("training").read()
    assert found is not None
    assert found["learner"]["steps"] == 4
    resumed = train(recipe, checkpoints(tmp_path).of("training"))
    assert rows(resumed) == rows(whole)
    mine, theirs = resumed.model.state_dict(), whole.model.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


@pytest.mark.parametrize("option", [option for option in OPTIONS if option != "all"])
def test_an_option_changes_the_training(option: str) -> None:
    mine, plain = (train(Recipe(**PLAIN | more)).model.state_dict() for more in (OPTIONS[option], {}))
    assert mine.keys() == plain.keys()
    assert not torch.equal(mine["classifier.weight"], plain["classifier.weight"])


@pytest.mark.parametrize("option", FINE_TUNING)
def test_random_weights_are_not_fine_tuned(option: str) -> None:
    plain, tuned = ({"ema": 0.9}, {"ema": 0.9} | OPTIONS[option])
    mine, theirs = (train(Recipe(**PLAIN | more), pretrained=False).model.state_dict() for more in (plain, tuned))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


# ------------------------------------------------------------------------------------------------- mixup


def linear(classes: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, classes))


def test_a_mixture_is_learnt_with_both_its_labels() -> None:
    torch.manual_seed(1)
    images, labels = torch.randn(6, 1, 2, 2), torch.tensor([0, 1, 2, 0, 1, 2])
    model = linear()
    step = SupervisedLearner(model, Recipe(epochs=2, mixup=0.5, label_smoothing=0.1), 1, seed=7)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    loss, hits = step(images, labels, 0.0)
    share = step.mix
    assert 0 < share < 1
    model.load_state_dict(before)
    mixed = share * images + (1 - share) * images.roll(1, 0)
    target = share * F.one_hot(labels, 3) + (1 - share) * F.one_hot(labels.roll(1, 0), 3)
    logits = model(mixed)
    torch.testing.assert_close(loss, F.cross_entropy(logits, target, label_smoothing=0.1, reduction="sum").detach())
    assert hits == (logits.argmax(1) == target.argmax(1)).sum()


def test_shares_come_from_the_seed_and_the_number_of_the_step() -> None:
    def shares(seed: int, alpha: float) -> list[float]:
        step = SupervisedLearner(linear(), Recipe(epochs=2, mixup=alpha), 1, seed)
        found = []
        for _ in range(200):
            step._mixed(torch.zeros(2, 1, 2, 2), torch.tensor([0, 1]))
            step.steps += 1
            found.append(step.mix)
        return found

    assert shares(1, 0.2) == shares(1, 0.2) != shares(2, 0.2)
    # Beta(a, a) has the variance 1 / (4 (2 a + 1))
    for alpha in (0.2, 4.0):
        found = torch.tensor(shares(1, alpha))
        assert found.mean().item() == pytest.approx(0.5, abs=0.08)
        assert found.var().item() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.25)


# --------------------------------------------------------------------------------------- averaged weights


def test_the_average_follows_the_weights_and_the_statistics_by_its_decay() -> None:
    model = nn.Sequential(nn.Linear(1, 1, bias=False), nn.BatchNorm1d(1))
    average = averaged(model, 0.3)
    wanted = model[0].weight.item()
    for step in range(6):
        value = float(step + 1)
        with torch.no_grad():
            model[0].weight.fill_(value)
        model[1].running_mean.fill_(value)
        model[1].num_batches_tracked.fill_(step)
        average.update_parameters(model)
        decay = min(0.3, (1 + step) / (10 + step))
        wanted = value if step == 0 else decay * wanted + (1 - decay) * value
        assert average.module[0].weight.item() == pytest.approx(wanted)
        assert average.module[1].running_mean.item() == pytest.approx(wanted)
    assert average.module[1].num_batches_tracked == 5
    assert model[0].weight.item() == 6  # the model itself is left alone


def test_what_is_evaluated_and_returned_is_the_average() -> None:
    trained = train(Recipe(**PLAIN | {"ema": 0.97}))
    images = load_images(prepared(), CPU)
    assert images.valid is not None
    loss, accuracy = evaluate(trained.model, images.valid)
    assert (trained.last("valid_loss"), trained.last("valid_accuracy")) == (loss, accuracy)
    plain = train(Recipe(**PLAIN))
    # learning itself is untouched by being averaged
    assert trained.last("train_loss") == plain.last("train_loss")
    assert trained.last("valid_loss") != plain.last("valid_loss")


# ----------------------------------------------------------------------------------------------- float16


def test_float16_is_refused_without_a_gpu_with_what_to_do() -> None:
    with pytest.raises(UserError, match=r"precision is float16, but the device is cpu.*CUDA.*bfloat16"):
        train(Recipe(**PLAIN | {"precision": "float16"}))


@pytest.mark.parametrize("place", ["search.estimator", "ranking.recipe", "retrain.recipe", "scaling.recipe"])
def test_float16_on_a_cpu_is_refused_by_the_config(place: str) -> None:
    part, key = place.split(".")
    config = {"device": "cpu", part: {key: {"precision": "float16"}}}
    with pytest.raises(ValueError, match=rf"{place}\.precision is float16.*device is cpu"):
        Config.model_validate(config)
    Config.model_validate({**config, "device": "auto"})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_float16_learns_on_a_gpu() -> None:
    recipe = Recipe(**PLAIN | {"precision": "float16", "epochs": 8})
    with Progress(recipe.epochs, "test") as progress:
        images = load_images(prepared(), torch.device("cuda"))
        trained = train_network(MIXED, Network(**NETWORK), recipe, images, seed=3, progress=progress)
    assert trained.status == "ok"
    assert trained.last("train_loss") < trained.history[0]["train_loss"]
