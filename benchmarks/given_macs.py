"""Does "says more than MACs alone" hold? Coverage, false alarms and power of the correlation given MACs, by simulation.

    python -m benchmarks.given_macs [--repeats 400] [--parts alarms coverage power half published] [--truth FILE.json]

alarms: how often a noisy copy of log MACs is said to say more than MACs; its noise is a share of their spread. The
    accuracies are normal, have heavy tails, saturate or fall again with MACs, or are a published table's. `below`
    counts the intervals below 0, which also are said to add nothing.
coverage: of the interval, beside Fisher's z; the truth is the figure of a large sample.
power: how often a score with a given partial correlation is said to say more, by the number of networks.
half: what choosing the better half by noisy accuracies does, beside choosing by the expected ones.
published: the figures of docs/nasbench_macro_64.csv against the published accuracies.

`--truth` names data/nas-bench-macro_cifar10.json of https://github.com/xiusu/NAS-Bench-Macro (Su et al. 2021); without
it `published` is left out, and so are alarms in the table. With 400 repeats a figure near 5 % has a standard error of
1.1.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats

from nas_steps.ranking import correlation
from nas_steps.ranking.given_macs import FEWEST_FOR_CLAIM, beyond_macs, partial, partial_spearman
from nas_steps.report.numbers import plain

Generator = np.random.Generator
#: accuracies, scores and logarithms of MACs
Sample = tuple[np.ndarray, np.ndarray, np.ndarray]
FILE = Path(__file__).parent.parent / "docs/nasbench_macro_64.csv"


def normal(n: int, generator: Generator) -> tuple[np.ndarray, np.ndarray]:
    size = generator.standard_normal(n)
    return 0.9 * size + math.sqrt(0.19) * generator.standard_normal(n), size


def heavy(n: int, generator: Generator) -> tuple[np.ndarray, np.ndarray]:
    size = generator.standard_t(3, n)
    return size + 0.7 * generator.standard_t(3, n), size


def saturating(n: int, generator: Generator) -> tuple[np.ndarray, np.ndarray]:
    size = generator.exponential(1, n)
    return -np.exp(-2 * size) + 0.1 * generator.standard_normal(n), size


def falling(n: int, generator: Generator) -> tuple[np.ndarray, np.ndarray]:
    size = generator.standard_normal(n)
    return size - 0.7 * size**2 + 0.5 * generator.standard_normal(n), size


WORLDS: dict[str, Callable[[int, Generator], tuple[np.ndarray, np.ndarray]]] = {
    "normal": normal, "heavy tails": heavy, "saturating": saturating, "falling": falling,
}  # fmt: skip


def alarms(repeats: int, generator: Generator, truth: Path | None) -> None:
    print("a noisy copy of MACs: said to say more, and interval below 0, % of samples (whole; better half)")
    worlds = dict(WORLDS)
    if truth is not None:
        table = list(json.loads(truth.read_text(encoding="utf-8")).values())
        accuracies = np.array([row["mean_acc"] for row in table])
        sizes = np.log([row["flops"] for row in table])
        sizes = (sizes - sizes.mean()) / sizes.std()

        def published(n: int, generator: Generator) -> tuple[np.ndarray, np.ndarray]:
            chosen = generator.choice(len(table), n, replace=False)
            return accuracies[chosen], sizes[chosen]

        worlds["NAS-Bench-Macro"] = published
    for name, draw in worlds.items():
        for n in (20, 40, 200):
            for noise in (0.01, 0.1, 0.5, 1.5):
                found = np.zeros(4)
                for _ in range(repeats):
                    accuracy, size = draw(n, generator)
                    score = size + noise * generator.standard_normal(n)
                    better = accuracy >= np.median(accuracy)
                    for place, kept in ((0, np.ones(n, dtype=bool)), (2, better)):
                        if kept.sum() >= FEWEST_FOR_CLAIM:
                            figure = partial(accuracy[kept], score[kept], np.exp(size[kept]))
                            found[place : place + 2] += [(figure.low or 0) > 0, (figure.high or 0) < 0]
                more, below, half, half_below = 100 * found / repeats
                text = f"{more:.1f} below {below:.1f}"
                if n // 2 >= FEWEST_FOR_CLAIM:
                    text += f"; {half:.1f} below {half_below:.1f}"
                print(f"  {name:<16} n {n:<4} noise {noise:<5} {text}", flush=True)


def dependent(kind: str, latent: float, n: int, generator: Generator) -> Sample:
    """Draw scores that correlate with accuracies given MACs, by `latent` as normal variables."""
    size, first, other = generator.standard_normal((3, n))
    second = latent * first + math.sqrt(1 - latent**2) * other
    scale = np.sqrt(generator.chisquare(3, n) / 3) if kind == "heavy tails" else np.ones(n)
    score, accuracy = (0.8 * size + 0.6 * first) / scale, (0.7 * size + math.sqrt(0.51) * second) / scale
    return (-np.exp(-1.5 * accuracy) if kind == "saturating" else accuracy), score, size / scale


KINDS = ("normal", "heavy tails", "saturating")


def of_many(kind: str, latent: float, better: bool, generator: Generator) -> float:
    accuracy, score, size = dependent(kind, latent, 200_000, generator)
    kept = accuracy >= np.median(accuracy) if better else np.ones(len(accuracy), dtype=bool)
    everything = np.ones((1, int(kept.sum())))
    return float(partial_spearman(score[kept], accuracy[kept], size[kept], everything)[0])


def coverage(repeats: int, generator: Generator, _truth: Path | None) -> None:
    print("coverage of the interval, beside Fisher's z, %")
    for better in (False, True):
        for kind in KINDS:
            for latent in (0.0, 0.5, 0.8):
                true = of_many(kind, latent, better, generator)
                for n in (20, 32, 64):
                    held, fisher = 0, 0
                    for _ in range(repeats):
                        sample = dependent(kind, latent, 2 * n if better else n, generator)
                        kept = sample[0] >= np.median(sample[0]) if better else np.ones(n, dtype=bool)
                        accuracy, score, size = (values[kept] for values in sample)
                        figure = partial(accuracy, score, np.exp(size))
                        assert figure.value is not None
                        assert figure.low is not None
                        assert figure.high is not None
                        held += figure.low <= true <= figure.high
                        # the variance of Bonett & Wright (2000), two variables held fixed
                        bar = stats.norm.ppf(0.975) * math.sqrt((1 + figure.value**2 / 2) / (n - 5))
                        fisher += abs(math.atanh(figure.value) - math.atanh(true)) <= bar
                    where = "better half" if better else "whole"
                    print(
                        f"  {where:<11} {kind:<12} partial {true:5.2f} n {n:<3} {100 * held / repeats:.1f}, "
                        f"Fisher {100 * fisher / repeats:.1f}",
                        flush=True,
                    )


def power(repeats: int, generator: Generator, _truth: Path | None) -> None:
    print("said to say more, % of samples (the rule of the fewest networks left out)")
    for kind in KINDS:
        for latent in (0.3, 0.5, 0.8):
            true = of_many(kind, latent, False, generator)
            shares = []
            for n in (8, 12, 16, 20, 32, 64, 100):
                count = 0
                for _ in range(repeats):
                    accuracy, score, size = dependent(kind, latent, n, generator)
                    count += (partial(accuracy, score, np.exp(size)).low or 0) > 0
                shares.append(f"n {n}: {100 * count / repeats:.0f}")
            print(f"  {kind:<12} partial {true:.2f}  {'  '.join(shares)}", flush=True)


def half(repeats: int, generator: Generator, _truth: Path | None) -> None:
    # of 8 architectures MACs may leave nothing
    print("means on the better half by measured accuracies, normal; by expected ones: what they would be without noise")
    for n in (16, 40, 64):
        for noise in (0.0, 0.5, 1.0):
            found = []
            for _ in range(repeats):
                expected, score, size = dependent("normal", 0.5, n, generator)
                measured = expected + noise * generator.standard_normal(n)
                row = []
                for chosen, compared in ((measured, measured), (expected, measured), (expected, expected)):
                    kept = chosen >= np.median(chosen)
                    one = np.ones((1, int(kept.sum())))
                    row += [
                        stats.spearmanr(score[kept], compared[kept]).statistic,
                        partial_spearman(score[kept], compared[kept], size[kept], one)[0],
                    ]
                found.append(row)
            means = [plain(value) for value in np.nanmean(found, axis=0)]
            print(
                f"  n {n:<3} noise {noise:<4} chosen and compared by measured: plain {means[0]}, partial {means[1]}; "
                f"chosen by expected: {means[2]}, {means[3]}; both by expected: {means[4]}, {means[5]}",
                flush=True,
            )


def published(_repeats: int, _generator: Generator, truth: Path | None) -> None:
    if truth is None:
        return
    table = json.loads(truth.read_text(encoding="utf-8"))
    with FILE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    reference = np.array([table[row["architecture"]]["test_acc"] for row in rows])
    macs = np.array([float(row["macs"]) for row in rows])
    print(f"{FILE.name} against the published accuracies")
    for column in ("score", "second", "running", "parameters"):
        for where, found in beyond_macs(reference, [float(row[column]) for row in rows], macs).items():
            figures = {"alone": found.plain, "MACs": found.macs, "lead": found.lead, "given MACs": found.partial}
            spelled = (
                f"{name} {plain(one.value)} [{plain(one.low)}, {plain(one.high)}]" for name, one in figures.items()
            )
            print(f"  {column:<10} {where}, {found.partial.n}: {'; '.join(spelled)}: {found.claim}")


PARTS = {"published": published, "alarms": alarms, "coverage": coverage, "power": power, "half": half}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeats", type=int, default=400)
    options.add_argument("--resamples", type=int, default=400, help="of each bootstrap (the project's own is larger)")
    options.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    options.add_argument("--truth", type=Path, help="NAS-Bench-Macro's file of accuracies")
    given = options.parse_args()
    for name in given.parts:
        # the published figures are those that the project reports
        correlation.RESAMPLES = 2000 if name == "published" else given.resamples
        PARTS[name](given.repeats, np.random.default_rng(0), given.truth)


if __name__ == "__main__":
    main()
