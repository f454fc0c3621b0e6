"""The fast supernet computes what a textbook's does: outputs, gradients, statistics, of every space."""

from __future__ import annotations

import statistics
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from random import Random
from threading import Barrier, get_ident

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.textbook import Textbook, copy, pairs
from nas_steps.config.space import Network
from nas_steps.models.cells import by_device, folding
from nas_steps.models.cells.folding import FoldedNorm, ScaledNorm
from nas_steps.models.cells.kernels import library
from nas_steps.models.cells.mixed_cell import Mix, MixedCell
from nas_steps.models.cells.stacked import phases, unphased
from nas_steps.models.cells.supernet import Supernet
from nas_steps.models.share import Share, sharing
from nas_steps.spaces.cells.operations import OPERATIONS
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellSpace

CLOSE = 1e-9
WITHOUT_NOISE = [name for name in OPERATIONS if name != "noise"]
SMALL = Network(channels=4, cells=3, stem_multiplier=1)
ONE_INPUT = Network(channels=4, cells=1)

Weights = dict[str, Tensor]


@pytest.fixture(params=["folded", "plain", "as on a GPU", "compiled"], autouse=True)
def every_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Norms are folded into convolutions where activations are large (tests are small), or kernels are compiled.

    A GPU has other ways.
    """
    if request.param in ("folded", "as on a GPU"):
        monkeypatch.setattr(folding, "LARGE", 0)
    if request.param == "as on a GPU":
        monkeypatch.setitem(by_device.WAYS, "cpu", by_device.CUDA)
    if request.param == "compiled":
        if not library.available():
            pytest.skip("no compiler")
    else:
        monkeypatch.setattr(library, "available", lambda: False)


def twins(
    space: CellSpace, network: Network | None = None, *, k: int = 1, dtype: torch.dtype = torch.float64
) -> tuple[Supernet, Textbook]:
    """Both, with the same weights and alphas that are not all alike."""
    torch.manual_seed(0)
    network = network or (ONE_INPUT if space.inputs == 1 else SMALL)
    fast = Supernet(space, network, inputs=2, classes=3, k=k)
    slow = Textbook(space, network, inputs=2, classes=3, k=k)
    with torch.no_grad():
        for alphas in slow.alphas.values():
            alphas.normal_()
    copy(fast, slow)
    return fast.to(dtype, memory_format=torch.channels_last), slow.to(dtype)  # type: ignore[call-overload]


def batch(side: int, dtype: torch.dtype = torch.float64, seed: int = 1, images: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(images, 2, side, side, generator=generator, dtype=torch.float64)
    return x.to(dtype), torch.randint(3, (images,), generator=generator)


def random_mix(space: CellSpace, seed: int = 2) -> Weights:
    """Weights that are no softmax's, of operations that may be there."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(space.edges()), len(space.operations))
    return {
        kind: torch.rand(shape, generator=generator, dtype=torch.float64) * torch.tensor(space.allowed(kind))
        for kind in space.kinds
    }


def random_around(space: CellSpace, seed: int = 3) -> Weights:
    generator = torch.Generator().manual_seed(seed)
    return {kind: torch.rand(len(space.edges()), generator=generator, dtype=torch.float64) for kind in space.kinds}


def apart(mine: Tensor, theirs: Tensor) -> float:
    """Largest difference, relative to the largest entry where that is above 1."""
    return ((mine - theirs).abs().max() / theirs.abs().max().clamp_min(1)).item()


def mix_for(model: Supernet | Textbook, weights: Weights | None, around: Weights | None) -> Mix | None:
    """The mix as a model wants it: the textbook multiplies by the edges' weights itself."""
    if weights is None:
        return None
    if around is not None and isinstance(model, Supernet):
        weights = {kind: rows * around[kind].unsqueeze(1) for kind, rows in weights.items()}
    return Mix(weights, around=around)


def masked(gradient: Tensor | None, space: CellSpace, kind: str) -> Tensor:
    """What an edge cannot be has a weight of 0, and its gradient is of no use."""
    assert gradient is not None
    return gradient * torch.tensor(space.allowed(kind))


