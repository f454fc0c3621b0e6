"""The sampling strategies on NAS-Bench-201: each search of 100 evaluations is repeated, beside what was published.

    python -m benchmarks.nasbench201 TABLE.csv[.gz] [--runs 500] [--processes 2]

TABLE has a column `architecture` of NAS-Bench-201 strings and, in %, for each of c10valid, cifar100 and imagenet16 the
validation accuracy after 12 epochs (`..._val_acc12`) and the accuracies after 200 (`..._val_acc200`,
`..._test_acc200`); left out, it is `nasbench201.csv.gz` in `shared/data` beside this project. A search sees the
12-epoch accuracies alone, and the best architecture by them is scored at 200 epochs. The published figures are those of
Dong & Yang (2020), 500 runs each, as quoted by Mellor et al. (2021, Table 2); theirs is a budget of simulated time that
random search spends on about 100 evaluations.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from statistics import fmean, stdev, variance

import pandas as pd
from scipy import stats

from benchmarks.cached import CachedSpace
from benchmarks.simulation import search
from nas_steps.config import strategies
from nas_steps.provenance.seeds import derive_seed
from nas_steps.spaces.cells.architectures import parse_architecture
from nas_steps.spaces.cells.presets import PRESETS
from nas_steps.spaces.protocol import Space

TABLE = Path(__file__).resolve().parents[2] / "shared" / "data" / "nasbench201.csv.gz"
#: after 12 epochs, then validation and test after 200
COLUMNS = {
    "c10valid": ("c10valid_val_acc12", "c10valid_val_acc200", "cifar10_test_acc200"),
    "cifar100": ("cifar100_val_acc12", "cifar100_val_acc200", "cifar100_test_acc200"),
    "imagenet16": ("imagenet16_val_acc12", "imagenet16_val_acc200", "imagenet16_test_acc200"),
}
EVALUATIONS = 100


def settings_of(evaluations: int) -> dict[str, strategies.SamplingStrategy]:
    """Every strategy, with a number of evaluations that is a multiple of 10.

    Evolution's constants are those that NAS-Bench-201 was published with (population 10, sample 3, one child a step),
    the predictor's those of BANANAS (10 at random, then 10 a round), local search evaluates one neighbour a round and
    Bayesian optimisation five architectures, both after 10 at random; all else is a default.
    """
    return {
        "random": strategies.Random(evaluations=evaluations),
        "evolution": strategies.Evolution(population=10, sample=3, children=1, rounds=evaluations - 9),
        "reinforce": strategies.Reinforce(rounds=evaluations // strategies.Reinforce().batch),
        "local_search": strategies.LocalSearch(initial=10, batch=1, rounds=evaluations - 9),
        "predictor": strategies.Predictor(initial=10, batch=10, rounds=evaluations // 10),
        "bayesian": strategies.Bayesian(initial=10, batch=5, rounds=(evaluations - 10) // 5 + 1),
    }


SETTINGS = settings_of(EVALUATIONS)
#: validation and test accuracy, mean and standard deviation, by data set
PUBLISHED = {
    "random": ((90.93, 0.36, 93.70, 0.36), (70.93, 1.09, 71.04, 1.07), (44.45, 1.10, 44.57, 1.25)),
    "evolution": ((91.19, 0.31, 93.92, 0.30), (71.81, 1.12, 71.84, 0.99), (45.15, 0.89, 45.54, 1.03)),
    "reinforce": ((91.09, 0.37, 93.85, 0.37), (71.61, 1.12, 71.71, 1.09), (45.05, 1.02, 45.24, 1.18)),
}

Table = dict[str, tuple[float, float, float]]
#: of a process: its table by data set, and one space for all its searches
_tables: dict[str, Table] = {}
_space: Space = CachedSpace(PRESETS["nasbench201"])


def read(path: Path) -> dict[str, Table]:
    """By data set and architecture: the accuracies of COLUMNS."""
    frame = pd.read_csv(path)
    texts = [str(parse_architecture(text)) for text in frame["architecture"]]
    return {
        name: dict(zip(texts, zip(*(frame[column] for column in columns), strict=True), strict=True))
        for name, columns in COLUMNS.items()
    }


def chosen(settings: strategies.SamplingStrategy, table: Table, seed: int) -> tuple[float, float]:
    """Validation and test accuracy after 200 epochs of what a search finds best after 12."""
    told = search(settings, _space, lambda architecture: table[str(architecture)][0], seed=seed)
    _, valid, test = table[max(told, key=lambda one: one.fitness).architecture]
    return valid, test


def work(strategy: str, data: str, seeds: range) -> tuple[list[tuple[float, float]], float]:
    """The results of some runs, and the seconds of the processor that they took."""
    began = time.process_time()
    results = [chosen(SETTINGS[strategy], _tables[data], derive_seed(seed, strategy, data)) for seed in seeds]
    return results, time.process_time() - began


def difference(values: Sequence[float], others: Sequence[float]) -> tuple[float, float]:
    """The difference of two means and half its 95 % interval (Welch 1947): independent runs, two or more of each."""
    parts = [(variance(one) / len(one), len(one) - 1) for one in (values, others)]
    squared = sum(part for part, _ in parts)
    if squared == 0:
        return fmean(values) - fmean(others), 0.0
    freedom = squared**2 / sum(part**2 / own for part, own in parts)
    return fmean(values) - fmean(others), float(stats.t.ppf(0.975, freedom)) * math.sqrt(squared)


def start(path: Path) -> None:
    _tables.update(read(path))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("table", type=Path, nargs="?", default=TABLE)
    options.add_argument("--runs", type=int, default=500)
    options.add_argument("--processes", type=int, default=2)
    options.add_argument("--strategies", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    given = options.parse_args()
    if not given.table.is_file():
        sys.exit(f"there is no table {given.table}; name the file to read")
    if given.runs < 2:
        sys.exit(f"--runs is {given.runs}: a spread needs 2 or more")
    began = time.perf_counter()
    seeds = [range(first, min(first + 50, given.runs)) for first in range(0, given.runs, 50)]
    names = list(dict.fromkeys(["random", *given.strategies]))
    with ProcessPoolExecutor(given.processes, initializer=start, initargs=(given.table,)) as pool:
        jobs = {
            (data, name): [pool.submit(work, name, data, part) for part in seeds] for data in COLUMNS for name in names
        }
        print(f"{given.runs} searches of {EVALUATIONS} evaluations; accuracy in %, mean ± standard deviation")
        spent = dict.fromkeys(names, 0.0)
        for place, data in enumerate(COLUMNS):
            print(f"\n{data:10}  {'valid':14}{'published':14}{'- random (95 %)':18}{'test':14}{'published':14}- random")
            found: dict[str, list[list[float]]] = {}
            for name in names:
                parts = [job.result() for job in jobs[data, name]]
                found[name] = [list(values) for values in zip(*(one for part, _ in parts for one in part), strict=True)]
                spent[name] += sum(seconds for _, seconds in parts)
                print(line(name, found[name], found["random"], place), flush=True)
    print(f"\n{time.perf_counter() - began:.0f} s; seconds of the processor: ", end="")
    print(", ".join(f"{name} {seconds:.0f}" for name, seconds in spent.items()), f"in all {sum(spent.values()):.0f}")


def line(name: str, found: list[list[float]], random: list[list[float]], place: int) -> str:
    """One strategy on one data set."""
    parts = [f"{name:10}"]
    published = PUBLISHED.get(name)
    for split in range(2):
        parts.append(f"{fmean(found[split]):6.2f} ± {stdev(found[split]):4.2f} ")
        told = published[place][2 * split : 2 * split + 2] if published else None
        parts.append(f"{told[0]:6.2f} ± {told[1]:4.2f} " if told else f"{'-':14}"[:14])
        more, half = difference(found[split], random[split])
        parts.append("        -        " if name == "random" else f"{more:+6.2f} ± {half:4.2f}  ")
    return " ".join(parts).rstrip()


if __name__ == "__main__":
    main()
