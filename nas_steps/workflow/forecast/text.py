"""How much compute an experiment with language models takes: the config says it, whatever the networks are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from nas_steps.config.estimators import ShortTraining
from nas_steps.config.ranking import ranking_recipe
from nas_steps.config.recipe import Recipe
from nas_steps.search.counting import most_evaluations
from nas_steps.workflow.forecast.speeds import STARTING_SECONDS
from nas_steps.workflow.forecast.work import AUTO
from nas_steps.workflow.plan import Plan
from nas_steps.workflow.why.costs import spelled

#: training FLOPs a second of one thread that a sentence assumes: small networks on bytes, scoring included
FLOPS_PER_SECOND = 1.6e10


def text_lines(plan: Plan, jobs: Iterable[tuple[str, Mapping[str, Any]]], slots: int) -> list[str]:
    """Return what the jobs train in all, and how long that takes if a core does so much."""
    jobs = list(jobs)
    found = [training_flops(plan, rule, wildcards) for rule, wildcards in jobs]
    total = sum(found)
    seconds = (total / FLOPS_PER_SECOND + STARTING_SECONDS * len(jobs)) / max(slots, 1)
    train = sum(one > 0 for one in found)
    return [
        f"Estimate for {plan.folder}: {len(jobs)} jobs, of which {train} train, with {total:.2g} FLOPs in all",
        f"Time: unknown until a run here has measured it; about {spelled(seconds)} with {slots} at once if each does "
        f"{FLOPS_PER_SECOND / 1e9:g}e9 FLOPs a second.",
    ]


def seconds_of(plan: Plan, rule: str, wildcards: Mapping[str, Any]) -> float:
    """Return the seconds of a job on one thread, by its FLOPs."""
    return STARTING_SECONDS + training_flops(plan, rule, wildcards) / FLOPS_PER_SECOND


def training_flops(plan: Plan, rule: str, wildcards: Mapping[str, Any]) -> float:
    """Return the training FLOPs of a job: what its networks get, by each learning rate. 0 if it trains none."""
    config = plan.config
    ranking, scaling, shards = config.ranking, config.scaling, config.shards
    estimator, strategies = config.search.estimator, len(config.search.strategies)
    if rule == "evaluate" and isinstance(estimator, ShortTraining):
        networks = most_evaluations(config, wildcards["strategy"]) / len(plan.rounds(wildcards["strategy"])) / shards
        return networks * whole(estimator)
    if rule == "train_sample":
        return ranking.uniform / shards * whole(ranking_recipe(ranking, config.retrain))
    if rule == "train_shortlist":
        each = AUTO if ranking.shortlist == "auto" else ranking.shortlist
        networks = each * strategies * config.search.seeds / shards
        return networks * whole(ranking_recipe(ranking, config.retrain))
    if rule == "retrain":
        return whole(config.retrain.recipe)
    if rule == "train_rung":
        rungs = scaling.rungs
        rates = (rungs.recipe or config.retrain.recipe).learning_rates or [0]
        return rungs.sizes * (rungs.compute or 0.0) * float(wildcards["factor"]) * len(rates)
    return 0.0


def whole(recipe: Recipe) -> float:
    """Return the FLOPs of one network's trainings by all learning rates."""
    return (recipe.compute or 0.0) * len(recipe.learning_rates or [0])
