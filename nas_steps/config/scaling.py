"""The keys `scaling` and `scaling.factorial`: the winner's family, and what search and scaling each bring."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from nas_steps.config.recipe import Recipe
from nas_steps.config.section import Positive, Section
from nas_steps.errors import UserError, known
from nas_steps.spaces.baselines import parse_baseline, scalable_names
from nas_steps.spaces.mobile.architectures import is_mobile, parse_mobile
from nas_steps.spaces.mobile.efficientnet import PUBLISHED, triples

Factors = Annotated[list[Annotated[float, Field(ge=1)]], Field(min_length=1)]

Base = Literal["searched", "random", "hand_designed"]
Way = Literal["none", "depth", "width", "resolution", "compound"]


class Factorial(Section):
    """Search against scaling: bases x ways to scale them, at matched MACs."""

    enabled: bool = Field(
        False, description="Whether to train every base in every way of scaling: bases x scalings x seeds trainings."
    )
    bases: list[Base] = Field(
        ["searched", "random", "hand_designed"],
        description="What is scaled: the best ranked architecture; one drawn uniformly from the space, another for "
        "each seed, so that an interval covers other draws too; a hand-designed network.",
    )
    scalings: list[Way] = Field(
        ["none", "depth", "width", "resolution", "compound"],
        description="How: not at all, in one dimension, or in all three by the chosen triple.",
    )
    hand_designed: str = Field(
        "resnet20",
        description="The hand-designed base: " + ", ".join(scalable_names()) + ", with `_x0.5` or `_d1.5` at the end "
        "to scale its width or depth; or a mobile architecture such as EfficientNet-B0's own string.",
    )
    factor: float = Field(
        4.0,
        gt=1,
        le=64,
        description="MACs of all scaled networks, in multiples of the winner's own. Unscaled bases are brought to the "
        "winner's MACs by their width.",
    )
    seeds: Positive = Field(3, description="Trainings of each cell of the factorial, paired by seed.")
    recipe: Recipe | None = Field(None, description="How they are trained; null: by `retrain.recipe`.")
    channel_divisor: Positive = Field(
        1, description="Scaled channels are rounded to a multiple of this; 1 matches MACs best."
    )

    @field_validator("bases", "scalings")
    @classmethod
    def _each_once(cls, value: list[str]) -> list[str]:
        if len(set(value)) < len(value):
            raise ValueError(f"one stands twice in {value}")
        return value

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


class Scaling(Section):
    """Compound scaling (Tan & Le 2019, section 3.3): depth alpha^phi, width beta^phi, resolution gamma^phi."""

    enabled: bool = Field(True, description="Whether to scale the winner at all.")
    factors: Literal["formula", "published"] = Field(
        "formula",
        description="`formula`: members phi = 0, 1, ... of the triple that a grid of short trainings chooses. "
        "`published`: the width, depth, side and dropout of EfficientNet-B0 to B7 as released with the paper, relative "
        "to B0, which are not phi = 0 to 7 of the formula; no grid is trained.",
    )
    depth: Factors = Field([1.0, 1.2, 1.4], description="Grid of alpha, the factor of the cells, layers or blocks.")
    width: Factors = Field([1.0, 1.1, 1.2], description="Grid of beta, the factor of the channels.")
    resolution: Factors = Field([1.0, 1.15, 1.3], description="Grid of gamma, the factor of the image side.")
    tolerance: float = Field(
        0.1, gt=0, lt=1, description="Triples with alpha * beta^2 * gamma^2 within 2 * (1 +- tolerance) are tried."
    )
    macs_tolerance: float = Field(
        0.2,
        gt=0,
        lt=1,
        description="Triples whose rounded network really has 2 * (1 +- macs_tolerance) times the winner's "
        "MACs; the others are listed as left out.",
    )
    recipe: Recipe = Field(
        default_factory=lambda: Recipe(epochs=12), description="The short training that chooses the triple (on valid)."
    )
    members: int = Field(8, ge=1, le=16, description="Members of the family, phi = 0, 1, ...: B0 to B7.")
    mac_budget: Annotated[float, Field(gt=0)] = Field(
        5e6, description="Most multiply-accumulates an image of the members that are trained by `retrain.recipe`."
    )
    seeds: Positive = Field(2, description="Trainings of each member within the budget.")
    channel_divisor: Positive | None = Field(
        None,
        description="Scaled channels are rounded to a multiple of this; null: 8 for mobile networks, as published, 4 "
        "for cells.",
    )
    dropout_growth: float = Field(
        0.3,
        ge=0,
        le=0.9,
        description="By how much the dropout of a mobile network's head grows from B0 to phi = 7, linearly (published: "
        "0.2 to 0.5, whose table `published` takes). Cell networks have none.",
    )
    drop_path_growth: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="By how much `retrain.recipe.drop_path` grows from B0 to B7, linearly; 0 as published: all "
        "sizes have the same.",
    )
    warm_start: bool = Field(
        False,
        description="Whether a member starts from the trained weights of the next smaller one (same seed) instead of "
        "random ones. B7 then waits for B6, and so on.",
    )
    factorial: Factorial = Field(default_factory=Factorial, description="Search against scaling, at matched MACs.")

    @model_validator(mode="after")
    def _grid_has_a_triple(self) -> Scaling:
        if not triples(self.factors, self.depth, self.width, self.resolution, self.tolerance):
            raise ValueError(
                "no triple of the grid has depth * width^2 * resolution^2 within "
                f"{2 * (1 - self.tolerance):g} to {2 * (1 + self.tolerance):g}; widen the grid or the tolerance"
            )
        if self.factorial.enabled and not self.enabled:
            raise ValueError(
                "factorial is enabled, but enabled is false: nothing is scaled; switch both on, or both off"
            )
        if self.factors == "published" and self.members > len(PUBLISHED):
            raise ValueError(
                f"members is {self.members}, but factors: published has {len(PUBLISHED)}, B0 to B7; lower members or "
                "take factors: formula"
            )
        return self
