"""What an entry of the final trainings is: its architecture, and the budget that it was made for. Loads torch only to
count."""

from __future__ import annotations

from pathlib import Path
from random import Random

from nas_steps.data.store import read_meta
from nas_steps.errors import UserError
from nas_steps.provenance.files import number, read_csv
from nas_steps.provenance.seeds import derive_seed
from nas_steps.retraining.fitting import Constraints, measure, refuse_larger, widest
from nas_steps.spaces.baselines import to_be_fitted
from nas_steps.spaces.constraints import constrained_space
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile import sites
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.training.record import Entry
from nas_steps.training.settings import TrainingSettings

#: kinds of entries: the first two come from a search, the others wait for none
KINDS = ("searched", "random", "uniform", "largest", "baseline")


def entry_of(
    name: str,
    kind: str,
    step: TrainingSettings,
    data: str | Path,
    *,
    winners: str | None = None,
    constraints: Constraints | None = None,
    costs: str | None = None,
) -> Entry:
    """The entry called `name`; its architecture is empty where there is none to train.

    `winners` is winners.csv, of a search's entry and of a baseline that is fitted to the winner; `costs` is costs.csv,
    of a uniform draw within the limits of the searches. Raises UserError for a baseline above the budget `limits`.
    """
    if kind == "uniform":
        return Entry(name, kind, uniform(step, int(name.rpartition("-")[2]), costs))
    if kind == "largest":
        return Entry(name, kind, largest(step, data))
    if kind != "baseline":
        rows = read_csv(winners or "")
        return Entry(name, kind, next((row["architecture"] for row in rows if row["entry"] == name), ""))
    base, of = to_be_fitted(name), "numbers"
    if constraints is None and base is None:
        return Entry(name, kind, name)
    if constraints is None:
        found = best_searched(winners or "", step, data)
        if found is None:
            return Entry(name, kind, "")
        of, constraints = found
    meta = read_meta(data)
    counted = measure(meta.shape[0], len(meta.classes), meta.shape[-1])
    if base is None:
        refuse_larger([name], constraints, counted)
    try:
        architecture = name if base is None else widest(base, constraints, counted)
    except UserError as error:
        if of == "numbers":
            raise
        # how small the winner is nobody could know: the run goes on without this baseline
        print(error, flush=True)
        architecture = ""
    return Entry(name, kind, architecture, {"of": of, "macs": constraints.macs, "parameters": constraints.parameters})


def uniform(step: TrainingSettings, number: int, costs: str | Path | None = None) -> str:
    """Architecture `number` of those drawn uniformly from the space, which nothing but the seed decides; where the
    searches keep limits, from what is within them, by the file `costs`."""
    space = constrained_space(declared(step.space), step.constraints, costs)
    return str(space.sample(Random(derive_seed(step.seed, "uniform", number))))


def largest(step: TrainingSettings, data: str | Path) -> str:
    """The largest network of the space."""
    from nas_steps.models.build import size
    from nas_steps.retraining.largest import largest_cells

    space = declared(step.space)
    if isinstance(space, MobileSpace):
        return str(sites.largest(space, strict=False))
    meta = read_meta(data)

    def measured(architecture: object) -> tuple[int, int]:
        found = size(
            str(architecture), step.network, inputs=meta.shape[0], classes=len(meta.classes), side=meta.shape[-1]
        )
        return found.macs, found.parameters

    return str(largest_cells(space, measured))


def best_searched(winners: str | Path, step: TrainingSettings, data: str | Path) -> tuple[str, Constraints] | None:
    """The best ranked winner of a search, and its MACs as limits; None where there is no winner.

    It is the ranking, on validation images, that says which is best. Where only random search ended in one, it is that.
    """
    rows = read_csv(winners)
    rows = [row for row in rows if row["kind"] == "searched"] or rows
    if not rows:
        return None
    from nas_steps.models.build import size

    best = max(rows, key=lambda row: number(row["score"]))
    meta = read_meta(data)
    found = size(
        best["architecture"], step.network, inputs=meta.shape[0], classes=len(meta.classes), side=meta.shape[-1]
    )
    return best["entry"], Constraints(macs=found.macs)


def missing(kind: str) -> str:
    """Why an entry has no architecture."""
    if kind == "baseline":
        return "it cannot be made as small as the winner of the searches, or there is no winner (see the log)"
    return "none of the architectures that this search proposed could be trained"


def constraints_of(macs: float | None, parameters: float | None) -> Constraints | None:
    """The limits that a step was given on its command line; None where it was given none."""
    if macs is None and parameters is None:
        return None
    for value in (macs, parameters):
        if value is not None and not value > 0:
            raise UserError(f"a budget must be above 0, given {value}")
    return Constraints(macs, parameters)
