"""How often the verdict is wrong if no strategy is better than random search, and how often it finds a true difference.

    python -m benchmarks.verdict_errors [--runs 1000] [--workers 2] [--output FILE]

All strategies, random search, 8 uniformly drawn networks and one baseline draw from one distribution: a network's
accuracy varies between searches, and its trainings by a standard deviation of 0.3 points. All strategies meet the same
random searches. A false headline is any strategy that beat or lost to the opponent of a role, by Holm over strategies.

Power is for one strategy whose searches are better by 1 or 2 standard deviations of a search's mean accuracy (one
network of a baseline: of the same). A cell with fewer than 4 searches makes no claim.

The statistics are the project's own (`nas_steps.retraining.comparison`), on all runs of a cell at once. The first runs
of each cell go through `contests` as records, and its outcomes must be the same.

Further rows go through `contests` alone: one search in ten collapses by 5 points; a tenth of the strategies' trainings
fail and none of random search's.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from nas_steps.facts import FEWEST_SEARCHES
from nas_steps.intervals import holm
from nas_steps.provenance.files import write_text
from nas_steps.retraining.comparison import (
    ALPHA,
    Array,
    contrast,
    network,
    pooled,
    replicated,
)
from nas_steps.retraining.contests import contests
from nas_steps.training.record import Entry, record

SEARCHES, SEEDS, STRATEGIES, RATIOS = (1, 3, 4, 5, 10), (1, 2, 3, 5, 10), (1, 2, 5), (0.0, 1.0, 3.0)
ROLES = ("random", "uniform", "baseline")
TRAINING_SD, MEAN, UNIFORM, CLASSES = 0.003, 0.9, 8, 10
#: runs of a cell that go through `contests`, too
CHECKED = 5
#: a search collapses by this much, so often
COLLAPSE, COLLAPSED = 0.05, 0.1
FAILED = 0.1


@dataclass(frozen=True)
class Cell:
    """A design, and the variance of searches over that of trainings."""

    searches: int
    seeds: int
    strategies: int
    ratio: float
    collapses: bool = False

    @property
    def claims(self) -> bool:
        return self.searches >= FEWEST_SEARCHES

    @property
    def sd_of_search(self) -> float:
        """The standard deviation of a search's mean accuracy over its seeds."""
        return TRAINING_SD * float(np.sqrt(self.ratio + 1 / self.seeds))


@dataclass(frozen=True)
class Draws:
    """Accuracies: of strategies (runs, strategies, searches, seeds), of the other roles (runs, networks, seeds)."""

    searched: Array
    random: Array
    uniform: Array
    baseline: Array


def draw(cell: Cell, runs: int, generator: np.random.Generator) -> Draws:
    def networks(*shape: int) -> Array:
        means = MEAN + TRAINING_SD * np.sqrt(cell.ratio) * generator.standard_normal((*shape, 1))
        if cell.collapses:
            means = means - COLLAPSE * (generator.random(means.shape) < COLLAPSED)
        return means + TRAINING_SD * generator.standard_normal((*shape, cell.seeds))

    baseline = MEAN + TRAINING_SD * generator.standard_normal((runs, 1, cell.seeds))
    return Draws(
        networks(runs, cell.strategies, cell.searches), networks(runs, cell.searches), networks(runs, UNIFORM), baseline
    )


def p_values(draws: Draws) -> dict[str, Array]:
    """Return the p-values of each role, shape (runs, strategies)."""
    groups = [*np.moveaxis(draws.searched, 1, 0), draws.random, draws.uniform, draws.baseline]
    pool = pooled([(group[:, place], None) for group in groups for place in range(group.shape[1])])
    found: dict[str, list[Array]] = {role: [] for role in ROLES}
    for mine in groups[: draws.searched.shape[1]]:
        searches = replicated(mine.mean(-1), source="searches")
        baseline = network(draws.baseline[:, 0], pool)
        if pool is None:
            baseline = replace(searches, units=draws.baseline[:, 0])
        for role, side in (
            ("random", replicated(draws.random.mean(-1), source="opponents")),
            ("uniform", replicated(draws.uniform.mean(-1), source="opponents")),
            ("baseline", baseline),
        ):
            found[role].append(contrast(searches, side).p_value)
    return {role: np.stack(several, axis=1) for role, several in found.items()}


def adjusted(p: Array) -> Array:
    """Apply Holm's adjustment to each run, shape (runs, strategies)."""
    return np.array([holm(run) for run in p.tolist()])


def records(draws: Draws, run: int, failed: Array | None = None) -> list[dict[str, Any]]:
    """Return the records of one run; `failed` says which trainings of strategies fail."""
    kinds = {f"s{place}": "searched" for place in range(draws.searched.shape[1])}
    sides = [*draws.searched[run], draws.random[run], draws.uniform[run]]
    names = {**kinds, "random": "random", "uniform": "uniform"}
    found = []
    for (name, kind), side in zip(names.items(), sides, strict=True):
        for (place, seed), accuracy in np.ndenumerate(side):
            found.append(_record(f"{name}-{place}", kind, seed, float(accuracy)))
    if failed is not None:
        searched = [metrics for metrics in found if metrics["kind"] == "searched"]
        for metrics, fails in zip(searched, failed.ravel(), strict=True):
            metrics["status"] = "diverged" if fails else "ok"
    return found + [
        _record("resnet20", "baseline", seed, float(accuracy)) for seed, accuracy in enumerate(draws.baseline[run, 0])
    ]


def _record(entry: str, kind: str, seed: int, accuracy: float) -> dict[str, Any]:
    known = {"status": "ok", "test_accuracy": accuracy, "valid_accuracy": accuracy, "chance_level": 1 / CLASSES}
    return record(Entry(entry, kind, entry), seed) | known


