"""Values that settings hold in the place of the config's own, for declarations of steps; no step runs these."""

from typing import Any

from nas_steps.config.estimators import Extrapolation, ShortTraining, ZeroCost
from nas_steps.config.estimators import rungs as reached
from nas_steps.config.schema import Config
from nas_steps.config.search import measured_latency
from nas_steps.config.space import filled
from nas_steps.config.strategies import SUPERNET_KINDS, Random
from nas_steps.spaces.constraints import given

#: the value of a path in settings: an option of the command gives the path itself
ELSEWHERE = "(given by an option)"
Json = dict[str, Any]


def space(config: Config, _: str) -> Json:
    """Return the space, filled from its preset. Without resolutions, there is no key for them."""
    dump = filled(config.space).model_dump(mode="json")
    return {key: value for key, value in dump.items() if key != "resolution" or value is not None}


def constraints(config: Config, _: str = "") -> Json | None:
    """Return the constraints, without how latency is measured."""
    return given(config.search.constraints) or None


def latency(config: Config, _: str) -> Json | None:
    """Return how latency is measured, if it is a constraint or an objective."""
    measured = measured_latency(config.search)
    return None if measured is None else measured.model_dump(mode="json")


def estimator_name(config: Config, _: str = "") -> str:
    """Return the name of the estimator, or of its proxy."""
    estimator = config.search.estimator
    return estimator.proxy if isinstance(estimator, ZeroCost) else estimator.kind


def score_name(config: Config, _: str = "") -> str:
    """Return the name of the scores in candidates.csv: the estimator or proxy, and the last rung of halving."""
    estimator, name = config.search.estimator, estimator_name(config)
    if isinstance(estimator, ShortTraining) and estimator.halving is not None:
        return f"{name} of {estimator.epochs} epochs"
    return name


def rungs(config: Config, _: str = "") -> list[int]:
    """Return the epochs of each rung of successive halving; empty without it."""
    estimator = config.search.estimator
    if not isinstance(estimator, ShortTraining) or estimator.halving is None:
        return []
    return list(reached(estimator))


def gives_up(config: Config, _: str) -> bool:
    """Return whether a training stops if it cannot beat the best score of earlier rounds."""
    estimator = config.search.estimator
    return isinstance(estimator, Extrapolation) and estimator.stop_below > 0


def kinds(config: Config, _: str) -> Json:
    """Return the kind of each strategy, by name."""
    return {name: strategy.kind for name, strategy in config.search.strategies.items()}


def with_own_supernet(config: Config, _: str) -> list[str]:
    """Return the strategies that score candidates by a supernet of their own."""
    return [name for name, strategy in config.search.strategies.items() if strategy.kind in SUPERNET_KINDS]


def strategy(config: Config, name: str) -> Json:
    """Return a strategy's settings. Without rounds, which are the number of jobs, unless they share a given sum."""
    dump = config.search.strategies[name].model_dump(mode="json")
    return {key: value for key, value in dump.items() if key != "rounds" or dump["kind"] == "random"}


def table(config: Config, _: str) -> Json:
    """Return the benchmark's table without its path."""
    return {**config.search.estimator.model_dump(mode="json"), "path": ELSEWHERE}


def screen_as_estimator(config: Config, _: str) -> Json | None:
    """Return the screen as an estimator that rejects nothing."""
    screen = config.search.screen
    if screen is None:
        return None
    return ZeroCost(proxy=screen.proxy, batch_size=screen.batch_size).model_dump(mode="json")


def ranking_recipe(config: Config) -> str:
    """Return the path of the recipe of the shortlist and the sample."""
    return "ranking.recipe" if config.ranking.final_share is None else "retrain.recipe"


def ranking_estimator(config: Config, _: str) -> Json:
    """Return the short training that ranks."""
    recipe = config.ranking.recipe if config.ranking.final_share is None else config.retrain.recipe
    return ShortTraining(**recipe.model_dump()).model_dump(mode="json")


def factorial_recipe(config: Config) -> str:
    """Return the path of the factorial's recipe."""
    return "retrain.recipe" if config.scaling.factorial.recipe is None else "scaling.factorial.recipe"


def matched(config: Config, name: str) -> bool:
    """Return whether a strategy is random search whose cost is matched to the others'."""
    one = config.search.strategies[name]
    return isinstance(one, Random) and one.evaluations == "auto"
