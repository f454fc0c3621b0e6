"""No operation of a training is one that CUDA's deterministic mode warns of, or refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from tiny_world import MIXED
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from nas_steps.config.recipe import Recipe
from nas_steps.config.space import Network
from nas_steps.config.strategies import Darts
from nas_steps.config.supernet import SupernetTraining
from nas_steps.models.build import build
from nas_steps.models.cells.networks import quarters
from nas_steps.models.cells.supernet import Supernet
from nas_steps.search.darts.learner import learner_of
from nas_steps.search.one_shot.networks import shared_network
from nas_steps.search.one_shot.sampling import sampling
from nas_steps.search.one_shot.training import OneShotLearner
from nas_steps.spaces.cells.presets import PRESETS as CELLS
from nas_steps.spaces.mobile.presets import PRESETS as MOBILE
from nas_steps.training.supervised import SupervisedLearner

#: by `torch.use_deterministic_algorithms`, those without a deterministic form on CUDA; 2d alone, and what sums into it
REFUSED = {
    "_adaptive_avg_pool2d_backward", "adaptive_max_pool2d_backward", "fractional_max_pool2d_backward", "max_unpool2d",
    "upsample_linear1d_backward", "upsample_bilinear2d_backward", "_upsample_bilinear2d_aa_backward",
    "upsample_bicubic2d_backward", "_upsample_bicubic2d_aa_backward", "reflection_pad1d_backward",
    "reflection_pad2d_backward", "nll_loss2d_forward", "nll_loss2d_backward", "_ctc_loss_backward",
    "_embedding_bag_dense_backward", "put_", "histc", "median", "grid_sampler_2d_backward", "scatter_reduce",
}  # fmt: skip
SIDES = [(2, 2), (3, 3), (4, 6), (7, 5), (8, 8), (13, 2)]


class Watched(TorchDispatchMode):
    """Collects the names of all operations, of backward passes too."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, function: Any, types: Any, given: Any = (), named: Any = None) -> Any:
        self.names.add(function._schema.name.removeprefix("aten::"))
        if function == torch.ops.aten.bincount.default:
            assert len(given) < 2
            assert not (named or {}).get("weights")
        return function(*given, **(named or {}))


def batch(side: int, count: int = 6) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(count, 1, side, side), torch.arange(count) % 3


@pytest.mark.parametrize("sides", SIDES)
def test_quarters_are_torchs_adaptive_averages(sides: tuple[int, int]) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, *sides, dtype=torch.float64, requires_grad=True)
    mine, theirs = quarters(x), F.adaptive_avg_pool2d(x, 2)
    torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-14)
    direction = torch.randn_like(mine)
    (one,), (other,) = torch.autograd.grad(mine, x, direction), torch.autograd.grad(theirs, x, direction)
    torch.testing.assert_close(one, other, rtol=0, atol=1e-14)


def test_what_is_watched_for_is_seen() -> None:
    with Watched() as watched:
        F.adaptive_avg_pool2d(torch.ones(1, 1, 3, 3, requires_grad=True), 2).sum().backward()
    assert watched.names & REFUSED == {"_adaptive_avg_pool2d_backward"}


@pytest.mark.parametrize("side", [8, 28, 32, 36])
@pytest.mark.parametrize("name", [MIXED, "|nor_conv_3x3~0|+|avg_pool_3x3~0|skip_connect~1|", "mobile", "mobilenet_v2"])
def test_a_training_of_a_network_has_no_undetermined_operation(name: str, side: int) -> None:
    architecture = str(MOBILE["mobile_small"].largest()) if name == "mobile" else name
    cells = name.startswith(("normal", "|"))
    network = Network(channels=4, cells=3 if name == MIXED else 1, stem_multiplier=1)
    model = build(architecture, network, inputs=1, classes=3, side=side, auxiliary=cells)
    recipe = Recipe(
        epochs=2, mixup=0.2, cutmix=1.0, drop_path=0.2, label_smoothing=0.1, ema=0.9, auxiliary_weight=0.4 * cells
    )
    learner = SupervisedLearner(model, recipe, 4, class_weights=torch.tensor([1.0, 0.5, 1.5]))
    with Watched() as watched:
        learner(*batch(side), 0.5)
    assert "convolution_backward" in watched.names
    assert not watched.names & REFUSED


@pytest.mark.parametrize("preset", ["darts", "nasbench201"])
def test_a_search_has_no_undetermined_operation(preset: str) -> None:
    supernet = Supernet(CELLS[preset], Network(channels=4, cells=3, stem_multiplier=1), inputs=1, classes=3)
    learner = learner_of("darts")(supernet, Darts(drop_path=0.2))
    with Watched() as watched:
        learner.begin(1, 0, iter([batch(9)]))
        learner(*batch(9), 0.5)
    assert "convolution_backward" in watched.names
    assert not watched.names & REFUSED


@pytest.mark.parametrize("kind", ["fair", "sandwich"])
def test_a_shared_supernet_has_no_undetermined_operation(kind: str) -> None:
    space, entangled = MOBILE["mobile_small"], kind == "sandwich"
    network = shared_network(space, Network(), inputs=1, classes=3, entangled=entangled)
    settings = SupernetTraining(sampling=kind, entangled=entangled)  # type: ignore[arg-type]
    learner = OneShotLearner(network, settings, sampling(kind, space, seed=1, between=1), 3)
    with Watched() as watched:
        learner(*batch(16), 0.0)
    assert "convolution_backward" in watched.names
    assert not watched.names & REFUSED
