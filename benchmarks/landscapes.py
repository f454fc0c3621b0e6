"""The constants of the sampling strategies, compared where nothing is known but that decisions matter and interact.

    python -m benchmarks.landscapes --landscapes 20 reinforce batch=1,5 learning_rate=0.01,0.03

On made-up landscapes over the spaces `small` and `s3`, a weight for each choice and for each pair of choices, all drawn
from a normal distribution, each strategy evaluates 100 architectures. The score saturates: good architectures are
close together and bad ones have a long tail, as accuracies do. Prints for each combination of settings, and for random
search, the best architecture found, in standard deviations above a random one, with the standard error of the mean. The
defaults of `nas_steps.config.strategies` that no paper fixes were chosen by this.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from collections.abc import Callable, Iterator
from random import Random
from statistics import fmean, pstdev, stdev
from typing import Any

import numpy as np
import yaml

from benchmarks.cached import CachedSpace
from benchmarks.simulation import search
from nas_steps.config.strategies import STRATEGIES, SamplingStrategy
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.sampling import round_size
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.protocol import Architecture, Space

SPACES = ("small", "s3")
EVALUATIONS = 100
#: random architectures that the mean and the deviation are taken from
DRAWS = 1000
#: the settings of 100 evaluations, which those of the command line are laid over
BASE: dict[str, dict[str, Any]] = {
    "random": {"evaluations": EVALUATIONS},
    "evolution": {"population": 10, "sample": 3, "children": 1},
    "nsga2": {"population": 10, "children": 10},
    "reinforce": {},
    "local_search": {"initial": 10, "batch": 1},
    "predictor": {"initial": 10, "batch": 10},
    "bayesian": {"initial": 10, "batch": 5},
}


class Landscape:
    """A score for each architecture of a space: `height` is normally distributed or nearly so, the score saturates."""

    def __init__(self, space: Space, seed: int, pairs: float = 1.0) -> None:
        self.space = space
        sample = space.decided(space.sample(Random(0)))
        options = 1 + max(len(_decided(space, sample, place).options) for place in range(len(sample)))
        weights = np.random.default_rng(seed)
        self.single = weights.normal(size=(len(sample), options))
        self.paired = weights.normal(size=(len(sample), len(sample), options, options))
        # a place has as many pairs as there are other places: together they weigh as much as the place alone
        self.paired *= math.sqrt(pairs / (len(sample) - 1))
        self.places = np.arange(len(sample))
        random = Random(seed)
        heights = [self._raw(space.sample(random)) for _ in range(DRAWS)]
        self.mean, self.deviation = fmean(heights), pstdev(heights)

    def _raw(self, architecture: Architecture) -> float:
        choices = np.array(self.space.decided(architecture))
        places = self.places
        table = self.paired[places[:, None], places[None, :], choices[:, None], choices[None, :]]
        return float(self.single[places, choices].sum() + np.triu(table, 1).sum())

    def height(self, architecture: Architecture) -> float:
        """In standard deviations above the mean."""
        return (self._raw(architecture) - self.mean) / self.deviation

    def score(self, architecture: Architecture) -> float:
        """Between minus infinity and 1, the more flat the higher."""
        return 1 - math.exp(-self.height(architecture))


def _decided(space: Space, choices: list[int], place: int) -> Any:
    return space.decision(choices[:place])


def settings_of(kind: str, changed: dict[str, Any]) -> SamplingStrategy:
    """The settings with which a strategy makes 100 evaluations."""
    given = {**BASE[kind], **changed}
    strategy: Any = STRATEGIES[kind].model_validate(given)
    if kind == "random":
        return strategy
    first = round_size(strategy, 0, 0)
    return strategy.model_copy(update={"rounds": 1 + (EVALUATIONS - first) // round_size(strategy, 1, 0)})


def measure(settings: SamplingStrategy, spaces: dict[str, Space], landscapes: int) -> list[float]:
    """The height of the best found, landscape by landscape."""
    found = []
    for name, space in spaces.items():
        for seed in range(landscapes):
            landscape = Landscape(space, derive_seed(seed, name))
            told = search(settings, space, landscape.score, seed=seed)
            best = max(told, key=lambda one: one.fitness)
            found.append(landscape.height(space.parse(best.architecture)))
    return found


def combinations(grid: list[str]) -> Iterator[dict[str, Any]]:
    names = [item.split("=")[0] for item in grid]
    values = [[yaml.safe_load(value) for value in item.split("=")[1].split(",")] for item in grid]
    for combination in itertools.product(*values):
        yield dict(zip(names, combination, strict=True))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("kind", choices=list(BASE))
    options.add_argument("grid", nargs="*", help="setting=value,value,...")
    options.add_argument("--landscapes", type=int, default=20, help="for each space")
    given = options.parse_args()
    spaces: dict[str, Space] = {name: CachedSpace(PRESETS[name]) for name in SPACES}
    show: Callable[[str, list[float], float], None] = lambda what, values, seconds: print(  # noqa: E731
        f"{fmean(values):6.3f} ± {stdev(values) / math.sqrt(len(values)):.3f}  {seconds:6.1f} s  {what}", flush=True
    )
    for kind, changed in [("random", {}), *((given.kind, one) for one in combinations(given.grid))]:
        began = time.process_time()
        values = measure(settings_of(kind, changed), spaces, given.landscapes)
        show(f"{kind} {changed}", values, time.process_time() - began)


if __name__ == "__main__":
    main()
