"""CutMix: which pixels are pasted, with which labels, and how often beside mixup."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.transforms import v2

from nas_steps.config.recipe import Recipe
from nas_steps.training.mixing import cutmix, mixed
from nas_steps.training.supervised import SupervisedLearner

IMAGES = torch.arange(4 * 3 * 20 * 20, dtype=torch.float32).view(4, 3, 20, 20)


@pytest.mark.parametrize("place", [(0.0, 0.0), (0.5, 0.5), (0.99, 0.4)])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.99, 1.0])
def test_the_share_is_the_area_that_stays(share: float, place: tuple[float, float]) -> None:
    pasted, kept = cutmix(IMAGES, share, *place)
    own, other = pasted == IMAGES, pasted == IMAGES.roll(1, 0)
    assert torch.all(own ^ other)
    assert own.float().mean((1, 2, 3)).tolist() == pytest.approx([kept] * 4)
    assert torch.equal(other[0], other[3])
    # of the area that was asked for, all that is inside and no more
    assert 1 - kept <= 1 - share + 1e-6
    if place == (0.5, 0.5):
        assert kept == pytest.approx(share, abs=0.08)
    row, column = (int(20 * one) for one in place)
    if share == 0.3:
        assert other[0, 0, row, column]


def test_the_rectangle_is_torchvisions() -> None:
    theirs = v2.CutMix(num_classes=4, alpha=1.0)
    for seed in range(20):
        torch.manual_seed(seed)
        wanted, targets = theirs(IMAGES, torch.arange(4))
        torch.manual_seed(seed)
        share = float(theirs._dist.sample(()))
        column, row = (torch.randint(20, (1,)).item() for _ in range(2))
        pasted, kept = cutmix(IMAGES, share, (row + 0.5) / 20, (column + 0.5) / 20)
        assert torch.equal(pasted, wanted)
        assert targets[1, 1].item() == pytest.approx(kept)


def test_a_mixture_is_learnt_with_both_its_labels_by_area() -> None:
    torch.manual_seed(1)
    images, labels = torch.randn(6, 1, 4, 4), torch.tensor([0, 1, 2, 0, 1, 2])
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 3))
    step = SupervisedLearner(model, Recipe(epochs=2, cutmix=1.0), 1, seed=3)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    loss, _ = step(images, labels, 0.0)
    model.load_state_dict(before)
    pasted, share = mixed(images, step.recipe, 3, 0)
    assert 0 < share == step.mix < 1
    assert share * 16 == int(share * 16)
    target = share * F.one_hot(labels, 3) + (1 - share) * F.one_hot(labels.roll(1, 0), 3)
    torch.testing.assert_close(loss, F.cross_entropy(model(pasted), target, reduction="sum").detach())


def test_a_batch_draws_one_of_both() -> None:
    recipe = Recipe(epochs=2, mixup=0.4, cutmix=1.0)
    cut = []
    for step in range(400):
        images, share = mixed(IMAGES, recipe, 7, step)
        again, same = mixed(IMAGES, recipe, 7, step)
        assert share == same
        assert torch.equal(images, again)
        alone = recipe.model_copy(update={"mixup": 0.0})
        cut.append(torch.equal(images, mixed(IMAGES, alone, 7, step)[0]))
        if not cut[-1]:
            alone = recipe.model_copy(update={"cutmix": 0.0})
            assert torch.equal(images, mixed(IMAGES, alone, 7, step)[0])
    assert sum(cut) == pytest.approx(200, abs=40)


def test_shares_come_from_the_beta_distribution() -> None:
    recipe = Recipe(epochs=2, cutmix=1.0)
    images = torch.zeros(2, 1, 200, 200)
    shares = torch.tensor([mixed(images, recipe, 1, step)[1] for step in range(600)])
    # of Beta(1, 1), less what the border cuts off: each side keeps (1 - length / 4) of its length on average
    length = torch.linspace(0, 1, 1001)
    wanted = 1 - (length**2 * (1 - length / 4) ** 2 * 2 * length).mean()  # 1 - share has the density 2 l dl
    assert shares.mean().item() == pytest.approx(wanted.item(), abs=0.04)
