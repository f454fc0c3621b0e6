"""Values that a step's settings hold in the place of the config's own: counts, names, what several keys come to.

Declarations of steps use these functions. No step runs them: their values are in its settings.
"""

from __future__ import annotations

import operator
from typing import Any

from nas_steps.config.estimators import Extrapolation, SharedWeights, ShortTraining, Training, ZeroCost
from nas_steps.config.schema import Config
from nas_steps.config.space import filled
from nas_steps.config.strategies import SUPERNET_KINDS, Enas, Gradient, PcDarts, Random, SdartsAdv, Strategy

#: stands in settings for a path, which the command line gives
ELSEWHERE = "(given by an option)"
Json = dict[str, Any]


def space(config: Config, _: str) -> Json:
    """Return the space in full, so that no step looks up a preset."""
    return filled(config.space).model_dump(mode="json")


def constraints(config: Config, _: str = "") -> Json | None:
    """Return the constraints without the way in which latency is measured: that shapes the table of blocks alone."""
    given = config.search.constraints.given() if config.search.constraints is not None else {}
    return given or None


def latency(config: Config, _: str) -> Json | None:
    """Return how latency is measured, if it is a constraint or an objective."""
    return None if config.search.latency is None else config.search.latency.model_dump(mode="json")


def estimator_name(config: Config, _: str = "") -> str:
    """Return the name of the estimator, or of its proxy."""
    estimator = config.search.estimator
    return estimator.proxy if isinstance(estimator, ZeroCost) else estimator.kind


def score_name(config: Config, _: str = "") -> str:
    """Return what candidates.csv calls the scores: the estimator or its proxy, and the last rung of halving."""
    estimator, name = config.search.estimator, estimator_name(config)
    if isinstance(estimator, ShortTraining) and estimator.halving is not None:
        return f"{name} of {estimator.epochs} epochs"
    return name


def rungs(config: Config, _: str = "") -> list[int]:
    """Return the epochs of each rung of successive halving; empty without it."""
    estimator = config.search.estimator
    return list(estimator.rungs) if isinstance(estimator, ShortTraining) and estimator.halving is not None else []


def gives_up(config: Config, _: str) -> bool:
    """Return whether a training ends early if it cannot beat the best score of the rounds before."""
    estimator = config.search.estimator
    return isinstance(estimator, Extrapolation) and estimator.stop_below > 0


def kinds(config: Config, _: str) -> Json:
    """Return the kind of each strategy, by name."""
    return {name: strategy.kind for name, strategy in config.search.strategies.items()}


def with_own_supernet(config: Config, _: str) -> list[str]:
    """Return the strategies that score candidates by a supernet of their own."""
    return [name for name, strategy in config.search.strategies.items() if strategy.kind in SUPERNET_KINDS]


def strategy(config: Config, name: str) -> Json:
    """Return a strategy that asks and tells, less the number of rounds: that is the number of jobs, unless the rounds
    share a given sum."""
    dump = config.search.strategies[name].model_dump(mode="json")
    return {key: value for key, value in dump.items() if key != "rounds" or dump["kind"] == "random"}


def most_evaluations(config: Config, name: str) -> int:
    """Return how many evaluations a strategy gets if they cost next to nothing (in a table, by shared weights).

    Random search that is matched gets as many as the strategy with the most.
    """
    own = getattr(config.search.strategies[name], "evaluations", None)
    if isinstance(own, int):
        return own
    # gradient strategies may draw architectures in the end, which is another cost
    asking = [other for other in config.search.strategies.values() if not isinstance(other, Gradient)]
    others = [getattr(other, "evaluations", None) for other in asking]
    return max(number for number in others if isinstance(number, int))


def table(config: Config, _: str) -> Json:
    """Return the benchmark's table without its place."""
    return {**config.search.estimator.model_dump(mode="json"), "path": ELSEWHERE}


