"""Training in bfloat16: no crash, statistics and alphas in float32, results near those of float32."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from test_training_distributed import by_two

from nas_steps.config.space import Network
from nas_steps.config.strategies import Darts, Gradient
from nas_steps.config.strategies import DartsSecondOrder as SecondOrder
from nas_steps.config.supernet import SupernetTraining
from nas_steps.models.cells import folding
from nas_steps.models.cells.folding import Normalising
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.search.darts.learner import DartsLearner, learner_of
from nas_steps.search.one_shot.networks import shared_network
from nas_steps.search.one_shot.sampling import sampling
from nas_steps.search.one_shot.training import OneShotLearner
from nas_steps.spaces.cells.space import CellSpace

SMALL = Network(channels=4, cells=3, stem_multiplier=1)
SPACE = CellSpace("s", ("none", "skip_connect", "max_pool_3x3", "nor_conv_1x1", "sep_conv_3x3"), 1, None)
Batch = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture(params=[0, folding.LARGE], ids=["large activations", "small activations"])
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The threshold from which on norms are folded."""
    monkeypatch.setattr(folding, "LARGE", request.param)


def batches(count: int) -> list[Batch]:
    torch.manual_seed(1)
    return [(torch.randn(8, 1, 8, 8), torch.randint(3, (8,))) for _ in range(count)]


def shared(precision: str) -> tuple[torch.nn.Module, list[float]]:
    torch.manual_seed(0)
    space = SPACE
    network = shared_network(space, SMALL, inputs=1, classes=3)
    settings = SupernetTraining(sampling="uniform", precision=precision, learning_rate=0.02)
    learner = OneShotLearner(network, settings, sampling("uniform", space, seed=1, between=1), 4)
    return network, [learner(*batch, 0.5)[0].item() for batch in batches(2)]


def searched(settings: Gradient) -> tuple[DartsLearner, list[float]]:
    torch.manual_seed(0)
    kind = learner_of(settings.kind)
    supernet = Supernet(SPACE, SMALL, inputs=1, classes=3, k=kind.k(settings))
    learner = kind(supernet, settings)
    drawn = batches(2)
    learner.begin(1, 0, iter(drawn))
    return learner, [learner(*batch, 0.5)[0].item() for batch in drawn]


@pytest.mark.usefixtures("sizes")
def test_a_shared_supernet_of_cells_learns_in_bfloat16() -> None:
    network, losses = shared("bfloat16")
    assert losses == pytest.approx(shared("float32")[1], rel=0.02)
    norms = [module for module in network.modules() if isinstance(module, Normalising)]
    assert {one.running_var.dtype for one in norms} == {torch.float32}
    assert all(torch.isfinite(one).all() for one in network.state_dict().values())


@pytest.mark.usefixtures("sizes")
@pytest.mark.parametrize(
    "kind", ["darts", "darts_second_order", "drnas", "fair_darts", "gdas", "pc_darts", "rsws", "sdarts_adv", "setn"]
)
def test_a_differentiable_search_learns_in_bfloat16(kind: str) -> None:
    own = {"hessian": "autograd"} if kind == "darts_second_order" else {}
    settings = type(settings_of(kind))(learning_rate=0.02, **own)
    found, losses = searched(settings.model_copy(update={"precision": "bfloat16"}))
    _, expected = searched(settings)
    assert losses != expected
    # the steps of the alphas come first; a Dirichlet draw follows them
    assert losses == pytest.approx(expected, rel=0.1)
    assert {one.dtype for one in found.supernet.state_dict().values()} == {torch.float32, torch.int64}
    assert all(torch.isfinite(one).all() for one in found.supernet.state_dict().values())


def settings_of(kind: str) -> Gradient:
    from nas_steps.config import strategies

    (found,) = (
        one
        for one in vars(strategies).values()
        if isinstance(one, type) and issubclass(one, Gradient) and one.model_fields["kind"].default == kind
    )
    return found()


def test_the_mix_of_bfloat16_is_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alphas that are nearly alike differ, and their gradients have the direction of float32."""
    seen: set[torch.dtype] = set()
    forward = Supernet.forward

    def watched(self: Supernet, x: torch.Tensor, mix: Mix, drop: float = 0.0) -> torch.Tensor:
        seen.update(one.dtype for one in mix.weights.values())
        assert torch.is_autocast_enabled("cpu") == (learner.settings.precision == "bfloat16")
        return forward(self, x, mix, drop)

    monkeypatch.setattr(Supernet, "forward", watched)
    gradients = []
    for precision in ("bfloat16", "float32"):
        torch.manual_seed(0)
        supernet = Supernet(SPACE, SMALL, inputs=1, classes=3)
        learner = learner_of("darts")(supernet, Darts(precision=precision))
        (batch,) = batches(1)
        learner.alpha_gradients(batch, batch, None, 0.0)
        gradients.append(torch.cat([one.grad.flatten() for one in learner.alphas if one.grad is not None]))
    assert seen == {torch.float32}
    assert F.cosine_similarity(*gradients, dim=0) > 0.95


def test_a_finite_difference_in_bfloat16_is_refused() -> None:
    with pytest.raises(ValueError, match=r"bfloat16.*hessian: autograd.*float32"):
        SecondOrder(precision="bfloat16")
    SecondOrder(precision="bfloat16", hessian="autograd")


BOTH = """
import sys
sys.path.insert(0, sys.argv[1] + "/training")
sys.path.insert(0, sys.argv[1])
import torch
from nas_steps.config.recipe import Recipe
from nas_steps.config.strategies import Darts
from nas_steps.models.build import build
from nas_steps.models.cells import folding
from nas_steps.training.batch_norms import synchronise
from nas_steps.training.distributed import joined
from nas_steps.training.supervised import SupervisedLearner
import test_training_precision as tests
from tiny_world import CONVOLUTION

torch.set_num_threads(1)
plain = [tests.shared_network, tests.Supernet]


def made(builder):
    def build(*given, **named):
        network = builder(*given, **named)
        synchronise(network)
        return network
    return build


def recipe():
    torch.manual_seed(0)
    network = build(CONVOLUTION, tests.SMALL, inputs=1, classes=3, side=8, auxiliary=True)
    synchronise(network)
    learner = SupervisedLearner(network, Recipe(epochs=2, precision="bfloat16", auxiliary_weight=0.4, drop_path=0.2), 4)
    return network, [learner(*batch, 0.5)[0].item() for batch in tests.batches(2)]


def searched():
    learner, losses = tests.searched(Darts(precision="bfloat16", learning_rate=0.02))
    return learner.supernet, losses


tests.shared_network, tests.Supernet = made(tests.shared_network), made(tests.Supernet)
cases = [lambda: tests.shared("bfloat16"), searched, recipe]
alone = [case() for case in cases]
with joined(2, torch.device("cpu")) as world:
    for large in (0, folding.LARGE):
        folding.LARGE = large
        for case, (_, expected) in zip(cases, alone, strict=True):
            network, losses = case()
            torch.testing.assert_close(torch.tensor(losses), torch.tensor(expected), rtol=0.02, atol=0)
            world.assert_same(network.state_dict(), "two steps")
    if world.rank == 0:
        print("learnt in", len(cases), "cases")
"""


def test_two_processes_learn_in_bfloat16(tmp_path: Path) -> None:
    assert by_two(tmp_path, BOTH).count("learnt in 3 cases") == 1
