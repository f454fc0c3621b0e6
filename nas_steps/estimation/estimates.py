"""The answer of every estimator, and its files. Imports no torch."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from nas_steps.provenance.files import number, read_csv, write_csv

#: the status of an architecture that a screen rejected
SCREENED = "screened"


@dataclass(frozen=True)
class Estimate:
    """The score of one architecture, higher for better; NaN, with a status other than `ok`, if there is none.

    `epochs` were trained, and `saved` were not since the curve was extrapolated, to an accuracy with the 90 % interval
    `low` to `high`. `predicted` is the prediction for a training that was followed to its end.
    """

    index: int
    architecture: str
    score: float
    status: str = "ok"
    reason: str = ""
    parameters: int = 0
    macs: int = 0
    seconds: float = 0.0
    epochs: int = 0
    saved: int = 0
    low: float = math.nan
    high: float = math.nan
    predicted: float = math.nan

    @property
    def fitness(self) -> float:
        """The value that strategies and rankings compare: minus infinity if there is no score."""
        return self.score if self.status == "ok" and math.isfinite(self.score) else -math.inf


COLUMNS = tuple(field.name for field in fields(Estimate))
#: readers of a cell by the type of the field
_READ: dict[Any, Callable[[str], Any]] = {int: int, float: number, str: str}


def write_estimates(path: str | Path, estimates: Iterable[Estimate]) -> None:
    write_csv(path, (asdict(estimate) for estimate in estimates), COLUMNS)


def read_estimates(paths: Iterable[str | Path]) -> list[Estimate]:
    """Read all estimates of some shards, by index."""
    return sorted((_estimate(row) for path in paths for row in read_csv(path)), key=lambda estimate: estimate.index)


def _estimate(row: Mapping[str, str]) -> Estimate:
    return Estimate(**{field.name: _READ[field.type](row[field.name]) for field in fields(Estimate)})


def by_round(shards: Sequence[str]) -> list[list[Estimate]]:
    """Read the estimates of the shards in each round's folder, rounds in the order of their names."""
    folders: dict[Path, list[str]] = {}
    for shard in shards:
        folders.setdefault(Path(shard).parent, []).append(shard)
    return [read_estimates(files) for files in folders.values()]


def write_evaluations(path: str | Path, rounds: Iterable[Sequence[Estimate]]) -> None:
    """Write the estimates of rounds 0, 1, ... into one file."""
    rows = ({"round": place, **asdict(one)} for place, estimates in enumerate(rounds) for one in estimates)
    write_csv(path, rows, ("round", *COLUMNS))


def read_evaluations(path: str | Path) -> list[list[Estimate]]:
    """Read the rounds of such a file; rounds without estimates at its end are not in it."""
    rounds: dict[int, list[Estimate]] = {}
    for row in read_csv(path):
        rounds.setdefault(int(row["round"]), []).append(_estimate(row))
    return [rounds.get(place, []) for place in range(max(rounds, default=-1) + 1)]
