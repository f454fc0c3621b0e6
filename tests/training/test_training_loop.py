"""The loop, the recipe's step, one network's training, the record of a final one."""

from __future__ import annotations

import json
import math
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.numpy import load_file
from tiny_world import settings
from torch import nn
from torchvision.ops.stochastic_depth import StochasticDepth

from nas_steps.config.data import Data
from nas_steps.config.recipe import Recipe
from nas_steps.config.space import Network
from nas_steps.data.batches import DeviceImages
from nas_steps.data.prepare import prepare
from nas_steps.data.settings import DataSettings
from nas_steps.data.store import split_file
from nas_steps.errors import UserError
from nas_steps.models.build import build
from nas_steps.provenance.files import read_csv
from nas_steps.provenance.ledger import Cost
from nas_steps.provenance.task import Task
from nas_steps.retraining.steps import STEPS
from nas_steps.training import devices
from nas_steps.training.final import final_job
from nas_steps.training.loop import EVALUATION_BATCH, DivergedError, evaluate, evaluation_batch, fit
from nas_steps.training.networks import Trained, load_images, train_network
from nas_steps.training.progress import Progress
from nas_steps.training.record import HISTORY, Entry, record, write_untrained
from nas_steps.training.settings import TrainingSettings
from nas_steps.training.supervised import SupervisedLearner, cosine, decay_groups

CPU = torch.device("cpu")
NETWORK = Network(channels=4, cells=3, stem_multiplier=2)
ARCHITECTURE = "normal:|skip_connect~0|nor_conv_3x3~1|;reduce:|skip_connect~0|nor_conv_3x3~1|"
RECIPE = Recipe(epochs=2, batch_size=16, learning_rate=0.1, drop_path=0.2, auxiliary_weight=0.3)
ENTRY = Entry("mine", "searched", ARCHITECTURE)
BAD = Recipe(epochs=3, batch_size=16, learning_rate=1e38, warmup_epochs=0, gradient_clip=None)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    prepare(DataSettings(seed=0, data=Data(source="digits", max_train=60, max_valid=40, max_test=50)), folder)
    return folder


def train(data: Path, recipe: Recipe = RECIPE, *, seed: int = 0, architecture: str = ARCHITECTURE) -> Trained:
    with Progress(recipe.epochs, "test") as progress:
        return train_network(architecture, NETWORK, recipe, load_images(data, CPU), seed=seed, progress=progress)


@pytest.mark.parametrize(
    "architecture",
    [
        "|nor_conv_1x1~0|+|none~0|skip_connect~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|",
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "normal:|noise~0|nor_conv_1x1~1|;reduce:|noise~0|noise~1|",
        "normal:|nor_conv_1x1~0|skip_connect~1|+|skip_connect~0|max_pool_3x3~2|concat=1;"
        "reduce:|nor_conv_1x1~0|skip_connect~1|+|skip_connect~0|max_pool_3x3~2|",
    ],
    ids=["one input", "no connection at all", "noise", "some nodes"],
)
def test_every_sort_of_cells_is_trained_to_the_same_bits_twice(data: Path, architecture: str) -> None:
    first, second = train(data, architecture=architecture), train(data, architecture=architecture)
    assert first.status == "ok"
    assert math.isfinite(first.last("valid_loss"))
    for name, weight in first.model.state_dict().items():
        assert torch.equal(weight, second.model.state_dict()[name]), name


# --------------------------------------------------------------------------------------------- the recipe


def test_the_learning_rate_rises_in_the_warm_up_and_falls_along_a_cosine() -> None:
    assert cosine(0.4, 0) == pytest.approx(0.4)
    assert cosine(0.4, 0.5) == pytest.approx(0.2)
    assert cosine(0.4, 1) == pytest.approx(0)
    assert cosine(0.4, 1 / 3) == pytest.approx(0.3)
    assert cosine(0.4, 0.5, floor=0.1) == pytest.approx(0.25)
    assert cosine(0.4, 1, floor=0.1) == pytest.approx(0.1)
    assert [cosine(0.4, done, warmup=0.2) for done in (0, 0.05, 0.1, 0.2)] == pytest.approx([0, 0.1, 0.2, 0.4])
    assert cosine(0.4, 0.6, warmup=0.2) == pytest.approx(0.2)


