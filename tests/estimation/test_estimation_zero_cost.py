"""Each proxy against a computation of its definition by other means; what it leaves alone; what has no score."""

from __future__ import annotations

import copy
import math
from itertools import pairwise, product
from random import Random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.estimation.proxy_tools import prepared, weights
from nas_steps.estimation.zero_cost import NO_PATH, PROXIES, Measured, zero_cost
from nas_steps.models.build import build, size
from nas_steps.spaces.cells.presets import PRESETS

ALL = list(PROXIES)
OF_IMAGES = ("jacob_cov", "naswot")
ALWAYS = ("params", "macs")
N, SIDE, CLASSES = 6, 6, 3
CELL = "|nor_conv_3x3~0|+|skip_connect~0|avg_pool_3x3~1|+|none~0|nor_conv_1x1~1|nor_conv_3x3~2|"


def batch(side: int = SIDE, classes: int = CLASSES, channels: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(N, channels, side, side, generator=generator), torch.arange(N) % classes


def tiny(norm: bool = True) -> nn.Sequential:
    """Convolutions, a batch norm and ReLUs, one of which writes into its convolution's output."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, stride=2),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 3, 1, bias=False),
        nn.BatchNorm2d(3) if norm else nn.Identity(),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(12, CLASSES),
    )


def score(name: str, model: nn.Module, images: Tensor | None = None, labels: Tensor | None = None) -> float:
    given = batch()
    found = zero_cost(model, given[0] if images is None else images, given[1] if labels is None else labels, [name])
    assert found[name].status == "ok", found[name].reason
    return found[name].score


def learnt(model: nn.Module) -> dict[str, Tensor]:
    """The weights that count, by name."""
    return {name: one.detach() for name, one in model.named_parameters() if name.endswith("weight") and one.ndim > 1}


def loss_of(model: nn.Module, given: dict[str, Tensor], images: Tensor, labels: Tensor) -> Tensor:
    return F.cross_entropy(torch.func.functional_call(model, given, images), labels)


def by_central_differences(model: nn.Module) -> dict[str, Tensor]:
    """dL/dW, a number at a time, in float64, batch norms on the batch's statistics."""
    images, labels = batch()
    model = copy.deepcopy(model).double().train()
    found = {}
    for name, weight in model.named_parameters():
        if name not in learnt(model):
            continue
        found[name] = torch.zeros_like(weight)
        for place in product(*map(range, weight.shape)):
            ends = []
            for step in (1e-6, -1e-6):
                with torch.no_grad():
                    weight[place] += step
                    ends.append(F.cross_entropy(model(images.double()), labels).item())
                    weight[place] -= step
            found[name][place] = (ends[0] - ends[1]) / 2e-6
    return found


def test_params_and_macs_are_those_of_the_network() -> None:
    network = Network(channels=4, cells=1)
    counted = size(CELL, network, inputs=2, classes=CLASSES, side=8)
    model = build(CELL, network, inputs=2, classes=CLASSES, side=8)
    images, labels = batch(side=8)
    assert score("params", model, images, labels) == counted.parameters
    assert score("macs", model, images, labels) == counted.macs


def test_grad_norm_adds_up_the_norms_of_the_layers_gradients() -> None:
    model = tiny()
    expected = sum(math.sqrt(sum(x * x for x in g.flatten().tolist())) for g in by_central_differences(model).values())
    assert score("grad_norm", model) == pytest.approx(expected, rel=1e-4)


def test_snip_adds_up_weight_times_gradient_without_its_sign() -> None:
    model = tiny()
    slopes = by_central_differences(model)
    expected = 0.0
    for name, weight in learnt(model).items():
        for place in product(*map(range, weight.shape)):
            expected += abs(weight[place].item() * slopes[name][place].item())
    assert score("snip", model) == pytest.approx(expected, rel=1e-4)


def test_grasp_is_minus_the_weights_times_the_whole_hessian_times_the_gradient() -> None:
    model = tiny().double()
    images, labels = batch()
    reference = copy.deepcopy(model)
    reference[3] = nn.BatchNorm2d(3, track_running_stats=False).double()  # the batch's statistics, no state
    reference[1] = nn.ReLU()
    given = learnt(model)

    def loss(flat: Tensor) -> Tensor:
        parts = flat.split([one.numel() for one in given.values()])
        return loss_of(
            reference,
            {name: part.view_as(one) for (name, one), part in zip(given.items(), parts, strict=True)},
            images.double(),
            labels,
        )

    flat = torch.cat([one.flatten() for one in given.values()])
    hessian, gradient = torch.func.hessian(loss)(flat), torch.func.grad(loss)(flat)
    expected = -(flat @ hessian @ gradient).item()
    assert abs(expected) > 1e-3
    assert score("grasp", model, images.double(), labels) == pytest.approx(expected, rel=1e-8)


def test_fisher_squares_what_each_channel_of_each_image_is_worth_to_the_loss() -> None:
    model = tiny()
    images, labels = batch()
    first, second, last = model[0], model[2], model[6]
    a = first(images)
    b = second(torch.relu(a))
    c = last(torch.relu(F.batch_norm(b, None, None, model[3].weight, model[3].bias, training=True)).flatten(1))
    activations = (a, b, c)
    gradients = torch.autograd.grad(F.cross_entropy(c, labels), activations)
    expected = 0.0
    # weights of a channel: 2 x 3 x 3, 4 and 12; the published score broadcasts the saliency over them
    for z, g, each in zip(activations, gradients, (18, 4, 12), strict=True):
        saliency = 0.0
        for channel in range(z.shape[1]):
            for n in range(N):
                saliency += (z[n, channel] * g[n, channel]).sum().item() ** 2 / (2 * N)
        expected += each * saliency
    assert score("fisher", model) == pytest.approx(expected, rel=1e-5)


def test_fisher_counts_a_channel_once_for_each_of_its_weights_also_in_groups() -> None:
    """By central differences: d loss / d s of a factor s on one channel of one image is sum_hw a * dL/da."""

    class Scaled(nn.Module):
        """Multiplies the output of a layer by factors (N, channels)."""

        def __init__(self, layer: nn.Module, channels: int) -> None:
            super().__init__()
            self.layer, self.factors = layer, torch.ones(N, channels, dtype=torch.float64)

        def forward(self, x: Tensor) -> Tensor:
            output = self.layer(x)
            return output * self.factors.view(*self.factors.shape, *[1] * (output.ndim - 2))

    torch.manual_seed(8)
    grouped, pointwise, linear = nn.Conv2d(2, 4, 3, groups=2), nn.Conv2d(4, 3, 1), nn.Linear(3, CLASSES)
    pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    model = nn.Sequential(grouped, nn.ReLU(), pointwise, nn.BatchNorm2d(3), nn.ReLU(), pool, linear).double()
    layers = (Scaled(grouped, 4), Scaled(pointwise, 3), Scaled(linear, CLASSES))
    slow = nn.Sequential(layers[0], model[1], layers[1], *model[3:6], layers[2]).train()
    images, labels = batch()[0].double(), batch()[1]
    expected = 0.0
    # a channel of the grouped convolution has 1 x 3 x 3 weights, of the pointwise one 4, of the linear layer 3
    for layer, each in zip(layers, (9, 4, 3), strict=True):
        for place in np.ndindex(*layer.factors.shape):
            ends = []
            for factor in (1 + 1e-6, 1 - 1e-6):
                layer.factors[place] = factor
                with torch.no_grad():
                    ends.append(F.cross_entropy(slow(images), labels).item())
            layer.factors[place] = 1
            expected += each * ((ends[0] - ends[1]) / 2e-6) ** 2 / (2 * N)
    assert score("fisher", model, images, labels) == pytest.approx(expected, rel=1e-6)


def test_synflow_of_a_chain_is_its_layers_times_the_product_of_their_absolute_weights() -> None:
    torch.manual_seed(2)
    widths = (2 * SIDE * SIDE, 5, 4, CLASSES)
    linears = [nn.Linear(a, b, bias=False) for a, b in pairwise(widths)]
    chain = nn.Sequential(nn.Flatten(), linears[0], nn.ReLU(), linears[1], nn.ReLU6(), linears[2])
    flow = np.ones(widths[0])
    for linear in linears:
        flow = np.abs(linear.weight.detach().double().numpy()) @ flow
    assert score("synflow", chain) == pytest.approx(math.log(len(linears) * flow.sum()), rel=1e-12)


def test_synflow_adds_up_every_path_and_leaves_batch_norms_out() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.norm, self.outer = nn.Conv2d(2, 2, 1, bias=False), nn.BatchNorm2d(2), nn.Linear(2, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.outer((x + self.norm(self.inner(x))).mean(dim=(2, 3)))

    torch.manual_seed(3)
    model = Residual()
    nn.init.constant_(model.norm.weight, 17.0)
    inner = model.inner.weight.detach().double().abs().flatten(1)
    outer = model.outer.weight.detach().double().abs()
    ones = torch.ones(2, dtype=torch.float64)
    through, past = (outer @ inner @ ones).sum(), (outer @ ones).sum()
    # the inner weights carry the paths through them, the outer ones all
    assert score("synflow", model) == pytest.approx(math.log(2 * through + past), rel=1e-12)


def test_synflow_of_a_flow_beyond_float32_is_finite_and_beyond_float64_is_told() -> None:
    def deep(layers: int) -> nn.Module:
        chain = [nn.Linear(1, 1, bias=False) for _ in range(layers)]
        for linear in chain:
            nn.init.constant_(linear.weight, 1e10)
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *chain)

    images, labels = batch(channels=1)
    expected = math.log(20) + 20 * math.log(float(torch.tensor(1e10)))
    assert score("synflow", deep(20), images, labels) == pytest.approx(expected, rel=1e-12)
    found = zero_cost(deep(40), images, labels, ["synflow"])["synflow"]
    assert math.isnan(found.score)
    assert "float64" in found.reason


def test_jacob_cov_is_that_of_the_images_gradients_one_after_another() -> None:
    model = tiny(norm=False).double()
    images, _ = batch()
    rows = []
    for image in images.double():
        one = image[None].clone().requires_grad_(True)
        model(one).sum().backward()
        assert one.grad is not None
        rows.append(one.grad.flatten().numpy())
    values = np.linalg.eigvalsh(np.corrcoef(np.stack(rows)))
    expected = -np.sum(np.log(values + 1e-5) + 1 / (values + 1e-5))
    assert score("jacob_cov", model, images.double()) == pytest.approx(expected, rel=1e-6)


def gates(kind: str, x: Tensor) -> Tensor:
    return {"relu": F.relu, "relu6": F.relu6, "silu": F.silu, "hardswish": F.hardswish}[kind](x)


@pytest.mark.parametrize("kind", ["relu", "relu6", "silu", "hardswish"])
def test_naswot_counts_the_bits_in_which_two_images_agree(kind: str) -> None:
    class Gated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.linear = nn.Conv2d(2, 3, 3), nn.Linear(48, CLASSES)

        def forward(self, x: Tensor) -> Tensor:
            x = gates(kind, self.conv(x))
            return self.linear(torch.relu_(x.flatten(1) - 0.1))

    torch.manual_seed(4)
    model = Gated()
    images, _ = batch()
    before = model.conv(images)
    after = gates(kind, before) - 0.1
    kernel = np.zeros((N, N))
    for i in range(N):
        for j in range(N):
            for layer in (before, after):
                for x, y in zip(layer[i].flatten().tolist(), layer[j].flatten().tolist(), strict=True):
                    kernel[i, j] += (x > 0) == (y > 0)
    assert score("naswot", model) == pytest.approx(np.linalg.slogdet(kernel)[1], rel=1e-10)


def test_batch_norms_use_the_batchs_statistics_and_dropout_is_off() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.Dropout(0.9))
    x, _ = batch()
    x = 5 + 3 * x
    y = prepared(model)(x)
    assert torch.allclose(y.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5)
    assert torch.equal(prepared(model)(x), y)


