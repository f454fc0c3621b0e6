"""The two files that every strategy ends in. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_steps.estimation.estimates import Estimate
from nas_steps.provenance.files import write_csv

CANDIDATES = ("rank", "architecture", "score", "estimator", "status")
HISTORY = (
    "step",
    "round",
    "architecture",
    "score",
    "best",
    "status",
    "loss",
    "entropy",
    "parameter_free",
    "parameter_free_reduce",
    "skips",
    "discrete_accuracy",
    "eigenvalue",
    "seconds",
    "chosen",
)


def write_candidates(path: str | Path, scored: Sequence[tuple[str, float, str]]) -> None:
    """Write (architecture, score, what the score is), best first, with their ranks from 1."""
    rows = [
        {"rank": rank, "architecture": architecture, "score": score, "estimator": estimator, "status": "ok"}
        for rank, (architecture, score, estimator) in enumerate(scored, start=1)
    ]
    write_csv(path, rows, CANDIDATES)


def write_history(path: str | Path, rows: Iterable[Mapping[str, Any]]) -> None:
    write_csv(path, rows, HISTORY)


def gather(rounds: Sequence[Sequence[Estimate]], candidates: str | Path, history: str | Path, estimator: str) -> None:
    """Write both files from the evaluations of a sampling strategy, round by round.

    Candidates are those with a score, best first (of equals, the one found first); the history has them all.
    """
    rows: list[dict[str, Any]] = []
    best = float("-inf")
    for number, estimates in enumerate(rounds):
        for estimate in estimates:
            best = max(best, estimate.merit)
            rows.append(
                {
                    "step": len(rows) + 1,
                    "round": number,
                    "architecture": estimate.architecture,
                    "score": estimate.score,
                    "best": best,
                    "status": estimate.status,
                }
            )
    scored = [estimate for estimates in rounds for estimate in estimates if estimate.merit > float("-inf")]
    scored.sort(key=lambda estimate: -estimate.merit)
    write_candidates(candidates, [(estimate.architecture, estimate.score, estimator) for estimate in scored])
    write_history(history, rows)
