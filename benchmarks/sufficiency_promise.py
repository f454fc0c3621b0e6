"""Does `shortlist: auto` keep its promise? How often the network that it picks is within the tolerance.

    python -m benchmarks.sufficiency_promise [--calibrations 100] [--candidates 25] [--most 10]

The worlds have normal expected accuracies and scores, Kendall's tau of the two, training noise and a tolerance in units
of the spread of expected accuracies. In each world many uniform samples are drawn, scored and trained by a number of
seeds. A sample promises if some k up to `most` reaches a probability of 95 %, and its least k is then applied to new
searches of that world. Two rules read the same samples:

- drawn: the probability over the worlds that the sample allows, as `ranking.calibrate` reads it
- plugged in: the sample's own tau, spread and noise as if they were the world's

`promised` is the share of samples that promise, `kept` the probability that the pick of a promising one is within the
tolerance, over new searches. No rule can keep a promise in a world whose best k is below 95 %; it can only avoid one.
Below, the worlds are listed whose promises are kept in less than 93 %. `k decides` are the worlds where one candidate
is not enough and some k is.

Last, the coverage of the 95 % intervals that the page prints: those of the noise, spread, reliability and true tau, and
that of the probability at k = 3.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from itertools import product

import numpy as np

from nas_steps.ranking.noise import Worlds, posterior, truth
from nas_steps.ranking.sufficiency import WORLDS, Choice, from_sample, least_kept, reach

TAUS, NOISES, SIZES, SEEDS, TOLERANCES = (0.3, 0.5, 0.8), (0.3, 1.0, 2.0), (8, 20, 50), (2, 3), (0.5, 1.0, 2.0)
RULES = ("drawn", "plugged in")
#: simulated searches of a world, and of each that a sample allows
SEARCHES, EACH = 20_000, 32

World = tuple[float, float, float, int]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--calibrations", type=int, default=100, help="samples drawn in each world")
    options.add_argument("--candidates", type=int, default=25)
    options.add_argument("--most", type=int, default=10)
    given = options.parse_args()
    begun = time.perf_counter()
    generator = np.random.default_rng(0)
    found: dict[tuple[World, int], dict[str, list[float]]] = {}
    best: dict[World, np.ndarray] = {}
    print("  tau noise tolerance seeds  best k reaches |  n: drawn promised kept, plugged in promised kept")
    for world in product(TAUS, NOISES, TOLERANCES, SEEDS):
        reached = true_reach(world, given.candidates, given.most)
        best[world] = reached
        cells = []
        for n in SIZES:
            kept = found[world, n] = {rule: [] for rule in RULES}
            for place in range(given.calibrations):
                for rule, k in promises(world, n, given.candidates, given.most, place, generator).items():
                    if k is not None:
                        kept[rule].append(float(reached[k - 1]))
            cells.append(f"{n}: " + ", ".join(shown(kept[rule], given.calibrations) for rule in RULES))
        tau, noise, tolerance, seeds = world
        reach_text = f"{100 * reached.max():.1f}"
        print(f"  {tau:3} {noise:5} {tolerance:9} {seeds:5}  {reach_text:>14} |  " + "   ".join(cells), flush=True)
    summary(found, best, given.calibrations)
    print("\ncoverage of 95 % intervals, in %")
    for world, n in product(product(TAUS, NOISES, (1.0,), (2,)), SIZES):
        covered = coverage(world, n, given.candidates, best[world][2], given.calibrations, generator)
        figures = "  ".join(f"{name} {100 * share:.0f}" for name, share in covered.items())
        print(f"  tau {world[0]}, noise {world[1]}, n {n}: {figures}", flush=True)
    print(f"{time.perf_counter() - begun:.0f} s")


def drawn_sample(world: World, n: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Scores (n,) and accuracies (n, seeds) of a uniform sample."""
    tau, noise, _, seeds = world
    rho = math.sin(math.pi / 2 * tau)
    scores, other = generator.standard_normal((2, n))
    accuracies = rho * scores + math.sqrt(1 - rho * rho) * other
    return scores, accuracies[:, None] + noise * generator.standard_normal((n, seeds))


