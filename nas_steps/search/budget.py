"""The training cost of each strategy in multiply-accumulates (seconds vary), to which random search is matched."""

import operator
from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from torch import Tensor

from nas_steps.config.space import Network
from nas_steps.data.batches import batch_bounds
from nas_steps.facts import CALIBRATION_BATCH
from nas_steps.models.build import size
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.models.count import count
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.darts.eigenvalue import usual_products
from nas_steps.search.halving import trainings
from nas_steps.search.protocol import share
from nas_steps.search.selecting import compared, tuned
from nas_steps.search.settings import BudgetSettings, Counted, CountedStage, CountedSupernet
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.declare import declared
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.protocol import Space

#: a backward pass costs about twice a forward pass
TRAINING_FACTOR = 3
#: of a multiply-accumulate
FLOPS = 2
#: architectures drawn for the mean size of a candidate
DRAWS = 64
#: least number of evaluations of random search
FEWEST_EVALUATIONS = 2

UNIT = "training multiply-accumulates for each image of the training set"
#: of text the whole training is counted, not for each context
UNIT_OF_TEXT = "training multiply-accumulates, each of which is two FLOPs"


def budget(
    settings: BudgetSettings,
    *,
    inputs: int,
    classes: int,
    side: int,
    images: int,
    valid: int = 0,
    within: Space | None = None,
) -> dict[str, Any]:
    """Count the training cost of each strategy and the evaluations of random search that match the most expensive one.

    `images` and `valid` are the sizes of the training and the validation set; candidates are drawn `within` the
    constraints. A search that may end early is counted at its full length. If shared weights score, a cost includes the
    supernet's training, an evaluation is a forward pass of the images that calibrate and score, and random search gets
    as many evaluations as the strategy with the most. `evaluation` and the strategies' `prices` are what
    `nas_steps.search.spent` counts a finished search by.

    Of text the costs are those of whole trainings. One with a compute costs that, whatever the network; `images` are
    the contexts of an epoch, which a supernet learns by, and `valid` the windows that are scored.
    """
    space, network, shared = declared(settings.space), settings.network, settings.supernet
    shape: dict[str, Any] = {"inputs": inputs, "classes": classes}
    epoch = 1
    if isinstance(space, LanguageSpace):
        epoch, images = images, 1
    supernets: dict[int, int] = {}
    if isinstance(space, CellSpace):
        counted_ones = settings.strategies.values()
        every_parts = {1, *(stage.parts for one in counted_ones for stage in _stages(one))}
        supernets = {parts: _supernet(space, network, **shape, side=side, parts=parts) for parts in every_parts}
    random = Random(derive_seed(settings.seed, "budget"))
    architectures = [str((within or space).sample(random)) for _ in range(DRAWS)]

    def mean_macs(resolution: int | None, drawn: Sequence[str] = architectures) -> float:
        return sum(size(one, network, **shape, side=resolution or side).macs for one in drawn) / len(drawn)

    candidate = mean_macs(side)
    trained = settings.evaluation
    resolution = trained.resolution if shared is None else shared.resolution
    evaluated = candidate if resolution in (None, side) else mean_macs(resolution)
    prices: dict[str, Any] = {
        "supernet": 0.0,
        "macs": candidate if shared is not None else evaluated,
        # the history has the sizes at the stored side if shared weights score
        "scale": evaluated / candidate if shared is not None else 1.0,
        "epoch": TRAINING_FACTOR * trained.images,
        "score": valid / images,
        "scores": trained.seeds,
        "each_epoch": trained.each_epoch,
        "untrained": TRAINING_FACTOR * trained.batch / images,
        "screened": TRAINING_FACTOR * settings.screened[1] / images * candidate,
    }
    if trained.compute is not None:
        prices |= {"epoch": 0.0, "part": trained.compute / FLOPS, "score": (trained.rates or 1) * valid / images}
    if shared is not None:
        # it is trained on the whole space, whatever the constraints
        paths = evaluated
        if within is not None and settings.constraints is not None:
            paths = mean_macs(shared.resolution, [str(space.sample(random)) for _ in range(DRAWS)])
        learnt = _supernet_training(shared, space, network, paths, **shape, side=shared.resolution or side)
        prices["supernet"] = epoch * learnt
        scored = valid if shared.valid_images is None else min(valid, shared.valid_images)
        prices["untrained"] = (scored + _calibrating(shared.calibration_images, images)) / images

    def sampling_cost(rounds: Sequence[int]) -> float:
        evaluations, new = sum(rounds), sum(rounds)
        epochs: float = 0
        if trained.epochs:
            by_rung = trainings(len(trained.epochs), trained.eta, rounds)
            epochs, new = sum(map(operator.mul, by_rung, trained.epochs)) * trained.seeds, by_rung[0]
            epochs += min(trained.finish, *rounds[:1]) * (trained.whole - trained.epochs[0]) if trained.finish else 0
        scores = epochs if trained.each_epoch else evaluations * trained.seeds if trained.epochs else 0
        passes = prices["epoch"] * epochs + prices["score"] * scores + prices["untrained"] * evaluations
        proposed = evaluations * settings.screened[0] - (evaluations - new)
        parts = prices.get("part", 0.0) * epochs
        return float(prices["supernet"] + evaluated * passes + parts + prices["screened"] * proposed)

    def priced(each: Callable[[int], list[int]], evaluations: int) -> float:
        return sampling_cost(each(evaluations))

    def one_pass(path: str, whole: float, stage: CountedStage) -> float:
        """Return the mean multiply-accumulates of a pass that computes what is kept, one an edge, or a candidate."""
        if path == "architecture":
            return candidate
        assert isinstance(space, CellSpace)  # the schema refuses these strategies elsewhere
        kept = 1 if path == "edge" else stage.operations
        if kept is None:
            return whole
        # operations are drawn or kept alike, so each is computed in this share of an edge's passes
        rest = _supernet(space, network, **shape, side=side, parts=stage.parts, operations=False)
        operations = [sum(row) for kind in space.kinds for row in space.allowed(kind)]
        return rest + (whole - rest) * sum(min(kept, one) for one in operations) / sum(operations)

    def gradient_prices(strategy: Counted, stage: CountedStage) -> dict[str, float]:
        whole, selection = candidate, 0.0
        alphas = strategy.alpha_passes + strategy.alpha_valid_passes * _alpha_images(strategy, images, valid)
        if isinstance(space, CellSpace) and strategy.kind != "enas":
            whole = supernets[stage.parts]
        of_weights = one_pass(strategy.path, whole, stage)
        of_alphas = one_pass(strategy.alpha_path, whole, stage)
        if strategy.selection_epochs is not None:
            assert isinstance(space, CellSpace)
            rest = _supernet(space, network, **shape, side=side, parts=stage.parts, operations=False)
            choices = [len(space.choices_of(kind, edge)) for kind in space.kinds for edge in range(len(space.edges()))]
            single = rest + (whole - rest) / (sum(choices) / len(choices))
            learning = single if strategy.path == "edge" else whole
            learnt = sum(one.macs(learning, single, rest) for one in tuned(space))
            selection = TRAINING_FACTOR * strategy.selection_epochs * (strategy.passes + alphas) * learnt
            looked = sum(count * one.macs(whole, single, rest) for count, one in compared(space))
            selection += valid / images * (looked + candidate)
        scored = valid + _calibrating(strategy.calibration_images, images)
        rewards = strategy.rewarded / (strategy.epochs or 1) * _first_batch(valid, strategy.reward_images)
        one_batch = TRAINING_FACTOR * _first_batch(valid, strategy.batch_size) / images * whole
        return {
            "warmup_epochs": strategy.warmup_epochs,
            "warmup_epoch": (TRAINING_FACTOR * strategy.passes + strategy.forwards) * of_weights,
            "epoch": TRAINING_FACTOR * (strategy.passes * of_weights + alphas * of_alphas)
            + strategy.forwards * of_weights
            + rewards / images * candidate,
            # with the Hessian, about as much as a step
            "product": one_batch if strategy.eigenvalue else 0.0,
            "drawn": scored / images * candidate,
            "selection": selection,
        }

    def gradient_cost(strategy: Counted, stage: CountedStage, prices: Mapping[str, float]) -> float:
        epochs, warmup = stage.epochs, strategy.warmup_epochs
        learning = (epochs - warmup) * prices["epoch"] + warmup * prices["warmup_epoch"]
        sharpness = 0.0
        if strategy.eigenvalue and isinstance(space, CellSpace):
            alphas = len(space.kinds) * len(space.edges()) * (len(space.operations) + (strategy.parts > 1))
            sharpness = epochs * (1 + usual_products(alphas)) * prices["product"]
        return learning + sharpness

    def supernet_cost(strategy: Counted) -> tuple[float, dict[str, Any]]:
        """Return the cost of a strategy that trains a supernet of its own, and the prices that it is counted by."""
        each = [(stage, gradient_prices(strategy, stage)) for stage in _stages(strategy)]
        last = each[-1][1]
        drawn = min(strategy.drawn, space.size()) * last["drawn"]
        learning = sum(gradient_cost(strategy, stage, own) for stage, own in each)
        # with stages, the prices of each epoch are those of its stage
        staged = [{"epochs": stage.epochs, **own} for stage, own in each] if strategy.stages else []
        return float(learning + last["selection"] + drawn), last | ({"stages": staged} if staged else {})

    strategies: dict[str, dict[str, Any]] = {}
    for name, one in settings.strategies.items():
        if one.epochs is not None:
            cost, own = supernet_cost(one)
            counted: dict[str, Any] = {"evaluations": None, "training_macs": cost, "prices": own}
        elif isinstance(one.evaluations, int):
            rounds = _spread(one.evaluations, one.rounds) if isinstance(one.rounds, int) else one.rounds
            counted = {"evaluations": one.evaluations, "training_macs": sampling_cost(rounds)}
        else:
            continue
        strategies[name] = {"kind": one.kind, **counted}
    expensive = max(
        (name for name, entry in strategies.items() if entry["kind"] != "random"),
        key=lambda name: strategies[name]["training_macs"],
        default=None,
    )
    matched_to = None
    for name, one in settings.strategies.items():
        if one.evaluations == "auto":
            assert expensive is not None  # the schema refuses a lone random strategy without a number
            assert isinstance(one.rounds, int)
            each: Callable[[int], list[int]] = partial(_spread, rounds=one.rounds)
            if shared is not None:
                expensive = max(strategies, key=lambda name: strategies[name]["evaluations"] or 0)
                matched = strategies[expensive]["evaluations"]
            else:
                target = strategies[expensive]["training_macs"]
                matched = _nearest(target, partial(priced, each), space.size())
            cost, matched_to = sampling_cost(each(matched)), matched_to or expensive
            strategies[name] = {"kind": "random", "evaluations": matched, "training_macs": cost}
            strategies[name]["matched_to"] = expensive
    reference = next(entry["training_macs"] for entry in strategies.values() if entry["kind"] == "random")
    for entry in strategies.values():
        entry["relative"] = entry["training_macs"] / reference
    return {
        "unit": UNIT_OF_TEXT if isinstance(space, LanguageSpace) else UNIT,
        "supernet_macs": supernets.get(1),
        "candidate_macs": candidate,
        "matched_to": matched_to,
        "matched_by": "evaluations" if shared is not None else "training_macs",
        "evaluation": prices,
        "strategies": strategies,
    }


