"""Why the kind `milp` is as it is, and how well additive block scores predict accuracies that were measured.

    python -m benchmarks.additive designs --landscapes 10
    python -m benchmarks.additive tables FOLDER

`designs` compares what block scores can be taken from, on made-up landscapes over two spaces: a normal gain for each
term (a layer's operation, a stage's setting, an edge's operation) and one for each pair of terms, whose part that is no
sum of terms has a share of the variance. Scores are measured with noise. Heights are in standard deviations above a
random architecture, and noise is in the same unit. N is 1 and the number of all one-choice changes of an architecture:

- `one change` (N evaluations): the changes of a random architecture; a gain is the difference of two scores;
- `of the best` (N + 20): the same around the best of 20 random architectures; gains are fitted to all of them;
- `uniform` (N, 2 N, 4 N): random architectures, to which gains are fitted;
- `refitted` (2 N): N random architectures, then four rounds of N / 4 solutions, after each of which gains are fitted.

Each design ends in five solutions, of which the highest counts, or in what it evaluated last.

`tables` fits block scores to random samples of published networks and predicts all others: the share of explained
variance, Spearman's correlation, and the best accuracy among the five with the highest predictions. In NAS-Bench-201 it
also searches by them. It reads nasbench201.csv.gz, accel_nasbench.csv.gz and ofa_subnets.csv.gz of a folder, if they
are there.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import fmean, stdev
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from benchmarks.simulation import search
from nas_steps.config.strategies import Evolution, Milp
from nas_steps.config.strategies import Random as RandomSearch
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.additive import AdditiveScore, AdditiveSearch, Array
from nas_steps.spaces.cells.presets import PRESETS as CELLS
from nas_steps.spaces.constraints import paths_of
from nas_steps.spaces.mobile.presets import PRESETS as MOBILE
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.spaces.paths import Paths
from nas_steps.spaces.protocol import Architecture

SPACES: dict[str, Any] = {"mobile_small": MOBILE["mobile_small"], "nasbench201": CELLS["nasbench201"]}
#: the share of pairs, and the noise
CASES = ((0.0, 0.0), (0.0, 0.5), (0.25, 0.0), (0.25, 0.5), (0.5, 0.5))
#: random architectures that a landscape's mean and deviations are taken from
DRAWS = 500
#: solutions that are asked for
BEST = 5
#: networks that block scores are fitted to, and repetitions
SAMPLES, REPEATS = (50, 100, 200, 400), 20
#: Accel-NASBench: EfficientNet-B0's skeleton, each stage's layers alike
ACCEL = MobileSpace.declare(
    "accel",
    {
        "stem": {"width": 32, "kernel": 3, "stride": 2, "activation": "silu"},
        "stages": [
            {"by": "stage", "width": width, "stride": stride, "depth": list(range(1, deepest + 1))}
            | {"kernel": [3, 5], "expansion": [1, 4, 6], "squeeze": ["none", "se0.25"]}
            for width, stride, deepest in (
                (16, 1, 3), (24, 2, 3), (40, 2, 3), (80, 2, 4), (112, 1, 4), (192, 2, 4), (320, 1, 4)
            )
        ],
        "head": {"width": 1280},
    },
)  # fmt: skip


class Landscape:
    """A score of terms and of pairs of terms; `pairs` is the share of the variance of what pairs alone add."""

    def __init__(self, space: Any, paths: Paths, seed: int, pairs: float) -> None:
        self.space, self.paths, self.pairs = space, paths, pairs
        weights = np.random.default_rng(seed)
        self.single = weights.normal(size=len(paths.terms))
        self.paired = np.triu(weights.normal(size=(len(paths.terms), len(paths.terms))), 1)
        random = Random(seed)
        rows = np.array([paths.counts(space.sample(random)) for _ in range(DRAWS)])
        sums, products = rows @ self.single, np.einsum("ni,ij,nj->n", rows, self.paired, rows)
        self.trend = AdditiveScore(rows, products).gains
        rest = products - rows @ self.trend
        self.moments = [(float(one.mean()), float(one.std())) for one in (sums, rest)]

    def height(self, architecture: Architecture) -> float:
        row = np.array(self.paths.counts(architecture))
        parts = (row @ self.single, row @ self.paired @ row - row @ self.trend)
        normal = [(value - mean) / deviation for value, (mean, deviation) in zip(parts, self.moments, strict=True)]
        return float(math.sqrt(1 - self.pairs) * normal[0] + math.sqrt(self.pairs) * normal[1])


class Measured:
    """What a landscape's heights are measured as: with the same noise each time."""

    def __init__(self, landscape: Landscape, noise: float, seed: int) -> None:
        self.landscape, self.noise, self.random = landscape, noise, Random(seed)
        self.known: dict[str, float] = {}

    def __call__(self, architecture: Architecture) -> float:
        text = str(architecture)
        if text not in self.known:
            self.known[text] = self.landscape.height(architecture) + self.noise * self.random.gauss(0, 1)
        return self.known[text]