@pytest.fixture(scope="module", params=["nasbench201", "small", "darts", "s4", "mobilenet_v2_x0.25", "resnet20"])
def network(request: pytest.FixtureRequest) -> nn.Module:
    space = PRESETS.get(request.param)
    text = str(space.sample(Random(3))) if space else request.param
    if request.param == "nasbench201":
        text = CELL
    torch.manual_seed(0)
    return build(text, Network(channels=4, cells=3), inputs=2, classes=CLASSES, side=16)


def test_every_proxy_scores_every_kind_of_network_and_leaves_it_and_the_random_state(network: nn.Module) -> None:
    images, labels = batch(side=16)
    network.train()
    first = next(network.parameters())
    first.grad = torch.ones_like(first)
    before, before_images, random = copy.deepcopy(network.state_dict()), images.clone(), torch.get_rng_state()
    found = zero_cost(network, images, labels, ALL)
    assert list(found) == ALL
    for name, one in found.items():
        assert (one.status, one.reason) == ("ok", ""), name
        assert math.isfinite(one.score), name
        assert one.seconds > 0, name
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert all(module.training for module in network.modules())
    assert all(parameter.requires_grad and parameter.device.type == "cpu" for parameter in network.parameters())
    assert all(not module._forward_hooks for module in network.modules())
    assert torch.equal(first.grad, torch.ones_like(first))
    assert all(parameter.grad is None for parameter in list(network.parameters())[1:])
    assert torch.equal(images, before_images)
    assert images.grad is None
    assert torch.equal(torch.get_rng_state(), random)