def assert_alike(
    fast: Supernet,
    slow: Textbook,
    side: int,
    mix: Weights | None = None,
    around: Weights | None = None,
    *,
    images: int = 4,
) -> None:
    """Outputs and gradients of two batches, the statistics after them, and the outputs of evaluation."""
    for seed in (1, 2):
        found = []
        for model in (fast, slow):
            x, labels = batch(side, seed=seed, images=images)
            x.requires_grad_()
            mine = None if mix is None else {kind: one.clone().requires_grad_() for kind, one in mix.items()}
            edges = None if around is None else {kind: one.clone().requires_grad_() for kind, one in around.items()}
            model.zero_grad(set_to_none=True)
            logits = model(x, mix_for(model, mine, edges))
            F.cross_entropy(logits, labels).backward()
            of_mix = [masked(one.grad, fast.space, kind) for kind, one in (mine or {}).items()]
            found.append([logits.detach(), x.grad, *of_mix, *(one.grad for one in (edges or {}).values())])
        for one, other in zip(*found, strict=True):
            assert apart(one, other) < CLOSE
        for one, other in pairs(fast, slow, "grad"):
            assert apart(one, other) < CLOSE
    for one, other in pairs(fast, slow):
        assert apart(one, other) < CLOSE
    fast.eval(), slow.eval()
    x, _ = batch(side, seed=3)
    with torch.no_grad():
        mine, theirs = (model(x, mix_for(model, mix, around)) for model in (fast, slow))
    assert apart(mine, theirs) < CLOSE


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "s4"])
def test_every_space_is_computed_as_by_the_textbook(preset: str) -> None:
    fast, slow = twins(PRESETS[preset])
    assert_alike(fast, slow, 8)


@pytest.mark.parametrize("nodes", [1, 2, 3, 4])
@pytest.mark.parametrize("side", [4, 5, 7])
def test_any_operations_on_any_side_are_computed_as_by_the_textbook(nodes: int, side: int) -> None:
    random = Random(10 * nodes + side)
    for inputs in (1, 2):
        operations = (*random.sample(WITHOUT_NOISE[:4], 2), *random.sample(WITHOUT_NOISE[4:], random.randint(1, 2)))
        space = CellSpace("s", operations, nodes, None, inputs)
        fast, slow = twins(space)
        assert_alike(fast, slow, side)


@pytest.mark.parametrize("operation", [name for name in WITHOUT_NOISE if name != "none"])
@pytest.mark.parametrize("side", [6, 7])
def test_each_operation_alone_is_computed_as_by_the_textbook(operation: str, side: int) -> None:
    others = ("none", "nor_conv_1x1") if operation != "nor_conv_1x1" else ("none",)
    space = CellSpace("s", (*others, operation), 2, None)
    mix = random_mix(space)
    for kind in space.kinds:
        mix[kind][:, : len(others)] = 0
    assert_alike(*twins(space), side, mix)


@pytest.mark.parametrize(("k", "channels"), [(2, 4), (4, 4), (2, 6)])
@pytest.mark.parametrize("side", [6, 7])
def test_a_part_of_the_channels_is_mixed_as_by_the_textbook(k: int, channels: int, side: int) -> None:
    network = Network(channels=channels, cells=3, stem_multiplier=1)
    space = CellSpace("s", ("none", "skip_connect", "max_pool_3x3", "sep_conv_3x3", "dil_conv_3x3"), 2)
    for around in (None, random_around(space)):
        fast, slow = twins(space, network, k=k)
        assert_alike(fast, slow, side, random_mix(space), around)


@pytest.mark.parametrize("preset", ["small", "nasbench201", "s1"])
def test_weights_that_are_given_are_those_of_the_operations(preset: str) -> None:
    space = PRESETS[preset]
    fast, slow = twins(space)
    assert_alike(fast, slow, 6, random_mix(space))


def test_declared_edges_outputs_and_operations_by_edge_are_computed_as_by_the_textbook() -> None:
    space = CellSpace(
        "s",
        (),
        3,
        None,
        2,
        reads=((0,), (0, 1, 2), (1, 3)),
        by_edge={
            "normal": (
                ("none", "sep_conv_3x3"),
                ("skip_connect", "nor_conv_3x3"),
                ("sep_conv_3x3", "max_pool_3x3"),
                ("none", "dil_conv_3x3"),
                ("skip_connect", "nor_conv_1x1"),
                ("avg_pool_3x3", "sep_conv_3x3", "skip_connect"),
            ),
            "reduce": (("skip_connect", "max_pool_3x3"),) * 3 + (("sep_conv_3x3", "nor_conv_1x1"),) * 3,
        },
        concat=(0, 2),
    )
    for side in (6, 7):
        fast, slow = twins(space)
        assert fast.classifier.in_features == 2 * 4 * 4
        assert_alike(fast, slow, side)
    chain = CellSpace("s", ("skip_connect", "sep_conv_3x3"), 3, None, reads=((1,), (2,), (3,)), concat=(2,))
    for other in (chain, PRESETS["small"].replace(concat=(1,))):
        assert_alike(*twins(other), 6)


