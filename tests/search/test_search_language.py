"""Every sampling strategy searches a space of language models, and keeps its constraints."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from nas_steps.config import strategies
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.sampling import run
from nas_steps.spaces.constraints import Limited, paths_of
from nas_steps.spaces.costs import Shape, counted
from nas_steps.spaces.language.blocks import LanguageBlocks
from nas_steps.spaces.language.costs import count_architecture
from nas_steps.spaces.language.presets import PRESETS
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.protocol import Architecture

CONTEXT = 64
SPACE = LanguageSpace.declare(
    "small", {**{"vocabulary": 256, "depth": [2, 3], "width": [64, 96]}, "mixer": ["attn_h4", "conv_k3", "none"],
              "feed_forward": ["gelu_e4", "relu2_e4", "none"], "norm": ["rms", "ln"]}
)  # fmt: skip
TABLE = counted(LanguageBlocks(SPACE), Shape(1, CONTEXT, 256))
STRATEGIES = {
    "random": strategies.Random(evaluations=9, rounds=3),
    "evolution": strategies.Evolution(population=4, sample=2, children=3, rounds=3),
    "nsga2": strategies.Nsga2(population=4, children=3, rounds=3, objectives=["macs"]),
    "local_search": strategies.LocalSearch(initial=4, batch=3, rounds=3),
    "predictor": strategies.Predictor(initial=4, batch=3, rounds=3, candidates=8),
    "bayesian": strategies.Bayesian(initial=4, batch=3, rounds=3, candidates=8),
    "reinforce": strategies.Reinforce(batch=3, rounds=3),
}


def evaluate(asked: Sequence[Architecture]) -> list[Estimate]:
    """Score by attention, as made-up text might."""
    found = []
    for index, one in enumerate(asked):
        parameters, macs = count_architecture(one, CONTEXT)
        score = -3.0 + 0.1 * sum("attn" in str(layer) for layer in one.layers) + 1e-8 * macs
        found.append(Estimate(index, str(one), score, parameters=parameters, macs=macs))
    return found


def test_all_strategies_but_the_one_of_blocks_are_here() -> None:
    kinds = {one.model_fields["kind"].default for one in strategies.SAMPLING}
    assert kinds - {"milp"} == set(STRATEGIES)
    with pytest.raises(TypeError, match="not written as paths"):
        paths_of(SPACE)


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("limits", [{}, {"macs": 8e6, "memory_mb": 2.0}], ids=["free", "limited"])
def test_a_strategy_searches_language_models(name: str, limits: dict[str, float]) -> None:
    space = Limited(SPACE, TABLE, limits)
    rounds = run(STRATEGIES[name], space, 9, 0, evaluate)  # type: ignore[arg-type]
    asked = [SPACE.parse(one.architecture) for estimates in rounds for one in estimates]
    assert len(rounds) == 3
    assert len({SPACE.identity(one) for one in asked}) == len(asked) >= 9
    for one in asked:
        costs = TABLE.costs(one)
        assert (costs.parameters, costs.macs) == count_architecture(one, CONTEXT)
        assert all(getattr(costs, what) <= limit for what, limit in limits.items())


def test_a_limit_that_nothing_keeps_is_refused_with_the_smallest() -> None:
    with pytest.raises(
        UserError, match=r"search.constraints.macs is 100, but the smallest network of space small has .* macs"
    ):
        Limited(SPACE, TABLE, {"macs": 100.0})


def test_memory_is_that_of_the_weights_and_the_largest_part() -> None:
    space = PRESETS["language_small"]
    small, large = (space.parse(f"lm_v256_d{width}_rope_rms/2x_attn_h4+gelu_e4") for width in (64, 192))
    blocks = LanguageBlocks(space)
    shape = Shape(1, CONTEXT, 256)
    peaks = [max(blocks.peak(name, shape) for name in blocks.of(one)) for one in (small, large)]
    # stream, norm and the hidden layer of the feed-forward network with its output; of a narrow network the logits
    assert peaks[1] == CONTEXT * (2 * 192 + 4 * 192 + 192)
    assert peaks[0] == CONTEXT * max(64 + 256, 2 * 64 + 4 * 64 + 64)