def coverage(
    world: World, n: int, candidates: int, reached: float, repeats: int, generator: np.random.Generator
) -> dict[str, float]:
    """How often each interval holds the world's figure."""
    tau, noise, tolerance, seeds = world
    true = {"noise": noise, "spread": 1.0, "reliability": 1 / (1 + noise**2 / seeds), "kendall": tau}
    hits: dict[str, list[bool]] = defaultdict(list)
    for _ in range(repeats):
        scores, reference = drawn_sample(world, n, generator)
        below = truth(scores, reference)
        for name, value in true.items():
            figure = getattr(below, name)
            hits[name].append(figure.low <= value <= figure.high)
        probability = from_sample(scores, reference, Choice(candidates, tolerance, (3,), seeds=seeds)).top[0].within
        hits["within"].append(float(probability.low or 0) <= reached <= float(probability.high or 0))
    return {name: float(np.mean(several)) for name, several in hits.items()}


def promises(
    world: World, n: int, candidates: int, most: int, place: int, generator: np.random.Generator
) -> dict[str, int | None]:
    """The least k of each rule, from one new sample of n architectures."""
    tolerance, seeds = world[2:]
    scores, reference = drawn_sample(world, n, generator)
    choice = Choice(candidates, tolerance, (1,), WORLDS * EACH, place)
    drawn = reach(posterior(scores, reference, WORLDS, place), choice, most, [seeds])
    below = truth(scores, reference)
    values = [figure.value for figure in (below.kendall, below.spread, below.noise)]
    own, spread, spent = (math.nan if value is None else value for value in values)
    plugged = Worlds(*(np.array([value]) for value in (math.sin(math.pi / 2 * own), 0.0, spread, spent)))
    by_rule = {"drawn": drawn, "plugged in": reach(plugged, choice, most, [seeds])}
    return {rule: least_kept(one.mean(0)[0]) for rule, one in by_rule.items()}


def true_reach(world: World, candidates: int, most: int) -> np.ndarray:
    """The probability of a pick within the tolerance, shape (most,), by k."""
    tau, noise, tolerance, seeds = world
    rho = math.sin(math.pi / 2 * tau)
    one = Worlds(*(np.array([value]) for value in (rho, 0.0, 1.0, noise)))
    # random numbers of its own
    return np.asarray(reach(one, Choice(candidates, tolerance, (1,), SEARCHES, -1), most, [seeds])[0, 0])


def shown(kept: list[float], calibrations: int) -> str:
    share = f"{100 * np.mean(kept):5.1f}" if kept else "    -"
    return f"{100 * len(kept) / calibrations:3.0f} {share}"


def summary(
    found: dict[tuple[World, int], dict[str, list[float]]], best: dict[World, float], calibrations: int
) -> None:
    """Print all worlds together, and those that are below."""
    for rule in RULES:
        groups: dict[str, list[float]] = defaultdict(list)
        short, wrong = [], [0, 0]
        for (world, n), by_rule in found.items():
            kept = by_rule[rule]
            possible, decides = best[world].max() >= 0.95, best[world][0] < 0.95
            where = "some k is enough" if possible else "no k is enough"
            names = ("all", f"n {n}", where, *(["k decides", f"k decides, n {n}"] if possible and decides else []))
            for group in names:
                groups[group] += kept
            if not possible:
                wrong = [wrong[0] + len(kept), wrong[1] + calibrations]
            if kept and np.mean(kept) < 0.93:
                short.append((float(np.mean(kept)), len(kept), possible, n, world))
        texts = [f"{group} {100 * np.mean(kept):.1f} ({len(kept)})" for group, kept in groups.items() if kept]
        print(f"\n{rule}: kept in %, of (promises): " + ", ".join(texts))
        print(f"  promises where no k is enough: {wrong[0]} of {wrong[1]} samples")
        print(f"  {len(short)} of {len(found)} worlds and sizes are kept in less than 93 %:")
        for mean, count, possible, n, (tau, noise, tolerance, seeds) in sorted(short):
            print(
                f"    kept {100 * mean:5.1f}, promised {100 * count / calibrations:3.0f} %: tau {tau}, noise {noise}, "
                f"tolerance {tolerance}, {seeds} seeds, n {n}{'' if possible else ' (no k is enough)'}"
            )


if __name__ == "__main__":
    main()
