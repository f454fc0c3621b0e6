"""Learning rates by depth, frozen batch norms, weighted classes: what a recipe for fine-tuning can ask for."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from nas_steps.config.recipe import Recipe
from nas_steps.config.space import Network
from nas_steps.models.build import build
from nas_steps.training.layer_decay import depth_of
from nas_steps.training.networks import freeze_stages, last_linear
from nas_steps.training.supervised import SupervisedLearner, averaged, layered_groups

MOBILE = "stem_k3_s2_c8/mb_k3_e1_c8/mb_r2_k3_s2_e2_c8/mb_k5_e2_c16_se0.25/head_c32_p0.2"
CELLS = "normal:|nor_conv_1x1~0|skip_connect~1|;reduce:|max_pool_3x3~0|nor_conv_1x1~1|"
STAGED = "|nor_conv_1x1~0|+|none~0|skip_connect~1|+|nor_conv_3x3~0|avg_pool_3x3~1|none~2|"


def made(architecture: str, auxiliary: bool = False) -> nn.Module:
    torch.manual_seed(0)
    network = Network(channels=4, cells=3, stem_multiplier=1)
    if architecture == STAGED:
        network = Network(channels=4, cells=1, stem_multiplier=1)
    return build(architecture, network, inputs=3, classes=5, side=32, auxiliary=auxiliary)


@pytest.mark.parametrize(
    ("architecture", "depths"),
    [
        (
            MOBILE,
            {
                "features.0.0.weight": 5,
                "features.1.0.block.0.0.weight": 4,
                "features.2.0.block.0.0.weight": 3,
                "features.2.1.block.0.1.bias": 3,  # of the same stage
                "features.3.0.block.2.fc1.weight": 2,
                "features.4.0.weight": 1,
                "classifier.1.bias": 0,
            },
        ),
        (
            "mobilenet_v2_x0.25",
            {
                "features.0.0.weight": 9,
                "features.1.conv.0.0.weight": 8,
                "features.2.conv.0.0.weight": 7,
                "features.3.conv.0.0.weight": 7,
                "features.4.conv.0.0.weight": 6,
                "features.6.conv.0.0.weight": 6,
                "features.17.conv.0.0.weight": 2,
                "features.18.0.weight": 1,
                "classifier.1.weight": 0,
            },
        ),
        (
            "mobilenet_v3_small",
            {
                "features.0.0.weight": 7,
                "features.1.block.0.0.weight": 6,
                "features.2.block.0.0.weight": 5,
                "features.3.block.0.0.weight": 5,
                "features.12.0.weight": 1,
                "classifier.0.weight": 0,
                "classifier.3.weight": 0,
            },
        ),
        ("efficientnet_b0", {"features.0.0.weight": 9, "features.8.0.weight": 1, "classifier.1.weight": 0}),
        (
            "resnet20",
            {
                "stem.0.weight": 4,
                "stem.1.weight": 4,
                "stages.0.conv1.weight": 3,
                "stages.2.conv1.weight": 3,
                "stages.3.conv1.weight": 2,
                "stages.8.bn2.weight": 1,
                "classifier.bias": 0,
            },
        ),
        ("resnet18", {"stem.0.weight": 5, "stages.0.conv1.weight": 4, "stages.7.conv1.weight": 1}),
        (
            CELLS,
            {
                "stem.0.weight": 4,
                "cells.0.preprocess.second.1.weight": 3,
                "cells.2.preprocess.second.1.weight": 1,
                "auxiliary.classifier.weight": 0,
                "classifier.weight": 0,
            },
        ),
        (STAGED, {"stem.0.weight": 6, "cells.1.first.1.weight": 4, "norm.weight": 1, "classifier.weight": 0}),
    ],
    ids=lambda one: one[:12] if isinstance(one, str) else "",
)
def test_the_depth_of_a_parameter(architecture: str, depths: dict[str, int]) -> None:
    model = made(architecture, auxiliary=architecture == CELLS)
    names = [name for name, _ in model.named_parameters()]
    assert {name: depth_of(name, model) for name in depths} == depths
    # the depth falls from the first parameter to the last, and every group has some
    found = [depth_of(name, model) for name in names if "auxiliary" not in name]
    assert found == sorted(found, reverse=True)
    assert set(found) == set(range(max(depths.values()) + 1))
    behind = nn.Sequential(nn.Upsample(scale_factor=2), model)
    assert [depth_of(f"1.{name}", behind) for name in names if "auxiliary" not in name] == found
    with pytest.raises(ValueError, match="no parameter 'features'"):
        depth_of("features", model)


def test_torchvisions_resnet18_has_groups_too() -> None:
    from torchvision.models import resnet18

    model = resnet18()
    names = ["conv1.weight", "bn1.weight", "layer1.0.conv1.weight", "layer4.1.bn2.bias", "fc.weight"]
    assert [depth_of(name, model) for name in names] == [5, 5, 4, 1, 0]


def test_each_group_learns_by_its_rate_and_biases_are_not_decayed() -> None:
    model = made(MOBILE)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = layered_groups(model, 0.3, 0.5)
    grouped = [names[id(one)] for group in groups for one in group["params"]]  # type: ignore[attr-defined]
    assert sorted(grouped) == sorted(names.values())
    for group in groups:
        for parameter in group["params"]:  # type: ignore[attr-defined]
            assert group["rate"] == 0.5 ** depth_of(names[id(parameter)], model)
            assert group["weight_decay"] == (0.3 if parameter.ndim > 1 else 0)


def test_a_step_goes_as_far_as_the_rate_of_the_depth_says() -> None:
    keys = {"epochs": 4, "warmup_epochs": 0, "learning_rate": 0.1, "momentum": 0, "weight_decay": 0.0}
    plain, layered = made(MOBILE), made(MOBILE)
    before = copy.deepcopy(plain.state_dict())
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8) % 5
    steps = []
    for model, decay in ((plain, 1.0), (layered, 0.5)):
        step = SupervisedLearner(model, Recipe(**keys, layer_decay=decay), 5)  # type: ignore[arg-type]
        torch.manual_seed(1)
        step(images, labels, 0.25)
        steps.append(step)
    assert steps[0].rate == steps[1].rate  # the classifier's, which the history has
    for name, parameter in layered.named_parameters():
        moved, whole = parameter - before[name], plain.get_parameter(name) - before[name]
        torch.testing.assert_close(moved, whole * 0.5 ** depth_of(name, layered), rtol=1e-3, atol=1e-6)
    assert (layered.features[4][0].weight != before["features.4.0.weight"]).any()  # type: ignore[index, union-attr]


def test_frozen_batch_norms_keep_their_statistics_and_learn_scale_and_shift() -> None:
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8) % 5
    changed = {}
    for how in ("train", "frozen"):
        model = made(MOBILE)
        before = copy.deepcopy(model.state_dict())
        step = SupervisedLearner(model, Recipe(epochs=2, warmup_epochs=0, batch_norm=how), 5)  # type: ignore[arg-type]
        step(images, labels, 0.0)
        after = model.state_dict()
        changed[how] = {name for name in before if not torch.equal(before[name], after[name])}
        assert model.training
    statistics = {name for name in changed["train"] if "running_" in name or "num_batches" in name}
    assert len(statistics) > 20
    assert not statistics & changed["frozen"]
    assert changed["train"] - statistics == changed["frozen"]
    assert {"features.0.1.weight", "features.0.1.bias"} <= changed["frozen"]


def test_frozen_batch_norms_normalise_by_their_statistics() -> None:
    images, labels = torch.randn(8, 3, 32, 32), torch.arange(8) % 5
    model = made("mobilenet_v2_x0.25")
    model.classifier[0].p = 0.0  # type: ignore[index, union-attr, assignment]
    model.eval()
    wanted = F.cross_entropy(model(images), labels, reduction="sum").detach()
    loss, _ = SupervisedLearner(model, Recipe(epochs=2, batch_norm="frozen"), 5)(images, labels, 0.0)
    torch.testing.assert_close(loss, wanted)


def test_class_weights_are_factors_of_the_losses() -> None:
    torch.manual_seed(0)
    images, labels = torch.randn(6, 1, 2, 2), torch.tensor([0, 1, 2, 0, 0, 0])
    weights = torch.tensor([0.5, 2.0, 3.0])
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    logits = model(images).detach()
    losses = F.cross_entropy(logits, labels, reduction="none", label_smoothing=0.1)
    recipe = Recipe(epochs=2, label_smoothing=0.1)
    whole = copy.deepcopy(model)
    loss, _ = SupervisedLearner(whole, recipe, 1, class_weights=weights)(images, labels, 0.0)
    torch.testing.assert_close(loss, (losses * weights[labels]).sum())
    # micro-batches sum up to the same
    split = copy.deepcopy(model)
    step = SupervisedLearner(split, recipe, 1, class_weights=weights)
    step.micro_batches.count = 3
    torch.testing.assert_close(step(images, labels, 0.0)[0], loss)
    torch.testing.assert_close(split[1].weight, whole[1].weight)
    # and a mixture has the weights of both its labels
    mixing = SupervisedLearner(model, Recipe(epochs=2, mixup=0.5), 1, 7, weights)
    mixed, pair = mixing._mixed(images, labels)
    terms = [
        share * weights[some] * F.cross_entropy(model(mixed), some, reduction="none")
        for share, some in ((mixing.mix, labels), (1 - mixing.mix, labels.roll(1, 0)))
    ]
    torch.testing.assert_close(mixing._entropy(model(mixed), pair), (terms[0] + terms[1]).mean())


def test_an_average_of_few_steps_is_that_of_the_last_weights_and_not_of_the_first() -> None:
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(100.0)  # the initial weights
    average = averaged(model, 0.999)
    for step in range(20):
        with torch.no_grad():
            model.weight.fill_(1 - step / 100)
        average.update_parameters(model)
    assert 0.8 < average.module.weight.item() < 0.9


@pytest.mark.parametrize("architecture", [MOBILE, CELLS, STAGED, "mobilenet_v2_x0.25", "resnet20"])
def test_frozen_stages_are_the_first_and_the_classifier_learns_in_any_case(architecture: str) -> None:
    model = made(architecture)
    names = [name for name, _ in model.named_parameters()]
    deepest = max(depth_of(name, model) for name in names)
    for count in (0, 1, 2, 99):
        model = made(architecture)
        freeze_stages(model, count)
        learns = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        last = last_linear(model)
        assert learns == {
            name for name in names if deepest - depth_of(name, model) >= count or name.rpartition(".")[0] == last
        }


def test_frozen_stages_keep_their_weights() -> None:
    model = made(MOBILE)
    freeze_stages(model, 2)
    before = copy.deepcopy(model.state_dict())
    step = SupervisedLearner(model, Recipe(epochs=2, warmup_epochs=0, frozen_stages=2, batch_norm="frozen"), 5)
    step(torch.randn(8, 3, 32, 32), torch.arange(8) % 5, 0.0)
    for name, _ in model.named_parameters():
        assert torch.equal(model.state_dict()[name], before[name]) == name.startswith(("features.0.", "features.1."))