@pytest.mark.parametrize("preset", ["darts", "small", "nasbench201", "s1", "s3"])
@pytest.mark.parametrize("k", [1, 2])
def test_an_architecture_alone_is_computed_as_by_the_textbook_and_nothing_else_learns(preset: str, k: int) -> None:
    space = PRESETS[preset]
    if k > 1 and space.inputs == 1:
        space = space.replace(operations=("none", "skip_connect", "nor_conv_3x3"))
    fast, slow = twins(space, k=k)
    mix = fast.discrete(space.sample(Random(5)))
    x, labels = batch(6)
    found = [fast(x, mix), slow(x, mix)]
    assert apart(*found) < CLOSE
    for logits in found:
        F.cross_entropy(logits, labels).backward()
    # what is not active has none in the supernet; under a weight of 0, the textbook's is 0
    assert all(apart(mine, theirs) < CLOSE for mine, theirs in pairs(fast, slow, "grad"))
    assert any(theirs.abs().max() == 0 for _, theirs in pairs(fast, slow, "grad"))
    before = [one.clone() for one, _ in pairs(fast, slow)]
    fast(x, mix)
    assert sum(not torch.equal(one, old) for (one, _), old in zip(pairs(fast, slow), before, strict=True)) > 0


def test_one_drawn_operation_an_edge_has_the_gradients_of_the_textbook() -> None:
    space = PRESETS["darts"]
    fast, slow = twins(space)
    random = Random(1)
    mix = {
        kind: F.one_hot(
            torch.tensor([random.randrange(len(space.operations)) for _ in space.edges()]), len(space.operations)
        ).double()
        for kind in space.kinds
    }
    active = {kind: (weights > 0).tolist() for kind, weights in mix.items()}
    x, labels = batch(6)
    of_mix = []
    for model in (fast, slow):
        given = {kind: weights.clone().requires_grad_() for kind, weights in mix.items()}
        F.cross_entropy(model(x, Mix(given, active)), labels).backward()
        of_mix.append(given)
    assert all(apart(mine, theirs) < CLOSE for mine, theirs in pairs(fast, slow, "grad"))
    for kind, weights in mix.items():
        chosen = weights > 0
        mine, theirs = (given[kind].grad for given in of_mix)
        assert mine is not None
        assert theirs is not None
        assert apart(mine[chosen], theirs[chosen]) < CLOSE
        assert not mine[~chosen].any()


def test_single_precision_is_as_good_as_the_textbook() -> None:
    fast, slow = twins(PRESETS["darts"], dtype=torch.float32)
    x, labels = batch(8, torch.float32, images=8)
    found = [fast(x), slow(x)]
    assert (found[0] - found[1]).abs().max() < 1e-4
    for logits in found:
        F.cross_entropy(logits, labels).backward()
    errors = [
        ((mine - theirs).abs().max() / theirs.abs().max()).item()
        for mine, theirs in pairs(fast, slow, "grad")
        if theirs.abs().max() > 1e-7
    ]
    assert statistics.median(errors) < 1e-4


def test_differentiable_twice_has_the_same_gradients_and_the_hessian() -> None:
    space = CellSpace("s", ("none", "skip_connect", "max_pool_3x3", "sep_conv_3x3", "dil_conv_3x3", "nor_conv_3x3"), 2)
    fast, _ = twins(space)
    x, labels = batch(6)
    parameters = [*fast.weights(), *fast.architecture()]

    def gradients(*, again: bool) -> tuple[Tensor, ...]:
        loss = F.cross_entropy(fast(x), labels)
        return torch.autograd.grad(loss, parameters, create_graph=again, materialize_grads=True)

    plain = gradients(again=False)
    fast.differentiable_twice(True)
    first = gradients(again=True)
    assert all(apart(mine, theirs) < CLOSE for mine, theirs in zip(first, plain, strict=True))
    generator = torch.Generator().manual_seed(4)
    vector = [torch.randn(one.shape, generator=generator, dtype=one.dtype) for one in parameters]
    product = torch.autograd.grad(first, parameters, vector, materialize_grads=True)
    fast.differentiable_twice(False)
    step = 1e-7  # no ReLU and no maximum switches between
    sides = []
    for sign in (1, -1):
        with torch.no_grad():
            for parameter, direction in zip(parameters, vector, strict=True):
                parameter.add_(direction, alpha=sign * step)
        sides.append(gradients(again=False))
        with torch.no_grad():
            for parameter, direction in zip(parameters, vector, strict=True):
                parameter.add_(direction, alpha=-sign * step)
    for exact, above, below in zip(product, *sides, strict=True):
        assert apart(exact, (above - below) / (2 * step)) < 1e-5


