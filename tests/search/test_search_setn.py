"""SETN (Dong & Yang 2019): what trains the weights, what the alphas learn from, and what is ranked in the end."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest
import torch
import torch.nn.functional as F
from small_supernets import SPACE, batch, supernet
from tiny_world import prepared

from nas_steps.config.space import Network
from nas_steps.config.strategies import Setn
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.search.darts.learner import DartsLearner, accuracy, learner_of
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.protocol import members
from nas_steps.training.devices import prepare
from nas_steps.training.networks import load_images

SMALL = PRESETS["nasbench201"].replace(nodes=2)


def learner(space: CellSpace = SPACE, **settings: int) -> DartsLearner:
    found = learner_of("setn")(supernet(space), Setn(**settings))  # type: ignore[arg-type]
    found.reseed(1, 0)
    return found


def test_the_alphas_gradient_is_that_of_the_validation_loss_under_their_softmax() -> None:
    found = learner()
    net, (images, labels) = found.supernet.train(), batch(4)

    def loss() -> float:
        """The paper's equation 4 with the expectation inside the network: every operation, weighed by its softmax."""
        mixes = {}
        for kind, alphas in net.alphas.items():
            rows = [[math.exp(value) for value in row] for row in alphas.tolist()]
            for place, row in enumerate(rows):
                allowed = SPACE.allowed(kind)[place]
                kept = [value if allowed[column] else 0.0 for column, value in enumerate(row)]
                rows[place] = [value / math.fsum(kept) for value in kept]
            mixes[kind] = torch.tensor(rows, dtype=torch.float64)
        with torch.no_grad():
            return F.cross_entropy(net(images, Mix(mixes)), labels).item()

    expected = []
    for alphas in net.alphas.values():
        slopes = torch.zeros_like(alphas)
        for place in range(alphas.numel()):
            sides = []
            for step in (1e-5, -2e-5):
                alphas.data.view(-1)[place] += step
                sides.append(loss())
            alphas.data.view(-1)[place] += 1e-5
            slopes.view(-1)[place] = (sides[0] - sides[1]) / 2e-5
        expected.append(slopes)
    found.alpha_gradients(batch(5), (images, labels), found.draw(), 0.0)
    for alphas, slopes in zip(net.alphas.values(), expected, strict=True):
        torch.testing.assert_close(alphas.grad, slopes, rtol=1e-4, atol=1e-7)
        assert slopes.abs().max() > 1e-3
    assert all(weight.grad is None for weight in found.weights)


def test_the_weights_gradient_is_that_of_one_drawn_architecture_alone() -> None:
    found = learner()
    net, (images, labels) = found.supernet, batch(1)
    architecture = SPACE.sample(Random(int(torch.randint(2**62, (), generator=_generator(found)))))
    net.train()
    expected = torch.autograd.grad(
        F.cross_entropy(net(images, net.discrete(architecture)), labels), found.weights, allow_unused=True
    )
    before = [weight.detach().clone() for weight in found.weights]
    optimiser, seen = found.weight_optimizer.step, []

    def step() -> None:
        seen.append([None if weight.grad is None else weight.grad.clone() for weight in found.weights])
        optimiser()

    found.weight_optimizer.step = step  # type: ignore[method-assign]
    drawn = found.draw()
    found.learn_weights(images, labels, lambda: found.mix_for_weights(drawn))
    (gradients,) = seen
    norm = math.sqrt(math.fsum(float(one.square().sum()) for one in expected if one is not None))
    clipped = min(1.0, found.settings.gradient_clip / norm)
    for mine, other in zip(gradients, expected, strict=True):
        if mine is None or other is None:
            assert mine is None or not mine.any()
            assert other is None or not other.any()
        else:
            torch.testing.assert_close(mine, clipped * other, rtol=1e-5, atol=1e-9)
    assert any(not torch.equal(one, old) for one, old in zip(found.weights, before, strict=True))


def _generator(found: DartsLearner) -> torch.Generator:
    """A generator in the state of the learner's, which stays as it is."""
    twin = torch.Generator()
    twin.set_state(found.generator.get_state())
    return twin


def test_architectures_for_the_weights_are_drawn_uniformly_whatever_the_alphas_say() -> None:
    found = learner(SMALL)
    with torch.no_grad():
        for alphas in found.supernet.alphas.values():
            alphas[:, 0] = 50.0  # the softmax is all but 1 there
    counts: Counter[tuple[int, int]] = Counter()
    turns = 2000
    for number in range(turns):
        found.reseed(1, number)
        (weights,) = found.mix_for_weights(found.draw()).weights.values()
        counts.update((edge, operation) for edge, operation in weights.nonzero().tolist())
    edges, operations = len(SMALL.edges()), len(SMALL.operations)
    expected = turns / operations
    for edge in range(edges):
        chi_square = math.fsum((counts[edge, one] - expected) ** 2 / expected for one in range(operations))
        assert chi_square < 23.5  # 0.01 % of uniform draws exceed it (4 degrees of freedom)


@pytest.mark.parametrize("evaluations", [6, 10**4])
def test_the_likeliest_architectures_are_ranked_by_the_shared_weights(evaluations: int) -> None:
    images = load_images(prepared(), prepare("cpu", 1))
    assert images.valid is not None
    torch.manual_seed(2)
    net = Supernet(SMALL, Network(channels=2, cells=1), inputs=1, classes=10)
    with torch.no_grad():
        for alphas in net.alphas.values():
            alphas.normal_()
    found = learner_of("setn")(net, Setn(evaluations=evaluations, candidates=4))
    (soft,) = (alphas.detach().softmax(1) for alphas in net.alphas.values())

    def likelihood(text: str) -> float:
        (cell,) = SMALL.parse(text).cells.values()
        kept = {(node, source): name for node, edges in enumerate(cell) for name, source in edges}
        return math.fsum(
            math.log(soft[place, SMALL.operations.index(kept[edge])]) for place, edge in enumerate(SMALL.edges())
        )

    likeliest = sorted(map(str, members(SMALL)), key=likelihood, reverse=True)[:evaluations]
    scores = {
        text: accuracy(net, net.discrete(SMALL.parse(text)), images.valid, fresh=True)[1]
        for text in likeliest[: 10 if evaluations > 100 else None]
    }
    mix = {kind: rows.tolist() for kind, rows in found.expected().weights.items()}
    ranked = found.candidates(mix, images.valid, 0)
    assert found.drawn == min(evaluations, 125)
    assert len(ranked) == 4
    assert {name for _, _, name in ranked} == {"shared_weights"}
    assert [score for _, score, _ in ranked] == sorted((score for _, score, _ in ranked), reverse=True)
    for text, score, _ in ranked:
        assert text in likeliest
        assert scores.get(text, score) == score
    if evaluations == 6:
        assert ranked[0][1] == max(scores.values())
