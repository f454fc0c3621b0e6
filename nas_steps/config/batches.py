"""Check batches: a batch norm is undefined if a batch of one image comes to a map of one pixel."""

from collections.abc import Iterator
from dataclasses import dataclass

from nas_steps.config.data import Data
from nas_steps.config.estimators import Extrapolation, SharedWeights, ShortTraining, Table, ZeroCost
from nas_steps.config.ranking import Ranking, ranking_recipe
from nas_steps.config.recipe import Recipe
from nas_steps.config.retrain import Retrain, all_recipes
from nas_steps.config.scaling import Scaling
from nas_steps.config.search import Search
from nas_steps.config.space import Network
from nas_steps.config.strategies import Enas, Gradient
from nas_steps.facts import NATIVE_CLASSES, STEM_STRIDE
from nas_steps.spaces.baselines import parse_baseline, side_of, to_be_fitted
from nas_steps.spaces.baselines import stride_of as stride_of_baseline
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.costs import divided
from nas_steps.spaces.mobile.architectures import is_mobile, parse_mobile
from nas_steps.spaces.mobile.efficientnet import triples
from nas_steps.spaces.mobile.space import MobileSpace

Space = CellSpace | MobileSpace


@dataclass(frozen=True)
class Batch:
    """`images` of `side` pixels, set by the key `key`, in a network that divides their side by `stride`."""

    key: str
    images: int
    what: str
    side: int | None
    stride: int
    auxiliary: bool = False


def check_batches(
    search: Search, ranking: Ranking, retrain: Retrain, scaling: Scaling, space: Space, side: int | None
) -> None:
    """Raise ValueError if a batch norm would see a single value. `side` is that of stored images; None if unknown.

    If a table has the final accuracies, only supernets are trained."""
    batches = [*_search_batches(search, space, side)]
    if not isinstance(search.estimator, Table):
        batches += _final_batches(ranking, retrain, scaling, space, side)
    for batch in batches:
        if batch.images > 1:
            continue
        if batch.auxiliary and isinstance(space, CellSpace):
            problem = f"{batch.key} is 1, but the auxiliary head ends in one pixel, where a batch norm needs two"
            raise ValueError(f"{problem}; set it to 2 or more, or auxiliary_weight to 0")
        if batch.side is not None and divided(batch.side, batch.stride) == 1:
            problem = f"{batch.key} is 1, but {batch.what} brings images of {batch.side} pixels down to one pixel"
            raise ValueError(f"{problem}, and a batch norm learns nothing from a single value; set it to 2 or more")


def check_zero_cost(search: Search, data: Data) -> None:
    """Raise ValueError if a zero-cost score does not get an image of each class."""
    classes = NATIVE_CLASSES.get(data.source)
    for key, one in {"search.screen": search.screen, "search.estimator": search.estimator}.items():
        if one is None or (key == "search.estimator" and not isinstance(one, ZeroCost)):
            continue
        if one.batch_size < (classes or 2):  # type: ignore[union-attr]
            wanted = f"{classes} classes" if classes else "classes, two at least"
            needs = f"but a zero-cost score needs an image of each of the {wanted}; raise it"
            raise ValueError(f"{key}.batch_size is {one.batch_size}, {needs}")  # type: ignore[union-attr]


def stride_of(space: Space, network: Network) -> int:
    """Return the largest factor by which networks of a space divide the side of their images."""
    if isinstance(space, MobileSpace):
        return space.stride
    halved = 2 if space.inputs == 1 or network.reductions is None else len(network.reductions)
    return STEM_STRIDE[network.stem] << halved


def smallest_side(space: Space, side: int | None) -> int | None:
    """Return the smallest side that networks of a space reduce images of `side` pixels to; None if it is unknown."""
    return min(space.resolution) if isinstance(space, MobileSpace) and space.resolution else side


def baseline_stride(name: str, side: int) -> int:
    """Return by what a hand-designed or spelt-out network divides the side of images of `side` pixels."""
    if is_mobile(name):
        return parse_mobile(name).stride
    return stride_of_baseline(parse_baseline(name), side)


def _search_batches(search: Search, space: Space, stored: int | None) -> Iterator[Batch]:
    stride, estimator = stride_of(space, search.network), search.estimator
    if isinstance(estimator, ShortTraining | Extrapolation):
        side = smallest_side(space, estimator.resolution or stored)
        yield _trained("search.estimator", estimator, "a candidate (search.network)", side, stride)
    if isinstance(estimator, SharedWeights):
        side = smallest_side(space, estimator.supernet.resolution or stored)
        sizes = {"supernet.batch_size": estimator.supernet.batch_size}
        sizes["calibration_images"] = estimator.calibration_images or 2  # 0: there are none
        for key, images in sizes.items():
            yield Batch(f"search.estimator.{key}", images, "the supernet (search.network)", side, stride)
    for name, one in search.strategies.items():
        if isinstance(one, Gradient | Enas):
            sizes = {"batch_size": one.batch_size}
            if isinstance(one, Enas):
                sizes |= {"reward_images": one.reward_images, "calibration_images": one.calibration_images or 2}
            for key, images in sizes.items():
                side = smallest_side(space, stored)
                yield Batch(f"search.strategies.{name}.{key}", images, "its supernet", side, stride)


def _final_batches(
    ranking: Ranking, retrain: Retrain, scaling: Scaling, space: Space, stored: int | None
) -> Iterator[Batch]:
    stride = stride_of(space, retrain.network)
    what, key = "a network of the space (retrain.network)", "retrain.recipe"
    seen = smallest_side(space, stored)
    own = "ranking.recipe" if ranking.final_share is None else key
    yield _trained(own, ranking_recipe(ranking, retrain), what, seen, stride)
    for one, recipe in all_recipes(retrain).items():
        yield _trained(one, recipe, what, seen, stride)
        for name in retrain.baselines if stored is not None else ():
            yield _hand_designed(one, recipe, name, stored or 1)
    if not scaling.enabled:
        return
    grid = triples(scaling.factors, scaling.depth, scaling.width, scaling.resolution, scaling.tolerance)
    side = None if seen is None else round(seen * min(factor for _, _, factor in grid))
    yield _trained("scaling.recipe", scaling.recipe, "a network of the grid", side, stride)
    factorial = scaling.factorial
    if factorial.enabled:
        recipe = retrain.recipe
        if factorial.recipe is not None:
            key, recipe = "scaling.factorial.recipe", factorial.recipe
        yield _trained(key, recipe, "a base of the factorial", seen, stride)
        if "hand_designed" in factorial.bases and stored is not None:
            yield _hand_designed(key, recipe, factorial.hand_designed, stored)


def _hand_designed(key: str, recipe: Recipe, name: str, stored: int) -> Batch:
    base = name if is_mobile(name) else to_be_fitted(name) or name
    side = (parse_mobile(base).stem.side or stored) if is_mobile(base) else side_of(base, stored)
    return Batch(f"{key}.batch_size", recipe.batch_size, name, side, baseline_stride(base, stored))


def _trained(key: str, recipe: Recipe, what: str, side: int | None, stride: int) -> Batch:
    return Batch(f"{key}.batch_size", recipe.batch_size, what, side, stride, recipe.auxiliary_weight > 0)
