"""Count what strategies and evaluations train, for the settings of the budget. No step runs this."""

import operator

from nas_steps.config.derive import Json
from nas_steps.config.estimators import Extrapolation, SharedWeights, ShortTraining, Training, ZeroCost, rungs
from nas_steps.config.schema import Config
from nas_steps.config.strategies import Enas, Gradient, PcDarts, SdartsAdv, Strategy
from nas_steps.search.sampling import evaluations


def most_evaluations(config: Config, name: str) -> int:
    """Count the evaluations of a strategy if they cost little (in a table, by shared weights); `auto` is the most."""
    # gradient strategies may draw architectures in the end, which is another cost
    asking = {key: one for key, one in config.search.strategies.items() if not isinstance(one, Gradient)}
    counts = {key: one.evaluations if isinstance(one, Enas) else evaluations(one) for key, one in asking.items()}
    own = counts[name]
    return own if isinstance(own, int) else max(count for count in counts.values() if isinstance(count, int))


def evaluation(config: Config, _: str) -> Json:
    """Return what an evaluation trains on average, for the budget."""
    estimator = config.search.estimator
    epochs: float = 0
    if isinstance(estimator, ShortTraining):
        # of each rung one in `eta` goes on
        halving, reached = estimator.halving, rungs(estimator)
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
    return {"kind": strategy.kind, "evaluations": evaluations(strategy)}


def counted_supernet(config: Config, _: str) -> Json | None:
    """Return what the budget counts of the supernet that all strategies share."""
    estimator = config.search.estimator
    if not isinstance(estimator, SharedWeights):
        return None
    trained = estimator.supernet.model_dump(include={"epochs", "images", "resolution", "sampling", "between"})
    return trained | estimator.model_dump(include={"calibration_images", "valid_images"})