def drawn_sites(space: Any, random: Random) -> list[int]:
    """Draw choices at the largest depths: a layer that is not there has no operation to change."""
    sites = [random.randrange(count) for count in space.sites().counts]
    if isinstance(space, MobileSpace):
        place = int(bool(space.resolution))
        for stage in space.stages:
            sites[place] = len(stage.depth) - 1
            place += 4 + stage.layers(max(stage.depth))
    return sites


def changes(space: Any, reference: Sequence[int]) -> list[Architecture]:
    """The reference and all changes of one of its sites."""
    sites = space.sites()
    found = [list(reference)]
    for site, count in enumerate(sites.counts):
        others = (index for index in range(count) if index != reference[site])
        found += [[*reference[:site], index, *reference[site + 1 :]] for index in others]
    return [sites.made(one) for one in found]


def differences(paths: Paths, score: Callable[[Architecture], float], changed: Sequence[Architecture]) -> Array:
    """The gains of all terms over those of the first architecture, of which the others are changes."""
    row, gains = np.array(paths.counts(changed[0])), np.zeros(len(paths.terms))
    for one in changed[1:]:
        gains[(np.array(paths.counts(one)) > 0) & (row == 0)] = score(one) - score(changed[0])
    return gains


def fitted(paths: Paths, score: Callable[[Architecture], float], sample: Sequence[Architecture]) -> Array:
    rows = np.array([paths.counts(one) for one in sample])
    return AdditiveScore(rows, np.array([score(one) for one in sample])).gains


def solutions(paths: Paths, gains: Array, count: int) -> list[Architecture]:
    best = AdditiveSearch(paths, gains)
    found = []
    for _ in range(count):
        solution = best.best()
        assert solution is not None, "the space has no more"
        best.exclude(solution.path)
        found.append(solution.architecture)
    return found


