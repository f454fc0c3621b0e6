"""From a config to the slice that each step uses; which keys reach which step is decided here."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Any

from nas_steps.config.constraints import Constraints
from nas_steps.config.data import Data
from nas_steps.config.estimators import (
    Estimator,
    Extrapolation,
    Screen,
    SharedWeights,
    ShortTraining,
    Table,
    Training,
    ZeroCost,
)
from nas_steps.config.scaling import Scaling
from nas_steps.config.schema import Config
from nas_steps.config.settings import (
    BlockLatencySettings,
    BudgetSettings,
    CalibrationSettings,
    ComparisonSettings,
    Counted,
    CountedSupernet,
    DartsSettings,
    DataSettings,
    EnasSettings,
    EstimationSettings,
    Evaluated,
    ExportSettings,
    FactorialSettings,
    LookupSettings,
    OneShotSettings,
    ProposeSettings,
    ReplaySettings,
    ReportSettings,
    SampleSettings,
    ScalingSettings,
    ScreenSettings,
    Settings,
    SharedSettings,
    ShortlistSettings,
    SupernetSettings,
    TrainingSettings,
    write_settings,
)
from nas_steps.config.strategies import (
    SUPERNET_KINDS,
    Enas,
    Gradient,
    PcDarts,
    Random,
    SamplingStrategy,
    SdartsAdv,
    Strategy,
)

#: stands in settings for a path, which the command line gives
ELSEWHERE = "(given by --path)"


def slices(config: Config, content: str = "") -> dict[str, Settings]:
    """Every step's slice, by the name of its settings file; `content` is the fingerprint of the user's images."""
    compute: dict[str, Any] = {"seed": config.seed, "threads": config.threads}
    final: dict[str, Any] = {**compute, "space": config.space, "network": config.retrain.network}
    unused = Scaling()
    found: dict[str, Settings] = {
        "data": data_settings(config, content),
        "budget": BudgetSettings(
            seed=config.seed,
            space=config.space,
            network=config.search.network,
            evaluation=evaluated(config.search.estimator, config.search.screen),
            strategies={name: _counted(strategy) for name, strategy in config.search.strategies.items()},
            supernet=_counted_supernet(config.search.estimator),
            constraints=_constraints(config),
        ),
        "evaluation": EstimationSettings(
            **compute, space=config.space, network=config.search.network, estimator=config.search.estimator
        ),
        "shortlist": ShortlistSettings(
            shortlist=config.ranking.shortlist,
            kinds={name: strategy.kind for name, strategy in config.search.strategies.items()},
        ),
        "ranking": EstimationSettings(**final, estimator=ShortTraining(**config.ranking_recipe.model_dump())),
        "sample": SampleSettings(
            seed=config.seed, space=config.space, constraints=_constraints(config), uniform=config.ranking.uniform
        ),
        "comparison": ComparisonSettings(
            estimator=score_name(config.search.estimator),
            screen=None if config.search.screen is None else config.search.screen.proxy,
            own=tuple(name for name, one in config.search.strategies.items() if one.kind in SUPERNET_KINDS),
        ),
        "calibration": CalibrationSettings(
            seed=config.seed,
            estimator=score_name(config.search.estimator),
            shortlist=config.ranking.shortlist,
            tolerance=config.ranking.tolerance,
            most=config.ranking.most,
        ),
        "retraining": TrainingSettings(
            **final,
            recipe=config.retrain.recipe,
            train_on=config.retrain.train_on,
            processes=config.retrain.processes,
            constraints=_constraints(config),
        ),
        # the number of seeds is the number of jobs, and the members' limits are no part of the grid
        "scaling_grid": ScalingSettings(
            **final,
            recipe=config.scaling.recipe,
            scaling=config.scaling.model_copy(
                update={
                    "recipe": unused.recipe,
                    "seeds": unused.seeds,
                    "members": unused.members,
                    "mac_budget": unused.mac_budget,
                    "dropout_growth": unused.dropout_growth,
                    "drop_path_growth": unused.drop_path_growth,
                    "warm_start": unused.warm_start,
                    "factorial": unused.factorial,
                }
            ),
        ),
        "scaling_members": ScalingSettings(
            **final,
            recipe=config.retrain.recipe,
            train_on=config.retrain.train_on,
            processes=config.retrain.processes,
            scaling=config.scaling.model_copy(
                update={"recipe": unused.recipe, "seeds": unused.seeds, "factorial": unused.factorial}
            ),
        ),
        "export": ExportSettings(seed=config.seed, space=config.space, export=config.export),
        "report": ReportSettings(config=config),
    }
    factorial = config.scaling.factorial
    if factorial.enabled:
        found["factorial"] = FactorialSettings(
            **final,
            recipe=factorial.recipe or config.retrain.recipe,
            train_on=config.retrain.train_on,
            processes=config.retrain.processes,
            factorial=factorial.model_copy(update={"recipe": None, "seeds": unused.factorial.seeds}),
            constraints=_constraints(config),
        )
    estimator, screen = config.search.estimator, config.search.screen
    if screen is not None:
        found["screen"] = ScreenSettings(**compute, space=config.space, network=config.search.network, screen=screen)
        # the same score for all, with nothing turned down
        found["screening"] = EstimationSettings(
            **compute,
            space=config.space,
            network=config.search.network,
            estimator=ZeroCost(proxy=screen.proxy, batch_size=screen.batch_size),
        )
    if config.search.needs_costs:
        found["costs"] = BlockLatencySettings(
            seed=config.seed,
            space=config.space,
            network=config.retrain.network,
            latency=config.search.latency,
        )
    halving = estimator.halving if isinstance(estimator, ShortTraining) else None
    asked: dict[str, Any] = {
        "rungs": estimator.rungs if isinstance(estimator, ShortTraining) and halving is not None else (),
        "reduction": 0 if halving is None else halving.reduction,
        "of": 1 if screen is None else screen.of,
        "finish": estimator.finish if isinstance(estimator, Extrapolation) else 0,
        "constraints": _constraints(config),
        "beats": isinstance(estimator, Extrapolation) and estimator.stop_below > 0,
    }
    if isinstance(estimator, Table):
        table = {
            "space": config.space,
            "table": estimator.model_copy(update={"path": ELSEWHERE}),
            "content": content,
        }
        kinds = {name: strategy.kind for name, strategy in config.search.strategies.items()}
        found["lookup"] = LookupSettings(**table, kinds=kinds)
    shared: dict[str, Any] = {**compute, "space": config.space, "network": config.search.network}
    if isinstance(estimator, SharedWeights):
        found["supernet"] = SupernetSettings(**shared, supernet=estimator.supernet)
        found["shared_weights"] = SharedSettings(**shared, estimator=estimator)
    for name, strategy in config.search.strategies.items():
        if isinstance(estimator, Table):
            assert not isinstance(strategy, (Gradient, Enas))  # the schema refuses them
            found[f"search_{name}"] = ReplaySettings(
                seed=config.seed,
                **table,
                strategy=strategy,
                evaluations=most_evaluations(config, strategy),
            )
        elif isinstance(strategy, Gradient):
            found[f"search_{name}"] = DartsSettings(
                **compute, space=config.space, network=config.search.network, strategy=strategy
            )
        elif isinstance(strategy, Enas):
            found[f"search_{name}"] = EnasSettings(**shared, strategy=strategy)
        elif isinstance(estimator, SharedWeights):
            found[f"search_{name}"] = OneShotSettings(
                **shared,
                estimator=estimator,
                constraints=_constraints(config),
                strategy=strategy,
                evaluations=most_evaluations(config, strategy),
            )
        else:
            if not isinstance(strategy, Random):
                strategy = strategy.model_copy(update={"rounds": 1})
            found[f"search_{name}"] = ProposeSettings(seed=config.seed, space=config.space, strategy=strategy, **asked)
    return found


def score_name(estimator: Estimator) -> str:
    """What candidates.csv calls the scores: an estimator or its proxy; of successive halving those of the last rung."""
    name = estimator.proxy if isinstance(estimator, ZeroCost) else estimator.kind
    if isinstance(estimator, ShortTraining) and estimator.halving is not None:
        return f"{name} of {estimator.epochs} epochs"
    return name


def evaluated(estimator: Estimator, screen: Screen | None) -> Evaluated:
    """What an evaluation trains on average. A screened batch is a training batch for each of those proposed."""
    if isinstance(estimator, ShortTraining):
        # of each rung one in `reduction` goes on
        shares = (
            [1.0]
            if estimator.halving is None
            else [estimator.halving.reduction**-rung for rung in range(len(estimator.rungs))]
        )
        epochs = sum(map(operator.mul, estimator.rungs, shares)) / sum(shares) * estimator.seeds
    else:
        epochs = estimator.observe if isinstance(estimator, Extrapolation) else 0
    images = estimator.batch_size if isinstance(estimator, ZeroCost) else 0
    images += screen.of * screen.batch_size if screen is not None else 0
    training = estimator if isinstance(estimator, Training) else None
    return Evaluated(
        epochs=epochs,
        share=training.images if training else 1,
        images=images,
        resolution=training.resolution if training else None,
    )


def most_evaluations(config: Config, strategy: SamplingStrategy) -> int:
    """How many evaluations a strategy gets, where they cost next to nothing (in a table, by shared weights): random
    search that is matched gets as many as the one with the most."""
    if isinstance(strategy.evaluations, int):
        return strategy.evaluations
    # those that train a supernet of their own may draw architectures in the end, which is another cost
    asking = [other for other in config.search.strategies.values() if not isinstance(other, Gradient)]
    others = [getattr(other, "evaluations", None) for other in asking]
    return max(number for number in others if isinstance(number, int))


def _constraints(config: Config) -> Constraints | None:
    """The limits alone: how latency is measured shapes the table of costs, not what is done with it."""
    constraints = config.search.constraints
    return Constraints(**constraints.given()) if constraints is not None and constraints.given() else None


def data_settings(config: Config, content: str, *, exact: bool = False) -> DataSettings:
    """The settings of the data step, without the place and the name of the files: their content counts.

    What is done with a file that cannot be read, and which picture is too large, counts only if it is `exact`: if no
    file is concerned, the data are the same.
    """
    given, default = config.data, Data()
    update = {
        "path": ELSEWHERE if given.source in ("folder", "npz") else None,
        "unreadable": default.unreadable,
        "max_image_pixels": default.max_image_pixels,
    }
    tolerance = f"{given.unreadable} {given.max_image_pixels}" if exact and given.source == "folder" else ""
    return DataSettings(seed=config.seed, data=given.model_copy(update=update), content=content, tolerance=tolerance)


def _counted(strategy: Strategy) -> Counted:
    if isinstance(strategy, Gradient):
        return Counted(
            kind=strategy.kind,
            epochs=strategy.epochs,
            # each step that looks for a disturbance is a pass
            passes=strategy.passes + (strategy.steps if isinstance(strategy, SdartsAdv) else 0),
            path=strategy.path,
            parts=strategy.parts if isinstance(strategy, PcDarts) else 1,
            selection_epochs=strategy.selection_epochs if strategy.selection == "perturbation" else 0,
        )
    if isinstance(strategy, Enas):
        rewarded = strategy.controller_steps * strategy.controller_batch * strategy.reward_images
        return Counted(
            kind=strategy.kind,
            epochs=strategy.epochs,
            passes=1,
            path="architecture",
            forwards=strategy.epochs * rewarded,
        )
    return Counted(kind=strategy.kind, evaluations=strategy.evaluations)


def _counted_supernet(estimator: Estimator) -> CountedSupernet | None:
    if not isinstance(estimator, SharedWeights):
        return None
    return CountedSupernet(
        epochs=estimator.supernet.epochs,
        share=estimator.supernet.images,
        resolution=estimator.supernet.resolution,
        sampling=estimator.supernet.sampling,
        between=estimator.supernet.between,
        calibration_images=estimator.calibration_images,
        valid_images=estimator.valid_images,
    )


def write_slices(config: Config, folder: str | Path, content: str = "") -> dict[str, str]:
    """Write each slice to `<folder>/<name>-<fingerprint>.json`, where it is not there yet; return the paths.

    The content is in the name: a file is never changed, so a running job cannot meet the settings of a later run.
    """
    paths = {}
    for name, settings in slices(config, content).items():
        paths[name] = write_settings(name, settings.model_dump(mode="json"), folder)
    return paths