def test_a_step_sets_the_rate_of_its_middle_and_the_drop_path_of_its_time() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    model.drop_path = 0.0  # type: ignore[assignment]
    step = SupervisedLearner(model, Recipe(epochs=4, learning_rate=0.4, warmup_epochs=2, drop_path=0.2), 5)
    images, labels = torch.randn(3, 1, 2, 2), torch.tensor([0, 1, 1])
    step(images, labels, 0.0)
    assert step.rate == pytest.approx(0.4 * (0.5 / 20) / 0.5)
    step(images, labels, 0.75)
    assert step.rate == pytest.approx(cosine(0.4, 0.775, warmup=0.5))
    assert model.drop_path == pytest.approx(0.15)
    assert {group["lr"] for group in step.optimizer.param_groups} == {step.rate}


CELL = "normal:|nor_conv_1x1~0|nor_conv_1x1~1|;reduce:|nor_conv_1x1~0|nor_conv_1x1~1|"
ONE_INPUT = "|nor_conv_1x1~0|+|nor_conv_1x1~0|none~1|+|none~0|none~1|nor_conv_1x1~2|"


@pytest.mark.parametrize(
    ("architecture", "expected"),
    # EfficientNet's is the same in all epochs, that of cells rises linearly
    [(CELL, [0.0, 0.1, 0.2]), (ONE_INPUT, [0.0, 0.1, 0.2]), ("stem_k3_c8/mb_r2_k3_e2_c8/head_c8", [0.2] * 3)],
    ids=["cells", "one-input cells", "mobile"],
)
def test_drop_path_rises_over_the_epochs_in_cells_alone(architecture: str, expected: list[float]) -> None:
    model = build(architecture, Network(channels=2, cells=3, stem_multiplier=1), inputs=1, classes=2, side=8)
    step = SupervisedLearner(model, Recipe(epochs=4, drop_path=0.2), 5)
    found = []
    for done in (0.0, 0.5, 1.0):
        step(torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 1, 0]), done)
        found.append(model.drop_path)
    assert found == pytest.approx(expected)


def test_the_blocks_of_a_mobile_network_keep_their_drop_path_over_the_epochs() -> None:
    model = build("stem_k3_c8/mb_r4_k3_e2_c8/head_c8", Network(), inputs=1, classes=2, side=8)
    step = SupervisedLearner(model, Recipe(epochs=4, drop_path=0.2), 5)
    depths = [module for module in model.modules() if isinstance(module, StochasticDepth)]
    for done in (0.0, 0.9):
        step(torch.randn(4, 1, 8, 8), torch.tensor([0, 1, 1, 0]), done)
        # by the rule of torchvision's EfficientNet: p times the block's number over the number of blocks
        assert [module.p for module in depths] == pytest.approx([0.0, 0.05, 0.1, 0.15])


def test_a_step_tells_the_summed_loss_and_the_number_of_hits() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    images, labels = torch.randn(6, 1, 2, 2), torch.tensor([0, 1, 2, 0, 1, 2])
    logits = model(images).detach()
    loss, hits = SupervisedLearner(model, Recipe(epochs=2), 1)(images, labels, 0.0)
    torch.testing.assert_close(loss, F.cross_entropy(logits, labels, reduction="sum"))
    assert hits == (logits.argmax(1) == labels).sum()
    assert not torch.equal(model(images), logits)  # it has learnt


def test_the_gradient_is_clipped() -> None:
    torch.manual_seed(0)
    images, labels = 1000 * torch.randn(6, 1, 2, 2), torch.tensor([0, 1, 2, 0, 1, 2])
    for clip in (0.01, None):
        model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
        recipe = Recipe(epochs=2, gradient_clip=clip, momentum=0, weight_decay=0, warmup_epochs=0, learning_rate=0.5)
        SupervisedLearner(model, recipe, 1)(images, labels, 0.0)
        norm = torch.sqrt(sum((p.grad**2).sum() for p in model.parameters() if p.grad is not None))
        assert (norm.item() == pytest.approx(0.01, rel=1e-3)) == (clip is not None)


