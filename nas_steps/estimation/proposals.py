"""What a strategy asks for, and the file that it travels in. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from nas_steps.provenance.files import number, read_csv, write_csv

COLUMNS = ("index", "architecture", "epochs", "promoted", "incumbent", "whole", "residuals")


@dataclass(frozen=True)
class Proposal:
    """An architecture to be scored. `epochs` are those of its rung, where there is successive halving, and `promoted`
    whether it is not its first; `incumbent` is the best score of the rounds before, for estimators that give up what
    cannot beat it. A `whole` training is followed to its end although curves are extrapolated; `residuals` are true
    minus predicted accuracies of those that were."""

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
    """The proposals of a file, by index, each index once: an architecture can stand in a shortlist several times."""
    found = {
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
    return [found[index] for index in sorted(found)]
