"""The trainings that rank: the key `ranking`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from nas_steps.config.recipe import Recipe
from nas_steps.config.retrain import Retrain
from nas_steps.config.section import Natural, Positive, Section
from nas_steps.facts import FEWEST_FOR_INTERVAL, shortened


class Ranking(Section):
    shortlist: Positive | Literal["auto"] = Field(
        3,
        description="Best candidates of each strategy and search seed to train anew; `auto`: the fewest whose "
        "winner is within `tolerance` of the best candidate with 95 % probability, by the uniform sample; needs "
        "2 or more `seeds`.",
    )
    uniform: Natural = Field(
        8,
        description="Architectures drawn uniformly, no two isomorphic, trained and scored to show how well scores "
        "rank. 0: none.",
    )
    tolerance: float = Field(0.005, gt=0, lt=1, description="Accuracy that may be lost; 0.005 is half a point.")
    most: Positive = Field(10, description="Upper limit of `shortlist: auto`, taken if nothing can be predicted.")
    seeds: Positive = Field(1, description="Trainings of each; their mean is ranked. With 1 their noise is not known.")
    recipe: Recipe = Field(default_factory=lambda: Recipe(epochs=12), description="The short training.")
    final_share: float | None = Field(
        None, gt=0, le=1, description="Train by `retrain.recipe` for this share of its epochs; null: by `recipe`."
    )

    @model_validator(mode="after")
    def _auto_has_a_sample(self) -> Ranking:
        if self.shortlist == "auto" and self.uniform < FEWEST_FOR_INTERVAL:
            need = f"it needs a sample of {FEWEST_FOR_INTERVAL} or more (20 are better than 8)"
            problem = f"shortlist is auto, but uniform is {self.uniform}: {need}"
            raise ValueError(f"{problem}; raise uniform, or give shortlist a number")
        return self


def ranking_recipe(ranking: Ranking, retrain: Retrain) -> Recipe:
    """Return the recipe of the shortlist and the uniform sample."""
    if ranking.final_share is None:
        return ranking.recipe
    return retrain.recipe.model_copy(
        update=shortened(retrain.recipe.epochs, retrain.recipe.compute, ranking.final_share)
    )