def test_biases_and_batch_norms_are_not_decayed() -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(2, 2))
    decayed, others = decay_groups(model, 0.3)
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
    assert [id(p) for p in decayed["params"]] == [id(model[0].weight), id(model[3].weight)]  # type: ignore[attr-defined]
    assert len(decayed["params"]) + len(others["params"]) == len(list(model.parameters()))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_either_optimiser_learns(data: Path, name: str) -> None:
    rate = {"sgd": 0.1, "adamw": 0.01}[name]
    trained = train(data, Recipe(epochs=25, batch_size=16, optimizer=name, learning_rate=rate))  # type: ignore[arg-type]
    assert trained.status == "ok"
    assert trained.last("train_loss") < 0.3
    assert trained.last("train_accuracy") > 0.9
    assert trained.last("valid_accuracy") > 0.4


# ------------------------------------------------------------------------------------------------ the loop


def fitted(losses: list[float], seed: int = 0) -> tuple[list[dict[str, Any]], list[float]]:
    """Three images an epoch in two batches; epoch e has the loss losses[e - 1] an image."""
    done: list[float] = []
    now = [0]

    def batches(epoch: int, _start: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        now[0] = epoch
        yield torch.zeros(2, 1), torch.zeros(2)
        yield torch.zeros(1, 1), torch.zeros(1)

    class Given:
        def __call__(
            self, _images: torch.Tensor, labels: torch.Tensor, share: float
        ) -> tuple[torch.Tensor, torch.Tensor]:
            done.append(share)
            return torch.tensor(losses[now[0] - 1] * len(labels)), torch.tensor(len(labels) - 1)

        def state(self) -> dict[str, Any]:
            return {}

        def restore(self, _state: dict[str, Any]) -> None:
            raise AssertionError

    with Progress(len(losses), "test") as progress:
        history = fit(
            Given(),
            batches,
            epochs=len(losses),
            images=3,
            seed=seed,
            end_of_epoch=lambda epoch: {"mine": 10 * epoch, "drawn": torch.rand(()).item()},
            progress=progress,
        )
    return history, done


def test_history_has_means_over_images_and_what_the_caller_adds() -> None:
    history, done = fitted([2.0, 1.0])
    assert [row["epoch"] for row in history] == [1, 2]
    assert [row["train_loss"] for row in history] == pytest.approx([2, 1])
    assert [row["train_accuracy"] for row in history] == pytest.approx([1 / 3, 1 / 3])
    assert [row["mine"] for row in history] == [10, 20]
    assert done == pytest.approx([0, 1 / 3, 1 / 2, 5 / 6])


def test_an_epoch_draws_its_own_numbers_whatever_came_before() -> None:
    first, second = fitted([1.0, 1.0])[0]
    torch.rand(7)
    again = fitted([1.0, 1.0])[0]
    assert [row["drawn"] for row in again] == [first["drawn"], second["drawn"]]
    assert first["drawn"] != second["drawn"]
    assert fitted([1.0], seed=1)[0][0]["drawn"] != first["drawn"]


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_loss_that_is_no_number_ends_the_training_and_keeps_the_history(loss: float) -> None:
    with pytest.raises(DivergedError, match=f"{loss} in epoch 3") as error:
        fitted([2.0, 1.0, loss, 1.0])
    assert [row["train_loss"] for row in error.value.history] == pytest.approx([2, 1])
    assert isinstance(error.value, ArithmeticError)


@pytest.mark.parametrize(("side", "batch"), [(6, 512), (32, 512), (64, 128), (128, 32), (224, 10), (1024, 1)])
def test_large_images_are_evaluated_a_few_at_once_on_a_cpu(side: int, batch: int) -> None:
    images = np.zeros((1, 1, side, side), np.uint8)
    assert evaluation_batch(DeviceImages(images, np.zeros(1, np.int64), [0.4], [0.3], CPU)) == batch


def test_evaluation_is_that_of_image_by_image() -> None:
    random = np.random.default_rng(0)
    count = EVALUATION_BATCH + 37
    images = random.integers(0, 256, (count, 1, 6, 6), np.uint8)
    labels = random.integers(0, 3, count)
    data = DeviceImages(images, labels, [0.4], [0.3], CPU)
    torch.manual_seed(0)
    model = build(ARCHITECTURE, NETWORK, inputs=1, classes=3, side=6)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.train()
    loss, accuracy = evaluate(model, data)
    assert model.training  # left as it was
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.eval()
    losses, hits = [], 0
    with torch.no_grad():
        for image, label in zip(images, labels, strict=True):
            x = (torch.tensor(image).float() / 255 - 0.4) / 0.3
            log = torch.log_softmax(model(x[None])[0].double(), 0)
            losses.append(-log[int(label)].item())
            hits += int(log.argmax().item() == label)
    assert loss == pytest.approx(float(np.mean(losses)), rel=1e-5)
    assert accuracy == hits / count


# ----------------------------------------------------------------------------------------- one network


def test_the_same_seed_is_the_same_network_to_the_bit_and_another_is_not(data: Path) -> None:
    first = train(data)
    torch.rand(11)
    second, other = train(data), train(data, seed=1)
    one, two, three = (trained.model.state_dict() for trained in (first, second, other))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["classifier.weight"], three["classifier.weight"])
    drop = [{k: v for k, v in row.items() if k != "seconds"} for row in first.history]
    assert drop == [{k: v for k, v in row.items() if k != "seconds"} for row in second.history]
    assert first.history[0].keys() >= set(HISTORY)


