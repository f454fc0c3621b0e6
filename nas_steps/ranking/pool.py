"""Gather the pool of known accuracies: an unbiased uniform sample, and the shortlist. Imports no torch."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from nas_steps.estimation.estimates import Estimate, read_estimates
from nas_steps.provenance.files import number, read_csv
from nas_steps.ranking.correlation import Array
from nas_steps.ranking.rank import mean_and_std

#: trivial estimators that any other should beat: counts of the final network
BASELINES = ("parameters", "MACs")


@dataclass(frozen=True)
class Member:
    """An architecture with `accuracies` by training seed and `scores` by estimator, higher for better; NaN if none."""

    architecture: str
    sampled: bool
    shortlisted: bool
    accuracies: tuple[float, ...]
    parameters: int
    macs: int
    scores: Mapping[str, float] = field(default_factory=dict)


def pool(
    sampled: Sequence[str],
    shortlisted: Sequence[Mapping[str, str]],
    scored: Sequence[Mapping[str, str]],
    trainings: Mapping[int, Sequence[Estimate]],
    scores: Mapping[str, Mapping[str, float]],
) -> list[Member]:
    """Return the sample (`scores` by estimator, then architecture), then the other shortlisted architectures.

    These have their searches' mean score, from their rows in `scored`. `trainings` are by seed.
    """
    ours, theirs = dict.fromkeys(sampled), dict.fromkeys(row["architecture"] for row in shortlisted)
    trained = [{one.architecture: one for one in trainings[seed]} for seed in sorted(trainings)]
    searched: dict[str, dict[str, list[float]]] = {}
    for row in scored:
        by_estimator = searched.setdefault(row["architecture"], {})
        by_estimator.setdefault(row["estimator"], []).append(number(row["search_score"]))
    members = []
    for name in ours | theirs:
        estimates = [one.get(name) for one in trained]
        size = next((one for one in estimates if one is not None and one.macs), None)
        known = {estimator: fmean(values) for estimator, values in searched.get(name, {}).items()}
        known |= {estimator: of_sample[name] for estimator, of_sample in scores.items() if name in of_sample}
        accuracies = tuple(math.nan if one is None or one.status != "ok" else one.score for one in estimates)
        parameters, macs = (0, 0) if size is None else (size.parameters, size.macs)
        members.append(Member(name, name in ours, name in theirs, accuracies, parameters, macs, known))
    return members


def reference(members: Sequence[Member]) -> Array:
    """Return the accuracies, shape (architectures, seeds)."""
    seeds = max((len(one.accuracies) for one in members), default=1)
    return np.array([one.accuracies for one in members], dtype=float).reshape(len(members), seeds)


def scores_of(members: Sequence[Member], estimator: str) -> Array:
    """Return the scores of an estimator or one of BASELINES, shape (architectures,); NaN if there is none."""
    if estimator in BASELINES:
        counts = [one.parameters if estimator == "parameters" else one.macs for one in members]
        # a network that could not be built has no size
        return np.array([count or math.nan for count in counts], dtype=float)
    return np.array([one.scores.get(estimator, math.nan) for one in members], dtype=float)


def rows(members: Sequence[Member], estimators: Sequence[str]) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return the rows of pool.csv and its columns, which depend on the training seeds and the estimators."""
    seeds = max((len(one.accuracies) for one in members), default=0)
    accuracies = tuple(f"accuracy_seed_{seed}" for seed in range(seeds))
    scores = tuple(f"score_{name}".replace(" ", "_") for name in estimators)
    fixed = ("architecture", "sampled", "shortlisted", "accuracy", "std", "trainings", "parameters", "macs")
    lines = [
        {
            "architecture": one.architecture,
            "sampled": int(one.sampled),
            "shortlisted": int(one.shortlisted),
            **mean_and_std([value for value in one.accuracies if math.isfinite(value)], "accuracy"),
            "parameters": one.parameters,
            "macs": one.macs,
            **dict(zip(accuracies, one.accuracies, strict=True)),
            **{column: one.scores.get(name, math.nan) for column, name in zip(scores, estimators, strict=True)},
        }
        for one in members
    ]
    return lines, (*fixed, *accuracies, *scores)


def read_scores(paths: Iterable[str]) -> dict[str, float]:
    """Read the score of each architecture from CSV files; NaN if its cell is empty or its `status` is not ok."""
    rows = [row for path in paths for row in read_csv(path)]
    return {row["architecture"]: number(row["score"]) if row.get("status", "ok") == "ok" else math.nan for row in rows}


def by_seed(paths: Sequence[str]) -> dict[int, list[Estimate]]:
    """Read the estimates of files called `seed-<seed>-shard-<shard>.csv`, by seed."""
    files: dict[int, list[str]] = {}
    for path in paths:
        files.setdefault(int(Path(path).name.split("-")[1]), []).append(path)
    return {seed: read_estimates(of_seed) for seed, of_seed in sorted(files.items())}