def test_the_alphas_of_each_edge_make_a_softmax_over_what_it_may_be() -> None:
    space = PRESETS["s1"]
    fast, _ = twins(space)
    for kind, weights in fast.probabilities().items():
        allowed = torch.tensor(space.allowed(kind))
        assert not weights[~allowed].any()
        torch.testing.assert_close(weights.sum(1), torch.ones(14, dtype=torch.float64))
        for row, alphas, may in zip(weights, fast.alphas[kind], allowed, strict=True):
            torch.testing.assert_close(row[may], alphas[may].softmax(0))


# ------------------------------------------------------------------------------------------------- drop path


def test_dropped_edges_are_dropped_for_all_their_operations_and_the_mean_is_kept() -> None:
    torch.manual_seed(0)
    space = CellSpace("s", ("skip_connect", "nor_conv_1x1", "max_pool_3x3", "sep_conv_3x3"), 1, None, 1)
    cell = MixedCell(space, "cell", None, 3, halves=False).double()
    x = torch.rand(4000, 3, 4, 4, dtype=torch.float64)
    mix = torch.tensor([[0.4, 0.3, 0.2, 0.1]], dtype=torch.float64)
    whole = cell([x], Mix({"cell": mix}))
    dropped = cell([x], Mix({"cell": mix}), drop=0.25)
    # an image has its whole edge, scaled up, or nothing of it
    gone = dropped.flatten(1).abs().amax(1) == 0
    torch.testing.assert_close(dropped[~gone], whole[~gone] / 0.75)
    assert gone.double().mean().item() == pytest.approx(0.25, abs=0.03)
    assert torch.equal(cell([x], Mix({"cell": mix}), drop=0.0), whole)
    cell.eval()
    assert torch.equal(cell([x], Mix({"cell": mix}), drop=0.25), cell([x], Mix({"cell": mix})))


def test_edges_are_dropped_independently_of_each_other() -> None:
    torch.manual_seed(0)
    space = CellSpace("s", ("skip_connect", "avg_pool_3x3", "sep_conv_3x3"), 2, None, 2)
    cell = MixedCell(space, "normal", None, 2, halves=False).double()
    states = [torch.ones(6000, 2, 2, 2, dtype=torch.float64), 10 * torch.ones(6000, 2, 2, 2, dtype=torch.float64)]
    mix = torch.zeros(5, 3, dtype=torch.float64)
    mix[:, 0] = 1
    found = cell(states, Mix({"normal": mix}), drop=0.5)
    first, second = found[:, 0, 0, 0], found[:, 2, 0, 0]
    # 2 * (a + 10 b), with a and b 0 or 1
    assert set(first.tolist()) == {0.0, 2.0, 20.0, 22.0}
    shares = [(first == value).double().mean().item() for value in (0, 2, 20, 22)]
    assert shares == pytest.approx([0.25] * 4, abs=0.03)
    assert first.mean().item() == pytest.approx(11, abs=0.4)
    assert second.mean().item() == pytest.approx(22, abs=0.9)


# ----------------------------------------------------------------------------------------------------- sizes


def test_the_supernet_of_darts_has_the_size_of_the_textbook() -> None:
    network = Network(channels=16, cells=8)
    with torch.device("meta"):
        nets = [kind(PRESETS["darts"], network, inputs=3, classes=10) for kind in (Supernet, Textbook)]
    sizes = [sum(parameter.numel() for parameter in net.parameters()) for net in nets]
    assert sizes == [1_930_618 + 2 * 14 * 8] * 2
    assert sum(weight.numel() for weight in nets[0].weights()) == 1_930_618
    assert [tuple(alpha.shape) for alpha in nets[0].architecture()] == [(14, 8), (14, 8)]


def test_the_edges_have_weights_where_channels_go_around() -> None:
    with torch.device("meta"):
        net = Supernet(PRESETS["darts"], SMALL, inputs=3, classes=10, k=2)
    assert [tuple(alpha.shape) for alpha in net.architecture()] == [(14, 8), (14, 8), (14,), (14,)]
    assert len(net.weights()) + 4 == len(list(net.parameters()))


