"""How often nominal 95 % intervals hold the truth, by simulation.

    python benchmarks/interval_coverage.py [--repeats 2000]

Rank correlations: pools of 20, 40 and 60 architectures from a Gaussian and from a heavy-tailed copula (Student's t with
3 degrees of freedom), on the whole pool and on the half above its median, beside Fisher's z with the variances of
Fieller, Hartley & Pearson (1957) and Bonett & Wright (2000). Precision and regret of the top k: how many other pools of
the same size and kind have a figure within the interval. Mean differences over training seeds: t, studentised,
percentile and BCa bootstrap, of normal and of skewed differences. With 2,000 repeats a printed figure has a standard
error of 0.5 %.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from scipy import stats

from nas_steps.intervals import mean_interval
from nas_steps.ranking import correlation as ranking
from nas_steps.ranking.correlation import agreement, precision, regret
from nas_steps.ranking.noise import noise_ceiling
from nas_steps.retraining import comparison
from nas_steps.retraining.comparison import studentised_interval

Generator = np.random.Generator
Pool = tuple[np.ndarray, np.ndarray]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--repeats", type=int, default=2000)
    options.add_argument("--resamples", type=int, default=1000, help="of each bootstrap (the project's own is larger)")
    given = options.parse_args()
    ranking.RESAMPLES = comparison.RESAMPLES = given.resamples
    generator = np.random.default_rng(0)
    print("rank correlations, coverage in %")
    for tails in ("gaussian", "heavy"):
        for rho in (0.0, 0.4, 0.7, 0.9):
            for n in (20, 40, 60):
                show(f"{tails} rho {rho} n {n}", correlations(tails, rho, n, given.repeats, generator))
    print("\nprecision and regret of the top k, other pools within the interval in %")
    for kind in ("gaussian", "heavy", *MARGINS):
        for rho in (0.4, 0.8):
            for n in (20, 60, 300):
                show(f"{kind} rho {rho} n {n}", top_k(kind, rho, n, given.repeats // 4, generator))
    print("\nnoise ceiling of tau, Gaussian, noise as large as the differences, coverage in %")
    for n, seeds in ((30, 2), (30, 3), (60, 3), (60, 4)):
        show(f"n {n}, {seeds} seeds", ceilings(n, seeds, given.repeats // 4, generator))
    print("\nmean differences, coverage in %")
    for name, (draw, mean) in DIFFERENCES.items():
        for n in (3, 5, 10, 20, 30, 50):
            show(f"{name} n {n}", differences(draw, mean, n, given.repeats, generator))


def show(what: str, covered: dict[str, float]) -> None:
    print(f"  {what:<24}" + "  ".join(f"{name} {100 * share:.1f}" for name, share in covered.items()), flush=True)


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
    draw: Callable[[Generator, int], np.ndarray], mean: float, n: int, repeats: int, generator: Generator
) -> dict[str, float]:
    hits: dict[str, list[bool]] = defaultdict(list)
    for _ in range(repeats):
        values = draw(generator, n)
        by_t = mean_interval(values.tolist())
        hits["t"].append(by_t["low"] <= mean <= by_t["high"])
        low, high = studentised_interval(values.tolist())
        if not math.isnan(low):
            hits["studentised"].append(low <= mean <= high)
        resampled = values[generator.integers(0, n, (comparison.RESAMPLES, n))].mean(1)
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


if __name__ == "__main__":
    main()
