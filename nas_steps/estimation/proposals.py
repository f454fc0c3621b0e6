"""What a strategy asks for, and its file. Imports no torch."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from nas_steps.provenance.files import number, read_csv, write_csv

COLUMNS = ("index", "architecture", "epochs", "promoted", "incumbent", "whole", "residuals")


@dataclass(frozen=True)
class Proposal:
    """An architecture to be scored.

    - `epochs`, `promoted`: the epochs of its rung of successive halving, and whether that is not the first
    - `incumbent`: the best score of earlier rounds, for estimators that stop early
    - `whole`, `residuals`: whether to train to the end, and true minus predicted accuracies of trainings that were
    """

    index: int
    architecture: str
    epochs: int | None = None
    promoted: bool = False
    incumbent: float | None = None
    whole: bool = False
    residuals: tuple[float, ...] = ()


def write_proposals(path: str | Path, proposals: Iterable[Proposal]) -> None:
    rows = ({**asdict(one), "residuals": " ".join(map(repr, one.residuals))} for one in proposals)
    write_csv(path, rows, COLUMNS)


def read_proposals(path: str | Path) -> list[Proposal]:
    """Read proposals by index, each index once: a shortlist can name an architecture several times."""
    proposals = {
        int(row["index"]): Proposal(
            index=int(row["index"]),
            architecture=row["architecture"],
            epochs=int(row["epochs"]) if row.get("epochs") else None,
            promoted=row.get("promoted") == "True",
            incumbent=number(row["incumbent"]) if row.get("incumbent") else None,
            whole=row.get("whole") == "True",
            residuals=tuple(map(float, (row.get("residuals") or "").split())),
        )
        for row in read_csv(path)
    }
    return [proposals[index] for index in sorted(proposals)]