def test_noise_has_the_variance_of_its_weight_and_is_drawn_anew() -> None:
    torch.manual_seed(0)
    space = CellSpace("s", ("nor_conv_1x1", "noise"), 1, None, 1)
    x = torch.full((8, 4, 20, 20), 5.0)
    for halves in (False, True):
        cell = MixedCell(space, "cell", None, 4, halves=halves)
        found = cell([x], Mix({"cell": torch.tensor([[0.0, 0.3]])}))
        side = 10 if halves else 20
        assert found.shape == (8, 4, side, side)
        assert found.mean().item() == pytest.approx(0, abs=0.02)
        assert found.var().item() == pytest.approx(0.09, rel=0.1)
        assert not torch.equal(cell([x], Mix({"cell": torch.tensor([[0.0, 0.3]])})), found)


def test_the_noise_of_several_edges_adds_up() -> None:
    torch.manual_seed(0)
    space = CellSpace("s", ("nor_conv_1x1", "noise"), 2, None, 2)
    cell = MixedCell(space, "normal", None, 3, halves=False)
    scale = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5])
    found = cell([torch.zeros(16, 3, 20, 20)] * 2, Mix({"normal": torch.stack([0 * scale, scale], dim=1)}))
    assert found[:, :3].var().item() == pytest.approx(0.01 + 0.04, rel=0.1)
    assert found[:, 3:].var().item() == pytest.approx(0.09 + 0.16 + 0.25, rel=0.1)


def test_a_space_with_noise_learns() -> None:
    fast, _ = twins(PRESETS["s3"].replace(operations=("sep_conv_3x3", "noise")), dtype=torch.float32)
    x, labels = batch(6, torch.float32)
    F.cross_entropy(fast(x), labels).backward()
    assert all(alpha.grad is not None and alpha.grad.abs().sum() > 0 for alpha in fast.architecture())


# ----------------------------------------------------------------------------------------------------- folding


def normed(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """(N, I, H, W) -> (N, O, H, W) by torch's convolution and batch norm."""
    return F.batch_norm(F.conv2d(x, weight[:, :, None, None]), None, None, training=True) * scale.view(1, -1, 1, 1)


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("nodes", [1, 2, 4])
def test_groups_are_normed_each_by_itself_and_summed_by_node(nodes: int, twice: bool) -> None:
    torch.manual_seed(0)
    norm = FoldedNorm(4, 3, 2).double()
    norm.twice_differentiable = twice
    x = torch.randn(3, 8, 4, 4, dtype=torch.float64, requires_grad=True)
    scale = torch.rand(4, 3, dtype=torch.float64, requires_grad=True)
    terms = [normed(x[:, 2 * group : 2 * group + 2], norm.weight[group], scale[group]) for group in range(4)]
    each = 4 // nodes
    theirs = torch.cat([sum(terms[each * node : each * (node + 1)]) for node in range(nodes)], dim=1)  # type: ignore[arg-type]
    mine = norm(x, scale, nodes)
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)
    direction = torch.randn_like(mine)
    learnt = [x, scale, norm.weight]
    for one, other in zip(
        torch.autograd.grad(mine, learnt, direction), torch.autograd.grad(theirs, learnt, direction), strict=True
    ):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-11)


class Together:
    """Adds up what several threads give at the same place, as processes would."""

    def __init__(self, size: int) -> None:
        self.barrier = Barrier(size, timeout=20)
        self.given: dict[int, Tensor] = {}

    def __call__(self, value: Tensor) -> None:
        self.given[get_ident()] = value.clone()
        self.barrier.wait()
        found = torch.stack(list(self.given.values())).sum(0)
        self.barrier.wait()
        value.copy_(found)


def made(kind: str) -> FoldedNorm | ScaledNorm:
    torch.manual_seed(0)
    return FoldedNorm(2, 2, 2) if kind.startswith("folded") else ScaledNorm(2, 2)


def learnt(kind: str, norm: FoldedNorm | ScaledNorm, x: Tensor, direction: Tensor) -> list[Tensor]:
    """The output, and the gradients of the input, the scale and, if the norm has some, the weights."""
    x = x.clone().requires_grad_()
    scale = torch.tensor([[0.5, 2.0], [1.0, 0.1]], dtype=torch.promote_types(x.dtype, torch.float32)).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=x.dtype == torch.bfloat16):
        output = norm(x, scale) if isinstance(norm, ScaledNorm) else norm(x, scale, 2 if kind == "folded" else 1)
    learnt = [x, scale] if isinstance(norm, ScaledNorm) else [x, scale, norm.weight]
    return [output, *torch.autograd.grad(output, learnt, direction)]


