"""The settings of every estimator, by kind: how a sampled architecture is scored."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from nas_steps.config.recipe import Recipe
from nas_steps.config.section import Natural, PathText, Positive, Section, Text
from nas_steps.config.supernet import SupernetTraining
from nas_steps.errors import exact
from nas_steps.facts import FEWEST_FINISHED, FEWEST_OBSERVED

#: cheap scores of an untrained network, and the two that need no images at all
Proxy = Literal["params", "macs", "grad_norm", "snip", "grasp", "fisher", "synflow", "jacob_cov", "naswot"]


class Training(Recipe):
    """Keys of all estimators that train."""

    images: float = Field(1.0, gt=0, le=1, description="Share of the training images, stratified, the same for all.")
    resolution: int | None = Field(None, ge=4, le=1024, description="Side in pixels; null: the stored side.")


class Halving(Section):
    """Successive halving by promotion (ASHA; Li et al. 2020): few epochs for all, more for the best."""

    epochs: Positive = Field(2, description="Epochs of the first rung; each further rung has `eta` times as many.")
    eta: int = Field(3, ge=2, le=10, description="The best 1/eta of a rung are promoted to the next.")


class ShortTraining(Training):
    kind: Literal["short_training"] = Field(
        "short_training", description="Train for a few epochs; take the validation accuracy."
    )
    seeds: Positive = Field(1, description="Trainings of each architecture; their mean is its score.")
    halving: Halving | None = Field(None, description="Train the best longer, rung by rung; null: train all alike.")

    @model_validator(mode="after")
    def _rungs_rise(self) -> ShortTraining:
        if self.halving is not None:
            if self.halving.epochs >= self.epochs:
                problem = f"halving.epochs ({self.halving.epochs}) must be below epochs ({self.epochs})"
                raise ValueError(f"{problem}: there would be nothing to be promoted to")
            if self.warmup_epochs >= self.halving.epochs:
                problem = f"warmup_epochs ({exact(self.warmup_epochs)}) must be below halving.epochs"
                raise ValueError(f"{problem} ({self.halving.epochs}): the first rung's learning rate would never fall")
        return self


def rungs(estimator: ShortTraining) -> tuple[int, ...]:
    """Return the epochs of each rung, rising; without halving there is one."""
    if estimator.halving is None:
        return (estimator.epochs,)
    reached, epochs = [], estimator.halving.epochs
    while epochs < estimator.epochs:
        reached.append(epochs)
        epochs *= estimator.halving.eta
    return (*reached, estimator.epochs)


class Extrapolation(Training):
    kind: Literal["extrapolation"] = Field(
        "extrapolation", description="Train `observe` of `epochs` epochs and extrapolate the learning curve."
    )
    observe: int = Field(5, ge=FEWEST_OBSERVED, description="Most epochs to train, by the schedule of all `epochs`.")
    stop_below: float = Field(
        0.05, ge=0, lt=1, description="Stop if the probability of beating the best of earlier rounds is below this."
    )
    finish: int = Field(
        0,
        ge=0,
        description="Candidates of the first round to train to the end, 3 or more. Their errors correct later "
        "predictions and set their intervals. 0: none.",
    )

    @model_validator(mode="after")
    def _leaves_something(self) -> Extrapolation:
        if 0 < self.finish < FEWEST_FINISHED:
            raise ValueError(
                f"finish is {self.finish}; raise it to {FEWEST_FINISHED} or more, which show a spread, or set it to 0"
            )
        if self.observe >= self.epochs:
            raise ValueError(
                f"observe ({self.observe}) must be below epochs ({self.epochs}): there would be nothing to extrapolate"
            )
        return self


class ZeroCost(Section):
    kind: Literal["zero_cost"] = Field("zero_cost", description="Score the untrained network on one batch.")
    proxy: Proxy = Field("synflow", description="The score; higher is better.")
    batch_size: Positive = Field(64, description="Training images of that batch, the same for all.")


class TableColumn(Section):
    """A further column of a benchmark's table, such as a latency: an objective, a limit, or both."""

    goal: Literal["minimise", "maximise"] = Field("minimise", description="What a strategy does that names it.")
    at_most: float | None = Field(None, description="The largest value that an evaluated architecture may have.")
    at_least: float | None = Field(None, description="The smallest value that an evaluated architecture may have.")

    @model_validator(mode="after")
    def _leaves_something(self) -> TableColumn:
        if self.at_least is not None and self.at_most is not None and self.at_least > self.at_most:
            problem = f"at_least ({exact(self.at_least)}) is above at_most ({exact(self.at_most)})"
            raise ValueError(f"{problem}: no value is within; swap them")
        return self


