"""Which architectures block scores are to be fitted to, and how well they predict: the reasons behind the kind `milp`.

    python -m benchmarks.additive designs --landscapes 10
    python -m benchmarks.additive tables nasbench201.csv.gz accel_nasbench.csv.gz ofa_subnets.csv.gz

`designs` compares first rounds of equal size on made-up landscapes: the sum of a normal gain for each term (a layer's
operation, a stage's setting, an edge's operation) and of a normal gain for each pair of terms, the variance of the
pairs in all being a share of the whole, measured with noise. Heights are in standard deviations above a random
architecture, noise is in the same unit. The designs:

- `one change`: all one-choice changes of a reference, whose gains are differences of two scores, as in Puzzle;
  `strong`: the reference is the best of 100 random architectures, evaluated for nothing;
- `uniform`: random architectures, whose gains are fitted by ridge regression;
- `spread`: of four times as many random architectures those that are chosen greedily for the most determinant of the
  information matrix (D-optimality), fitted alike.

`tables` fits random samples of published networks and predicts all others.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from statistics import fmean, stdev
from typing import Any

import numpy as np

from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.additive import AdditiveScore, AdditiveSearch, Array
from nas_steps.spaces.cells.presets import PRESETS as CELLS
from nas_steps.spaces.constraints import paths_of
from nas_steps.spaces.mobile.presets import PRESETS as MOBILE
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.spaces.paths import Paths
from nas_steps.spaces.protocol import Architecture

SPACES: dict[str, Any] = {"mobile_small": MOBILE["mobile_small"], "nasbench201": CELLS["nasbench201"]}
#: random architectures that a landscape's mean and deviations are taken from
DRAWS = 500
#: solutions that are asked for
BEST = 5


class Landscape:
    """A score of terms and of pairs of terms; `pairs` is the share of the variance that pairs have."""

    def __init__(self, space: Any, paths: Paths, seed: int, pairs: float) -> None:
        self.space, self.paths, self.pairs = space, paths, pairs
        weights = np.random.default_rng(seed)
        self.single = weights.normal(size=len(paths.terms))
        self.paired = np.triu(weights.normal(size=(len(paths.terms), len(paths.terms))), 1)
        random = Random(seed)
        rows = np.array([paths.counts(space.sample(random)) for _ in range(DRAWS)])
        sums = rows @ self.single
        products = np.einsum("ni,ij,nj->n", rows, self.paired, rows)
        # what pairs add to the sums of terms is no interaction
        additive = AdditiveScore(rows, products)
        self.trend = additive.gains
        rest = products - rows @ self.trend
        self.moments = [(float(one.mean()), float(one.std())) for one in (sums, rest)]

    def height(self, architecture: Architecture) -> float:
        row = np.array(self.paths.counts(architecture))
        parts = (row @ self.single, row @ self.paired @ row - row @ self.trend)
        normal = [(value - mean) / deviation for value, (mean, deviation) in zip(parts, self.moments, strict=True)]
        return float(math.sqrt(1 - self.pairs) * normal[0] + math.sqrt(self.pairs) * normal[1])


def changes(space: Any, reference: Sequence[int]) -> list[list[int]]:
    """The reference and all changes of one of its sites."""
    found = [list(reference)]
    for site, count in enumerate(space.sites().counts):
        found += [
            [*reference[:site], index, *reference[site + 1 :]] for index in range(count) if index != reference[site]
        ]
    return found


def drawn_sites(space: Any, random: Random) -> list[int]:
    """Random choices at the largest depths: a layer that is not there has no operation to change."""
    sites = [random.randrange(count) for count in space.sites().counts]
    if isinstance(space, MobileSpace):
        place = int(bool(space.resolution))
        for stage in space.stages:
            sites[place] = len(stage.depth) - 1
            place += 4 + stage.layers(max(stage.depth))
    return sites


def one_change(space: Any, paths: Paths, score: Callable[[Architecture], float], reference: Sequence[int]) -> Array:
    """The gains of all terms over those of the reference."""
    made = space.sites().made
    first, *others = (made(sites) for sites in changes(space, reference))
    base, row = score(first), np.array(paths.counts(first))
    gains = np.zeros(len(row))
    for architecture in others:
        gains[(np.array(paths.counts(architecture)) > 0) & (row == 0)] = score(architecture) - base
    return gains


def fitted(paths: Paths, score: Callable[[Architecture], float], sample: Sequence[Architecture]) -> Array:
    rows = np.array([paths.counts(architecture) for architecture in sample])
    return AdditiveScore(rows, np.array([score(architecture) for architecture in sample])).gains


def spread(paths: Paths, pool: Sequence[Architecture], count: int) -> list[Architecture]:
    rows = np.array([paths.counts(architecture) for architecture in pool])
    rows -= rows.mean(axis=0)
    inverse = np.eye(rows.shape[1]) * 10
    chosen: list[int] = []
    for _ in range(count):
        leverages = np.einsum("ni,ij,nj->n", rows, inverse, rows)
        leverages[chosen] = -1
        chosen.append(int(leverages.argmax()))
        reached = inverse @ rows[chosen[-1]]
        inverse -= np.outer(reached, reached) / (1 + rows[chosen[-1]] @ reached)
    return [pool[place] for place in chosen]


def designs(landscapes: int) -> None:
    """Print the height of the best of the solutions by design, pairs and noise."""
    for name, space in SPACES.items():
        paths = paths_of(space)
        count = len(changes(space, drawn_sites(space, Random(0))))
        print(f"{name}: {len(paths.terms)} terms, first rounds of {count} architectures, the best of {BEST} solutions")
        for pairs, noise in ((0.0, 0.0), (0.0, 0.5), (0.25, 0.0), (0.25, 0.5), (0.5, 0.0), (0.5, 0.5)):
            found: dict[str, list[float]] = {}
            for number in range(landscapes):
                landscape = Landscape(space, paths, derive_seed(number, name), pairs)
                random = Random(number)
                noisy = lambda one: landscape.height(one) + noise * random.gauss(0, 1)  # noqa: B023, E731
                references = [drawn_sites(space, random) for _ in range(100)]
                best = max(references, key=lambda one: landscape.height(space.sites().made(one)))  # noqa: B023
                pool = [space.sample(random) for _ in range(4 * count)]
                gains = {
                    "one change": one_change(space, paths, noisy, references[0]),
                    "strong": one_change(space, paths, noisy, best),
                    "uniform": fitted(paths, noisy, pool[:count]),
                    "spread": fitted(paths, noisy, spread(paths, pool, count)),
                }
                for design, values in gains.items():
                    search = AdditiveSearch(paths, values)
                    heights = []
                    for _ in range(BEST):
                        solution = search.best()
                        assert solution is not None
                        search.exclude(solution.path)
                        heights.append(landscape.height(solution.architecture))
                    found.setdefault(design, []).append(max(heights))
            shown = [f"{design} {fmean(one):5.2f} ± {stdev(one) / math.sqrt(len(one)):.2f}" for design, one in found.items()]
            print(f"  pairs {pairs:4.0%}, noise {noise}: {'; '.join(shown)}", flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = options.add_subparsers(dest="command", required=True)
    compared = commands.add_parser("designs")
    compared.add_argument("--landscapes", type=int, default=10)
    given = options.parse_args()
    designs(given.landscapes)


if __name__ == "__main__":
    main()
