"""The final trainings: the key `retrain`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from nas_steps.config.recipe import Recipe
from nas_steps.config.section import (
    LONGEST_ENTRY,
    NAME,
    EachOnce,
    Natural,
    Positive,
    Processes,
    Section,
    laid_over,
    with_names,
)
from nas_steps.config.space import Network
from nas_steps.facts import MAIN_RECIPE
from nas_steps.spaces.baselines import parse_baseline, to_be_fitted
from nas_steps.spaces.language.sizing import is_named

#: letters of a recipe's name, which a log's name has beside an entry's
LONGEST_RECIPE = 40


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
    recipes: dict[Annotated[str, Field(pattern=NAME, max_length=LONGEST_RECIPE)], Recipe] = Field(
        default_factory=dict,
        description="Further recipes by name, each `recipe` with the given keys changed, by which all entries are "
        "trained, too: does the verdict depend on the recipe?",
    )
    seeds: int = Field(3, ge=1, description="Trainings of each entry; one alone does not show how much they vary.")
    processes: Processes = 1
    together: Positive = Field(
        1,
        description="Seeds of an entry that are trained as one network if that is faster, as it is for small networks "
        "on a CPU; 1: each alone. With N these are the seeds 0 to N - 1, N to 2N - 1, and so on: the first job of such "
        "a block trains all of it, and the others take their files. A seed learns what it would learn alone, but its "
        "last digits differ, and with them all that follows. So another N trains everything anew, and a seed that is "
        "added trains its whole block.",
    )
    baselines: Annotated[list[Annotated[str, Field(max_length=LONGEST_ENTRY)]], EachOnce] = Field(
        default_factory=lambda: ["resnet20", "mobilenet_v2_x0.5"],
        min_length=2,
        description="At least two hand-designed networks. Suffixes: `_x0.5` scales the width, `_d1.5` the depth. "
        "`_r96` resizes images to 96 pixels and keeps all strides; small images otherwise lose the first ones. "
        "`_auto` takes the largest width within `budget`. With text they are `gpt2`, `llama`, `primer_ez` and "
        "`nanogpt_speedrun`, of a size that fits `budget`, or of that in the name: `llama_d128_l4` (width, layers).",
    )
    budget: Budget | None = Field(None, description="The largest size of a baseline; null: any.")
    uniform: Natural = Field(
        8,
        description="Uniformly drawn architectures to train, what no search gives. They are the first of the draw of "
        "`ranking.uniform`, whose trainings cannot serve: they read no test set and keep no weights. 0: none.",
    )
    largest: bool = Field(False, description="Train the space's largest network, too.")
    start: Literal["weights", "supernet"] = Field(
        "weights",
        description="Where slices start from: `weights`, or their path of the searches' supernet (of search seed 0 "
        "if no search found them). The whole pretrained network starts from the weights alone.",
    )
    tolerance: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Most validation accuracy (or `metric`) that the recommended network may be below the best, by "
        "which it cannot be told apart either: 0 takes the best, 0.01 gives up a point for a cheaper one, 1 any number "
        "within the interval.",
    )
    train_on: Literal["train", "train+valid"] = Field(
        "train", description="Images of final trainings; `train+valid` leaves none for validation."
    )

    @field_validator("recipes", mode="before")
    @classmethod
    def _over_the_recipe(cls, value: Any, info: ValidationInfo) -> Any:
        if not isinstance(value, dict):
            return value
        if (recipe := info.data.get("recipe")) is None:
            return {}  # the recipe that they change is refused itself
        whole = recipe.model_dump()
        return {name: laid_over(whole, given) for name, given in with_names(value).items()}

    @field_validator("recipes")
    @classmethod
    def _differ(cls, value: dict[str, Recipe], info: ValidationInfo) -> dict[str, Recipe]:
        if MAIN_RECIPE in value:
            raise ValueError(f"{MAIN_RECIPE} is what retrain.recipe is called beside the others; rename it")
        known = {MAIN_RECIPE: info.data["recipe"]} if "recipe" in info.data else {}
        for name, recipe in value.items():
            for other, one in known.items():
                if recipe == one:
                    other = "retrain.recipe" if other == MAIN_RECIPE else other
                    raise ValueError(f"{name} is the same recipe as {other}; change a key, or leave it out")
            known[name] = recipe
        return value

    @field_validator("baselines")
    @classmethod
    def _known_baselines(cls, value: list[str]) -> list[str]:
        for name in value:
            if not is_named(name) and to_be_fitted(name) is None:
                parse_baseline(name)
        return value

    @field_validator("budget", mode="before")
    @classmethod
    def _winner_is_a_word(cls, value: Any) -> Any:
        return {"winner": True} if value == "winner" else value

    @model_validator(mode="after")
    def _one_process(self) -> Retrain:
        if self.together > 1 and self.processes > 1:
            raise ValueError("together: one process trains seeds as one network; set processes: 1, or together: 1")
        return self

    @model_validator(mode="after")
    def _fitted_to_something(self) -> Retrain:
        fitted = [name for name in self.baselines if to_be_fitted(name) is not None]
        if fitted and self.budget is None:
            raise ValueError(f"baselines: {fitted[0]} takes its width from a budget, and there is none; set budget")
        return self


def all_recipes(retrain: Retrain) -> dict[str, Recipe]:
    """Return the recipes by the keys that they are given by, the main one first."""
    return {"retrain.recipe": retrain.recipe} | {
        f"retrain.recipes.{name}": one for name, one in retrain.recipes.items()
    }