class TableImages(Section):
    """The images that a table's networks were trained on, which their parameters and MACs are counted for."""

    channels: Positive = Field(3, description="Channels of an image.")
    side: Positive = Field(224, description="Side in pixels.")
    classes: Positive = Field(1000, description="Classes of the last layer.")


class Table(Section):
    kind: Literal["table"] = Field(
        "table", description="Look accuracies up in a benchmark's table; train nothing but the supernets of strategies."
    )
    path: PathText = Field(
        description="A CSV file (or .gz): each architecture of the space once; accuracies are in per cent."
    )
    spelling: Literal["string", "ofa"] = Field(
        "string",
        description="How a row names its architecture. `string`: in the column `architecture`. `ofa`: in the columns "
        "`kernels`, `expansions` and `depths`, as once-for-all subnets are published. The first two name 4 layers a "
        "stage; layers beyond its depth do not count.",
    )
    search: Text = Field(description="The column that strategies see, such as an accuracy after few epochs.")
    report: Text = Field(description="The column that the report uses, such as the final test accuracy.")
    valid: Text | None = Field(
        None,
        description="The column of the validation accuracy in the end, which the report tells, too; null: `search`.",
    )
    cost: Text | None = Field(None, description="A column with the seconds of one evaluation, if there is one.")
    columns: dict[Text, TableColumn] = Field(
        default_factory=dict,
        description="Further columns, by name, that strategies may have as `objectives`, or that are limited.",
    )
    missing: Literal["refuse", "surrogate"] = Field(
        "refuse",
        description="What if the table lacks an architecture, or a cell: `refuse` the table, or ask a `surrogate`, a "
        "Gaussian process that is fitted to the table. The report says how much of what it tells is predicted.",
    )
    images: TableImages = Field(
        default_factory=TableImages, description="What the table's networks were trained on; for counts of parameters."
    )


class SharedWeights(Section):
    kind: Literal["shared_weights"] = Field(
        "shared_weights", description="Train a supernet per search seed; score with its shared weights."
    )
    supernet: SupernetTraining = Field(default_factory=lambda: SupernetTraining(), description="How it is trained.")
    calibration_images: Natural = Field(
        1024, description="Training images to re-estimate batch norms before scoring; 0: running statistics."
    )
    valid_images: Positive | None = Field(None, description="Validation images, the same for all; null: all of them.")


_Estimators = ShortTraining | Extrapolation | ZeroCost | Table | SharedWeights
Estimator = Annotated[_Estimators, Field(discriminator="kind")]
ESTIMATORS: dict[str, type[Section]] = {one.model_fields["kind"].default: one for one in get_args(_Estimators)}


class Screen(Section):
    """A cheap score that chooses which proposed architectures are evaluated."""

    proxy: Proxy = Field("synflow", description="The score; higher is better.")
    batch_size: Positive = Field(64, description="Training images that it needs, the same for all.")
    proposals_per_evaluation: int = Field(4, ge=2, le=1000, description="Architectures proposed for each evaluation.")


def named_kind(value: Any) -> Any:
    """Return an estimator's settings with the default kind if none is named."""
    return {"kind": "short_training", **value} if isinstance(value, dict) and "kind" not in value else value
