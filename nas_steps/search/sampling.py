"""Make a sampling strategy, plan its rounds, run them. Imports neither numpy nor torch: the Snakefile reads it."""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any, Literal

from nas_steps.config.strategies import SamplingStrategy
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate
from nas_steps.provenance.kinds import of_kind
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.halving import Promotions
from nas_steps.search.protocol import Prediction, Sampler, State
from nas_steps.spaces.protocol import Architecture, Space

SAMPLERS = "nas_steps.search.samplers"


def sampler(settings: SamplingStrategy, space: Space) -> Sampler:
    """Make the strategy of the settings' kind. Raises UserError if it cannot search the space."""
    if space.size() < 2:
        raise UserError(f"space {space.name} has a single architecture: there is nothing to search; widen the space")
    return of_kind(SAMPLERS, settings.kind).sampler(space, settings)


def round_size(settings: SamplingStrategy, number: int, evaluations: int) -> int:
    """Count the architectures of round `number` (from 0); random search alone depends on `evaluations`."""
    return of_kind(SAMPLERS, settings.kind).round_size(settings, number, evaluations)


def evaluations(settings: SamplingStrategy) -> int | Literal["auto"]:
    """Count the architectures of all rounds; `auto` for random search that matches another strategy's cost."""
    given: int | Literal["auto"] | None = getattr(settings, "evaluations", None)
    return given or sum(round_size(settings, number, 0) for number in range(settings.rounds))


def run(
    settings: SamplingStrategy,
    space: Space,
    evaluations: int,
    seed: int,
    evaluate: Callable[[Sequence[Architecture]], list[Estimate]],
    after_round: Callable[[int], None] = lambda _rounds: None,
    predictions: list[dict[str, Prediction]] | None = None,
) -> list[list[Estimate]]:
    """Search in one process, and return the estimates of each round; `after_round` gets the number of rounds.

    To `predictions`, if given, is added what the strategy predicted in each round.
    """
    strategy = sampler(settings, space)
    rounds: list[list[Estimate]] = []
    for number in range(settings.rounds):
        asked = strategy.ask(round_size(settings, number, evaluations), Random(derive_seed(seed, number)))
        if predictions is not None:
            predictions.append(strategy.predictions)
        rounds.append(evaluate(asked))
        strategy.tell(rounds[-1])
        after_round(number + 1)
    return rounds


def advance(
    settings: SamplingStrategy,
    space: Space,
    rounds: Sequence[Sequence[Estimate]],
    *,
    count: int,
    seed: int,
    state: Mapping[str, Any] | None = None,
    rungs: Sequence[int] = (),
    eta: int = 0,
    predictions: dict[str, Prediction] | None = None,
) -> tuple[list[tuple[str, int | None]], State]:
    """Ask for the next round, given the estimates of all `rounds` before, oldest first.

    Return the architectures, each with the epochs of its rung (None without `rungs` and `eta`), and the new state.
    The `state` of the round before saves time, and changes no result. Raises UserError if it is not that round's. To
    `predictions`, if given, is added what the strategy predicts of the architectures.
    """
    strategy = sampler(settings, space)
    searching = Promotions(strategy, rungs, eta) if rungs else strategy
    identity = {"kind": settings.kind, "space": space.name}
    new = rounds
    # estimates are counted, not rounds: rounds without any at the end are not in the file
    if state is not None:
        expected = {**identity, "told": sum(map(len, rounds[:-1]))}
        given = {name: state.get(name) for name in expected}
        if given != expected:
            raise UserError(f"the state of a search is that of {given}, wanted is {expected}; give the round before's")
        searching.restore(state)
        new = rounds[-1:]
    for estimates in new:
        searching.tell(estimates)
    after = {**searching.state(), **identity, "told": sum(map(len, rounds))}
    random = Random(derive_seed(seed, len(rounds)))
    asked: list[tuple[str, int | None]]
    if isinstance(searching, Promotions):
        asked = [*searching.ask(count, random)]
    else:
        asked = [(str(one), None) for one in searching.ask(count, random)]
    if predictions is not None:
        predictions.update(strategy.predictions)
    return asked, after