def _stages(strategy: Counted) -> tuple[CountedStage, ...]:
    """Return the stages of a supernet's training, one if none are declared."""
    return strategy.stages or (CountedStage(epochs=strategy.epochs or 0, parts=strategy.parts),)


def _nearest(target: float, cost: Callable[[int], float], most: int) -> int:
    """Return the number, from FEWEST_EVALUATIONS to `most`, whose rising cost is nearest to the target."""
    high = FEWEST_EVALUATIONS
    while high < most and cost(high) < target:
        high *= 2
    low, high = min(FEWEST_EVALUATIONS, most), min(high, most)
    above = min(low + bisect_left(range(low, high + 1), target, key=cost), high)
    return min((max(above - 1, low), above), key=lambda count: abs(cost(count) - target))


def _spread(evaluations: int, rounds: int) -> list[int]:
    """Return the architectures of each round of random search."""
    return [share(evaluations, rounds, number) for number in range(rounds)]


def _calibrating(count: int, images: int) -> int:
    """Count the training images of full batches that batch norms are re-estimated on."""
    count = min(count, images)
    return count // min(CALIBRATION_BATCH, count) * min(CALIBRATION_BATCH, count) if count else 0


def _first_batch(images: int, batch_size: int) -> int:
    """Count the images of the first batch of a shuffled pass; a full one if the number of images is unknown."""
    return batch_bounds(images, batch_size, shuffle=True)[0][1] if images and batch_size else batch_size


