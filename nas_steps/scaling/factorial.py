"""Compare search with scaling: every base scaled in every way, at multiples of the winner's own MACs."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from random import Random
from statistics import fmean
from typing import Any

from nas_steps.config.scaling import Factorial
from nas_steps.config.space import Network
from nas_steps.provenance.seeds import derive_seed
from nas_steps.scaling.compound import Design, Factors, Measure, solve
from nas_steps.scaling.family import FACTORS, SIZE, TEST, tested
from nas_steps.scaling.winner import DESIGN, described
from nas_steps.spaces.baselines import scalable
from nas_steps.spaces.mobile.architectures import is_mobile
from nas_steps.spaces.protocol import Space

DESIGNS = (
    "base", "scaling", "search", "base_architecture", "base_width", *FACTORS, *DESIGN, *SIZE, "target_macs", "mismatch",
)  # fmt: skip
CELLS = (
    "base", "scaling", "architectures", *SIZE, "target_macs", "mismatch", "trainings", *TEST, "train_seconds", "status",
)  # fmt: skip


def paths(triple: Factors) -> dict[str, Callable[[float], Factors]]:
    """Return the path of each way of scaling: about the factor of the MACs -> factors."""
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
    """Return the architecture of each base in a repetition, which draws its own random one. `side` is in pixels."""
    drawn = space.sample(Random(derive_seed(seed, "factorial base", repetition)))
    given = factorial.hand_designed
    hand_designed = given if is_mobile(given) else scalable(given, side)
    architectures = {"searched": winner, "random": str(drawn), "hand_designed": hand_designed}
    return {base: architectures[base] for base in factorial.bases}


def describe_designs(
    factorial: Factorial,
    bases: Mapping[str, str],
    triple: Factors,
    network: Network,
    side: int,
    measure: Measure,
    search: str = "",
) -> list[dict[str, Any]]:
    """Return every cell of the factorial with its real size. `side` is that of the stored images, in pixels.

    `search` is the entry of the searched base if each repetition takes another search's winner.
    """
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
            # without scaling there is nothing to solve
            wanted = measure(own)[1] if way == "none" else target
            solved = solve(own, ways[way], wanted, measure, factorial.channel_divisor)
            row = {
                "base": name,
                "scaling": way,
                "search": search,
                "base_architecture": architecture,
                "base_width": base_width,
            }
            row |= {**asdict(solved.factors), **described(solved.design)}
            row |= {"parameters": solved.parameters, "macs": solved.macs}
            rows.append(row | {"target_macs": target, "mismatch": solved.macs / target - 1})
    return rows


def gather_cells(designs: Sequence[Mapping[str, str]], trainings: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each cell over the designs of all seeds, with its largest `mismatch`."""
    rows = []
    for base, way in dict.fromkeys((design["base"], design["scaling"]) for design in designs):
        mine = [design for design in designs if (design["base"], design["scaling"]) == (base, way)]
        trained = [metrics for metrics in trainings if metrics["entry"] == entry_name(base, way)]
        sound = [metrics for metrics in trained if metrics["status"] == "ok"]
        rows.append(
            {
                "base": base,
                "scaling": way,
                "architectures": len({design["architecture"] for design in mine}),
                **{key: round(fmean(int(design[key]) for design in mine)) for key in (*SIZE, "target_macs")},
                "mismatch": max((float(design["mismatch"]) for design in mine), key=abs),
                **tested(sound),
                "train_seconds": fmean(metrics["train_seconds"] for metrics in sound) if sound else math.nan,
                "status": next((metrics["status"] for metrics in trained if metrics["status"] != "ok"), "ok"),
            }
        )
    return rows


def entry_name(base: str, way: str) -> str:
    return f"{base}-{way}"