def test_a_score_does_not_depend_on_the_others_that_are_asked_for() -> None:
    torch.manual_seed(0)
    # of a space whose networks draw random numbers
    text = str(PRESETS["s4"].sample(Random(3)))
    model = build(text, Network(channels=2, cells=3), inputs=2, classes=CLASSES, side=8)
    images, labels = batch(side=8)
    together = {name: one.score for name, one in zero_cost(model, images, labels, ALL).items()}
    assert together == {name: zero_cost(model, images, labels, [name])[name].score for name in reversed(ALL)}


def test_gradients_are_taken_where_the_caller_takes_none() -> None:
    model = tiny().requires_grad_(False)
    images, labels = batch()
    with torch.no_grad():
        found = zero_cost(model, images, labels, ALL)
    assert {name: one.score for name, one in found.items()} == {
        name: one.score for name, one in zero_cost(tiny(), images, labels, ALL).items()
    }


@pytest.mark.parametrize("name", ALL)
def test_scores_do_not_depend_on_the_order_of_the_images(name: str) -> None:
    model = tiny().double()
    images, labels = batch()
    images, order = images.double(), torch.tensor([3, 0, 5, 1, 4, 2])
    expected = pytest.approx(score(name, model, images, labels), rel=1e-9)
    assert score(name, model, images[order], labels[order]) == expected


