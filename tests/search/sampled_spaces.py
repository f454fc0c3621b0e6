"""Strategies, spaces and scores that the tests of sampling share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import numpy as np

from nas_steps.config import strategies
from nas_steps.estimation.estimates import Estimate
from nas_steps.search.sampling import advance
from nas_steps.spaces.cells.space import CellSpace

#: 16 architectures, no two of them isomorphic
SMALLEST = CellSpace("smallest", ("skip_connect", "nor_conv_1x1"), nodes=1)
#: 729 strings, many of them isomorphic
ONE_INPUT = CellSpace(
    "one input", ("none", "skip_connect", "nor_conv_1x1"), nodes=3, inputs=1, edges_per_node=None, none_is_choice=True
)
#: 64 strings, 20 of them different
TWO_OPERATIONS = ONE_INPUT.replace(operations=["none", "nor_conv_1x1"])
ROOMY = CellSpace("roomy", ("skip_connect", "max_pool_3x3", "nor_conv_1x1"), nodes=2)

#: five rounds each
SETTINGS: dict[str, Any] = {
    "random": strategies.Random(evaluations=20, rounds=5),
    "evolution": strategies.Evolution(population=6, sample=3, children=4, rounds=5),
    "elitist": strategies.Evolution(population=6, sample=3, children=4, rounds=5, ageing=False),
    "nsga2": strategies.Nsga2(population=6, children=4, rounds=5, objectives=["macs", "parameters"]),
    "reinforce": strategies.Reinforce(batch=4, rounds=5, hidden=8, updates=2),
    "local_search": strategies.LocalSearch(initial=6, batch=4, rounds=5),
    "bayesian": strategies.Bayesian(initial=6, batch=4, rounds=5, candidates=20),
    "predictor": strategies.Predictor(initial=6, batch=4, rounds=5, candidates=20),
    "milp": strategies.Milp(initial=6, batch=4, rounds=5),
}


def estimate(index: int, text: str, status: str = "ok") -> Estimate:
    """Convolutions are good and cost, skip connections are cheap; what is alike is told apart by its spelling."""
    score = (text.count("conv") + Random(text).random()) / 20
    return Estimate(
        index,
        text,
        score if status == "ok" else math.nan,
        status=status,
        macs=100 * text.count("conv"),
        parameters=10 + 7 * text.count("conv") + text.count("skip"),
    )


def same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two states agree bit for bit."""
    return one.keys() == other.keys() and all(
        np.array_equal(value, other[name]) and value.dtype == other[name].dtype
        if isinstance(value, np.ndarray)
        else value == other[name]
        for name, value in one.items()
    )


def propose(settings: Any, space: Any, rounds: Sequence[Sequence[Estimate]], *, count: int, seed: int) -> list[str]:
    """The architectures of the next round, without a state."""
    return [architecture for architecture, _ in advance(settings, space, rounds, count=count, seed=seed)[0]]
