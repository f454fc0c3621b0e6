"""How often the comparison with published figures is wrong if nothing differs, and how often it sees a difference.

    python -m benchmarks.reproduction_errors [--runs 4000] [--table FILE] [--output FILE]

Both sides draw searches: the published one 3, of which mean and standard deviation are printed with two decimals, ours
3, 5 or 10. `nas_steps.retraining.reproduction.judge` gives the word. If both draw from one distribution, `disagree` is
wrong, and `agree` and `undecided` are not. If they draw from different ones, `agree` is wrong if the means differ by
more than the margin.

Distributions of a search's test accuracy, in per cent: normal ones as wide as published rows; collapses, in which a
search ends in one bad network with a probability and else in a good one; with `--table`, the accuracies of uniformly
drawn architectures of NAS-Bench-201, whose long tail is below.
"""

from __future__ import annotations

import argparse
import csv
import gzip
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

from nas_steps.config.report import Report
from nas_steps.provenance.files import write_text
from nas_steps.retraining.reproduction import judge

PUBLISHED, OURS = 3, (3, 5, 10)
COLLAPSED, GOOD = 54.2967, 93.5
MARGIN = float(Report.model_fields["margin"].default)
WORDS = ("agree", "undecided", "disagree")
Draw = Callable[[np.random.Generator, int], np.ndarray]


def normal(mean: float, deviation: float) -> Draw:
    return lambda random, count: np.minimum(random.normal(mean, deviation, count), 100.0)


def collapsing(probability: float) -> Draw:
    def draw(random: np.random.Generator, count: int) -> np.ndarray:
        good = random.normal(GOOD, 0.3, count)
        return np.where(random.random(count) < probability, COLLAPSED, good)

    return draw


def among(accuracies: np.ndarray) -> Draw:
    return lambda random, count: random.choice(accuracies, count)


def accuracies(path: Path, column: str = "cifar10_test_acc200") -> np.ndarray:
    """Return a column of a table in per cent, float64 (architectures,)."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="") as file:
        return np.array([float(row[column]) for row in csv.DictReader(file)])


def scenarios(table: Path | None) -> list[tuple[str, Draw, Draw]]:
    """Return what is compared: its name, what the published side draws from, what ours draws from."""
    narrow, wide = (GOOD, 0.13), (87.66, 1.69)
    found = [
        ("nothing: normal, sd 0.13 (GDAS)", normal(*narrow), normal(*narrow)),
        ("nothing: normal, sd 1.69 (RSPS)", normal(*wide), normal(*wide)),
        ("nothing: every search collapses", collapsing(1.0), collapsing(1.0)),
        ("nothing: 9 of 10 collapse", collapsing(0.9), collapsing(0.9)),
        ("nothing: half collapse", collapsing(0.5), collapsing(0.5)),
        ("nothing: 1 of 10 collapses", collapsing(0.1), collapsing(0.1)),
    ]
    if table is not None:
        every = accuracies(table)
        best = every[every >= np.quantile(every, 0.9)]
        found.append(("nothing: uniform architectures", among(every), among(every)))
        found.append(("nothing: the best tenth of them", among(best), among(best)))
    for shift in (0.5, 1.0, 3.0, 5.0):
        found.append((f"{shift:g} points, sd 0.13", normal(*narrow), normal(GOOD - shift, narrow[1])))
    for shift in (3.0, 5.0, 10.0):
        found.append((f"{shift:g} points, sd 1.69", normal(*wide), normal(wide[0] - shift, wide[1])))
    found.append(("published collapses, ours does not", collapsing(1.0), collapsing(0.0)))
    found.append(("published collapses, half of ours do", collapsing(1.0), collapsing(0.5)))
    found.append(("ours collapses, published does not", collapsing(0.0), collapsing(1.0)))
    return found


def shares(published: Draw, ours: Draw, searches: int, runs: int, random: np.random.Generator) -> dict[str, float]:
    """Return how often each word is given."""
    words: Counter[str] = Counter()
    for _ in range(runs):
        theirs = published(random, PUBLISHED)
        side = (round(float(theirs.mean()), 2) / 100, round(float(theirs.std(ddof=1)), 2) / 100, PUBLISHED)
        words[judge([float(one) / 100 for one in ours(random, searches)], side, MARGIN / 100).word] += 1
    return {word: words[word] / runs for word in WORDS}


def main() -> None:
    parser = argparse.ArgumentParser(description="Error rates of the comparison with published figures.")
    parser.add_argument("--runs", type=int, default=4000)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--output", type=Path)
    given = parser.parse_args()
    random = np.random.default_rng(0)
    lines = ["| what the two sides draw from | our searches | agree | undecided | disagree |", "|---|---|---|---|---|"]
    for name, published, ours in scenarios(given.table):
        for searches in OURS:
            found = shares(published, ours, searches, given.runs, random)
            lines.append(f"| {name} | {searches} | " + " | ".join(f"{found[word]:.1%}" for word in WORDS) + " |")
    text = "\n".join(lines)
    print(text)
    if given.output is not None:
        write_text(given.output, text + "\n")


if __name__ == "__main__":
    main()
