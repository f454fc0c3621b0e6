"""Search against scaling: every base scaled in every way, at matched MACs.

The budget is the winner's own MACs. Each other base is first brought to it by its width, so that `none` compares bases
of one size; then each way of scaling is solved for the network whose real MACs come nearest to `factor` times the
budget, so that all scaled networks have one size, too. What rounding leaves is told as `mismatch`. One triple, chosen
on the searched network, is everyone's compound scaling.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from random import Random
from statistics import fmean
from typing import Any

from nas_steps.config.scaling import Factorial
from nas_steps.config.space import Network
from nas_steps.intervals import accuracy_interval
from nas_steps.provenance.seeds import derive_seed
from nas_steps.scaling.compound import Design, Factors, Measure, solve
from nas_steps.scaling.winner import DESIGN, described
from nas_steps.spaces.hand_designed import scalable
from nas_steps.spaces.mobile.architectures import is_mobile
from nas_steps.spaces.protocol import Space

DESIGNS = (
    "base",
    "scaling",
    "base_architecture",
    "base_width",
    "depth",
    "width",
    "resolution",
    *DESIGN,
    "parameters",
    "macs",
    "target_macs",
    "mismatch",
)
CELLS = (
    "base",
    "scaling",
    "architectures",
    "parameters",
    "macs",
    "target_macs",
    "mismatch",
    "trainings",
    "test_mean",
    "test_std",
    "test_low",
    "test_high",
    "train_seconds",
    "status",
)

Path = Callable[[float], Factors]


def paths(triple: Factors) -> dict[str, Path]:
    """Each way of scaling: about what the MACs are to be multiplied by -> factors."""
    return {
        "none": lambda _: Factors(1.0, 1.0, 1.0),
        "depth": lambda times: Factors(times, 1.0, 1.0),
        "width": lambda times: Factors(1.0, math.sqrt(times), 1.0),
        "resolution": lambda times: Factors(1.0, 1.0, math.sqrt(times)),
        "compound": lambda times: triple.power(math.log(times) / math.log(triple.product)),
    }


def base_architectures(
    factorial: Factorial, winner: str, space: Space, side: int, *, seed: int, repetition: int
) -> dict[str, str]:
    """What is scaled in repetition `repetition`: base -> architecture. The random one is drawn anew in each; the
    hand-designed one is fitted to images of `side` pixels."""
    drawn = space.sample(Random(derive_seed(seed, "factorial base", repetition)))
    hand_designed = factorial.hand_designed
    if not is_mobile(hand_designed):
        hand_designed = scalable(hand_designed, side)
    found = {"searched": winner, "random": str(drawn), "hand_designed": hand_designed}
    return {base: found[base] for base in factorial.bases}


def describe_designs(
    factorial: Factorial, bases: Mapping[str, str], triple: Factors, network: Network, side: int, measure: Measure
) -> list[dict[str, Any]]:
    """Every cell of the factorial with its real size. `side` is that of the stored images, in pixels."""
    ways = paths(triple)
    budget = measure(Design(bases["searched"], network, side))[1]
    rows = []
    for name, architecture in bases.items():
        own = Design(architecture, network, side)
        base_width = 1.0
        if name != "searched":
            matched = solve(own, ways["width"], budget, measure, factorial.channel_divisor)
            own, base_width = matched.design, matched.factors.width
        for way in factorial.scalings:
            target = budget if way == "none" else round(budget * factorial.factor)
            # nothing is looked for where nothing can be moved
            wanted = measure(own)[1] if way == "none" else target
            found = solve(own, ways[way], wanted, measure, factorial.channel_divisor)
            rows.append(
                {
                    "base": name,
                    "scaling": way,
                    "base_architecture": architecture,
                    "base_width": base_width,
                    "depth": found.factors.depth,
                    "width": found.factors.width,
                    "resolution": found.factors.resolution,
                    **described(found.design),
                    "parameters": found.parameters,
                    "macs": found.macs,
                    "target_macs": target,
                    "mismatch": found.macs / target - 1,
                }
            )
    return rows


def gather_cells(designs: Sequence[Mapping[str, str]], trainings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row for each cell over all seeds. `designs` are those of all seeds; `mismatch` is the largest of them."""
    rows = []
    cells = list(dict.fromkeys((design["base"], design["scaling"]) for design in designs))
    for base, way in cells:
        mine = [design for design in designs if (design["base"], design["scaling"]) == (base, way)]
        trained = [metrics for metrics in trainings if metrics["entry"] == entry_name(base, way)]
        sound = [metrics for metrics in trained if metrics["status"] == "ok"]
        test = accuracy_interval([metrics["test_accuracy"] for metrics in sound])
        rows.append(
            {
                "base": base,
                "scaling": way,
                "architectures": len({design["architecture"] for design in mine}),
                "parameters": round(fmean(int(design["parameters"]) for design in mine)),
                "macs": round(fmean(int(design["macs"]) for design in mine)),
                "target_macs": round(fmean(int(design["target_macs"]) for design in mine)),
                "mismatch": max((float(design["mismatch"]) for design in mine), key=abs),
                "trainings": len(sound),
                "test_mean": test["mean"],
                "test_std": test["std"],
                "test_low": test["low"],
                "test_high": test["high"],
                "train_seconds": fmean(metrics["train_seconds"] for metrics in sound) if sound else math.nan,
                "status": "ok"
                if len(sound) == len(trained)
                else next(metrics["status"] for metrics in trained if metrics["status"] != "ok"),
            }
        )
    return rows


def entry_name(base: str, way: str) -> str:
    """What a cell's trainings are called."""
    return f"{base}-{way}"
