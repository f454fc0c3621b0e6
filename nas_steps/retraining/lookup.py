"""What the searches in a benchmark's table found, told by its column of final accuracies. Imports no torch.

An entry is a strategy and its repetitions are search seeds: the table has one figure for each architecture, so the
searches are what can be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nas_steps.estimation.table import Benchmark
from nas_steps.retraining.summary import Metrics


def looked_up(winners: Sequence[Mapping[str, str]], table: Benchmark) -> list[Metrics]:
    """The record of each search's winner (a row of winners.csv), as if it had been trained to the end."""
    return [
        {
            "entry": winner["strategy"],
            "strategy": winner["strategy"],
            "kind": winner["kind"],
            "seed": int(winner["search_seed"]),
            "status": "ok",
            "architecture": winner["architecture"],
            "parameters": None,
            "macs": None,
            "valid_accuracy": table.search(winner["architecture"]),
            "test_accuracy": table.report(winner["architecture"]),
            "test_loss": None,
            "test_images": None,
            "train_seconds": None,
        }
        for winner in winners
    ]