def test_the_size_is_that_without_the_auxiliary_head(data: Path) -> None:
    recipe = Recipe(epochs=1, warmup_epochs=0, batch_size=64)
    with_head = train(data, recipe.model_copy(update={"auxiliary_weight": 0.4}))
    without = train(data, recipe)
    assert with_head.parameters == without.parameters == sum(p.numel() for p in without.model.parameters())
    assert sum(p.numel() for p in with_head.model.parameters()) > with_head.parameters


def test_a_rate_of_a_billion_ends_in_a_record_and_not_in_an_error(data: Path) -> None:
    trained = train(data, Recipe(epochs=2, batch_size=16, learning_rate=1e9, warmup_epochs=0))
    assert trained.status in ("ok", "diverged")
    assert (trained.status == "diverged") == bool(trained.reason)
    diverged = train(data, BAD)
    assert diverged.status == "diverged"
    assert "the training loss is" in diverged.reason
    assert len(diverged.history) < 3
    assert math.isnan(diverged.last("valid_accuracy"))


def test_merged_images_leave_none_for_validation(data: Path) -> None:
    plain, merged = load_images(data, CPU), load_images(data, CPU, merged=True)
    assert plain.valid is not None
    assert merged.valid is None
    assert len(merged.train) == len(plain.train) + len(plain.valid) == 100
    assert plain.side == 8
    with Progress(1, "test") as progress:
        recipe = Recipe(epochs=1, warmup_epochs=0)
        trained = train_network(ARCHITECTURE, NETWORK, recipe, merged, seed=0, progress=progress)
    assert math.isnan(trained.last("valid_accuracy"))


def test_another_side_is_trained_on(data: Path) -> None:
    images = load_images(data, CPU, side=11)
    assert images.side == 11
    assert next(images.train.batches(4, shuffle=False))[0].shape == (4, 1, 11, 11)


def test_searches_and_rankings_do_not_need_the_test_set(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    original = np.load
    monkeypatch.setattr(np, "load", lambda file, *a, **k: (opened.append(str(file)), original(file, *a, **k))[1])
    train(data, Recipe(epochs=1, warmup_epochs=0))
    assert opened
    assert not any("test" in Path(name).name for name in opened)


def test_a_device_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "available", lambda name: name == "cpu")
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        assert devices.prepare("auto", 1) == CPU
        assert torch.get_num_threads() == 1
        assert torch.are_deterministic_algorithms_enabled()
        with pytest.raises(UserError, match="device: cuda is asked for"):
            devices.prepare("cuda", 1)
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)


