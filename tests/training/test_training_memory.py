"""A batch that does not fit into memory is learnt in micro_batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from stepping import run
from tiny_world import MIXED, settings
from torch import Tensor, nn

from nas_steps.config.recipe import Recipe
from nas_steps.errors import UserError
from nas_steps.provenance.files import read_json, write_csv
from nas_steps.provenance.settings import read_settings
from nas_steps.training import loop
from nas_steps.training.micro_batches import MicroBatches, out_of_memory
from nas_steps.training.settings import TrainingSettings
from nas_steps.training.supervised import SupervisedLearner

CPU_MESSAGE = (
    "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
)


class Small(nn.Module):
    """A network that has room for `room` images, and says so as a CPU or a GPU does, after its batch norm has seen
    them."""

    def __init__(self, room: int, *, norm: bool, error: type[RuntimeError] = RuntimeError) -> None:
        super().__init__()
        self.room, self.error = room, error
        self.layer = nn.Linear(4, 3)
        self.norm = nn.BatchNorm1d(4) if norm else nn.Identity()
        self.seen: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(len(x))
        found = self.layer(F.dropout(self.norm(x), 0.5))
        if len(x) > self.room:
            raise self.error("CUDA out of memory" if self.error is not RuntimeError else CPU_MESSAGE)
        return found  # type: ignore[no-any-return]


def cross_entropy(model: nn.Module) -> Any:
    def loss(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = model(images)
        mean = F.cross_entropy(logits, labels)
        return mean, mean, (logits.argmax(1) == labels).sum()

    return loss


def batch(count: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(count, 4, generator=generator), torch.randint(3, (count,), generator=generator)


@pytest.mark.parametrize(("count", "room", "pieces"), [(12, 12, 1), (12, 7, 2), (12, 3, 4), (13, 4, 4)])
@pytest.mark.parametrize("error", [RuntimeError, torch.OutOfMemoryError])
def test_gradients_are_those_of_the_whole_batch(count: int, room: int, pieces: int, error: type[RuntimeError]) -> None:
    images, labels = batch(count)
    whole, small = Small(99, norm=False), Small(room, norm=False, error=error)
    small.load_state_dict(whole.state_dict())
    whole.eval(), small.eval()
    for model in (whole, small):  # without dropout, which draws per part
        model.forward = lambda x, model=model: _plain(model, x)  # type: ignore[method-assign, misc]
    expected = MicroBatches(whole)
    found = MicroBatches(small)
    loss, hits = expected.backward(list(whole.parameters()), images, labels, cross_entropy(whole))
    again, same = found.backward(list(small.parameters()), images, labels, cross_entropy(small))
    assert (expected.count, found.count) == (1, pieces)
    torch.testing.assert_close(again, loss)
    assert hits == same
    for one, other in zip(whole.parameters(), small.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad)
    assert max(small.seen[-pieces:]) <= room


def _plain(model: Small, x: Tensor) -> Tensor:
    model.seen.append(len(x))
    if len(x) > model.room:
        raise model.error("CUDA out of memory" if model.error is not RuntimeError else CPU_MESSAGE)
    return model.layer(x)  # type: ignore[no-any-return]


def test_a_failed_first_batch_leaves_no_trace(capsys: pytest.CaptureFixture[str]) -> None:
    """Statistics and random numbers are those of a model that is learnt in two parts from the beginning."""
    images, labels = batch(8)
    torch.manual_seed(0)
    tried, told = Small(4, norm=True), Small(4, norm=True)
    told.load_state_dict(tried.state_dict())
    first, second = MicroBatches(tried), MicroBatches(told)
    second.count = 2
    torch.manual_seed(1)
    first.backward(list(tried.parameters()), images, labels, cross_entropy(tried))
    torch.manual_seed(1)
    second.backward(list(told.parameters()), images, labels, cross_entropy(told))
    assert tried.seen == [8, 4, 4]
    for one, other in zip(tried.state_dict().values(), told.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    for a, b in zip(tried.parameters(), told.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert torch.equal(a.grad, b.grad)
    assert "batches are learnt in 2 parts from now on" in capsys.readouterr().out


def test_where_two_images_do_not_fit_the_user_is_told() -> None:
    model = Small(1, norm=False)
    with pytest.raises(UserError, match=r"out of memory with 2 images at once .*give the job more memory"):
        MicroBatches(model).backward(list(model.parameters()), *batch(8), cross_entropy(model))


def test_a_small_last_batch_leaves_two_images_in_each_part() -> None:
    model = Small(3, norm=True)
    micro_batches = MicroBatches(model)
    micro_batches.backward(list(model.parameters()), *batch(8), cross_entropy(model))
    assert micro_batches.count == 4
    for count, seen in ((9, [3, 2, 2, 2]), (5, [3, 2]), (3, [3]), (2, [2])):
        model.seen.clear()
        loss, _ = micro_batches.backward(list(model.parameters()), *batch(count), cross_entropy(model))
        assert model.seen == seen
        assert torch.isfinite(loss)
        assert all(
            torch.isfinite(parameter.grad).all() for parameter in model.parameters() if parameter.grad is not None
        )


def test_a_batch_norm_of_a_single_value_is_told_in_words() -> None:
    model = Small(9, norm=True)
    with pytest.raises(UserError, match="a batch of one image .*; set batch_size to 2 or more"):
        MicroBatches(model).backward(list(model.parameters()), *batch(1), cross_entropy(model))


def test_other_errors_are_not_taken_for_it() -> None:
    model = Small(9, norm=False)

    def wrong(_images: Tensor, _labels: Tensor) -> Any:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes do not match"):
        MicroBatches(model).backward(list(model.parameters()), *batch(8), wrong)
    assert not out_of_memory(ValueError("out of memory"))
    assert out_of_memory(MemoryError())


def test_the_real_allocator_says_what_is_listened_for() -> None:
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**60, dtype=torch.uint8)
    assert out_of_memory(refused.value)


def test_the_number_of_micro_batches_goes_with_the_state() -> None:
    model = Small(2, norm=True)
    step = SupervisedLearner(model, Recipe(epochs=2, learning_rate=0.1), 1)
    step(*batch(8), 0.0)
    assert step.state()["micro_batches"] == 4
    other = SupervisedLearner(Small(2, norm=True), Recipe(epochs=2, learning_rate=0.1), 1)
    other.restore(step.state())
    other(*batch(8), 0.5)
    assert other.model.seen == [2, 2, 2, 2]  # type: ignore[comparison-overlap]


def test_an_evaluation_that_does_not_fit_takes_smaller_batches(data: str) -> None:
    from nas_steps.training.networks import load_images

    images = load_images(data, torch.device("cpu"))
    assert images.valid is not None

    class Network(nn.Module):
        room = 10_000

        def forward(self, x: Tensor) -> Tensor:
            if len(x) > self.room:
                raise RuntimeError(CPU_MESSAGE)
            return x.mean((1, 2, 3))[:, None] * torch.arange(10.0)

    model = Network()
    expected = loop.evaluate(model, images.valid)
    model.room = 7
    assert loop.evaluate(model, images.valid) == pytest.approx(expected, rel=1e-6)
    model.room = 0
    with pytest.raises(RuntimeError, match="can't allocate"):
        loop.evaluate(model, images.valid)


def test_it_is_written_down_with_the_training(tmp_path: Path, data: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = SupervisedLearner._loss

    def tight(self: SupervisedLearner, images: Tensor, labels: Tensor) -> Any:
        if len(images) > 10:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(self, images, labels)

    monkeypatch.setattr(SupervisedLearner, "_loss", tight)
    winners = tmp_path / "winners.csv"
    write_csv(winners, [{"entry": "mine-0", "architecture": MIXED}], ("entry", "architecture"))
    file = settings()["retrain"]
    assert read_settings(file, TrainingSettings).recipe.batch_size == 20
    given = {"settings": file, "data": data, "winners": winners, "output": tmp_path}
    run("retrain", entry="mine-0", kind="searched", seed=0, **given)
    assert read_json(tmp_path / "metrics.json")["batch_parts"] == 2
    assert read_json(tmp_path / "cost.json")["extra"] == {"batch_parts": 2}
