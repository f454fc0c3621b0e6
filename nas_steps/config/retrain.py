"""The final trainings: the key `retrain`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from nas_steps.config.recipe import Recipe
from nas_steps.config.section import LONGEST_ENTRY, EachOnce, Natural, Processes, Section
from nas_steps.config.space import Network
from nas_steps.spaces.baselines import parse_baseline, to_be_fitted


class Budget(Section):
    """The largest size of a hand-designed network."""

    macs: float | None = Field(None, gt=0, description="Most multiply-accumulates of an image's forward pass.")
    parameters: float | None = Field(None, gt=0, description="Most parameters.")
    winner: bool = Field(False, description="At most the MACs of the best ranked winner; `budget: winner` for short.")

    @model_validator(mode="after")
    def _says_something(self) -> Budget:
        numbers = self.macs is not None or self.parameters is not None
        if numbers == self.winner:
            raise ValueError("a budget is `macs`, `parameters` or both, or the word `winner`")
        return self


class Retrain(Section):
    network: Network = Field(
        default_factory=lambda: Network(channels=8, cells=5, stem_multiplier=3),
        description="The skeleton of final networks, also for ranking and scaling.",
    )
    recipe: Recipe = Field(
        default_factory=lambda: Recipe(epochs=30),
        description="The recipe of all entries: searched, random, hand-designed.",
    )
    seeds: int = Field(3, ge=1, description="Trainings of each entry; below 3 the report makes no claim.")
    processes: Processes = 1
    baselines: Annotated[list[Annotated[str, Field(max_length=LONGEST_ENTRY)]], EachOnce] = Field(
        default_factory=lambda: ["resnet20", "mobilenet_v2_x0.5"],
        min_length=2,
        description="At least two hand-designed networks. Suffixes: `_x0.5` scales the width, `_d1.5` the depth, "
        "`_auto` takes the largest width within `budget`.",
    )
    budget: Budget | None = Field(None, description="The largest size of a baseline; null: any.")
    uniform: Natural = Field(
        8,
        description="Uniformly drawn architectures to train, what no search gives. They are the first of the draw of "
        "`ranking.uniform`, whose trainings cannot serve: they read no test set and keep no weights. 0: none.",
    )
    largest: bool = Field(False, description="Train the space's largest network, too.")
    train_on: Literal["train", "train+valid"] = Field(
        "train", description="Images of final trainings; `train+valid` leaves none for validation."
    )

    @field_validator("baselines")
    @classmethod
    def _known_baselines(cls, value: list[str]) -> list[str]:
        for name in value:
            if to_be_fitted(name) is None:
                parse_baseline(name)
        return value

    @field_validator("budget", mode="before")
    @classmethod
    def _winner_is_a_word(cls, value: Any) -> Any:
        return {"winner": True} if value == "winner" else value

    @model_validator(mode="after")
    def _fitted_to_something(self) -> Retrain:
        fitted = [name for name in self.baselines if to_be_fitted(name) is not None]
        if fitted and self.budget is None:
            raise ValueError(f"baselines: {fitted[0]} takes its width from a budget, and there is none; set budget")
        return self