def screen_as_estimator(config: Config, _: str) -> Json | None:
    """Return the screen's score as an estimator, which turns nothing down."""
    screen = config.search.screen
    if screen is None:
        return None
    return ZeroCost(proxy=screen.proxy, batch_size=screen.batch_size).model_dump(mode="json")


def ranking_recipe(config: Config) -> str:
    """Return the path of the recipe that the shortlist and the sample are trained by."""
    return "ranking.recipe" if config.ranking.final_share is None else "retrain.recipe"


def ranking_estimator(config: Config, _: str) -> Json:
    """Return the short training that ranks."""
    recipe = config.ranking.recipe if config.ranking.final_share is None else config.retrain.recipe
    return ShortTraining(**recipe.model_dump()).model_dump(mode="json")


def factorial_recipe(config: Config) -> str:
    """Return the path of the recipe that the factorial is trained by."""
    return "retrain.recipe" if config.scaling.factorial.recipe is None else "scaling.factorial.recipe"


def evaluation(config: Config, _: str) -> Json:
    """Return what an evaluation trains on average, for the budget."""
    estimator = config.search.estimator
    epochs: float = 0
    if isinstance(estimator, ShortTraining):
        # of each rung one in `eta` goes on
        halving, reached = estimator.halving, estimator.rungs
        shares = [1.0] if halving is None else [halving.eta**-rung for rung in range(len(reached))]
        epochs = sum(map(operator.mul, reached, shares)) / sum(shares) * estimator.seeds
    elif isinstance(estimator, Extrapolation):
        epochs = estimator.observe
    training = estimator if isinstance(estimator, Training) else None
    return {
        "epochs": epochs,
        "images": training.images if training else 1,
        "batch": estimator.batch_size if isinstance(estimator, ZeroCost) else 0,
        "resolution": training.resolution if training else None,
    }


def screened(config: Config, _: str) -> int:
    """Return the images of screening for one evaluation: a batch for each proposal."""
    screen = config.search.screen
    return 0 if screen is None else screen.proposals_per_evaluation * screen.batch_size


def counted_strategies(config: Config, _: str) -> Json:
    """Return what the budget counts of each strategy."""
    return {name: _counted(strategy) for name, strategy in config.search.strategies.items()}


def _counted(strategy: Strategy) -> Json:
    if isinstance(strategy, Gradient):
        return {
            "kind": strategy.kind,
            "epochs": strategy.epochs,
            # each step that looks for a disturbance is a pass
            "passes": strategy.passes + (strategy.steps if isinstance(strategy, SdartsAdv) else 0),
            "path": strategy.path,
            "parts": strategy.parts if isinstance(strategy, PcDarts) else 1,
            "selection_epochs": strategy.selection_epochs if strategy.selection == "perturbation" else 0,
        }
    if isinstance(strategy, Enas):
        rewarded = strategy.controller_steps * strategy.controller_batch * strategy.reward_images
        return {
            "kind": strategy.kind,
            "epochs": strategy.epochs,
            "passes": 1,
            "path": "architecture",
            "forwards": strategy.epochs * rewarded,
        }
    return {"kind": strategy.kind, "evaluations": strategy.evaluations}


def counted_supernet(config: Config, _: str) -> Json | None:
    """Return what the budget counts of the supernet that all strategies share."""
    estimator = config.search.estimator
    if not isinstance(estimator, SharedWeights):
        return None
    return {
        "epochs": estimator.supernet.epochs,
        "images": estimator.supernet.images,
        "resolution": estimator.supernet.resolution,
        "sampling": estimator.supernet.sampling,
        "between": estimator.supernet.between,
        "calibration_images": estimator.calibration_images,
        "valid_images": estimator.valid_images,
    }


def matched(config: Config, name: str) -> bool:
    """Return whether a strategy is random search that is matched to the cost of the others."""
    one = config.search.strategies[name]
    return isinstance(one, Random) and one.evaluations == "auto"
