"""What the keys of several sections must be to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_steps.config.data import FOLDER_RESOLUTION, NATIVE_CLASSES, NATIVE_SHAPE, Data
from nas_steps.config.estimators import SharedWeights, ShortTraining, Table
from nas_steps.config.search import Search
from nas_steps.config.space import Network, filled
from nas_steps.config.strategies import (
    SAMPLING,
    Enas,
    Gradient,
    Random,
)
from nas_steps.errors import UserError, exact
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.constraints import parts_of, smallest_within
from nas_steps.spaces.costs import Shape, counted
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile.space import MobileSpace

if TYPE_CHECKING:
    from nas_steps.config.schema import Config


def check_ranking(config: Config) -> None:
    """Raise ValueError where the pool that ranks cannot be drawn or trained."""
    ranking = config.ranking
    if isinstance(config.search.estimator, Table):
        if ranking.shortlist == "auto":
            raise ValueError(
                "ranking.shortlist is auto, but search.estimator is a table, in which nothing is trained; leave it out"
            )
        return
    space = declared(filled(config.space))
    if ranking.uniform > space.size():
        raise ValueError(
            f"ranking.uniform is {ranking.uniform}, but space {space.name} has {space.size()} architectures; lower it"
        )
    recipe = config.ranking_recipe
    if recipe.warmup_epochs >= recipe.epochs:
        raise ValueError(
            f"ranking.final_share is {ranking.final_share}, which leaves {recipe.epochs} of "
            f"{config.retrain.recipe.epochs} epochs, all of them warm-up ({exact(recipe.warmup_epochs)}); raise it"
        )


def check_estimator(search: Search) -> None:
    """Raise ValueError where the estimator and the strategies cannot go together."""
    estimator = search.estimator
    if isinstance(estimator, Table):
        if search.screen is not None:
            raise ValueError("search.screen: there is nothing to save where the estimator is a table; leave it out")
        gradient = [name for name, one in search.strategies.items() if isinstance(one, (Gradient, Enas))]
        if gradient:
            raise ValueError(
                f"search.strategies.{gradient[0]} (kind {search.strategies[gradient[0]].kind}) trains a supernet, but "
                "search.estimator is a table, in which nothing is trained; take it out, or choose another estimator"
            )
    if isinstance(estimator, SharedWeights):
        if search.screen is not None:
            raise ValueError("search.screen: there is nothing to save where a supernet scores in moments; leave it out")
        asking = [one for one in search.strategies.values() if isinstance(one, SAMPLING)]
        if all(one.kind == "random" and one.evaluations == "auto" for one in asking):
            raise ValueError(
                "search.estimator is shared_weights, where random search gets as many evaluations as the strategy with "
                "the most, but no other has any; give it a number, say `random: {evaluations: 500}`"
            )
    if isinstance(estimator, ShortTraining) and estimator.halving is not None:
        rungs, reach = 1, estimator.halving.epochs
        while reach < estimator.epochs:
            rungs, reach = rungs + 1, reach * estimator.halving.eta
        for name, one in search.strategies.items():
            if isinstance(one, Random) and one.rounds < rungs:
                raise ValueError(
                    f"search.strategies.{name}.rounds is {one.rounds}, but search.estimator.halving has "
                    f"{rungs} rungs and promotes between rounds; set rounds to {rungs} or more"
                )


def check_constraints(search: Search, data: Data, space: CellSpace | MobileSpace, network: Network) -> None:
    """Raise ValueError where the search cannot keep its limits, or none of the space can as far as is known before
    there are data: `network` is the skeleton of final networks."""
    if isinstance(search.estimator, Table) and search.needs_costs:
        raise ValueError(
            "search.estimator is a table of scores: in it nothing is built, so neither limits "
            "(search.constraints) nor the "
            "objective latency can be kept; leave them out, or choose another estimator"
        )
    for name, one in search.strategies.items():
        if isinstance(one, (Gradient, Enas)) and search.constrained:
            raise ValueError(
                f"search.strategies.{name} (kind {one.kind}) trains a supernet of its own and cannot keep limits, "
                f"but search.constraints has {', '.join(search.constrained)}; take the strategy out, or the limits"
            )
    known_here = {what: limit for what, limit in search.constrained.items() if what != "latency_ms"}
    if not known_here:
        return
    # what is not known before the data are there is taken to be as small as can be
    side, channels = NATIVE_SHAPE.get(data.source, (FOLDER_RESOLUTION if data.source == "folder" else 1, 1))
    if data.source == "folder" and data.channels == "auto":
        channels = 3
    shape = Shape(
        channels if data.channels == "auto" else data.channels,
        data.resolution or side,
        NATIVE_CLASSES.get(data.source, 2),
    )
    try:
        smallest_within(counted(parts_of(space, network), shape), known_here, space.name)
    except UserError as error:
        raise ValueError(str(error)) from None
