"""How well zero-cost proxies rank NAS-Bench-201's cells, and what they cost.

    python -m benchmarks.zero_cost --data FILE.npz --table TABLE.csv[.gz] [--all] [--cells 100] [--seed 0]

Draws cells of the table, builds each as published (16 channels, 5 cells a stage), scores it on one minibatch of the
archive's training images, and prints for each proxy Spearman's correlation with the table's accuracy, with a bootstrap
95 % interval over the cells, the correlation given MACs with its interval and what it shows, the published one, the
mean seconds a network, and the cells without a score, which rank below all others. The table has a column `arch` (or
`architecture`) of NAS-Bench-201 strings and columns of accuracies.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path
from statistics import fmean

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor
from tqdm import tqdm

from nas_steps.config.schema import Data
from nas_steps.config.space import Network
from nas_steps.data.batches import DeviceImages
from nas_steps.data.npz import read_npz
from nas_steps.data.writing import levels, mean_and_std
from nas_steps.estimation.zero_cost import PROXIES, Measured, zero_cost
from nas_steps.models.build import build
from nas_steps.provenance.seeds import derive_seed
from nas_steps.ranking.correlation import Figure
from nas_steps.ranking.given_macs import beyond_macs
from nas_steps.training.devices import prepare

NETWORK = Network(channels=16, cells=5)
QUICK = ("synflow", "naswot", "params", "macs")
#: Spearman's correlation on CIFAR-10 as published, of the whole space or a thousand cells and more
PUBLISHED = {"synflow": 0.83, "naswot": 0.79, "params": 0.75, "fisher": 0.36}
CONFIDENCE = 0.95


def minibatch(file: Path, size: int, seed: int, device: torch.device) -> tuple[Tensor, Tensor, int]:
    """`size` of the archive's training images, normalised, their labels, and the number of classes."""
    source = read_npz(Data(source="npz", path=str(file)))
    train = source.splits["train"]
    chosen = np.random.default_rng(seed).choice(len(train.images), size, replace=False)
    mean, std = mean_and_std(levels(train.images))
    loader = DeviceImages(train.images[chosen], np.asarray(train.labels[chosen], np.int64), mean, std, device)
    images, labels = next(iter(loader.batches(size, shuffle=False)))
    return images, labels, len(source.classes)


def spearman(scores: np.ndarray, accuracies: np.ndarray) -> float:
    return float(stats.spearmanr(scores, accuracies).statistic)


def interval(scores: np.ndarray, accuracies: np.ndarray, seed: int) -> tuple[float, float]:
    """Percentiles of the correlation over resamples of the cells."""
    found = stats.bootstrap(
        (scores, accuracies),
        spearman,
        paired=True,
        vectorized=False,
        n_resamples=1000,
        method="percentile",
        confidence_level=CONFIDENCE,
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return found.low, found.high


def spelled(figure: Figure) -> str:
    return f"{figure.value:5.2f} [{figure.low:5.2f}, {figure.high:5.2f}]"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="an .npz of CIFAR-10, such as `source: npz` reads")
    options.add_argument("--table", type=Path, required=True)
    options.add_argument("--column", default="cifar10_test_acc200", help="the accuracy to compare with")
    options.add_argument("--all", action="store_true", help=f"all proxies, not only {', '.join(QUICK)}")
    options.add_argument("--cells", type=int, default=100)
    options.add_argument("--batch", type=int, default=64)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--device", default="cpu")
    options.add_argument("--threads", type=int, default=1)  # more only wait for one another on a busy machine
    given = options.parse_args()
    began = time.perf_counter()
    device = prepare(given.device, given.threads)
    images, labels, classes = minibatch(given.data, given.batch, given.seed, device)
    table = pd.read_csv(given.table)
    drawn = table.sample(given.cells, random_state=given.seed)
    cells = drawn[next(column for column in table.columns if column.startswith("arch"))]
    names = tuple(PROXIES) if given.all else QUICK
    measured: list[dict[str, Measured]] = []
    for cell in tqdm(cells, leave=False):
        torch.manual_seed(derive_seed(given.seed, "initialisation"))
        model = build(cell, NETWORK, inputs=images.shape[1], classes=classes, side=images.shape[2]).to(device)
        measured.append(zero_cost(model, images, labels, names))
    accuracies = drawn[given.column].to_numpy(dtype=float)
    print(f"{given.cells} cells, {given.batch} images, {given.column}, {device}, {given.threads} threads")
    print("proxy       Spearman  95 % interval     given MACs               published  seconds  without a score")
    counts = np.array([one["macs"].fitness for one in measured])
    for name in names:
        found = [one[name] for one in measured]
        scores = np.array([one.fitness for one in found])
        low, high = interval(scores, accuracies, given.seed)
        known = f"{PUBLISHED[name]:.2f}" if name in PUBLISHED else ""
        seconds = fmean(one.seconds for one in found if one.status == "ok")
        beyond = beyond_macs(accuracies, scores, counts)["whole pool"]
        given_macs = "" if beyond.partial.low is None else spelled(beyond.partial)
        reasons = Counter(one.reason for one in found if one.reason)
        print(
            f"{name:10s}  {spearman(scores, accuracies):8.2f}  {low:5.2f} to {high:5.2f}  "
            f"{given_macs:22s} {beyond.claim:10s}  {known:>5s}  {seconds:7.3f}"
            f"  {'; '.join(f'{count} ({reason})' for reason, count in reasons.items())}"
        )
    print(f"{time.perf_counter() - began:.0f} s in all")


if __name__ == "__main__":
    main()
