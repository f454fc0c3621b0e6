"""The training cost of each strategy in multiply-accumulates, to which random search is matched.

Seconds would differ from run to run, and with them the number of evaluations and every result; multiply-accumulates are
counted before anything runs. The seconds are measured too, and the report compares them.
"""

from __future__ import annotations

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
from nas_steps.search.settings import BudgetSettings, CountedSupernet
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.declare import declared
from nas_steps.spaces.protocol import Space

#: a backward pass costs about twice a forward pass
TRAINING_FACTOR = 3
#: architectures drawn to know the mean size of a candidate
DRAWS = 64
#: random search is never cut below this
FEWEST_EVALUATIONS = 2

UNIT = "training multiply-accumulates for each image of the training set"


def budget(
    step: BudgetSettings,
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
    constraints of the search, if given. If architectures are scored by shared weights, each strategy's cost includes
    the supernet's training, an evaluation is a forward pass of the images that calibrate and score, and random search
    gets as many evaluations as the strategy with the most.
    """
    space = declared(step.space)
    shape: dict[str, Any] = {"inputs": inputs, "classes": classes}
    supernets: dict[int, int] = {}
    if isinstance(space, CellSpace):
        supernets = {
            parts: _supernet(space, step.network, **shape, side=side, parts=parts)
            for parts in {1, *(settings.parts for settings in step.strategies.values())}
        }
    random = Random(derive_seed(step.seed, "budget"))
    architectures = [str((within or space).sample(random)) for _ in range(DRAWS)]

    def mean_macs(at: int, drawn: Sequence[str] = architectures) -> float:
        return sum(size(one, step.network, **shape, side=at).macs for one in drawn) / len(drawn)

    candidate = mean_macs(side)
    trained = step.evaluation
    evaluated = candidate if trained.resolution in (None, side) else mean_macs(trained.resolution or side)
    evaluation = TRAINING_FACTOR * (
        trained.epochs * trained.images * evaluated + (trained.batch + step.screened) / images * candidate
    )
    supernet = 0.0
    if step.supernet is not None:
        if step.supernet.resolution not in (None, side):
            evaluated = mean_macs(step.supernet.resolution or side)
        # it is trained on the whole space, whatever the limits
        paths = evaluated
        if within is not None and step.constraints is not None:
            paths = mean_macs(step.supernet.resolution or side, [str(space.sample(random)) for _ in range(DRAWS)])
        supernet = _supernet_training(step.supernet, space, step.network, paths, **shape, side=side)
        scored = valid if step.supernet.valid_images is None else min(valid, step.supernet.valid_images)
        evaluation = (scored + min(step.supernet.calibration_images, images)) / images * evaluated

    strategies: dict[str, dict[str, Any]] = {}
    for name, settings in step.strategies.items():
        if settings.epochs is not None:
            one_pass, selecting = candidate, 0.0
            if settings.path != "architecture":
                assert isinstance(space, CellSpace)  # the schema refuses these strategies elsewhere
                one_pass = whole = supernets[settings.parts]
                if settings.path == "edge":
                    # operations are drawn alike: each is computed the more seldom the more an edge has
                    rest = _supernet(space, step.network, **shape, side=side, parts=1, operations=False)
                    one_pass = rest + (whole - rest) / _mean_operations(space)
                selecting = settings.selection_epochs * _decisions(space) * whole
            cost = TRAINING_FACTOR * (settings.passes * settings.epochs * one_pass + selecting)
            cost += settings.forwards / images * candidate
            strategies[name] = {"kind": settings.kind, "evaluations": None, "training_macs": float(cost)}
        elif isinstance(settings.evaluations, int):
            evaluations = settings.evaluations
            strategies[name] = {
                "kind": settings.kind,
                "evaluations": evaluations,
                "training_macs": supernet + evaluations * evaluation,
            }
    expensive = max(
        (name for name, entry in strategies.items() if entry["kind"] != "random"),
        key=lambda name: strategies[name]["training_macs"],
        default=None,
    )
    for name, settings in step.strategies.items():
        if settings.evaluations == "auto":
            assert expensive is not None  # the schema refuses a lone random strategy without a number
            if step.supernet is not None:
                expensive = max(strategies, key=lambda name: strategies[name]["evaluations"] or 0)
                matched = strategies[expensive]["evaluations"]
            else:
                matched = max(FEWEST_EVALUATIONS, round(strategies[expensive]["training_macs"] / evaluation))
                matched = min(matched, space.size())
            strategies[name] = {
                "kind": "random",
                "evaluations": matched,
                "training_macs": supernet + matched * evaluation,
                "matched_to": expensive,
            }
    reference = next(entry["training_macs"] for entry in strategies.values() if entry["kind"] == "random")
    for entry in strategies.values():
        entry["relative"] = entry["training_macs"] / reference
    matched_to = next((entry["matched_to"] for entry in strategies.values() if "matched_to" in entry), None)
    return {
        "unit": UNIT,
        "supernet_macs": supernets.get(1),
        "candidate_macs": candidate,
        "matched_to": matched_to,
        "matched_by": "evaluations" if step.supernet is not None else "training_macs",
        "strategies": strategies,
    }


def _supernet_training(
    settings: CountedSupernet,
    space: Any,
    network: Network,
    mean: float,
    *,
    inputs: int,
    classes: int,
    side: int,
) -> float:
    """Count the supernet's training, given the `mean` multiply-accumulates of a path."""

    def macs(architecture: Any) -> int:
        at = settings.resolution or side
        return size(str(architecture), network, inputs=inputs, classes=classes, side=at).macs

    if settings.sampling == "sandwich":
        paths = macs(space.largest()) + macs(space.smallest()) + settings.between * mean
    else:
        paths = mean * (max(space.sites().counts) if settings.sampling == "fair" else 1)
    return TRAINING_FACTOR * settings.epochs * settings.images * paths


def _decisions(space: CellSpace) -> int:
    """Count the decisions of a perturbation-based selection, after each of which the weights learn again."""
    choosing = [node for node in range(space.nodes) if len(space.kept_sources(node)) > 1]
    return len(space.kinds) * (len(space.edges()) + len(choosing))


def _mean_operations(space: CellSpace) -> float:
    """The mean number of operations of an edge."""
    rows = [sum(row) for kind in space.kinds for row in space.allowed(kind)]
    return sum(rows) / len(rows)


def _supernet(
    space: CellSpace,
    network: Network,
    *,
    inputs: int,
    classes: int,
    side: int,
    parts: int,
    operations: bool = True,
) -> int:
    """Count the multiply-accumulates of the operations that have weights and of all around them; without `operations`
    of the latter alone."""

    class Counted(Supernet):
        def forward(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
            active = self.weighted()
            if not operations:
                active = {kind: [[False] * len(row) for row in rows] for kind, rows in active.items()}
            return super().forward(x, Mix(self.probabilities(), active))

    return count(
        lambda: Counted(space, network, inputs=inputs, classes=classes, k=parts), inputs=inputs, side=side
    ).macs
