"""candidates.csv and history.csv, in which every strategy ends. Imports no torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from nas_steps.estimation.estimates import SCREENED, Estimate
from nas_steps.provenance.files import number, read_csv, write_csv
from nas_steps.search.protocol import Prediction

CANDIDATES = ("rank", "architecture", "score", "estimator", "status")
HISTORY = (
    "step", "round", "architecture", "score", "best", "status", "reason", "epochs", "saved", "parameters", "macs",
    "loss", "entropy", "parameter_free", "parameter_free_reduce", "skips", "discrete_accuracy", "inherited_accuracy",
    "eigenvalue", "products", "seconds", "chosen", "drawn", *Prediction._fields,
)  # fmt: skip


def write_candidates(path: str | Path, scored: Sequence[tuple[str, float, str]]) -> None:
    """Write (architecture, score, estimator), best first, with their ranks from 1."""
    cells = [(rank, *one, "ok") for rank, one in enumerate(scored, start=1)]
    write_csv(path, [dict(zip(CANDIDATES, one, strict=True)) for one in cells], CANDIDATES)


def write_predictions(path: str | Path, predictions: Mapping[str, Prediction]) -> None:
    """Write what a strategy predicts of the architectures of one round; no rows if it predicts nothing."""
    rows = ({"architecture": text, **one._asdict()} for text, one in predictions.items())
    write_csv(path, rows, ("architecture", *Prediction._fields))


def read_predictions(path: str | Path) -> dict[str, Prediction]:
    return {
        row["architecture"]: Prediction(
            number(row["predicted"]), number(row["prediction_rmse"]), row["optimality"], number(row["mip_gap"])
        )
        for row in read_csv(path)
    }


class Scored(Protocol):
    """What has a fitness: minus infinity if it has no score."""

    @property
    def fitness(self) -> float: ...


One = TypeVar("One", bound=Scored)


def standing(evaluated: Sequence[tuple[str, One]]) -> list[tuple[str, int, One]]:
    """Return (architecture, number of its rung, what it scored there), best first, after these evaluations.

    `evaluated` are (architecture, what it scored) in their order. Only those with a score are returned. Scores of
    different rungs of successive halving cannot be compared: an architecture's last one counts, and higher rungs come
    first. Of equals, the first one does.
    """
    last: dict[str, tuple[int, One]] = {}
    for name, one in evaluated:
        last[name] = (last[name][0] + 1 if name in last else 0, one)
    found = [(name, rung, one) for name, (rung, one) in last.items() if one.fitness > float("-inf")]
    return sorted(found, key=lambda each: (-each[1], -each[2].fitness))


def gather(
    rounds: Sequence[Sequence[Estimate]],
    candidates: str | Path,
    history: str | Path,
    estimator: str,
    rungs: Sequence[int] = (),
    more: Mapping[str, Mapping[str, Any]] | None = None,
    predictions: Sequence[Mapping[str, Prediction]] = (),
) -> None:
    """Write both files from the evaluations of a sampling strategy; `more` are columns of the history by architecture,
    `predictions` what the strategy predicted in each round.

    Candidates are the architectures with a score, in the order of `standing`; `rungs` are the epochs of the rungs.
    """
    rows: list[dict[str, Any]] = []
    best = float("-inf")
    for place, estimate in ((place, one) for place, estimates in enumerate(rounds) for one in estimates):
        best = max(best, estimate.fitness)
        row = {name: getattr(estimate, name) for name in ("architecture", "score", "status", "reason")}
        # 0 is an unknown count
        row |= {name: getattr(estimate, name) or None for name in ("epochs", "saved", "parameters", "macs")}
        if place < len(predictions) and estimate.architecture in predictions[place]:
            row |= predictions[place][estimate.architecture]._asdict()
        row |= {"step": len(rows) + 1, "round": place, "best": best, "seconds": estimate.seconds}
        rows.append(row | dict((more or {}).get(estimate.architecture, {})))
    scored = standing([(one.architecture, one) for estimates in rounds for one in estimates if one.status != SCREENED])
    # different rungs are different estimators
    names = [f"{estimator} of {epochs} epochs" for epochs in rungs] or [estimator]
    named = [(name, one.score, names[min(rung, len(names) - 1)]) for name, rung, one in scored]
    write_candidates(candidates, named)
    write_csv(history, rows, HISTORY)
