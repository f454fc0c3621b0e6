"""The accuracies of a fixed sample of a supernet's paths, with and without re-estimated batch norms."""

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
    """Draw `count` different architectures uniformly (fewer if the space has fewer)."""
    random = Random(derive_seed(seed, "statistics"))
    drawn: dict[str, Architecture] = {}
    for _ in range(100 * count):
        if len(drawn) == min(count, space.size()):
            break
        one = space.sample(random)
        drawn.setdefault(str(one), one)
    return list(drawn.values())


def look(scorer: Scorer, architectures: Sequence[Architecture]) -> list[dict[str, Any]]:
    """Compute each accuracy with running and with re-estimated statistics (NaN without calibration images)."""
    running = scorer.running(architectures)
    reestimated = scorer(architectures) if scorer.calibration else [math.nan] * len(architectures)
    return [
        {"architecture": str(one), "running": plain, "reestimated": again}
        for one, plain, again in zip(architectures, running, reestimated, strict=True)
    ]


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Summarise both kinds of accuracy: mean, least, best, Spearman's rank correlation with the multiply-accumulates,
    and with each other. NaN if all values are equal or one is unknown."""
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
    """Compute Spearman's rank correlation; NaN if it is not defined."""
    if len(set(one)) < 2 or len(set(other)) < 2 or any(map(math.isnan, [*one, *other])):
        return math.nan
    return float(spearmanr(one, other).statistic)