@pytest.mark.parametrize("name", ["synflow", *ALWAYS, *OF_IMAGES])
def test_proxies_without_a_loss_do_not_look_at_labels_and_synflow_and_sizes_not_at_images(name: str) -> None:
    images, labels = batch()
    expected = score(name, tiny())
    assert score(name, tiny(), images, (labels + 1) % CLASSES) == expected
    assert (score(name, tiny(), 2 * images.flip(2), labels) == expected) == (name not in OF_IMAGES)


def test_an_auxiliary_head_counts_for_the_size_alone() -> None:
    def made(auxiliary: bool) -> dict[str, Measured]:
        model = build(CELL, Network(channels=4, cells=1), inputs=2, classes=CLASSES, side=16, auxiliary=auxiliary)
        plain = build(CELL, Network(channels=4, cells=1), inputs=2, classes=CLASSES, side=16)
        for seed, (_, one) in enumerate(sorted(plain.named_parameters())):
            torch.manual_seed(seed)
            with torch.no_grad():
                model.get_parameter(next(n for n, p in plain.named_parameters() if p is one)).copy_(
                    torch.randn_like(one)
                )
        return zero_cost(model, *batch(side=16), ALL)

    with_head, without = made(True), made(False)
    assert with_head["params"].score > without["params"].score
    for name in set(ALL) - {"params"}:
        assert with_head[name].score == without[name].score, name


