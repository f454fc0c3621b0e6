"""The two files that every strategy ends in. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_steps.estimation.estimates import SCREENED, Estimate
from nas_steps.provenance.files import write_csv

CANDIDATES = ("rank", "architecture", "score", "estimator", "status")
HISTORY = (
    "step",
    "round",
    "architecture",
    "score",
    "best",
    "status",
    "reason",
    "epochs",
    "saved",
    "parameters",
    "macs",
    "loss",
    "entropy",
    "parameter_free",
    "parameter_free_reduce",
    "skips",
    "discrete_accuracy",
    "inherited_accuracy",
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


def gather(
    rounds: Sequence[Sequence[Estimate]],
    candidates: str | Path,
    history: str | Path,
    estimator: str,
    rungs: Sequence[int] = (),
    known: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write both files from the evaluations of a sampling strategy, round by round; `known` are further columns of the
    history, by architecture.

    Candidates are those with a score, best first (of equals, the one found first); the history has them all. With
    successive halving, `rungs` are the epochs of each rung: an architecture counts by its last one, and those of a
    higher rung come first, since scores of different rungs cannot be compared.
    """
    rows: list[dict[str, Any]] = []
    # by architecture, the number of its rung and the estimate there
    last: dict[str, tuple[int, Estimate]] = {}
    best = float("-inf")
    for number, estimates in enumerate(rounds):
        for estimate in estimates:
            rung = last[estimate.architecture][0] + 1 if estimate.architecture in last else 0
            if estimate.status != SCREENED:
                last[estimate.architecture] = (rung, estimate)
            best = max(best, estimate.fitness)
            rows.append(
                {
                    "step": len(rows) + 1,
                    "round": number,
                    "architecture": estimate.architecture,
                    "score": estimate.score,
                    "best": best,
                    "status": estimate.status,
                    "reason": estimate.reason,
                    "epochs": estimate.epochs or None,
                    "saved": estimate.saved or None,
                    "parameters": estimate.parameters or None,
                    "macs": estimate.macs or None,
                    **(known or {}).get(estimate.architecture, {}),
                }
            )
    scored = [(rung, estimate) for rung, estimate in last.values() if estimate.fitness > float("-inf")]
    scored.sort(key=lambda one: (-one[0], -one[1].fitness))
    write_candidates(
        candidates,
        [(one.architecture, one.score, _named(estimator, rung, rungs)) for rung, one in scored],
    )
    write_history(history, rows)


def _named(estimator: str, rung: int, rungs: Sequence[int]) -> str:
    """What a score is: those of different rungs are different estimators."""
    return f"{estimator} of {rungs[min(rung, len(rungs) - 1)]} epochs" if rungs else estimator
