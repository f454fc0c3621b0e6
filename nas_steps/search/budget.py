"""The training cost of each strategy in multiply-accumulates (seconds vary), to which random search is matched."""

from collections.abc import Sequence
from random import Random
from typing import Any

from torch import Tensor

from nas_steps.config.space import Network
from nas_steps.models.build import size
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.models.count import count
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.settings import BudgetSettings, Counted, CountedSupernet
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.declare import declared
from nas_steps.spaces.protocol import Space

#: a backward pass costs about twice a forward pass
TRAINING_FACTOR = 3
#: architectures drawn for the mean size of a candidate
DRAWS = 64
#: least number of evaluations of random search
FEWEST_EVALUATIONS = 2

UNIT = "training multiply-accumulates for each image of the training set"


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
    constraints. If shared weights score, a cost includes the supernet's training, an evaluation is a forward pass of
    the images that calibrate and score, and random search gets as many evaluations as the strategy with the most.
    """
    space, network, shared = declared(settings.space), settings.network, settings.supernet
    shape: dict[str, Any] = {"inputs": inputs, "classes": classes}
    supernets: dict[int, int] = {}
    if isinstance(space, CellSpace):
        every_parts = {1, *(one.parts for one in settings.strategies.values())}
        supernets = {parts: _supernet(space, network, **shape, side=side, parts=parts) for parts in every_parts}
    random = Random(derive_seed(settings.seed, "budget"))
    architectures = [str((within or space).sample(random)) for _ in range(DRAWS)]

    def mean_macs(resolution: int | None, drawn: Sequence[str] = architectures) -> float:
        return sum(size(one, network, **shape, side=resolution or side).macs for one in drawn) / len(drawn)

    candidate = mean_macs(side)
    trained = settings.evaluation
    evaluated = candidate if trained.resolution in (None, side) else mean_macs(trained.resolution)
    evaluation = TRAINING_FACTOR * (
        trained.epochs * trained.images * evaluated + (trained.batch + settings.screened) / images * candidate
    )
    supernet = 0.0
    if shared is not None:
        if shared.resolution not in (None, side):
            evaluated = mean_macs(shared.resolution)
        # it is trained on the whole space, whatever the constraints
        paths = evaluated
        if within is not None and settings.constraints is not None:
            paths = mean_macs(shared.resolution, [str(space.sample(random)) for _ in range(DRAWS)])
        supernet = _supernet_training(shared, space, network, paths, **shape, side=shared.resolution or side)
        scored = valid if shared.valid_images is None else min(valid, shared.valid_images)
        evaluation = (scored + min(shared.calibration_images, images)) / images * evaluated

    def gradient_cost(strategy: Counted, epochs: int) -> float:
        one_pass, selecting = candidate, 0.0
        if strategy.path != "architecture":
            assert isinstance(space, CellSpace)  # the schema refuses these strategies elsewhere
            one_pass = whole = supernets[strategy.parts]
            if strategy.path == "edge":
                # operations are drawn alike, so each is computed in one of an edge's number of passes
                rest = _supernet(space, network, **shape, side=side, parts=1, operations=False)
                operations = [sum(row) for kind in space.kinds for row in space.allowed(kind)]
                one_pass = rest + (whole - rest) / (sum(operations) / len(operations))
            selecting = strategy.selection_epochs * _decisions(space) * whole
        cost = TRAINING_FACTOR * (strategy.passes * epochs * one_pass + selecting)
        return float(cost + strategy.forwards / images * candidate)

    strategies: dict[str, dict[str, Any]] = {}
    for name, one in settings.strategies.items():
        if one.epochs is not None:
            evaluations, cost = None, gradient_cost(one, one.epochs)
        elif isinstance(one.evaluations, int):
            evaluations, cost = one.evaluations, supernet + one.evaluations * evaluation
        else:
            continue
        strategies[name] = {"kind": one.kind, "evaluations": evaluations, "training_macs": cost}
    expensive = max(
        (name for name, entry in strategies.items() if entry["kind"] != "random"),
        key=lambda name: strategies[name]["training_macs"],
        default=None,
    )
    matched_to = None
    for name, one in settings.strategies.items():
        if one.evaluations == "auto":
            assert expensive is not None  # the schema refuses a lone random strategy without a number
            if shared is not None:
                expensive = max(strategies, key=lambda name: strategies[name]["evaluations"] or 0)
                matched = strategies[expensive]["evaluations"]
            else:
                matched = max(FEWEST_EVALUATIONS, round(strategies[expensive]["training_macs"] / evaluation))
                matched = min(matched, space.size())
            cost, matched_to = supernet + matched * evaluation, matched_to or expensive
            strategies[name] = {"kind": "random", "evaluations": matched, "training_macs": cost}
            strategies[name]["matched_to"] = expensive
    reference = next(entry["training_macs"] for entry in strategies.values() if entry["kind"] == "random")
    for entry in strategies.values():
        entry["relative"] = entry["training_macs"] / reference
    return {
        "unit": UNIT,
        "supernet_macs": supernets.get(1),
        "candidate_macs": candidate,
        "matched_to": matched_to,
        "matched_by": "evaluations" if shared is not None else "training_macs",
        "strategies": strategies,
    }


def _supernet_training(settings: CountedSupernet, space: Any, network: Network, mean: float, **shape: int) -> float:
    """Count the supernet's training, given the `mean` multiply-accumulates of a path."""
    if settings.sampling == "sandwich":
        ends = (size(str(one), network, **shape).macs for one in (space.largest(), space.smallest()))
        paths = sum(ends) + settings.between * mean
    else:
        paths = mean * (max(space.sites().counts) if settings.sampling == "fair" else 1)
    return TRAINING_FACTOR * settings.epochs * settings.images * paths


def _decisions(space: CellSpace) -> int:
    """Count the decisions of a perturbation-based selection, after each of which the weights learn again."""
    choosing = [node for node in range(space.nodes) if len(space.kept_sources(node)) > 1]
    return len(space.kinds) * (len(space.edges()) + len(choosing))


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

    shape = {"inputs": inputs, "classes": classes}
    return count(lambda: Weighted(space, network, **shape, k=parts), inputs=inputs, side=side).macs
