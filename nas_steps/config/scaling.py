"""The keys `scaling`, `scaling.factorial` and `scaling.rungs`: the winner's family, search against scaling, and
language models at several computes."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from nas_steps.config.recipe import Recipe
from nas_steps.config.section import EachOnce, Positive, Section
from nas_steps.errors import UserError, exact, known
from nas_steps.facts import WINNER
from nas_steps.spaces.baselines import parse_baseline, scalable_names
from nas_steps.spaces.language.baselines import NAMES
from nas_steps.spaces.language.costs import middle_flops
from nas_steps.spaces.language.sizing import parse_named
from nas_steps.spaces.mobile.architectures import is_mobile, parse_mobile
from nas_steps.spaces.mobile.efficientnet import PUBLISHED, triples

Factors = Annotated[list[Annotated[float, Field(ge=1)]], Field(min_length=1)]

Base = Literal["searched", "random", "hand_designed"]
Way = Literal["none", "depth", "width", "resolution", "compound"]


class Factorial(Section):
    """Search against scaling: bases x scalings, at matched MACs."""

    enabled: bool = Field(False, description="Whether to train all bases x scalings x seeds.")
    bases: Annotated[list[Base], EachOnce] = Field(
        ["searched", "random", "hand_designed"],
        description="What is scaled: the winner (of another search for each seed, if there are 4 or more), a uniformly "
        "drawn architecture for each seed, a hand-designed one.",
    )
    scalings: Annotated[list[Way], EachOnce] = Field(
        ["none", "depth", "width", "resolution", "compound"],
        description="Not at all, in one dimension, or in all three by the chosen triple.",
    )
    hand_designed: str = Field(
        "resnet20",
        description=f"One of {', '.join(scalable_names())}, with `_x0.5` or `_d1.5`; or a mobile architecture.",
    )
    factor: float = Field(
        4.0, gt=1, le=64, description="MACs of scaled networks over the winner's; unscaled bases have the winner's."
    )
    seeds: Positive = Field(3, description="Trainings of each cell of the factorial, paired by seed.")
    recipe: Recipe | None = Field(None, description="The recipe; null: `retrain.recipe`.")
    channel_divisor: Positive = Field(1, description="Round channels to a multiple of this; 1 matches MACs best.")

    @field_validator("hand_designed")
    @classmethod
    def _known_network(cls, value: str) -> str:
        try:
            if is_mobile(value):
                parse_mobile(value)
                return value
        except UserError as error:
            raise ValueError(str(error)) from None
        known("network that can be scaled", parse_baseline(value).base, scalable_names())
        return value

    @model_validator(mode="after")
    def _something_to_compare(self) -> Factorial:
        if "searched" not in self.bases or len(self.bases) < 2:
            raise ValueError(f"bases is {self.bases}; `searched` and another one are needed to compare")
        if "none" not in self.scalings or len(self.scalings) < 2:
            raise ValueError(f"scalings is {self.scalings}; `none` and another one are needed to compare")
        return self


def _rising_from_one(value: list[float]) -> list[float]:
    if value[0] != 1 or any(later <= earlier for earlier, later in pairwise(value)):
        raise ValueError(f"given {[exact(one) for one in value]}, but they rise from 1; give for instance [1, 4, 16]")
    return value


class Rungs(Section):
    """Does it last? Language models at several computes, at several sizes each (Hoffmann et al. 2022, section 3.2)."""

    enabled: bool = Field(False, description="Whether to compare blocks over several computes; of text alone.")
    compute: float | None = Field(None, gt=0, description="Training FLOPs of the first rung; there is no default.")
    factors: Annotated[list[float], Field(min_length=3), AfterValidator(_rising_from_one)] = Field(
        [1.0, 4.0, 16.0], description="Rungs: multiples of `compute`, from 1 on."
    )
    searched: Literal["winner", "strategies"] = Field(
        "winner", description="Whose block is compared: the best ranked winner's, or that of each strategy's best one."
    )
    sizes: int = Field(
        3, ge=3, le=9, description="Sizes of each network at each rung: its layers repeated, its width changed."
    )
    spread: float = Field(
        2.0,
        gt=1,
        le=16,
        description="FLOPs a token of the largest size over the middle one, and of that over the smallest.",
    )
    tokens_per_parameter: float = Field(
        20.0, gt=0, description="Of the middle size, two FLOPs a token counting as a parameter (Hoffmann et al.: 20)."
    )
    aspect: float = Field(32.0, gt=0, description="Width per layer of all sizes, about.")
    seeds: Positive = Field(1, description="Trainings of each size.")
    recipe: Recipe | None = Field(None, description="The recipe but for its compute; null: `retrain.recipe`.")

    @model_validator(mode="after")
    def _has_compute(self) -> Rungs:
        if self.enabled and self.compute is None:
            raise ValueError(
                "enabled is true, but no compute is given; set it to the training FLOPs of the first rung, for "
                "instance compute: 1e12, of which one CPU core does about 1e10 a second"
            )
        return self


#: the largest real size may cost so much more than the wanted one
LARGER = 1.5


def rung_networks(rungs: Rungs, strategies: Iterable[str], baselines: Iterable[str]) -> dict[str, str]:
    """Return the networks that are compared, each with its kind: `searched` or `baseline`; none without rungs.

    Of a baseline with a size, such as `llama_d128_l4`, the block counts.
    """
    if not rungs.enabled:
        return {}
    searched = [WINNER] if rungs.searched == "winner" else list(strategies)
    return dict.fromkeys(searched, "searched") | {parse_named(name).base: "baseline" for name in baselines}


def refuse_rungs(rungs: Rungs, source: str) -> None:
    """Refuse rungs of images. Raises ValueError."""
    if rungs.enabled:
        problem = f"scaling.rungs.enabled is true, but data.source is {source}: rungs compare language models"
        raise ValueError(f"{problem}; take data.source stdlib or text, or set scaling.rungs.enabled: false")


def check_rungs(rungs: Rungs, *, context: int, recipe: Recipe, strategies: Iterable[str]) -> None:
    """Refuse rungs that cannot be climbed. Raises ValueError.

    `recipe` is `retrain.recipe`. The sizes are only about known here.
    """
    if not rungs.enabled or rungs.compute is None:
        return
    if rungs.recipe is not None and rungs.recipe.compute is not None:
        problem = f"scaling.rungs.recipe.compute is {exact(rungs.recipe.compute)}, but each rung has a compute"
        raise ValueError(f"{problem} of its own (scaling.rungs.compute times its factor); leave it out")
    for name in strategies:
        if name in (WINNER, *NAMES):
            problem = f"search.strategies.{name} has the name of another network of scaling.rungs"
            raise ValueError(f"{problem}; rename the strategy")
    step = LARGER * context * max((rungs.recipe or recipe).batch_size, (rungs.recipe or recipe).epochs)
    tokens = rungs.compute / (3 * middle_flops(rungs.compute, rungs.tokens_per_parameter) * rungs.spread)
    if tokens < step:
        # tokens grow with the root of the compute
        least = rungs.compute * (step / tokens) ** 2
        problem = (
            f"scaling.rungs.compute is {exact(rungs.compute)}, which trains the largest size on {tokens:,.0f} tokens"
        )
        advice = f"one step takes up to {step:,.0f}; give at least {least:.2g}, or a smaller batch_size or data.context"
        raise ValueError(f"{problem}, but {advice}")


class Scaling(Section):
    """Compound scaling (Tan & Le 2019, section 3.3): depth alpha^phi, width beta^phi, resolution gamma^phi."""

    enabled: bool = Field(True, description="Whether to scale the winner.")
    factors: Literal["formula", "published"] = Field(
        "formula",
        description="`formula`: phi = 0, 1, ... of a triple that a grid of short trainings chooses. `published`: "
        "width, depth, side and dropout of the released EfficientNet-B0 to B7, relative to B0; these "
        "are not the formula's, and no grid is trained.",
    )
    depth: Factors = Field([1.0, 1.2, 1.4], description="Grid of alpha, the factor of the cells, layers or blocks.")
    width: Factors = Field([1.0, 1.1, 1.2], description="Grid of beta, the factor of the channels.")
    resolution: Factors = Field([1.0, 1.15, 1.3], description="Grid of gamma, the factor of the image side.")
    tolerance: float = Field(
        0.1, gt=0, lt=1, description="Triples with alpha * beta^2 * gamma^2 within 2 * (1 +- tolerance) are tried."
    )
    macs_tolerance: float = Field(
        0.2, gt=0, lt=1, description="Triples whose rounded network has 2 * (1 +- this) times the winner's MACs."
    )
    recipe: Recipe = Field(
        default_factory=lambda: Recipe(epochs=12), description="The short training that chooses the triple (on valid)."
    )
    members: int = Field(8, ge=1, le=16, description="Members of the family, phi = 0, 1, ...: B0 to B7.")
    mac_budget: Annotated[float, Field(gt=0)] = Field(
        5e6, description="Most multiply-accumulates an image of members that are trained by `retrain.recipe`."
    )
    seeds: Positive = Field(2, description="Trainings of each member within the budget.")
    channel_divisor: Positive | None = Field(
        None, description="Round channels to a multiple of this; null: 8 for mobile networks, 4 for cells."
    )
    dropout_growth: float = Field(
        0.3, ge=0, le=0.9, description="Linear growth of a mobile head's dropout to phi = 7, by `formula`."
    )
    drop_path_growth: float = Field(0.0, ge=0, lt=1, description="Linear growth of `drop_path` to B7; published: 0.")
    warm_start: bool = Field(False, description="Start each member from the next smaller one's weights (same seed).")
    factorial: Factorial = Field(default_factory=Factorial, description="Search against scaling, at matched MACs.")
    rungs: Rungs = Field(default_factory=Rungs, description="Language models at several computes: does it last?")

    @model_validator(mode="after")
    def _grid_has_a_triple(self) -> Scaling:
        if not triples(self.factors, self.depth, self.width, self.resolution, self.tolerance):
            within = f"{2 * (1 - self.tolerance):g} to {2 * (1 + self.tolerance):g}; widen the grid or the tolerance"
            raise ValueError(f"no triple of the grid has depth * width^2 * resolution^2 within {within}")
        if self.factorial.enabled and not self.enabled:
            raise ValueError("factorial is enabled, but enabled is false: nothing is scaled; switch both on or off")
        if self.factors == "published" and self.members > len(PUBLISHED):
            raise ValueError(f"members is {self.members}, but published has {len(PUBLISHED)}, B0 to B7; lower it")
        return self
