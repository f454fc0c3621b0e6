"""How often nominal 95 % intervals hold the truth, by simulation.

    python -m benchmarks.interval_coverage [--repeats 2000] [--parts final correlations top ceilings differences]

Final trainings: 4 searches of a strategy and of random search, 8 uniform networks and 4 baselines, trained once or
twice, on 100 to 1,000 test images. A network is right on an image if a sum of normal effects is above 0: of the image,
of the network, of both, of the training, and of training and image. So the true accuracies are known. `unequal`: the
networks' variances between trainings differ up to sixteenfold. Accuracies, differences of two networks, and a
strategy's differences from its opponents go through `summarise`, `compare` and `contests`.

Rank correlations: pools of 20, 40 and 60 architectures from a Gaussian and from a heavy-tailed copula (Student's t with
3 degrees of freedom), on the whole pool and on the half above its median, beside Fisher's z with the variances of
Fieller, Hartley & Pearson (1957) and Bonett & Wright (2000). Precision and regret of the top k: how many other pools of
the same size and kind have a figure within the interval. Mean differences, as in the factorial: t, percentile and
BCa bootstrap, of normal and of skewed differences. With 2,000 repeats a printed figure has a standard error of 0.5 %;
a quarter of the repeats go to final trainings, top k and ceilings.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import stats

from nas_steps.intervals import mean_interval
from nas_steps.ranking import correlation as ranking
from nas_steps.ranking.correlation import agreement, precision, regret
from nas_steps.ranking.noise import noise_ceiling
from nas_steps.retraining.contests import contests
from nas_steps.retraining.summary import compare, summarise
from nas_steps.training.record import Entry, record

Generator = np.random.Generator
Pool = tuple[np.ndarray, np.ndarray]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeats", type=int, default=2000)
    options.add_argument("--resamples", type=int, default=1000, help="of each bootstrap (the project's own is larger)")
    options.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    given = options.parse_args()
    ranking.RESAMPLES = given.resamples
    for part in given.parts:
        PARTS[part](given.repeats, given.resamples, np.random.default_rng(0))


def print_correlations(repeats: int, _resamples: int, generator: Generator) -> None:
    print("rank correlations, coverage in %")
    for tails in ("gaussian", "heavy"):
        for rho in (0.0, 0.4, 0.7, 0.9):
            for n in (20, 40, 60):
                show(f"{tails} rho {rho} n {n}", correlations(tails, rho, n, repeats, generator))


def print_top(repeats: int, _resamples: int, generator: Generator) -> None:
    print("\nprecision and regret of the top k, other pools within the interval in %")
    for kind in ("gaussian", "heavy", *MARGINS):
        for rho in (0.4, 0.8):
            for n in (20, 60, 300):
                show(f"{kind} rho {rho} n {n}", top_k(kind, rho, n, repeats // 4, generator))


def print_ceilings(repeats: int, _resamples: int, generator: Generator) -> None:
    print("\nnoise ceiling of tau, Gaussian, noise as large as the differences, coverage in %")
    for n, seeds in ((30, 2), (30, 3), (60, 3), (60, 4)):
        show(f"n {n}, {seeds} seeds", ceilings(n, seeds, repeats // 4, generator))


def print_differences(repeats: int, resamples: int, generator: Generator) -> None:
    print("\nmean differences, coverage in %")
    for name, (draw, mean) in DIFFERENCES.items():
        for n in (3, 5, 10, 20, 30, 50):
            show(f"{name} n {n}", differences(draw, mean, n, repeats, resamples, generator))


def show(what: str, covered: dict[str, float]) -> None:
    print(f"  {what:<26}  " + "  ".join(f"{name} {100 * share:.1f}" for name, share in covered.items()), flush=True)


def pool(tails: str, rho: float, n: int, generator: Generator) -> Pool:
    first, second = generator.standard_normal((2, n))
    second = rho * first + math.sqrt(1 - rho * rho) * second
    if tails == "heavy":
        scale = np.sqrt(generator.chisquare(3, n) / 3)
        first, second = first / scale, second / scale
    return first, second


def correlations(tails: str, rho: float, n: int, repeats: int, generator: Generator) -> dict[str, float]:
    """The reference is the second; the truths of the halves and of the heavy tails are those of a large pool."""
    first, second = pool(tails, rho, 200_000, generator)
    better = second >= np.median(second)
    scipys = {"kendall": stats.kendalltau, "spearman": stats.spearmanr}
    true = {(name, "whole pool"): measure(first, second).statistic for name, measure in scipys.items()}
    true |= {
        (name, "better half"): measure(first[better], second[better]).statistic for name, measure in scipys.items()
    }
    hits: dict[str, list[bool]] = defaultdict(list)
    for _ in range(repeats):
        scores, truth = pool(tails, rho, n, generator)
        found = agreement(truth, scores, ks=())
        for where, judged in found.items():
            for name, figure in (("kendall", judged.kendall), ("spearman", judged.spearman)):
                if figure.low is not None and figure.high is not None and figure.value is not None:
                    label = name if where == "whole pool" else f"{name}/half"
                    hits[label].append(figure.low <= true[name, where] <= figure.high)
                    if where == "whole pool":
                        variance = 0.437 / (n - 4) if name == "kendall" else (1 + figure.value**2 / 2) / (n - 3)
                        z = math.atanh(max(-0.999999, min(0.999999, figure.value)))
                        bar = stats.norm.ppf(0.975) * math.sqrt(variance)
                        hits[f"{name}/fisher"].append(abs(z - math.atanh(true[name, where])) <= bar)
    return {name: float(np.mean(several)) for name, several in sorted(hits.items())}


#: accuracies that crowd below a bound, as a space's best do: from normal quantiles
MARGINS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "uniform": stats.norm.cdf,
    "left-skewed": lambda values: np.log(stats.norm.cdf(values)),
}


def top_k(kind: str, rho: float, n: int, repeats: int, generator: Generator) -> dict[str, float]:
    ks = (1, 3, 10)
    measures = {"precision": precision, "regret": regret}
    margin = MARGINS.get(kind, lambda values: values)
    many = [
        (scores, margin(truth)) for scores, truth in (pool(kind, rho, n, generator) for _ in range(max(4000, repeats)))
    ]
    others = {
        (name, k): np.array([measure(truth, scores, k) for scores, truth in many])
        for name, measure in measures.items()
        for k in ks
    }
    hits: dict[str, list[float]] = defaultdict(list)
    for scores, truth in many[:repeats]:
        for (name, k), figures in others.items():
            found = ranking.top(truth, scores, k, name)
            assert found.low is not None
            assert found.high is not None
            # rounding must not part what is equal
            within = (figures > found.low - 1e-12) & (figures < found.high + 1e-12)
            hits[f"{name}@{k}"].append(float(within.mean()))
    return {name: float(np.mean(several)) for name, several in hits.items()}


def ceilings(n: int, seeds: int, repeats: int, generator: Generator) -> dict[str, float]:
    true = {
        "halves": 2 / math.pi * math.asin(1 / (1 + 1 / (seeds // 2))),
        "ceiling": 2 / math.pi * math.asin(math.sqrt(1 / (1 + 1 / seeds))),
    }
    hits: dict[str, list[bool]] = defaultdict(list)
    for _ in range(repeats):
        found = noise_ceiling(generator.standard_normal((n, 1)) + generator.standard_normal((n, seeds)))
        for name, value in true.items():
            figure = getattr(found, name)
            hits[name].append(figure.low is not None and figure.low <= value <= figure.high)
    return {name: float(np.mean(several)) for name, several in hits.items()}


DIFFERENCES: dict[str, tuple[Callable[[Generator, int], np.ndarray], float]] = {
    "normal": (lambda generator, n: generator.standard_normal(n), 0.0),
    "heavy tails": (lambda generator, n: generator.standard_t(4, n), 0.0),
    "skewed": (lambda generator, n: generator.exponential(1, n) - generator.exponential(0.5, n), 0.5),
}


def differences(
    draw: Callable[[Generator, int], np.ndarray],
    mean: float,
    n: int,
    repeats: int,
    resamples: int,
    generator: Generator,
) -> dict[str, float]:
    hits: dict[str, list[bool]] = defaultdict(list)
    for _ in range(repeats):
        values = draw(generator, n)
        by_t = mean_interval(values.tolist())
        hits["t"].append(by_t["low"] <= mean <= by_t["high"])
        resampled = values[generator.integers(0, n, (resamples, n))].mean(1)
        low, high = np.quantile(resampled, [0.025, 0.975])
        hits["percentile"].append(low <= mean <= high)
        low, high = np.quantile(resampled, bca_levels(values, resampled))
        hits["BCa"].append(low <= mean <= high)
    return {name: float(np.mean(several)) for name, several in hits.items()}


def bca_levels(values: np.ndarray, resampled: np.ndarray) -> np.ndarray:
    """Efron's (1987) levels of the bootstrap's quantiles for a mean."""
    below = stats.norm.ppf(np.clip(np.mean(resampled < values.mean()), 1e-3, 1 - 1e-3))
    centred = values - values.mean()
    skew = (centred**3).sum() / (6 * (centred**2).sum() ** 1.5)
    ends = below + stats.norm.ppf([0.025, 0.975])
    return stats.norm.cdf(below + ends / (1 - skew * ends))


#: standard deviations of the effects of image, network, network and image, training, and training and image
IMAGE, NETWORK, NETWORK_IMAGE, TRAINING, TRAINING_IMAGE = 1.0, 0.05, 0.4, 0.03, 0.4
SIDES = {"darts": ("searched", 4), "random": ("random", 4), "uniform": ("uniform", 8), "baseline": ("baseline", 4)}


def print_final(repeats: int, _resamples: int, generator: Generator) -> None:
    print("final trainings, coverage in %")
    for images in (100, 300, 1000):
        for seeds in (1, 2):
            for level in (0.9, 0.98):
                what = f"{images} images, seeds {seeds}, {level}"
                show(what, final(images, seeds, level, repeats // 4, generator))
    show("300, seeds 2, 0.9, unequal", final(300, 2, 0.9, repeats // 4, generator, unequal=True))


def final(
    images: int, seeds: int, level: float, repeats: int, generator: Generator, unequal: bool = False
) -> dict[str, float]:
    rest = IMAGE**2 + NETWORK_IMAGE**2 + TRAINING_IMAGE**2
    mean = stats.norm.ppf(level) * math.sqrt(rest + TRAINING**2)
    # what a network's effect and the spread of its trainings make its accuracy over all images and trainings
    true = cache(lambda network, spread: float(stats.norm.cdf((mean + network) / math.sqrt(rest + spread**2))))
    nodes, weights = np.polynomial.hermite_e.hermegauss(21)
    spreads = TRAINING * np.array([0.5, 1.0, 2.0]) if unequal else np.array([TRAINING])
    of_all = np.mean(
        [stats.norm.cdf((mean + NETWORK * nodes) / math.sqrt(rest + spread**2)) for spread in spreads], axis=0
    )
    strategy = float(weights @ of_all / weights.sum())
    hits: dict[str, list[bool]] = defaultdict(list)

    def hold(name: str, low: float, high: float, value: float) -> None:
        hits[name].append(low <= value <= high)

    for _ in range(repeats):
        image, trainings, truth = mean + IMAGE * generator.standard_normal(images), [], {}
        for name, (kind, count) in SIDES.items():
            for place in range(count):
                entry = f"{name}-{place}" if kind != "baseline" else f"b{place}"
                effect, spread = NETWORK * generator.standard_normal(), float(generator.choice(spreads))
                of_images = image + effect + NETWORK_IMAGE * generator.standard_normal(images)
                truth[entry] = true(float(effect), spread)
                for seed in range(seeds):
                    shift = spread * generator.standard_normal()
                    correct = of_images + shift + TRAINING_IMAGE * generator.standard_normal(images) > 0
                    known = {"status": "ok", "valid_accuracy": 0.5, "test_accuracy": float(correct.mean())}
                    known |= {"test_images": images, "correct": correct.astype(float), "chance_level": 0.1}
                    trainings.append(record(Entry(entry, kind, entry), seed) | known)
        for row in summarise(trainings):
            hold("accuracy", row["test_low"], row["test_high"], truth[row["entry"]])
        for row in compare(trainings):
            if row["role"] == "random":
                hold("two networks", row["low"], row["high"], truth[row["entry"]] - truth[row["against"]])
        for row in contests(trainings):
            other = truth[row["against"]] if row["role"] == "baseline" else strategy
            hold(f"strategy - {row['role']}", row["low"], row["high"], strategy - other)
            if row["role"] == "uniform":
                hold("relative improvement", row["ri_low"], row["ri_high"], 0.0)
    return {name: float(np.mean(several)) for name, several in hits.items()}


PARTS: dict[str, Callable[[int, int, Generator], None]] = {
    "final": print_final,
    "correlations": print_correlations,
    "top": print_top,
    "ceilings": print_ceilings,
    "differences": print_differences,
}


if __name__ == "__main__":
    main()
