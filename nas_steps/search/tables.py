"""The two files that every strategy ends in. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_steps.estimation.estimates import SCREENED, Estimate
from nas_steps.provenance.files import write_csv

CANDIDATES = ("rank", "architecture", "score", "estimator", "status")
HISTORY = (
    "step", "round", "architecture", "score", "best", "status", "reason", "epochs", "saved", "parameters", "macs",
    "loss", "entropy", "parameter_free", "parameter_free_reduce", "skips", "discrete_accuracy", "inherited_accuracy",
    "eigenvalue", "seconds", "chosen",
)  # fmt: skip


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
    more: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write both files from the evaluations of a sampling strategy; `more` are columns of the history by architecture.

    Candidates are the architectures with a score, best first (of equals, the first one); the history has all. With
    successive halving, `rungs` are the epochs of each rung: the last estimate of an architecture counts, and those of
    a higher rung come first, since scores of different rungs cannot be compared.
    """
    rows: list[dict[str, Any]] = []
    # by architecture, the number of its rung and the estimate there
    last: dict[str, tuple[int, Estimate]] = {}
    best = float("-inf")
    for number, estimate in ((number, one) for number, estimates in enumerate(rounds) for one in estimates):
        if estimate.status != SCREENED:
            rung = last[estimate.architecture][0] + 1 if estimate.architecture in last else 0
            last[estimate.architecture] = (rung, estimate)
        best = max(best, estimate.fitness)
        row = {name: getattr(estimate, name) for name in ("architecture", "score", "status", "reason")}
        # 0 stands for a count that is not known
        row |= {name: getattr(estimate, name) or None for name in ("epochs", "saved", "parameters", "macs")}
        row |= {"step": len(rows) + 1, "round": number, "best": best}
        rows.append(row | dict((more or {}).get(estimate.architecture, {})))
    scored = [(rung, estimate) for rung, estimate in last.values() if estimate.fitness > float("-inf")]
    scored.sort(key=lambda one: (-one[0], -one[1].fitness))
    write_candidates(
        candidates, [(one.architecture, one.score, _named(estimator, rung, rungs)) for rung, one in scored]
    )
    write_history(history, rows)


def _named(estimator: str, rung: int, rungs: Sequence[int]) -> str:
    """Name the estimator of a score: different rungs are different estimators."""
    return f"{estimator} of {rungs[min(rung, len(rungs) - 1)]} epochs" if rungs else estimator
