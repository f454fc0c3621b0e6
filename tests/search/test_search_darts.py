"""First-order DARTS on tiny digits."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_world import prepared, settings, tiny_config

from nas_steps.config.stages import DartsStep, slices
from nas_steps.models.supernet import Supernet
from nas_steps.provenance.files import read_csv, read_json
from nas_steps.search import darts as module
from nas_steps.search.darts import BilevelStep, DartsResult, darts
from nas_steps.search.discretise import most_likely, softmax
from nas_steps.search.steps import darts as step_module
from nas_steps.training.devices import prepare
from nas_steps.training.networks import Images, load_images
from nas_steps.training.progress import Progress


@pytest.fixture(scope="module")
def images() -> Images:
    return load_images(prepared(), prepare("cpu", 1))


def darts_step(**changes: Any) -> DartsStep:
    found = slices(tiny_config(**{f"search__strategies__darts__{key}": value for key, value in changes.items()}))
    assert isinstance(found["search_darts"], DartsStep)
    return found["search_darts"]


def searched(images: Images, seed: int = 0, **changes: Any) -> DartsResult:
    with Progress(2, "supernet") as progress:
        return darts(darts_step(**changes), images, seed=seed, progress=progress)


def bilevel(images: Images, **changes: Any) -> tuple[BilevelStep, list[Any], list[Any]]:
    """A step, two validation batches that it will read, two training batches."""
    torch.manual_seed(0)
    step = darts_step(**changes)
    supernet = Supernet(step.space.declared(), step.network, inputs=1, classes=10)
    assert images.valid is not None
    valid = list(images.valid.batches(20, shuffle=True, seed=1))[:2]
    train = list(images.train.batches(20, shuffle=True, seed=2))[:2]
    return BilevelStep(supernet, step.strategy, iter(valid)), valid, train


def test_two_epochs_and_the_alphas_move(images: Images) -> None:
    result = searched(images)
    assert [row["step"] for row in result.history] == [1, 2]
    assert {row["status"] for row in result.history} == {"ok"}
    assert not result.reason
    first, last = (torch.tensor(alphas["normal"]) for alphas in result.alphas)
    assert first.shape == (2, 3)
    # Adam's first steps are about 3e-3 each, the alphas start at about 1e-3
    assert (first - last).abs().max() > 1e-3
    mixes = {kind: softmax(rows) for kind, rows in result.alphas[-1].items()}
    expected = most_likely(tiny_config().space.declared(), mixes, 3)
    assert result.candidates == [(str(architecture), score) for architecture, score in expected]
    assert result.history[-1]["architecture"] == result.candidates[0][0]


def test_a_search_can_be_repeated_bit_by_bit(images: Images) -> None:
    first = searched(images)
    torch.manual_seed(12345)
    again = searched(images)
    assert (again.alphas, again.history, again.candidates) == (first.alphas, first.history, first.candidates)
    assert searched(images, seed=1).alphas != first.alphas


def test_each_half_computes_its_own_gradients_and_the_alphas_the_first_order_one(images: Images) -> None:
    step, valid, train = bilevel(images)
    twin = copy.deepcopy(step.supernet).train()
    expected = torch.autograd.grad(F.cross_entropy(twin(valid[0][0]), valid[0][1]), list(twin.alphas.values()))
    alpha_step, weight_step = step.alpha_optimizer.step, step.weight_optimizer.step
    seen: list[str] = []

    def on_alphas() -> None:
        seen.append("alphas")
        assert all(weight.grad is None and not weight.requires_grad for weight in step.weights)
        for alpha, gradient in zip(step.alphas, expected, strict=True):
            torch.testing.assert_close(alpha.grad, gradient, rtol=1e-5, atol=1e-8)
        alpha_step()

    def on_weights() -> None:
        seen.append("weights")
        assert not any(alpha.requires_grad for alpha in step.alphas)
        for alpha, gradient in zip(step.alphas, expected, strict=True):  # nothing was added by the training images
            torch.testing.assert_close(alpha.grad, gradient, rtol=1e-5, atol=1e-8)
        assert any(weight.grad is not None and weight.grad.abs().sum() > 0 for weight in step.weights)
        weight_step()

    step.alpha_optimizer.step, step.weight_optimizer.step = on_alphas, on_weights  # type: ignore[method-assign]
    step(*train[0], 0.0)
    assert seen == ["alphas", "weights"]


def test_the_second_alpha_step_uses_the_weights_learnt_meanwhile(images: Images) -> None:
    step, valid, train = bilevel(images)
    step(*train[0], 0.0)
    twin = copy.deepcopy(step.supernet).train()
    for parameter in twin.parameters():
        parameter.requires_grad_(True)
    expected = torch.autograd.grad(F.cross_entropy(twin(valid[1][0]), valid[1][1]), list(twin.alphas.values()))
    step(*train[1], 0.5)
    for alpha, gradient in zip(step.alphas, expected, strict=True):
        torch.testing.assert_close(alpha.grad, gradient, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize(("rate", "moves"), [(1e-30, False), (0.05, True)])
def test_an_alpha_step_leaves_the_weights(images: Images, rate: float, moves: bool) -> None:
    step, _, train = bilevel(images, learning_rate=rate, learning_rate_min=0, weight_decay=0)
    weights = [weight.detach().clone() for weight in step.weights]
    alphas = [alpha.detach().clone() for alpha in step.alphas]
    step(*train[0], 0.0)
    # a bias of 0 becomes about 1e-30
    pairs = zip(weights, step.weights, strict=True)
    same = all(torch.allclose(before, after, rtol=0, atol=1e-20) for before, after in pairs)
    assert same is not moves
    assert not any(torch.equal(before, after) for before, after in zip(alphas, step.alphas, strict=True))


def test_a_weight_step_leaves_the_alphas(images: Images) -> None:
    step, _, train = bilevel(images, alpha_learning_rate=1e-30, alpha_weight_decay=0)
    alphas = [alpha.detach().clone() for alpha in step.alphas]
    step(*train[0], 0.0)
    assert all(torch.equal(before, after) for before, after in zip(alphas, step.alphas, strict=True))


def test_divergence_is_recorded_not_raised(images: Images) -> None:
    result = searched(images, learning_rate=1e38)
    assert "loss is nan" in result.reason
    assert result.history == [{"step": 1, "status": "diverged"}]
    assert (result.candidates, result.alphas) == ([], [])


def test_late_divergence_keeps_the_last_sound_epoch(images: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = searched(images)
    call = BilevelStep.__call__

    def late(self: BilevelStep, inputs: torch.Tensor, labels: torch.Tensor, done: float) -> Any:
        loss, correct = call(self, inputs, labels, done)
        return (loss * float("nan") if done >= 0.5 else loss), correct

    monkeypatch.setattr(module.BilevelStep, "__call__", late)
    result = searched(images)
    assert result.alphas == sound.alphas[:1]
    assert [row["status"] for row in result.history] == ["ok", "diverged"]
    assert result.candidates[0][0] == sound.history[0]["architecture"]


def test_the_step_writes_its_files(tmp_path: Path, data: str) -> None:
    given = ["--strategy", "darts", "--seed", "0", "--data", data, "--output", str(tmp_path)]
    step_module.main(["--settings", settings()["search_darts"], *given])
    assert len(read_json(tmp_path / "alphas.json")) == 2
    assert [row["rank"] for row in read_csv(tmp_path / "candidates.csv")] == ["1", "2", "3"]
    assert {row["estimator"] for row in read_csv(tmp_path / "candidates.csv")} == {"alpha_likelihood"}
    assert [row["step"] for row in read_csv(tmp_path / "history.csv")] == ["1", "2"]
    assert (tmp_path / "cost.json").is_file()
