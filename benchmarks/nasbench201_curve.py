"""The true accuracy of what each epoch of a search on NAS-Bench-201's space stands for.

    python benchmarks/nasbench201_curve.py results/nasbench201 TABLE.csv[.gz]

Reads the searches' history.csv and a table with a column `arch` (or `architecture`) of NAS-Bench-201 strings and
columns of accuracies in %, and prints for each search and epoch the architecture's accuracy, its rank among all and its
skip connections.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from nas_steps.spaces.cells.architectures import parse_architecture


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("results", type=Path, help="results/<experiment>")
    options.add_argument("table", type=Path)
    options.add_argument("--column", default="cifar10_test_acc200", help="the accuracy to look up")
    given = options.parse_args()
    table = pd.read_csv(given.table)
    name = next(column for column in table.columns if column.startswith("arch"))
    truth = {str(parse_architecture(text)): value for text, value in zip(table[name], table[given.column], strict=True)}
    ranks = pd.Series(truth).rank(ascending=False, method="min")
    print(f"{len(truth)} architectures, best {max(truth.values()):.2f} %, {given.column}")
    for file in sorted(given.results.glob("search/*/history.csv")):
        history = pd.read_csv(file)
        if "discrete_accuracy" not in history or history["discrete_accuracy"].isna().all():
            scored = history.dropna(subset=["score"])
            best = scored.loc[scored["score"].idxmax(), "architecture"]
            print(
                f"{file.parent.name}: {len(history)} evaluations, chosen {truth[best]:.2f} % (rank {ranks[best]:.0f})"
            )
            continue
        print(f"{file.parent.name}\n  epoch   true %    rank  skips  supernet  discrete  chosen  architecture")
        for row in history[history["status"] == "ok"].itertuples():
            print(
                f"  {row.step:5d}  {truth[row.architecture]:7.2f}  {ranks[row.architecture]:6.0f}  {row.skips:5.0f}"
                f"  {row.score:8.3f}  {row.discrete_accuracy:8.3f}  {'  *   ' if row.chosen else '      '}"
                f"  {row.architecture}"
            )


if __name__ == "__main__":
    main()
