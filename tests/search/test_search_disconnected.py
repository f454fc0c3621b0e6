"""Draws of architectures that do not reach the output: no gradient is a gradient of zero, and the search goes on."""

from __future__ import annotations

import pytest
import torch
from small_supernets import batch, supernet

from nas_steps.config.strategies import Gdas, Rsws, Setn
from nas_steps.search.darts.learner import learner_of
from nas_steps.spaces.cells.presets import PRESETS

SPACE = PRESETS["nasbench201"]


def test_a_draw_of_none_alone_gives_the_alphas_a_gradient_of_zero() -> None:
    found = learner_of("gdas")(supernet(SPACE), Gdas(epochs=2))
    found.reseed(1, 0)
    noise = found.draw()
    for kind in noise:
        noise[kind][:, SPACE.operations.index("none")] = 1e6
    found.alpha_gradients(batch(1), batch(2), noise, 0.0)
    for alphas in found.alphas:
        assert alphas.grad is not None
        assert torch.equal(alphas.grad, torch.zeros_like(alphas))
    found.alpha_optimizer.step()
    assert all(torch.isfinite(alphas).all() for alphas in found.alphas)


@pytest.mark.parametrize("settings", [Gdas(epochs=3), Rsws(epochs=3), Setn(epochs=3)], ids=["gdas", "rsws", "setn"])
def test_as_many_batches_as_hold_such_draws_are_learnt(settings: Gdas | Rsws | Setn) -> None:
    # three edges lead to the output, each of five operations: one draw in 125 reaches nothing
    found = learner_of(settings.kind)(supernet(SPACE), settings)
    batches = 300
    found.begin(1, 0, iter([batch(3)] * batches))
    disconnected = 0
    for number in range(batches):
        found.reseed(1, number)
        drawn = [found.mix(found.draw()), found.mix_for_weights(found.draw())][settings.kind != "gdas"]
        last = [place for place, (node, _) in enumerate(SPACE.edges()) if node == SPACE.nodes - 1]
        weights = next(iter(drawn.weights.values()))[last]
        disconnected += bool(weights[:, SPACE.operations.index("none")].min() > 0.5)
        found(*batch(number % 7), 0.5)
    assert disconnected > 0
    assert all(torch.isfinite(weight).all() for weight in found.weights)
