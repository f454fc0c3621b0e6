"""How good a supernet is, and what re-estimating batch norms changes: accuracies of a fixed sample of its paths."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

from scipy.stats import spearmanr

from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.one_shot.scoring import Scorer
from nas_steps.spaces.protocol import Architecture

#: architectures that are looked at
SAMPLE = 32
COLUMNS = ("architecture", "parameters", "macs", "running", "reestimated")


def sample(space: Any, seed: int, count: int = SAMPLE) -> list[Architecture]:
    """So many different architectures, drawn uniformly (fewer where the space has not as many)."""
    random = Random(derive_seed(seed, "statistics"))
    found: dict[str, Architecture] = {}
    for _ in range(100 * count):
        if len(found) == min(count, space.size()):
            break
        one = space.sample(random)
        found.setdefault(str(one), one)
    return list(found.values())


def look(scorer: Scorer, architectures: Sequence[Architecture]) -> list[dict[str, Any]]:
    """Of each architecture its accuracy with the running statistics and with re-estimated ones (NaN where there are no
    calibration images)."""
    running = scorer.running(architectures)
    reestimated = scorer(architectures) if scorer.calibration else [math.nan] * len(architectures)
    return [
        {"architecture": str(one), "running": plain, "reestimated": again}
        for one, plain, again in zip(architectures, running, reestimated, strict=True)
    ]


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean, least and best accuracy of both kinds, and Spearman's rank correlations: of one kind with the other, of
    each with the multiply-accumulates. NaN where nothing differs or nothing is known."""
    found: dict[str, Any] = {"architectures": len(rows)}
    for kind in ("running", "reestimated"):
        values = [row[kind] for row in rows]
        found[kind] = {
            "mean": sum(values) / len(values),
            "least": min(values),
            "best": max(values),
            "spearman_with_macs": spearman(values, [row["macs"] for row in rows]),
        }
    found["spearman"] = spearman([row["running"] for row in rows], [row["reestimated"] for row in rows])
    return found


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's rank correlation; NaN where it is not defined."""
    if len(set(one)) < 2 or len(set(other)) < 2 or any(map(math.isnan, [*one, *other])):
        return math.nan
    return float(spearmanr(one, other).statistic)
