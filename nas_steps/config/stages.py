"""The slice of the config that each step uses.

A step reads its slice and nothing else; the same slice decides whether the step is stale. So a key can neither be
used without being watched nor be watched without being used.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from nas_steps.config.schema import (
    Config,
    Darts,
    Data,
    Evolution,
    Export,
    Network,
    Random,
    Recipe,
    Scaling,
    Space,
    Strategy,
)
from nas_steps.provenance.files import canonical_json, read_json, write_text
from nas_steps.provenance.fingerprint import fingerprint


class Slice(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Compute(Slice):
    """What every training step needs to know."""

    seed: int
    device: str
    threads: int


class DataStep(Slice):
    seed: int
    data: Data


class BudgetStep(Slice):
    """Enough to count what each strategy will train."""

    seed: int
    space: Space
    network: Network
    estimator_epochs: int
    strategies: dict[str, Strategy]


class ProposeStep(Slice):
    seed: int
    space: Space
    strategy: Random | Evolution = Field(discriminator="kind")


class DartsStep(Compute):
    space: Space
    network: Network
    strategy: Darts


class TrainingStep(Compute):
    """Networks of a space, trained by one recipe: candidates, the shortlist, final models."""

    space: Space
    network: Network
    recipe: Recipe
    train_on: str = "train"


class ShortlistStep(Slice):
    shortlist: int
    kinds: dict[str, str]  # of each strategy


class ScalingStep(TrainingStep):
    scaling: Scaling


class ExportStep(Slice):
    space: Space
    export: Export


class ReportStep(Slice):
    config: Config


def slices(config: Config) -> dict[str, Slice]:
    """Every step's slice, by the name of its settings file."""
    compute: dict[str, Any] = {"seed": config.seed, "device": config.device, "threads": config.threads}
    final: dict[str, Any] = {**compute, "space": config.space, "network": config.retrain.network}
    unused = Scaling()
    found: dict[str, Slice] = {
        "data": DataStep(seed=config.seed, data=config.data),
        "budget": BudgetStep(
            seed=config.seed,
            space=config.space,
            network=config.search.network,
            estimator_epochs=config.search.estimator.epochs,
            strategies=config.search.strategies,
        ),
        "evaluation": TrainingStep(
            **compute, space=config.space, network=config.search.network, recipe=config.search.estimator
        ),
        "shortlist": ShortlistStep(
            shortlist=config.ranking.shortlist,
            kinds={name: strategy.kind for name, strategy in config.search.strategies.items()},
        ),
        "ranking": TrainingStep(**final, recipe=config.ranking.recipe),
        "retraining": TrainingStep(**final, recipe=config.retrain.recipe, train_on=config.retrain.train_on),
        # the number of seeds is the number of jobs, and the members' limits are no part of the grid
        "scaling_grid": ScalingStep(
            **final,
            recipe=config.scaling.recipe,
            scaling=config.scaling.model_copy(
                update={
                    "recipe": unused.recipe,
                    "seeds": unused.seeds,
                    "members": unused.members,
                    "mac_budget": unused.mac_budget,
                }
            ),
        ),
        "scaling_members": ScalingStep(
            **final,
            recipe=config.retrain.recipe,
            train_on=config.retrain.train_on,
            scaling=config.scaling.model_copy(update={"recipe": unused.recipe, "seeds": unused.seeds}),
        ),
        "export": ExportStep(space=config.space, export=config.export),
        "report": ReportStep(config=config),
    }
    for name, strategy in config.search.strategies.items():
        if isinstance(strategy, Darts):
            found[f"search_{name}"] = DartsStep(
                **compute, space=config.space, network=config.search.network, strategy=strategy
            )
        else:
            found[f"search_{name}"] = ProposeStep(seed=config.seed, space=config.space, strategy=strategy)
    return found


def write_slices(config: Config, folder: str | Path) -> dict[str, str]:
    """Write each slice to `<folder>/<name>-<fingerprint>.json`, where it is not there yet; return the paths.

    The content is in the name: a file is never changed, so a running job cannot meet the settings of a later run.
    """
    paths = {}
    for name, settings in slices(config).items():
        value: Any = settings.model_dump(mode="json")
        path = Path(folder) / f"{name}-{fingerprint(value)}.json"
        if not path.exists():
            write_text(path, canonical_json(value) + "\n")
        paths[name] = path.as_posix()
    return paths


Step = TypeVar("Step", bound=Slice)


def read_slice(path: str | Path, kind: type[Step]) -> Step:
    """The settings that the Snakefile wrote for a step."""
    return kind.model_validate(read_json(path))
