"""The final trainings: the key `retrain`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nas_steps.config.recipe import Recipe
from nas_steps.config.section import LONGEST_ENTRY, Processes, Section
from nas_steps.config.space import Network
from nas_steps.spaces.baselines import parse_baseline, to_be_fitted


class Budget(Section):
    """How large a hand-designed network may be."""

    macs: float | None = Field(None, gt=0, description="Multiply-accumulates of one image's forward pass, at most.")
    parameters: float | None = Field(None, gt=0, description="Parameters, at most.")
    winner: bool = Field(
        False,
        description="As many MACs as the best ranked winner of the searches has, at most; `budget: winner` for short.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Budget:
        numbers = self.macs is not None or self.parameters is not None
        if numbers == self.winner:
            raise ValueError("a budget is `macs`, `parameters` or both, or the word `winner`")
        return self


class Retrain(Section):
    network: Network = Field(
        default_factory=lambda: Network(channels=8, cells=5, stem_multiplier=3),
        description="The skeleton of final networks, also used for ranking and scaling.",
    )
    recipe: Recipe = Field(
        default_factory=lambda: Recipe(epochs=30),
        description="One recipe for searched, random and hand-designed entries alike.",
    )
    seeds: int = Field(3, ge=1, description="Trainings of each entry; below 3 the report makes no claim.")
    processes: Processes = 1
    baselines: list[Annotated[str, Field(max_length=LONGEST_ENTRY)]] = Field(
        default_factory=lambda: ["resnet20", "mobilenet_v2_x0.5"],
        min_length=2,
        description="Hand-designed networks to compare with, at least two; `_x0.5` at the end of a name scales its "
        "width, `_d1.5` its depth; `_auto` gives it the largest width within `budget`.",
    )
    budget: Budget | None = Field(
        None, description="The size that the baselines are held to; a larger one is refused. null: any size."
    )
    uniform: bool = Field(
        True,
        description="For each search seed, train an architecture that is drawn uniformly from the space: no search at "
        "all, which a search must beat.",
    )
    largest: bool = Field(
        False, description="Train the space's largest network: does searching beat the most expensive one?"
    )
    train_on: Literal["train", "train+valid"] = Field(
        "train", description="Images of the final trainings. `train+valid` leaves no images for a validation accuracy."
    )

    @field_validator("baselines")
    @classmethod
    def _known_baselines(cls, value: list[str]) -> list[str]:
        for name in value:
            if to_be_fitted(name) is None:
                parse_baseline(name)
        if len(set(value)) < len(value):
            raise ValueError(f"a baseline stands twice in {value}")
        return value

    @field_validator("budget", mode="before")
    @classmethod
    def _winner_is_a_word(cls, value: Any) -> Any:
        return {"winner": True} if value == "winner" else value

    @model_validator(mode="after")
    def _fitted_to_something(self) -> Retrain:
        fitted = [name for name in self.baselines if to_be_fitted(name) is not None]
        if fitted and self.budget is None:
            raise ValueError(
                f"baselines: {fitted[0]} takes its width from a budget, and there is none; set retrain.budget, such as "
                "{macs: 5e6} or winner"
            )
        return self
