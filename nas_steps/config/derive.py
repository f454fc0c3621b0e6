"""Values that settings hold in the place of the config's own, for declarations of steps; no step runs these."""

from math import gcd
from typing import Any

from nas_steps.config import weights as pretraining
from nas_steps.config.estimators import Extrapolation, SharedWeights, ShortTraining, ZeroCost
from nas_steps.config.estimators import rungs as reached
from nas_steps.config.schema import Config
from nas_steps.config.search import measured_latency
from nas_steps.config.space import filled
from nas_steps.config.strategies import SUPERNET_KINDS, Random
from nas_steps.facts import FILE, NORMALISATIONS
from nas_steps.spaces.constraints import given
from nas_steps.spaces.declare import declared
from nas_steps.spaces.language.sizing import heads_of
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.mobile.space import MobileSpace

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
    """Return how latency is measured, if it is a constraint or an objective; without a table of what was measured."""
    measured = measured_latency(config.search)
    return None if measured is None else measured.model_dump(mode="json", exclude={"table"})


def batch(config: Config, _: str) -> int | None:
    """Return the images of one forward pass, which share its memory, if there are more than one."""
    constraints = config.search.constraints
    return None if constraints is None or constraints.latency.batch == 1 else constraints.latency.batch


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
    """Return a strategy's settings for one round, so that more rounds leave the first ones fresh.

    The number of rounds is that of the jobs. Evaluations that are spread over rounds are given as their ratio in lowest
    terms; those that are matched to another strategy's cost depend on the number of rounds.
    """
    one = config.search.strategies[name]
    dump = one.model_dump(mode="json")
    if not isinstance(one, Random):
        del dump["rounds"]
    elif one.evaluations != "auto":
        common = gcd(one.evaluations, one.rounds)
        dump |= {"evaluations": one.evaluations // common, "rounds": one.rounds // common}
    return dump


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


def rungs_recipe(config: Config) -> str:
    """Return the path of the recipe of the rungs."""
    return "retrain.recipe" if config.scaling.rungs.recipe is None else "scaling.rungs.recipe"


def head_width(config: Config, _: str) -> int | None:
    """Return the width of a head in most of the space's language models, of the middle width; None for images."""
    space = declared(filled(config.space))
    if not isinstance(space, LanguageSpace):
        return None
    widths = space.choices.widths
    return 2 * max(1, widths[len(widths) // 2] // heads_of(space) // 2)


def inherited(config: Config, _: str) -> Json | None:
    """Return the training of the supernet that final trainings start from; None if they start from none."""
    estimator = config.search.estimator
    if config.retrain.start != "supernet" or not isinstance(estimator, SharedWeights):
        return None
    return estimator.supernet.model_dump(mode="json")


def matched(config: Config, name: str) -> bool:
    """Return whether a strategy is random search whose cost is matched to the others'."""
    one = config.search.strategies[name]
    return isinstance(one, Random) and one.evaluations == "auto"


def weights(config: Config, _: str) -> Json | None:
    """Return what networks start from, if that is not nothing."""
    if not pretraining.pretrains(config.weights):
        return None
    named = {"source": weights_source(config), "normalisation": normalised_by(config)}
    return named | {"importance": config.weights.importance}


def weights_source(config: Config, _: str = "") -> str:
    """Return the name of the weights' source; of a file, whose path is an option, that it is one."""
    return FILE if pretraining.is_file(config.weights) else config.weights.source


def weights_version(config: Config, _: str) -> str:
    """Return the version of the package that carries the weights; empty for a file."""
    return pretraining.version_of(config.weights)


def normalised_by(config: Config, _: str = "") -> str:
    """Return the name of the normalisation of pixels."""
    return pretraining.normalised_by(config.weights)


def normalisation(config: Config, _: str) -> list[list[float]] | None:
    """Return mean and std by channel, scaled to 0 to 1; None for those of the training images."""
    found = NORMALISATIONS.get(normalised_by(config))
    return None if found is None else [list(one) for one in found]


def pretrained_network(config: Config, _: str = "") -> str | None:
    """Return the network whose weights the space's architectures start from."""
    space = declared(filled(config.space))
    if not pretraining.pretrains(config.weights) or not isinstance(space, MobileSpace):
        return None
    return pretraining.pretrained_network(config.weights, space)


def pretrained_baselines(config: Config, _: str) -> list[str]:
    """Return the hand-designed networks that torchvision may have weights of."""
    return list(config.retrain.baselines) if config.weights.source == pretraining.IMAGENET else []
