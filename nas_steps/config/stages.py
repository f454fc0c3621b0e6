"""The slice of the config that each step uses.

A step reads its slice and nothing else; the same slice decides whether the step is stale. So a key can neither be
used without being watched nor be watched without being used.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from nas_steps.config.recipe import Recipe
from nas_steps.config.schema import Config, Data, Export, Scaling
from nas_steps.config.space import Network, Space
from nas_steps.config.strategies import Evolution, Gradient, GradientStrategy, PcDarts, Random, SdartsAdv, Strategy
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
    """`content` is the fingerprint of the user's files, empty where none are read. Where they lie is told apart from
    this: a folder that was moved is the same data, so `data.path` is its last part alone."""

    seed: int
    data: Data
    content: str = ""


class Counted(Slice):
    """What the budget counts of a strategy: the epochs of a supernet, or the evaluations."""

    kind: str
    epochs: int | None = None
    #: forward and backward passes for each training batch, and what each of them trains
    passes: float = 0
    path: str = "all"
    parts: int = 1
    #: epochs of the weights after each decision of a perturbation-based selection
    selection_epochs: int = 0
    evaluations: int | Literal["auto"] | None = None


class BudgetStep(Slice):
    """Enough to count what each strategy will train, and no more."""

    seed: int
    space: Space
    network: Network
    estimator_epochs: int
    strategies: dict[str, Counted]


class ProposeStep(Slice):
    """The number of rounds is the number of jobs: it is no part of a round."""

    seed: int
    space: Space
    strategy: Random | Evolution = Field(discriminator="kind")


class DartsStep(Compute):
    space: Space
    network: Network
    strategy: GradientStrategy


class TrainingStep(Compute):
    """Networks of a space, trained by one recipe: candidates, the shortlist, final models."""

    space: Space
    network: Network
    recipe: Recipe
    train_on: str = "train"
    processes: int = 1


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


def slices(config: Config, content: str = "") -> dict[str, Slice]:
    """Every step's slice, by the name of its settings file; `content` is the fingerprint of the user's images."""
    compute: dict[str, Any] = {"seed": config.seed, "device": config.device, "threads": config.threads}
    final: dict[str, Any] = {**compute, "space": config.space, "network": config.retrain.network}
    unused = Scaling()
    found: dict[str, Slice] = {
        "data": DataStep(seed=config.seed, data=_unplaced(config.data), content=content),
        "budget": BudgetStep(
            seed=config.seed,
            space=config.space,
            network=config.search.network,
            estimator_epochs=config.search.estimator.epochs,
            strategies={name: _counted(strategy) for name, strategy in config.search.strategies.items()},
        ),
        "evaluation": TrainingStep(
            **compute, space=config.space, network=config.search.network, recipe=config.search.estimator
        ),
        "shortlist": ShortlistStep(
            shortlist=config.ranking.shortlist,
            kinds={name: strategy.kind for name, strategy in config.search.strategies.items()},
        ),
        "ranking": TrainingStep(**final, recipe=config.ranking.recipe),
        "retraining": TrainingStep(
            **final, recipe=config.retrain.recipe, train_on=config.retrain.train_on, processes=config.retrain.processes
        ),
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
            processes=config.retrain.processes,
            scaling=config.scaling.model_copy(update={"recipe": unused.recipe, "seeds": unused.seeds}),
        ),
        "export": ExportStep(space=config.space, export=config.export),
        "report": ReportStep(config=config),
    }
    for name, strategy in config.search.strategies.items():
        if isinstance(strategy, Gradient):
            found[f"search_{name}"] = DartsStep(
                **compute, space=config.space, network=config.search.network, strategy=strategy
            )
        else:
            if isinstance(strategy, Evolution):
                strategy = strategy.model_copy(update={"rounds": 1})
            found[f"search_{name}"] = ProposeStep(seed=config.seed, space=config.space, strategy=strategy)
    return found


def _unplaced(data: Data) -> Data:
    """`data` without the place of its files: the name of what is read, nothing of where downloads go."""
    named = data.source in ("folder", "npz") and data.path is not None
    return data.model_copy(update={"path": os.path.basename(os.path.abspath(data.path or "")) if named else None})


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
    return Counted(kind=strategy.kind, evaluations=strategy.evaluations)


def write_slices(config: Config, folder: str | Path, content: str = "") -> dict[str, str]:
    """Write each slice to `<folder>/<name>-<fingerprint>.json`, where it is not there yet; return the paths.

    The content is in the name: a file is never changed, so a running job cannot meet the settings of a later run.
    """
    paths = {}
    for name, settings in slices(config, content).items():
        paths[name] = write_settings(name, settings.model_dump(mode="json"), folder)
    return paths


def write_settings(name: str, value: Any, folder: str | Path) -> str:
    """Write one settings file, if it is not there yet; return its path."""
    path = Path(folder) / f"{name}-{fingerprint(value)}.json"
    if not path.exists():
        write_text(path, canonical_json(value) + "\n")
    return path.as_posix()


Step = TypeVar("Step", bound=Slice)


def read_slice(path: str | Path, kind: type[Step]) -> Step:
    """The settings that the Snakefile wrote for a step."""
    return kind.model_validate(read_json(path))