def by_two(kind: str, norm: FoldedNorm | ScaledNorm, x: Tensor, direction: Tensor) -> list[list[Tensor]]:
    """What each of two has learnt, of 2 and of 4 images; `norm` is the first one's."""
    together = Together(2)

    def one(rank: int, its: FoldedNorm | ScaledNorm, rows: slice) -> list[Tensor]:
        with sharing(Share(rank, (2, 4), together)):
            return learnt(kind, its, x[rows], direction[rows])

    with ThreadPoolExecutor(2) as processes:
        return list(processes.map(one, (0, 1), (norm, deepcopy(norm)), (slice(0, 2), slice(2, 6))))


@pytest.mark.parametrize("kind", ["folded", "folded into one node", "scaled"])
def test_a_batch_that_two_share_is_normed_and_learnt_as_the_whole(kind: str) -> None:
    torch.manual_seed(1)
    # large means, whose squares would hide the variances
    x = torch.randn(6, 4, 3, 3, dtype=torch.float64) + 1e3
    direction = torch.randn(6, 2 if kind == "folded into one node" else 4, 3, 3, dtype=torch.float64)
    whole, half = made(kind).double(), made(kind).double()
    output, of_x, *others = learnt(kind, whole, x, direction)
    first, second = by_two(kind, half, x, direction)
    # products of numbers around 1e6 keep ten digits
    close = {"rtol": 0, "atol": 1e-8}
    torch.testing.assert_close(torch.cat([first[0], second[0]]), output, **close)
    torch.testing.assert_close(torch.cat([first[1], second[1]]), of_x, **close)
    for one, other, expected in zip(first[2:], second[2:], others, strict=True):
        torch.testing.assert_close(one + other, expected, rtol=1e-7, atol=1e-6)
    torch.testing.assert_close(half.running_mean, whole.running_mean)
    torch.testing.assert_close(half.running_var, whole.running_var)


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("kind", ["folded", "scaled"])
def test_statistics_of_16_bit_activations_are_in_float32(kind: str, shared: bool) -> None:
    torch.manual_seed(1)
    x = torch.randn(6, 4, 16, 16).bfloat16() * 3 + 7
    direction = torch.ones(6, 4, 16, 16, dtype=torch.bfloat16)
    norm, exact = made(kind), made(kind).double()
    if isinstance(norm, FoldedNorm) and isinstance(exact, FoldedNorm):
        with torch.no_grad():
            norm.weight.copy_(torch.eye(2))  # maps whose rounding changes nothing
            exact.weight.copy_(torch.eye(2))
    expected = learnt(kind, exact, x.double(), direction.double())
    if shared:
        outputs = torch.cat([one[0] for one in by_two(kind, norm, x, direction)])
    else:
        outputs = learnt(kind, norm, x, direction)[0]
    assert outputs.dtype == torch.bfloat16
    assert norm.running_mean.dtype == norm.running_var.dtype == torch.float32
    # 16 bits would be off by up to 4e-3
    torch.testing.assert_close(norm.running_mean.double(), exact.running_mean, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(norm.running_var.double(), exact.running_var, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(outputs.double(), expected[0], rtol=1e-2, atol=2e-2)


def test_phases_are_taken_apart_and_put_together() -> None:
    x = torch.randn(2, 3, 4, 6)
    split = phases(x)
    assert split.shape == (8, 3, 2, 3)
    assert torch.equal(split[:2], x[:, :, ::2, ::2])
    assert torch.equal(unphased(split), x)


def test_evaluation_norms_by_the_running_statistics() -> None:
    norm = FoldedNorm(1, 2, 3)
    with torch.no_grad():
        norm.running_mean.fill_(2.0)
        norm.running_var.fill_(4.0)
    theirs = nn.BatchNorm2d(2, affine=False).eval()
    theirs.running_mean, theirs.running_var = torch.full((2,), 2.0), torch.full((2,), 4.0)
    x = torch.randn(2, 3, 4, 4)
    mine = norm.eval()(x, torch.ones(1, 2), 1)
    torch.testing.assert_close(mine, theirs(F.conv2d(x, norm.weight[0, :, :, None, None])), rtol=1e-5, atol=1e-5)
