"""How well the ends of learning curves are predicted from their beginnings.

    python -m benchmarks.learning_curves [--curves FILE.csv[.gz]] [--schedule cosine] [--made-up 100]

FILE has one curve a row: its name, then the accuracy in % after each epoch. Prints, from the first 10, 25 and 50 % of
the epochs, the mean absolute and the root mean square error in points of %, Kendall's tau with the true end, how often
the truth lies inside the 90 % interval, and the first three of two baselines: the last value and the best so far. Then
the same where a few of the curves were followed to their end and correct the predictions of the others. The halves of
the curves are told apart to show how sure the figures are. Without FILE, or with --made-up, the same of
made-up curves.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from nas_steps.estimation.curve_families import Schedule
from nas_steps.estimation.curves import FEWEST_OBSERVED, calibrated, extrapolate

PARTS = (0.1, 0.25, 0.5)
#: curves of the same experiment that were followed to their end, and correct the others' predictions
FINISHED = (5, 10)
HORIZONS = (20, 50, 100, 200, 600)


def made_up_curve(kind: str, horizon: int, rng: np.random.Generator) -> np.ndarray:
    """A noisy curve of `horizon` epochs (shares); `kind` is one of KINDS."""
    epochs = np.arange(1, horizon + 1)
    annealed = (1 - np.cos(np.pi * epochs / horizon)) / 2
    end = rng.uniform(0.3, 0.98)
    start = rng.uniform(0.05, 0.5) * end
    scaled = epochs / (horizon * 10 ** rng.uniform(-2, 0))
    power = rng.uniform(0.5, 1.5)
    shapes: tuple[Callable[[], np.ndarray], ...] = (
        lambda: np.exp(-(scaled**power)),
        lambda: 1 / (1 + scaled**power),
        lambda: (1 + scaled) ** -power,
        lambda: np.log(2) / np.log(epochs + 1),
    )
    curve = end - (end - start) * shapes[rng.integers(len(shapes))]()
    noise = np.full(horizon, 10 ** rng.uniform(-3, -1.5))
    if kind.startswith("cosine"):
        curve = curve + rng.uniform(0.1, 0.7) * (1 - end) * annealed
    if kind == "cosine, noise falls":
        noise = noise * np.maximum(1 - annealed, 0.1)
    if kind == "collapse":
        curve[rng.integers(2, max(3, horizon // 10) + 1) :] = rng.choice([0.01, 0.1, 0.5])
    if kind == "decline":
        curve = curve - rng.uniform(0, 0.3) * end * epochs / horizon
    return np.clip(curve + noise * rng.standard_normal(horizon), 0, 1)


KINDS = ("saturating", "cosine", "cosine, noise falls", "collapse", "decline")


def measure(curves: Sequence[np.ndarray], part: float, schedule: Schedule = "unknown") -> pd.DataFrame:
    """A row per curve: the true end, its prediction from the first `part` and the baselines', all as shares."""
    rows = []
    for curve in curves:
        seen = curve[: max(FEWEST_OBSERVED, round(part * len(curve)))]
        begun = time.perf_counter()
        found = extrapolate(seen, len(curve), schedule=schedule)
        seconds = time.perf_counter() - begun
        inside = found.low <= curve[-1] <= found.high
        rows.append((curve[-1], found.mean, seen[-1], seen.max(), inside, found.high - found.low, seconds, found))
    return pd.DataFrame(rows, columns=["truth", "predicted", "last", "best", "inside", "width", "seconds", "found"])


def after_calibration(rows: pd.DataFrame, finished: int, draws: int = 100) -> pd.DataFrame:
    """The same rows where `finished` of the curves were followed to their end, drawn anew each time, and correct the
    predictions of all others."""
    rng = np.random.default_rng(0)
    told = []
    for _ in range(draws):
        order = rng.permutation(len(rows))
        known, others = rows.iloc[order[:finished]], rows.iloc[order[finished:]].copy()
        residuals = (known["truth"] - known["predicted"]).tolist()
        found = [calibrated(one, residuals) for one in others["found"]]
        others["predicted"] = [one.mean for one in found]
        others["width"] = [one.high - one.low for one in found]
        others["inside"] = [one.low <= truth <= one.high for one, truth in zip(found, others["truth"], strict=True)]
        told.append(others)
    return pd.concat(told)


def line(rows: pd.DataFrame) -> str:
    """Errors in points of %, tau, coverage, width and milliseconds."""
    words = []
    for name in ("predicted", "last", "best"):
        error = 100 * (rows[name] - rows["truth"])
        tau = kendalltau(rows[name], rows["truth"]).statistic
        words.append(f"{error.abs().mean():6.2f} {np.sqrt((error**2).mean()):6.2f} {tau:5.2f}")
    inside, width, seconds = rows["inside"].mean(), rows["width"].mean(), rows["seconds"].median()
    return " | ".join(words) + f" | {inside:5.1%}  {100 * width:5.1f}  {1000 * seconds:4.0f} ms"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--curves", type=Path, help="a table of real curves")
    options.add_argument("--schedule", default="unknown", choices=("unknown", "cosine", "constant"))
    options.add_argument("--made-up", type=int, metavar="N", help="N made-up curves of each kind and part")
    given = options.parse_args()
    head = "   MAE   RMSE   tau"
    print(f"{'':28s}{'predicted':>19s} | {'last value':>19s} | {'best so far':>19s} | inside width  time")
    print(f"{'':28s}{head} | {head} | {head} |")
    if given.curves:
        curves = list(pd.read_csv(given.curves, index_col=0).to_numpy() / 100)
        for part in PARTS:
            rows = measure(curves, part, given.schedule)
            print(f"{f'{len(rows)} curves, first {part:.0%}':28s}{line(rows)}")
            for start, half in ((0, "even"), (1, "odd")):
                print(f"{f'  {half} rows':28s}{line(rows.iloc[start::2])}")
            for finished in FINISHED:
                print(f"{f'  {finished} others finished':28s}{line(after_calibration(rows, finished))}")
    for place, kind in enumerate(KINDS if given.made_up or not given.curves else ()):
        for part in PARTS:
            count = given.made_up or 100
            made = [
                made_up_curve(kind, HORIZONS[seed % len(HORIZONS)], np.random.default_rng([seed, place]))
                for seed in range(count)
            ]
            print(f"{f'{kind}, first {part:.0%}':28s}{line(measure(made, part, given.schedule))}")


if __name__ == "__main__":
    main()
