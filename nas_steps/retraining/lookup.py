"""Look up the searches' winners in the benchmark's column of final accuracies. Imports no torch.

An entry is a strategy and its repetitions are search seeds: the table has one figure for each architecture, so only
searches can be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nas_steps.estimation.table import Benchmark
from nas_steps.retraining.summary import RETRAINED, Metrics


def looked_up(winners: Sequence[Mapping[str, str]], table: Benchmark) -> list[Metrics]:
    """Return the record of each search's winner (a row of winners.csv), as if it had been trained to the end."""
    return [
        {
            **dict.fromkeys(RETRAINED),
            "entry": winner["strategy"],
            "strategy": winner["strategy"],
            "kind": winner["kind"],
            "seed": int(winner["search_seed"]),
            "status": "ok",
            "architecture": winner["architecture"],
            "valid_accuracy": table.search(winner["architecture"]),
            "test_accuracy": table.report(winner["architecture"]),
        }
        for winner in winners
    ]