def _alpha_images(strategy: Counted, images: int, valid: int) -> float:
    """Return the validation images of an epoch's batches for the alphas, one for each training batch, by image."""
    if not valid:
        return 1.0
    sizes = [stop - start for start, stop in batch_bounds(valid, strategy.batch_size, shuffle=True)]
    turns, rest = divmod(len(batch_bounds(images, strategy.batch_size, shuffle=True)), len(sizes))
    return (turns * sum(sizes) + sum(sizes[:rest])) / images


def _supernet_training(settings: CountedSupernet, space: Any, network: Network, mean: float, **shape: int) -> float:
    """Count the supernet's training, given the `mean` multiply-accumulates of a path."""
    if settings.sampling == "sandwich":
        ends = (size(str(one), network, **shape).macs for one in (space.largest(), space.smallest()))
        paths = sum(ends) + settings.between * mean
    else:
        paths = mean * (max(space.sites().counts) if settings.sampling == "fair" else 1)
    return TRAINING_FACTOR * settings.epochs * settings.images * paths


def _supernet(
    space: CellSpace, network: Network, *, inputs: int, classes: int, side: int, parts: int, operations: bool = True
) -> int:
    """Count the multiply-accumulates of a supernet, of its `operations` only those with weights, or none."""

    class Weighted(Supernet):
        def forward(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
            active = self.weighted()
            if not operations:
                active = {kind: [[False] * len(row) for row in rows] for kind, rows in active.items()}
            return super().forward(x, Mix(self.probabilities(), active))

    def built() -> Supernet:
        return Weighted(space, network, inputs=inputs, classes=classes, k=parts)

    return count(built, inputs=inputs, side=side).macs
