"""The answer of every estimator, and the file it travels in. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from nas_steps.provenance.files import number, read_csv, write_csv

COLUMNS = (
    "index",
    "architecture",
    "score",
    "status",
    "reason",
    "parameters",
    "macs",
    "seconds",
    "epochs",
    "saved",
    "low",
    "high",
    "predicted",
)
#: not worth an evaluation, by the score of a screen
SCREENED = "screened"


@dataclass(frozen=True)
class Estimate:
    """One architecture's worth. `score` is higher for better; NaN, with a status other than `ok`, where there is none.

    `parameters` and `macs` are those of the network that was scored, `seconds` the training's or the score's. `epochs`
    were trained, `saved` were not since the curve was extrapolated; `low` and `high` then are the 90 % interval of the
    accuracy that was predicted. `predicted` is what the extrapolation of a training that was followed to its end said.
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
        """The score, or minus infinity where there is none: what strategies and rankings compare by."""
        return self.score if self.status == "ok" and math.isfinite(self.score) else -math.inf


def write_estimates(path: str | Path, estimates: Iterable[Estimate]) -> None:
    write_csv(path, (asdict(estimate) for estimate in estimates), COLUMNS)


def read_estimates(paths: Iterable[str | Path]) -> list[Estimate]:
    """All estimates of some shards, by index."""
    found = [_estimate(row) for path in paths for row in read_csv(path)]
    return sorted(found, key=lambda estimate: estimate.index)


def _estimate(row: Mapping[str, str]) -> Estimate:
    return Estimate(
        index=int(row["index"]),
        architecture=row["architecture"],
        score=number(row["score"]),
        status=row["status"],
        reason=row["reason"],
        parameters=int(row["parameters"]),
        macs=int(row["macs"]),
        seconds=number(row["seconds"]),
        epochs=int(row["epochs"]),
        saved=int(row["saved"]),
        low=number(row["low"]),
        high=number(row["high"]),
        predicted=number(row["predicted"]),
    )


def by_round(shards: Sequence[str]) -> list[list[Estimate]]:
    """The estimates of the shards in each round's folder, rounds in the order in which they are named."""
    folders: dict[Path, list[str]] = {}
    for shard in shards:
        folders.setdefault(Path(shard).parent, []).append(shard)
    return [read_estimates(files) for files in folders.values()]


def write_told(path: str | Path, rounds: Iterable[Sequence[Estimate]]) -> None:
    """Write the estimates of rounds 0, 1, ... into one file."""
    rows = ({"round": place, **asdict(one)} for place, estimates in enumerate(rounds) for one in estimates)
    write_csv(path, rows, ("round", *COLUMNS))


def read_told(path: str | Path) -> list[list[Estimate]]:
    """The rounds of such a file; rounds without estimates at its end are not in it."""
    rounds: dict[int, list[Estimate]] = {}
    for row in read_csv(path):
        rounds.setdefault(int(row["round"]), []).append(_estimate(row))
    return [rounds.get(place, []) for place in range(max(rounds, default=-1) + 1)]
