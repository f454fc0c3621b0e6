"""A batch norm learns nothing from a single value: a batch of one image must not come to a map of one pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nas_steps.config.data import FOLDER_RESOLUTION, NATIVE_CLASSES, NATIVE_SHAPE, Data
from nas_steps.config.estimators import Extrapolation, SharedWeights, ShortTraining, Table, ZeroCost
from nas_steps.config.recipe import Recipe
from nas_steps.config.space import Network, filled
from nas_steps.config.strategies import Enas, Gradient
from nas_steps.spaces.baselines import parse_baseline, to_be_fitted
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.costs import divided
from nas_steps.spaces.declare import declared
from nas_steps.spaces.hand_designed import RESNETS, SMALL_IMAGE, scalable
from nas_steps.spaces.mobile.architectures import is_mobile, parse_mobile
from nas_steps.spaces.mobile.space import MobileSpace

if TYPE_CHECKING:
    from nas_steps.config.schema import Config


@dataclass(frozen=True)
class Batch:
    """So many `images` of `side` pixels at once, by the key `key`, in a network that divides their side by `stride`."""

    key: str
    images: int
    what: str
    side: int | None
    stride: int
    auxiliary: bool = False


def check_batches(config: Config) -> None:
    """Raise ValueError where a batch would leave a batch norm a single value, as far as it is known before any job:
    the side of a NumPy archive's images is not. There the job says so."""
    if isinstance(config.search.estimator, Table):
        return
    _check_zero_cost(config)
    cells = isinstance(declared(filled(config.space)), CellSpace)
    for batch in _batches(config):
        if batch.images > 1:
            continue
        if batch.auxiliary and cells:
            raise ValueError(
                f"{batch.key} is 1, but the auxiliary head ends in a map of one pixel, and a batch norm learns nothing "
                "from a single value; set it to 2 or more, or auxiliary_weight to 0"
            )
        if batch.side is not None and divided(batch.side, batch.stride) == 1:
            raise ValueError(
                f"{batch.key} is 1, but {batch.what} brings images of {batch.side} pixels down to one pixel, and a "
                "batch norm learns nothing from a single value; set it to 2 or more"
            )


def known_side(data: Data) -> int | None:
    """The side of the stored images; None where it is known when they are read."""
    if data.source == "folder":
        return data.resolution or FOLDER_RESOLUTION
    return data.resolution or NATIVE_SHAPE.get(data.source, (None,))[0]


def stride_of(space: CellSpace | MobileSpace, network: Network) -> int:
    """By what networks of a space divide the side of their images at most."""
    if isinstance(space, MobileSpace):
        return space.stride
    if space.inputs == 2 and network.reductions is not None:
        return 1 << len(network.reductions)
    return 4


def baseline_stride(name: str, side: int) -> int:
    """By what the hand-designed network `name`, or one that is spelt, divides images of `side` pixels."""
    if is_mobile(name):
        return parse_mobile(name).stride
    if is_mobile(found := scalable(name, side)):
        return parse_mobile(found).stride
    base, width, depth = parse_baseline(name)
    if base in RESNETS:
        return 4
    if base == "resnet18" and (side < SMALL_IMAGE or width != 1 or depth != 1):
        return 8
    # the others are torchvision's, and are fitted so that some pixels are left
    return 1


def _check_zero_cost(config: Config) -> None:
    """A zero-cost score needs an image of each class."""
    proxies = {"search.screen": config.search.screen, "search.estimator": config.search.estimator}
    classes = NATIVE_CLASSES.get(config.data.source)
    for key, one in proxies.items():
        if one is None or (key == "search.estimator" and not isinstance(one, ZeroCost)):
            continue
        if one.batch_size < (classes or 2):  # type: ignore[union-attr]
            told = f"{classes} classes" if classes else "classes, two at least"
            raise ValueError(
                f"{key}.batch_size is {one.batch_size}, but a zero-cost score needs an image of each of the {told}; "  # type: ignore[union-attr]
                "raise it"
            )


def _batches(config: Config) -> Iterator[Batch]:
    """All batches that batch norms see."""
    search, space, stored = config.search, declared(filled(config.space)), known_side(config.data)
    stride = stride_of(space, search.network)
    estimator = search.estimator
    if isinstance(estimator, ShortTraining | Extrapolation):
        yield Batch(
            "search.estimator.batch_size",
            estimator.batch_size,
            "a candidate (search.network)",
            estimator.resolution or stored,
            stride,
            estimator.auxiliary_weight > 0,
        )
    if isinstance(estimator, SharedWeights):
        side = estimator.supernet.resolution or stored
        for key, images in (
            ("supernet.batch_size", estimator.supernet.batch_size),
            ("calibration_images", estimator.calibration_images or 2),  # 0: there are none
        ):
            yield Batch(f"search.estimator.{key}", images, "the supernet (search.network)", side, stride)
    for name, one in search.strategies.items():
        if isinstance(one, Gradient | Enas):
            sizes = {"batch_size": one.batch_size}
            if isinstance(one, Enas):
                sizes |= {"reward_images": one.reward_images, "calibration_images": one.calibration_images or 2}
            for key, images in sizes.items():
                yield Batch(f"search.strategies.{name}.{key}", images, "its supernet", stored, stride)
    stride = stride_of(space, config.retrain.network)
    final = "ranking.recipe" if config.ranking.final_share is None else "retrain.recipe"
    yield _trained(final, config.ranking_recipe, "a network of the space (retrain.network)", stored, stride)
    recipe = config.retrain.recipe
    yield _trained("retrain.recipe", recipe, "a network of the space (retrain.network)", stored, stride)
    for name in config.retrain.baselines if stored is not None else ():
        base = to_be_fitted(name) or name
        yield Batch("retrain.recipe.batch_size", recipe.batch_size, name, stored, baseline_stride(base, stored or 1))
    if not config.scaling.enabled:
        return
    smallest = min(factor for _, _, factor in config.scaling.triples())
    side = None if stored is None else round(stored * smallest)
    yield _trained("scaling.recipe", config.scaling.recipe, "a network of the grid", side, stride)
    factorial = config.scaling.factorial
    if factorial.enabled:
        key = "retrain.recipe" if factorial.recipe is None else "scaling.factorial.recipe"
        recipe = factorial.recipe or recipe
        yield _trained(key, recipe, "a base of the factorial", stored, stride)
        if "hand_designed" in factorial.bases and stored is not None:
            name = factorial.hand_designed
            yield Batch(f"{key}.batch_size", recipe.batch_size, name, stored, baseline_stride(name, stored))


def _trained(key: str, recipe: Recipe, what: str, side: int | None, stride: int) -> Batch:
    return Batch(f"{key}.batch_size", recipe.batch_size, what, side, stride, recipe.auxiliary_weight > 0)