def check(cell: Cell, draws: Draws, adjusted_p: dict[str, Array]) -> None:
    """Raise AssertionError if `contests` judges the first runs otherwise."""
    for run in range(min(CHECKED, len(draws.random))):
        for row in contests(records(draws, run)):
            if not cell.claims:
                assert row["outcome"] == "few", row
                continue
            p = adjusted_p[row["role"]][run, int(row["strategy"][1:])]
            assert np.isclose(row["p_holm"], p), (cell, row, p)
            assert (row["outcome"] in ("beat", "lost")) == (p < ALPHA), (cell, row, p)


def measure(cell: Cell, runs: int, seed: int) -> dict[str, float]:
    """Return the rates of false headlines by role, and the power for 1 and 2 standard deviations."""
    generator = np.random.default_rng(seed)
    draws = draw(cell, runs, generator)
    if not cell.claims:
        check(cell, draws, {})
        return dict.fromkeys(ROLES, 0.0)
    null = {role: adjusted(p) for role, p in p_values(draws).items()}
    check(cell, draws, null)
    rates = {role: float((p < ALPHA).any(axis=1).mean()) for role, p in null.items()}
    for effect in (1, 2):
        searched = draws.searched.copy()
        searched[:, 0] += effect * cell.sd_of_search
        for role, p in p_values(replace(draws, searched=searched)).items():
            rates[f"{role} {effect}"] = float((adjusted(p)[:, 0] < ALPHA).mean())
    return rates


def with_failures(cell: Cell, runs: int, seed: int) -> dict[str, float]:
    """Return the rates of headlines by role if a tenth of the strategies' trainings fail: of the sound trainings alone
    (`random`, ...) and with failures at chance level (`random losses`)."""
    generator = np.random.default_rng(seed)
    draws = draw(cell, runs, generator)
    hits: dict[str, list[bool]] = {}
    for run in range(runs):
        rows = contests(records(draws, run, generator.random(draws.searched.shape[1:]) < FAILED))
        for role in ROLES:
            mine = [row for row in rows if row["role"] == role]
            hits.setdefault(role, []).append(any(row["outcome"] in ("beat", "lost") for row in mine))
            won = any(row["failures_outcome"] == "beat" for row in mine)
            hits.setdefault(f"{role} with failures as losses, beat", []).append(won)
    return {name: float(np.mean(several)) for name, several in hits.items()}


def cells() -> Iterator[Cell]:
    for searches, seeds, strategies, ratio in product(SEARCHES, SEEDS, STRATEGIES, RATIOS):
        yield Cell(searches, seeds, strategies, ratio)


def _measured(given: tuple[Cell, int, int]) -> dict[str, float]:
    return measure(*given)


def table(rows: list[tuple[Cell, dict[str, float]]]) -> str:
    """Return the rates of cells that make claims, in per cent, as a Markdown table."""
    head = ["searches", "seeds", "strategies", "ratio", *(f"false, {role}" for role in ROLES)]
    head += [f"power {effect} sd, {role}" for role in ROLES for effect in (1, 2)]
    lines = [f"| {' | '.join(head)} |", f"|{'---:|' * len(head)}"]
    for cell, rates in rows:
        figures = [rates[role] for role in ROLES] + [rates[f"{role} {effect}"] for role in ROLES for effect in (1, 2)]
        design = [str(cell.searches), str(cell.seeds), str(cell.strategies), f"{cell.ratio:g}"]
        lines.append(f"| {' | '.join([*design, *(f'{100 * figure:.1f}' for figure in figures)])} |")
    return "\n".join(lines)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--runs", type=int, default=1000)
    options.add_argument("--workers", type=int, default=1)
    options.add_argument("--output", type=Path, help="a Markdown file for the table")
    given = options.parse_args()
    grid = list(cells())
    jobs = [(cell, given.runs, seed) for seed, cell in enumerate(grid)]
    with ProcessPoolExecutor(given.workers) as workers:
        rates = list(workers.map(_measured, jobs, chunksize=9))
    claims = [(cell, found) for cell, found in zip(grid, rates, strict=True) if cell.claims]
    text = [
        f"Per cent of {given.runs} runs; {len(grid) - len(claims)} cells with fewer than {FEWEST_SEARCHES} searches "
    ]
    text[0] += "make no claim.\n"
    text.append(table(claims))
    worst = {role: max(claims, key=lambda pair: pair[1][role]) for role in ROLES}
    for role, (cell, found) in worst.items():
        mean = np.mean([one[role] for _, one in claims])
        text.append(
            f"\n{role}: {100 * mean:.1f} % false headlines in the mean, at most {100 * found[role]:.1f} % ({cell})"
        )
    text.append("\nOne search in ten collapses by 5 points:\n")
    heavy = [Cell(searches, 2, strategies, 1.0, collapses=True) for searches in (4, 10) for strategies in (1, 2, 5)]
    text.append(table([(cell, measure(cell, given.runs, seed)) for seed, cell in enumerate(heavy)]))
    text.append("\nA tenth of the strategies' trainings fail, none of random search's (per cent of headlines):\n")
    for cell in (Cell(4, 2, 2, 1.0), Cell(10, 2, 2, 1.0)):
        found = with_failures(cell, min(given.runs, 500), 0)
        figures = "; ".join(f"{name} {100 * rate:.1f}" for name, rate in found.items())
        text.append(f"- {cell.searches} searches, {cell.seeds} seeds, {cell.strategies} strategies: {figures}")
    print("\n".join(text))
    if given.output:
        write_text(given.output, "\n".join(text) + "\n")


if __name__ == "__main__":
    main()
