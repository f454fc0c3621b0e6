"""candidates.csv and history.csv, in which every strategy ends. Imports no torch."""

from collections.abc import Mapping, Sequence
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
    """Write (architecture, score, estimator), best first, with their ranks from 1."""
    cells = [(rank, *one, "ok") for rank, one in enumerate(scored, start=1)]
    write_csv(path, [dict(zip(CANDIDATES, one, strict=True)) for one in cells], CANDIDATES)


def gather(
    rounds: Sequence[Sequence[Estimate]],
    candidates: str | Path,
    history: str | Path,
    estimator: str,
    rungs: Sequence[int] = (),
    more: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write both files from the evaluations of a sampling strategy; `more` are columns of the history by architecture.

    Candidates are the architectures with a score, best first (of equals, the first one). Scores of different `rungs`
    (their epochs) cannot be compared: an architecture's last one counts, and higher rungs come first.
    """
    rows: list[dict[str, Any]] = []
    last: dict[str, tuple[int, Estimate]] = {}  # by architecture, the number of its rung and the estimate there
    best = float("-inf")
    for number, estimate in ((number, one) for number, estimates in enumerate(rounds) for one in estimates):
        if estimate.status != SCREENED:
            rung = last[estimate.architecture][0] + 1 if estimate.architecture in last else 0
            last[estimate.architecture] = (rung, estimate)
        best = max(best, estimate.fitness)
        row = {name: getattr(estimate, name) for name in ("architecture", "score", "status", "reason")}
        # 0 is an unknown count
        row |= {name: getattr(estimate, name) or None for name in ("epochs", "saved", "parameters", "macs")}
        row |= {"step": len(rows) + 1, "round": number, "best": best}
        rows.append(row | dict((more or {}).get(estimate.architecture, {})))
    scored = [(rung, estimate) for rung, estimate in last.values() if estimate.fitness > float("-inf")]
    scored.sort(key=lambda one: (-one[0], -one[1].fitness))
    # different rungs are different estimators
    names = [f"{estimator} of {epochs} epochs" for epochs in rungs] or [estimator]
    named = [(one.architecture, one.score, names[min(rung, len(names) - 1)]) for rung, one in scored]
    write_candidates(candidates, named)
    write_csv(history, rows, HISTORY)