@pytest.mark.parametrize(
    "cell",
    [
        "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
        "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|none~0|none~1|none~2|",
        "|none~0|+|none~0|nor_conv_3x3~1|+|none~0|nor_conv_3x3~1|nor_conv_3x3~2|",
    ],
    ids=["nothing", "dead ends", "no beginning"],
)
def test_a_cell_without_a_path_has_a_reason_and_the_lowest_fitness(cell: str) -> None:
    torch.manual_seed(0)
    model = build(cell, Network(channels=4, cells=1), inputs=2, classes=CLASSES, side=8)
    for name, one in zero_cost(model, *batch(side=8), ALL).items():
        if name in ALWAYS:
            assert one.status == "ok"
            assert one.fitness == one.score > 0
        else:
            assert (one.status, one.reason, one.fitness) == ("undefined", NO_PATH, -math.inf)
            assert math.isnan(one.score)


def test_what_a_proxy_cannot_say_is_told_in_words() -> None:
    images, labels = batch()
    pooled = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    found = zero_cost(pooled, images, labels % 2, ALL)
    assert found["params"].score == found["macs"].score == 0
    for name in ("grad_norm", "snip", "grasp", "fisher", "synflow"):
        assert "no weights" in found[name].reason
    assert "no ReLU" in found["naswot"].reason
    assert "same in all pixels" in found["jacob_cov"].reason
    twins = images.clone()
    twins[1] = twins[0]
    assert "codes" in zero_cost(tiny(), twins, labels, ["naswot"])["naswot"].reason
    images[0, 0, 0, 0] = math.nan
    for name in ("grad_norm", "snip", "grasp", "fisher"):
        one = zero_cost(tiny(), images, labels, [name])[name]
        assert one.reason == f"{name} comes out as nan"
        assert one.fitness == -math.inf


def test_hard_sigmoids_are_differentiated_twice() -> None:
    class Excited(nn.Module):
        def __init__(self, gate: nn.Module) -> None:
            super().__init__()
            torch.manual_seed(6)
            self.conv, self.linear, self.gate = nn.Conv2d(2, 3, 3), nn.Linear(3, CLASSES), gate

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x)
            return self.linear((x * self.gate(x)).mean(dim=(2, 3)))

    class Written(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return (x / 6 + 0.5).clamp(0, 1)

    assert score("grasp", Excited(nn.Hardsigmoid())) == pytest.approx(score("grasp", Excited(Written())), rel=1e-4)


def test_weights_are_those_of_convolutions_and_linear_layers() -> None:
    assert [tuple(one.shape) for one in weights(tiny())] == [(4, 2, 3, 3), (3, 4, 1, 1), (CLASSES, 12)]


def test_unknown_names_and_wrong_shapes_are_told() -> None:
    images, labels = batch()
    with pytest.raises(UserError, match=r"zero-cost proxy 'synflo'; did you mean 'synflow'\?"):
        zero_cost(tiny(), images, labels, ["synflo"])
    with pytest.raises(UserError, match="two or more square images"):
        zero_cost(tiny(), images[:1], labels[:1], ALL)
    with pytest.raises(UserError, match="two or more square images"):
        zero_cost(tiny(), images[:, :, :4], labels, ALL)
    with pytest.raises(UserError, match="int64 label for each"):
        zero_cost(tiny(), images, labels[:3], ALL)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_gpu_scores_as_a_cpu_and_its_random_state_is_left(network: nn.Module) -> None:
    images, labels = batch(side=16)
    if any(type(module).__name__ == "Noise" for module in network.modules()):
        pytest.skip("another device draws other noise")
    random = torch.cuda.get_rng_state()
    there = zero_cost(copy.deepcopy(network).double().cuda(), images.double().cuda(), labels.cuda(), ALL)
    assert torch.equal(torch.cuda.get_rng_state(), random)
    for name, one in zero_cost(copy.deepcopy(network).double(), images.double(), labels, ALL).items():
        assert there[name].score == pytest.approx(one.score, rel=1e-6), name
