"""Does the prediction of what an estimator's choice costs come true on NAS-Bench-201?

    python benchmarks/nasbench201_sufficiency.py TABLE.csv[.gz]

The estimator is the validation accuracy after 12 epochs, the reference the test accuracy after 200. The truth is the
mean regret of the top k of 1,000 architectures drawn without replacement from the whole table. It is foretold from the
whole table, and from calibration pools of 100 architectures, which is what a user has; for these the table says how
often the prediction's own 95 % interval holds the truth.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd

from nas_steps.ranking.correlation import correlation
from nas_steps.ranking.sufficiency import KS, Choice, Prediction, from_pool, from_tau


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("table", type=Path)
    options.add_argument("--score", default="c10valid_val_acc12", help="the estimator's column")
    options.add_argument("--reference", default="cifar10_test_acc200", help="the column of what is to be found")
    options.add_argument("--candidates", type=int, default=1000)
    options.add_argument("--calibration", type=int, default=100, help="architectures in a calibration pool")
    options.add_argument("--pools", type=int, default=100, help="calibration pools")
    options.add_argument("--draws", type=int, default=5000, help="draws of candidates for the truth")
    given = options.parse_args()
    table = pd.read_csv(given.table)
    scores, accuracies = table[given.score].to_numpy(), table[given.reference].to_numpy()
    generator = np.random.default_rng(0)
    truth, error = true_regrets(scores, accuracies, given.candidates, given.draws, generator)
    print(f"true mean regret of {given.candidates} drawn from {len(table)}, in points (standard error)")
    print("  " + "  ".join(f"k={k}: {value:.4f} ({own:.4f})" for k, value, own in zip(KS, truth, error, strict=True)))

    begun = time.perf_counter()
    choice = Choice(given.candidates)
    found = from_pool(scores, accuracies, choice)
    print(f"\nfrom the whole table: tau {found[0].tau:.4f} ({time.perf_counter() - begun:.1f} s)")
    normal = from_tau(found[0].tau, choice, mean=accuracies.mean(), spread=accuracies.std())
    for name, prediction in (("copula", found[0]), ("pool", found[1]), ("copula, normal accuracies", normal)):
        print(f"  {name:<26}" + "  ".join(regret(prediction, place, truth) for place in range(len(KS))))

    predictions: dict[str, list[Prediction]] = {"copula": [], "pool": []}
    taus = []
    begun = time.perf_counter()
    for _ in range(given.pools):
        chosen = generator.choice(len(table), given.calibration, replace=False)
        for prediction in from_pool(scores[chosen], accuracies[chosen], choice):
            predictions[prediction.predictor].append(prediction)
        taus.append(correlation(accuracies[chosen], scores[chosen], "kendall"))
    each = (time.perf_counter() - begun) / given.pools
    held = np.mean(
        [tau.low <= found[0].tau <= tau.high for tau in taus if tau.low is not None and tau.high is not None]
    )
    print(f"\nfrom {given.pools} calibration pools of {given.calibration} ({each:.1f} s each)")
    print(f"  tau {np.mean([tau.value for tau in taus]):.3f} on average, its interval holds the table's in {held:.0%}")
    print("  predictor     k  predicted (mean)    true   interval (mean)     holds the truth")
    for name, several in predictions.items():
        for place, k in enumerate(KS):
            regrets = [prediction.top[place].regret for prediction in several]
            low, high = (np.array([getattr(one, end) for one in regrets]) for end in ("low", "high"))
            holds = np.mean((low <= truth[place]) & (truth[place] <= high))
            mean = np.mean([one.value for one in regrets])
            print(
                f"  {name:<10} {k:>4}  {mean:>16.4f}  {truth[place]:>6.4f}   "
                f"[{low.mean():.4f}, {high.mean():.4f}]  {holds:>10.0%}"
            )


def true_regrets(
    scores: np.ndarray, accuracies: np.ndarray, candidates: int, draws: int, generator: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Mean regret for each k, and its standard error; equal scores are ordered as drawn, that is at random."""
    lost = []
    for _ in range(draws):
        drawn = generator.choice(len(scores), candidates, replace=False)
        ordered = accuracies[drawn[np.argsort(-scores[drawn], kind="stable")]]
        lost.append(ordered.max() - np.maximum.accumulate(ordered)[np.array(KS) - 1])
    return np.mean(lost, axis=0), np.std(lost, axis=0) / np.sqrt(draws)


def regret(prediction: Prediction, place: int, truth: np.ndarray) -> str:
    one = prediction.top[place].regret
    if one.low is None or one.high is None:
        return f"k={KS[place]}: {one.value:.4f}"
    inside = "holds" if one.low <= truth[place] <= one.high else "MISSES"
    return f"k={KS[place]}: {one.value:.4f} [{one.low:.4f}, {one.high:.4f}] {inside}"


if __name__ == "__main__":
    main()