def found_by(space: Any, paths: Paths, score: Measured, random: Random) -> dict[str, list[Architecture]]:
    """What each design ends in."""
    references = [drawn_sites(space, random) for _ in range(20)]
    changed = changes(space, references[0])
    drawn = [space.sites().made(one) for one in references]
    of_best = changes(space, max(references, key=lambda one: score(space.sites().made(one))))
    count = len(changed)
    pool = [space.sample(random) for _ in range(4 * count)]
    gains = {
        "one change (N)": differences(paths, score, changed),
        "of the best (N + 20)": fitted(paths, score, [*of_best, *drawn]),
        "uniform (N)": fitted(paths, score, pool[:count]),
        "uniform (2 N)": fitted(paths, score, pool[: 2 * count]),
        "uniform (4 N)": fitted(paths, score, pool),
    }
    ends = {design: solutions(paths, values, BEST) for design, values in gains.items()}
    sample = pool[:count]
    for _ in range(4):
        known = set(map(str, sample))
        new = solutions(paths, fitted(paths, score, sample), count // 4)
        sample += [one for one in new if str(one) not in known]
    ends["refitted (2 N)"] = sorted(sample, key=score)[-BEST:]
    return ends


def designs(landscapes: int) -> None:
    """Print the height of the highest of the five by design, share of pairs and noise."""
    for name, space in SPACES.items():
        paths = paths_of(space)
        count = len(changes(space, drawn_sites(space, Random(0))))
        print(f"{name}: N is {count}; {len(paths.terms)} terms")
        for pairs, noise in CASES:
            heights: dict[str, list[float]] = {}
            for number in range(landscapes):
                landscape = Landscape(space, paths, derive_seed(number, name), pairs)
                score = Measured(landscape, noise, number)
                for design, ends in found_by(space, paths, score, Random(number)).items():
                    heights.setdefault(design, []).append(max(map(landscape.height, ends)))
            shown = [f"{design} {fmean(one):.2f} ± {error(one):.2f}" for design, one in heights.items()]
            print(f"  pairs {pairs:.0%}, noise {noise}: {'; '.join(shown)}", flush=True)


def error(values: Sequence[float]) -> float:
    return stdev(values) / math.sqrt(len(values))


# --------------------------------------------------------------------------------------------------- tables


def rows_of(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def ofa(row: dict[str, str]) -> Architecture:
    """The architecture of a row of once-for-all subnets; layers beyond the depths do not count."""
    space = MOBILE["ofa_mbv3"]
    kernels, expansions, depths = (list(map(int, row[name].split())) for name in ("kernels", "expansions", "depths"))
    indices = [0] * 4 + [0]
    for number, (stage, depth) in enumerate(zip(space.stages[1:], depths, strict=True)):
        indices += [stage.depth.index(depth), 0, 0, 0]
        for layer in range(4 * number, 4 * number + 4):
            wanted = (kernels[layer], float(expansions[layer]))
            indices.append(next(place for place, one in enumerate(stage.places(1)) if one and one[:2] == wanted))
    return space.sites().made(indices)


def predicted(name: str, space: Any, architectures: Sequence[Architecture], scores: Array) -> None:
    """Print how well fits to random samples predict all others."""
    paths = paths_of(space)
    rows = np.array([paths.counts(one) for one in architectures])
    print(f"{name}: {len(rows)} networks, {scores.min():.2f} to {scores.max():.2f} %, {len(paths.terms)} terms")
    for count in (one for one in SAMPLES if one < len(rows) / 2):
        found = []
        for seed in range(REPEATS):
            order = np.random.default_rng(seed).permutation(len(rows))
            sample, rest = order[:count], order[count:]
            model = AdditiveScore(rows[sample], scores[sample])
            foretold, true = model.predict(rows[rest]), scores[rest]
            explained = 1 - ((true - foretold) ** 2).mean() / true.var()
            best = true[np.argsort(-foretold)[:BEST]]
            left_out = model.rmse / math.sqrt(((true - foretold) ** 2).mean())
            found.append((explained, spearmanr(foretold, true).statistic, best.max(), true.max(), left_out))
        explained, rank, best, most, ratio = (fmean(one) for one in zip(*found, strict=True))
        print(
            f"  {count} networks: R2 {explained:.3f}, Spearman {rank:.3f}, best of {BEST} predicted {best:.2f} % "
            f"(of all {most:.2f} %), error that was left out / true error {ratio:.2f}",
            flush=True,
        )


def searched(rows: Sequence[dict[str, str]], runs: int = 20) -> None:
    """Print what searches of 100 evaluations by 12 epochs' accuracy find, by that after 200."""
    table = {row["architecture"]: (float(row["c10valid_val_acc12"]), float(row["c10valid_val_acc200"])) for row in rows}
    kinds = {
        "random": RandomSearch(evaluations=100),
        "evolution": Evolution(population=10, sample=3, children=1, rounds=91),
        "milp": Milp(initial=60, batch=10, rounds=5),
    }
    for name, settings in kinds.items():
        finals = []
        for seed in range(runs):
            told = search(settings, CELLS["nasbench201"], lambda one: table[str(one)][0], seed=seed)
            finals.append(table[max(told, key=lambda one: one.score).architecture][1])
        print(f"  {name}, 100 evaluations: {fmean(finals):.2f} ± {error(finals):.2f} %", flush=True)


def tables(folder: Path) -> None:
    if (path := folder / "nasbench201.csv.gz").is_file():
        rows = list(rows_of(path))
        space = CELLS["nasbench201"]
        architectures = [space.parse(row["architecture"]) for row in rows]
        for column in ("c10valid_val_acc12", "c10valid_val_acc200"):
            predicted(f"NAS-Bench-201, {column}", space, architectures, np.array([float(row[column]) for row in rows]))
        searched(rows)
    if (path := folder / "accel_nasbench.csv.gz").is_file():
        rows = list(rows_of(path))
        architectures = [ACCEL.parse(row["architecture"]) for row in rows]
        predicted("Accel-NASBench", ACCEL, architectures, np.array([float(row["imagenet_val_top1"]) for row in rows]))
    if (path := folder / "ofa_subnets.csv.gz").is_file():
        rows = list(rows_of(path))
        scores = np.array([float(row["imagenet_top1"]) for row in rows])
        predicted("Once-for-all subnets", MOBILE["ofa_mbv3"], [ofa(row) for row in rows], scores)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = options.add_subparsers(dest="command", required=True)
    compared = commands.add_parser("designs")
    compared.add_argument("--landscapes", type=int, default=10)
    commands.add_parser("tables").add_argument("folder", type=Path)
    given = options.parse_args()
    if given.command == "designs":
        designs(given.landscapes)
    else:
        tables(given.folder)


if __name__ == "__main__":
    main()
