"""Strategies that ask for architectures and are told what they are worth: which one, how often, what next.

To add one: a class with the four methods of `nas_steps.search.samplers.protocol.Sampler`, its settings in
`nas_steps.config.strategies`, its line in `sampler`. What needs numpy is imported where it is used: the Snakefile reads
this module too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from nas_steps.config import strategies
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.halving import Promotions
from nas_steps.search.samplers.evolution import RegularisedEvolution
from nas_steps.search.samplers.nsga2 import Nsga2
from nas_steps.search.samplers.protocol import Sampler, State
from nas_steps.search.samplers.random_search import RandomSearch
from nas_steps.spaces.protocol import Space

__all__ = ["Nsga2", "RandomSearch", "RegularisedEvolution", "Sampler", "advance", "propose", "round_size", "rounds"]


def sampler(settings: strategies.SamplingStrategy, space: Space) -> Sampler:
    """The strategy that the settings name. Raises UserError where it cannot search the space."""
    try:
        strategies.check(settings, space)
    except ValueError as error:
        raise UserError(str(error)) from None
    match settings:
        case strategies.Random():
            return RandomSearch(space)
        case strategies.Evolution():
            return RegularisedEvolution(space, settings)
        case strategies.Nsga2():
            return Nsga2(space, settings)
        case strategies.Reinforce():
            from nas_steps.search.samplers.reinforce import Reinforce

            return Reinforce(space, settings)
        case strategies.Predictor():
            from nas_steps.search.samplers.predictor import PredictorSearch

            return PredictorSearch(space, settings)


def rounds(settings: strategies.SamplingStrategy) -> int:
    """In how many rounds a strategy evaluates."""
    return settings.rounds


def round_size(settings: strategies.SamplingStrategy, number: int, evaluations: int) -> int:
    """How many architectures round `number` (from 0) evaluates; random search shares out `evaluations`, the others
    know their own."""
    return settings.round_size(number, evaluations)


def propose(
    settings: strategies.SamplingStrategy,
    space: Space,
    told: Sequence[Sequence[Estimate]],
    *,
    count: int,
    seed: int,
) -> list[str]:
    """The architectures of the next round, given the estimates of all rounds before, oldest first."""
    return [architecture for architecture, _ in advance(settings, space, told, count=count, seed=seed)[0]]


def advance(
    settings: strategies.SamplingStrategy,
    space: Space,
    told: Sequence[Sequence[Estimate]],
    *,
    count: int,
    seed: int,
    state: Mapping[str, Any] | None = None,
    rungs: Sequence[int] = (),
    reduction: int = 0,
) -> tuple[list[tuple[str, int | None]], State]:
    """The architectures of the next round, each with the epochs of its rung where there is successive halving by
    `rungs` and `reduction` (else None), and the state to give to the round after.

    With the `state` of the round before only the last of the rounds `told` is told; the same comes out. Raises
    UserError where the state is another strategy's or another round's.
    """
    strategy = sampler(settings, space)
    searching = Promotions(strategy, rungs, reduction) if rungs else strategy
    new = told
    # estimates, not rounds: of rounds without any not all are told apart
    if state is not None:
        expected = {"kind": settings.kind, "space": space.name, "told": sum(map(len, told[:-1]))}
        found = {name: state.get(name) for name in expected}
        if found != expected:
            raise UserError(f"the state of a search is that of {found}, wanted is {expected}; give the round before's")
        searching.restore(state)
        new = told[-1:]
    for estimates in new:
        searching.tell(estimates)
    after = {**searching.state(), "kind": settings.kind, "space": space.name, "told": sum(map(len, told))}
    random = Random(derive_seed(seed, len(told)))
    if isinstance(searching, Promotions):
        return [*searching.ask(count, random)], after
    return [(str(one), None) for one in searching.ask(count, random)], after