# -------------------------------------------------------------------------------------------- the record


@pytest.fixture
def copied(data: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    for file in data.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def final(data: Path, output: Path, recipe: Recipe = RECIPE, **more: Any) -> dict[str, Any]:
    compute = {"seed": 0, "threads": 1}
    step = TrainingSettings(**compute, space={}, network=NETWORK, recipe=recipe, **more)  # type: ignore[arg-type]
    cost = Cost("retraining", "made up")
    given = Namespace(settings=settings()["retrain"], data=data, output=output, seed=2, device="cpu")
    final_job(Task(STEPS["retrain"], given, cost), ENTRY, step)
    return json.loads((output / "metrics.json").read_text())


def test_a_final_training_reads_the_test_set_and_writes_four_files(data: Path, tmp_path: Path) -> None:
    metrics = final(data, tmp_path)
    names = ["history.csv", "metrics.json", "predictions.safetensors", "weights.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    assert metrics.keys() == record(ENTRY, 2).keys()
    assert (metrics["entry"], metrics["kind"], metrics["seed"], metrics["status"]) == ("mine", "searched", 2, "ok")
    assert metrics["test_images"] == 50
    assert metrics["test_file"]["name"] == split_file(data, "test").name
    rows = read_csv(tmp_path / "history.csv")
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[-1]["valid_accuracy"]) == metrics["valid_accuracy"]
    # the weights that are written give the figures that are written
    model = build(ARCHITECTURE, NETWORK, inputs=1, classes=10, side=8, auxiliary=True)
    model.load_state_dict({k: torch.tensor(v) for k, v in load_file(tmp_path / "weights.safetensors").items()})
    images = load_images(data, CPU)
    test = DeviceImages(
        np.load(split_file(data, "test")),
        np.load(split_file(data, "test", "labels")),
        images.meta.mean,
        images.meta.std,
        CPU,
    )
    assert evaluate(model, test) == pytest.approx((metrics["test_loss"], metrics["test_accuracy"]), rel=1e-5)


def test_trained_on_train_and_valid_no_validation_figure_is_known(data: Path, tmp_path: Path) -> None:
    metrics = final(data, tmp_path, train_on="train+valid")
    assert metrics["valid_accuracy"] is None
    assert 0 <= metrics["test_accuracy"] <= 1


def test_a_diverged_training_never_opens_the_test_set(copied: Path, tmp_path: Path) -> None:
    for kind in ("images", "labels"):
        split_file(copied, "test", kind).unlink()
    metrics = final(copied, tmp_path / "bad", BAD)
    assert metrics["status"] == "diverged"
    assert "the training loss is" in metrics["reason"]
    assert metrics["test_accuracy"] is metrics["test_file"] is metrics["train_loss"] is None
    assert metrics["parameters"] > 0
    assert (tmp_path / "bad" / "weights.safetensors").is_file()
    with pytest.raises((OSError, UserError)):  # a good one does
        final(copied, tmp_path / "good")
    assert not (tmp_path / "good" / "metrics.json").exists()


def test_a_training_that_did_not_take_place_has_its_files_too(tmp_path: Path) -> None:
    write_untrained(tmp_path / "x", Entry("b", "scaled", ""), 1, status="skipped", reason="too large", macs=7)
    metrics = json.loads((tmp_path / "x" / "metrics.json").read_text())
    assert metrics.keys() == record(ENTRY, 0).keys()
    assert (metrics["status"], metrics["reason"], metrics["macs"]) == ("skipped", "too large", 7)
    assert metrics["architecture"] is metrics["test_accuracy"] is None
    assert load_file(tmp_path / "x" / "weights.safetensors") == {}
    assert (tmp_path / "x" / "history.csv").read_text() == ",".join(HISTORY) + "\n"
