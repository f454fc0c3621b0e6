"""The pool whose accuracies are known: a uniform sample of the space, and the shortlist. Imports no torch.

The sample stands for the space. The shortlist was chosen by a score, so that its architectures are alike in that score:
agreement among them alone is biased, and so, more weakly, is that on the whole pool.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import fmean, stdev
from typing import Any

import numpy as np

from nas_steps.estimation.estimates import Estimate, read_estimates
from nas_steps.provenance.files import number, read_csv
from nas_steps.provenance.seeds import derive_seed
from nas_steps.ranking.correlation import Array
from nas_steps.search.protocol import Seen
from nas_steps.spaces.protocol import Space

#: what any estimator should beat: counts of the final network
BASELINES = ("parameters", "MACs")


@dataclass(frozen=True)
class Member:
    """An architecture of the pool. `accuracies` are by training seed, NaN where a training gave none; `scores` by the
    name of the estimator, higher for better, NaN where it gave none."""

    architecture: str
    sampled: bool
    shortlisted: bool
    accuracies: tuple[float, ...]
    parameters: int
    macs: int
    scores: Mapping[str, float] = field(default_factory=dict)


def draw(space: Space, count: int, seed: int) -> list[str]:
    """`count` architectures drawn uniformly, no two of them isomorphic; fewer where the space has no more.

    A larger sample begins with the smaller one. Raises UserError where in a large space no new one is found.
    """
    return [str(one) for one in Seen(space).fill(count, Random(derive_seed(seed, "uniform sample")))]


def pool(
    sampled: Sequence[str],
    shortlisted: Sequence[Mapping[str, str]],
    scored: Sequence[Mapping[str, str]],
    trainings: Mapping[int, Sequence[Estimate]],
    scores: Mapping[str, Mapping[str, float]],
) -> list[Member]:
    """The sample, then what the shortlist adds to it, each architecture once.

    `trainings` are by training seed, `scores` those of the sample by the estimator's name, then by architecture. What
    the shortlist adds counts by the searches' scores under that name, the mean over its rows that are `scored`.
    """
    names = list(dict.fromkeys([*sampled, *(row["architecture"] for row in shortlisted)]))
    trained = {seed: {one.architecture: one for one in found} for seed, found in trainings.items()}
    searched: dict[tuple[str, str], list[float]] = {}
    for row in scored:
        score = float(row["search_score"]) if row["search_score"] else math.nan
        searched.setdefault((row["architecture"], row["estimator"]), []).append(score)
    ours, theirs = set(sampled), {row["architecture"] for row in shortlisted}
    members = []
    for name in names:
        found = [trained[seed].get(name) for seed in sorted(trained)]
        size = next((one for one in found if one is not None and one.macs), None)
        known = {estimator: told[name] for estimator, told in scores.items() if name in told}
        known |= {
            estimator: fmean(values)
            for (architecture, estimator), values in searched.items()
            if architecture == name and estimator not in known
        }
        members.append(
            Member(
                architecture=name,
                sampled=name in ours,
                shortlisted=name in theirs,
                accuracies=tuple(math.nan if one is None or one.status != "ok" else one.score for one in found),
                parameters=0 if size is None else size.parameters,
                macs=0 if size is None else size.macs,
                scores=known,
            )
        )
    return members


def reference(members: Sequence[Member]) -> Array:
    """Accuracies, shape (architectures, seeds)."""
    seeds = max((len(one.accuracies) for one in members), default=1)
    return np.array([one.accuracies for one in members], dtype=float).reshape(len(members), seeds)


def scores_of(members: Sequence[Member], estimator: str) -> Array:
    """One estimator's scores, shape (architectures,); NaN where there is none. `BASELINES` are estimators too."""
    if estimator in BASELINES:
        counts = [one.parameters if estimator == "parameters" else one.macs for one in members]
        # a network that could not be built has no size
        return np.array([count or math.nan for count in counts], dtype=float)
    return np.array([one.scores.get(estimator, math.nan) for one in members], dtype=float)


def rows(members: Sequence[Member], estimators: Sequence[str]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The lines of pool.csv and its columns: one for each training seed, one for each estimator."""
    seeds = max((len(one.accuracies) for one in members), default=0)
    accuracies = tuple(f"accuracy_seed_{seed}" for seed in range(seeds))
    scores = tuple(f"score_{name}".replace(" ", "_") for name in estimators)
    lines = []
    for one in members:
        sound = [value for value in one.accuracies if math.isfinite(value)]
        line: dict[str, Any] = {
            "architecture": one.architecture,
            "sampled": int(one.sampled),
            "shortlisted": int(one.shortlisted),
            "accuracy": fmean(sound) if sound else math.nan,
            "std": stdev(sound) if len(sound) > 1 else math.nan,
            "trainings": len(sound),
            "parameters": one.parameters,
            "macs": one.macs,
        }
        line |= dict(zip(accuracies, one.accuracies, strict=True))
        line |= {column: one.scores.get(name, math.nan) for column, name in zip(scores, estimators, strict=True)}
        lines.append(line)
    fixed = ("architecture", "sampled", "shortlisted", "accuracy", "std", "trainings", "parameters", "macs")
    return lines, (*fixed, *accuracies, *scores)


def read_scores(paths: Iterable[str]) -> dict[str, float]:
    """The score of each architecture in CSV files with the columns `architecture` and `score`, as estimates have them;
    NaN where there is none, or a column `status` says that it is not sound."""
    rows = [row for path in paths for row in read_csv(path)]
    return {row["architecture"]: number(row["score"]) if row.get("status", "ok") == "ok" else math.nan for row in rows}


def by_seed(paths: Sequence[str]) -> dict[int, list[Estimate]]:
    """The estimates of files called `seed-<seed>-shard-<shard>.csv`, by seed."""
    files: dict[int, list[str]] = {}
    for path in paths:
        files.setdefault(int(Path(path).name.split("-")[1]), []).append(path)
    return {seed: read_estimates(found) for seed, found in sorted(files.items())}
