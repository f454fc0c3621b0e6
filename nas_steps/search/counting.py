"""Count what strategies and evaluations train, for the settings of the budget. No step runs this."""

from nas_steps.config.derive import Json
from nas_steps.config.estimators import Extrapolation, SharedWeights, ShortTraining, Training, ZeroCost, rungs
from nas_steps.config.schema import Config
from nas_steps.config.strategies import Drnas, Enas, Gradient, PcDarts, Random, Rsws, SdartsAdv, Setn, Strategy
from nas_steps.search.sampling import evaluations, round_size
from nas_steps.search.settings import Evaluated


def most_evaluations(config: Config, name: str) -> int:
    """Count the evaluations of a strategy if they cost little (in a table, by shared weights); `auto` is the most."""
    # gradient strategies may draw architectures in the end, which is another cost
    asking = {key: one for key, one in config.search.strategies.items() if not isinstance(one, Gradient)}
    counts = {key: one.evaluations if isinstance(one, Enas) else evaluations(one) for key, one in asking.items()}
    own = counts[name]
    return own if isinstance(own, int) else max(count for count in counts.values() if isinstance(count, int))


def evaluation(config: Config, _: str) -> Json:
    """Return what an evaluation trains, for the budget."""
    estimator, found = config.search.estimator, Evaluated()
    if isinstance(estimator, ShortTraining):
        eta = 0 if estimator.halving is None else estimator.halving.eta
        found = Evaluated(epochs=rungs(estimator), eta=eta, seeds=estimator.seeds)
    elif isinstance(estimator, Extrapolation):
        ends = {"finish": estimator.finish, "whole": estimator.epochs}
        found = Evaluated(epochs=(estimator.observe,), each_epoch=True, **ends)
    elif isinstance(estimator, ZeroCost):
        found = Evaluated(batch=estimator.batch_size)
    if isinstance(estimator, Training):
        found = found.model_copy(update={"images": estimator.images, "resolution": estimator.resolution})
        if estimator.compute is not None:
            rates = len(estimator.learning_rates or [estimator.learning_rate])
            of_a_part = rates * estimator.compute / estimator.epochs
            found = found.model_copy(update={"compute": of_a_part, "rates": rates})
    return found.model_dump(mode="json")


def screened(config: Config, _: str) -> list[int] | None:
    """Return the proposals that a screen scores for one evaluation, and the images of its batch."""
    screen = config.search.screen
    return None if screen is None else [screen.proposals_per_evaluation, screen.batch_size]


def counted_strategies(config: Config, _: str) -> Json:
    """Return what the budget counts of each strategy."""
    return {name: _counted(strategy) for name, strategy in config.search.strategies.items()}


def _counted(strategy: Strategy) -> Json:
    if isinstance(strategy, Gradient):
        # a batch of validation images for each one of training images, unless there are no alphas
        valid = int(strategy.passes > 1)
        looking = strategy.steps if isinstance(strategy, SdartsAdv) else 0
        return {
            "kind": strategy.kind,
            "epochs": strategy.epochs,
            "warmup_epochs": strategy.warmup_epochs,
            "batch_size": strategy.batch_size,
            # each step that looks for a disturbance is a pass; the loss before and after them is compared
            "passes": 1 + looking,
            "forwards": 2 if looking else 0,
            "alpha_passes": int(strategy.passes) - 1 - valid,
            "alpha_valid_passes": valid,
            "path": strategy.path,
            "alpha_path": strategy.alpha_path or strategy.path,
            "parts": strategy.parts if isinstance(strategy, PcDarts) else 1,
            "stages": [one.model_dump() for one in strategy.stages] if isinstance(strategy, Drnas) else [],
            "eigenvalue": strategy.eigenvalue,
            "drawn": strategy.evaluations if isinstance(strategy, Rsws | Setn) else 0,
            "selection_epochs": strategy.selection_epochs if strategy.selection == "perturbation" else None,
        }
    if isinstance(strategy, Enas):
        return {
            "kind": strategy.kind,
            "epochs": strategy.epochs,
            "passes": 1,
            "path": "architecture",
            "rewarded": strategy.epochs * strategy.controller_steps * strategy.controller_batch,
            "reward_images": strategy.reward_images,
            "drawn": strategy.evaluations,
            "calibration_images": strategy.calibration_images,
        }
    number = evaluations(strategy)
    sizes: int | list[int] = strategy.rounds
    if not isinstance(strategy, Random):
        sizes = [round_size(strategy, place, 0) for place in range(strategy.rounds)]
    return {"kind": strategy.kind, "evaluations": number, "rounds": sizes}


def counted_supernet(config: Config, _: str) -> Json | None:
    """Return what the budget counts of the supernet that all strategies share."""
    estimator = config.search.estimator
    if not isinstance(estimator, SharedWeights):
        return None
    trained = estimator.supernet.model_dump(include={"epochs", "images", "resolution", "sampling", "between"})
    return trained | estimator.model_dump(include={"calibration_images", "valid_images"})
