"""Name the architecture of a final training, and the budget that it was made for. Loads torch only to count."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_steps.data.sizes import sizes_of
from nas_steps.errors import UserError
from nas_steps.provenance.files import number, read_csv
from nas_steps.retraining.baselines import HandDesigned, LanguageBaselines
from nas_steps.retraining.fitting import Constraints
from nas_steps.retraining.names import takes_a_budget
from nas_steps.retraining.rivals import pretrained_entry
from nas_steps.search.slots import slot_of
from nas_steps.search.uniform import draw
from nas_steps.spaces.cells.space import CellArchitecture, CellSpace
from nas_steps.spaces.constraints import blocks_of, constrained_space
from nas_steps.spaces.costs import counted
from nas_steps.spaces.declare import declared
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.training.record import UNNEEDED, Entry
from nas_steps.training.settings import TrainingSettings

if TYPE_CHECKING:
    from nas_steps.models.count import Size

#: kinds of entries: the first two come from a search; of the others only the last waits for one
KINDS = ("searched", "random", "uniform", "largest", "baseline", "pretrained", "from_nothing")


def entry_of(
    name: str,
    kind: str,
    settings: TrainingSettings,
    data: str | Path,
    *,
    winners: str | None = None,
    constraints: Constraints | None = None,
    costs: str | None = None,
    weights: str | None = None,
) -> Entry:
    """Return the entry called `name`; its architecture is empty if there is none to train.

    `winners` is winners.csv; `costs` is blocks.csv, for the searches' constraints; `weights` are the pretrained ones.
    Raises UserError for a baseline above the budget `constraints`.
    """
    if kind == "pretrained":
        return Entry(name, kind, pretrained_entry(name, settings, weights or "", costs))
    if kind == "from_nothing":
        winner = best_searched(winners or "")
        return Entry(name, kind, "" if winner is None else winner["architecture"])
    if kind == "uniform":
        return Entry(name, kind, uniform(settings, int(name.rpartition("-")[2]), costs))
    if kind == "largest":
        return Entry(name, kind, largest(settings, data))
    if kind != "baseline":
        rows = read_csv(winners or "")
        return Entry(name, kind, next((row["architecture"] for row in rows if row["entry"] == name), ""))
    space = declared(settings.space)
    language = LanguageBaselines(space, data) if isinstance(space, LanguageSpace) else None
    is_fitted, of = takes_a_budget(name), "numbers"
    if constraints is None:
        if not is_fitted:
            return Entry(name, kind, name if language is None else language.sized(name))
        winner = best_searched(winners or "")
        if winner is None:
            return Entry(name, kind, "")
        of, constraints = winner["entry"], Constraints(macs=_counter(settings, data)(winner["architecture"]).macs)
    made: HandDesigned | LanguageBaselines = language or HandDesigned(data)
    try:
        architecture = made.fitted(name, constraints) if is_fitted else made.within(name, constraints)
    except UserError as error:
        if of == "numbers":
            raise
        # the winner's size was unknown before the run, which goes on without this baseline
        print(error, flush=True)
        architecture = ""
    return Entry(name, kind, architecture, {"of": of, "macs": constraints.macs, "parameters": constraints.parameters})


def uniform(settings: TrainingSettings, number: int, costs: str | Path | None = None) -> str:
    """Return architecture `number` of the uniform sample within the searches' constraints; empty if there are fewer.

    It depends on the seed and the number alone, so that a larger sample has the same first architectures.
    """
    space = constrained_space(declared(settings.space), settings.constraints, costs)
    drawn = draw(space, number + 1, settings.seed)
    return drawn[number] if number < len(drawn) else ""


def largest(settings: TrainingSettings, data: str | Path) -> str:
    """Return the largest network of the space."""
    space = declared(settings.space)
    if isinstance(space, MobileSpace):
        return str(space.largest(strict=False))
    if isinstance(space, LanguageSpace):
        return str(counted(blocks_of(space), sizes_of(data).shape).largest("macs"))
    count = _counter(settings, data)
    return str(largest_cells(space, lambda architecture: attrgetter("macs", "parameters")(count(architecture))))


def largest_cells(space: CellSpace, measure: Callable[[CellArchitecture], tuple[int, int]]) -> CellArchitecture:
    """Return the architecture of most MACs, then of most parameters, then the first declared; both are sums of edges.

    An edge's cost depends on its operation, its kind of cell and whether it reads an input: one of each is measured.
    """

    @cache
    def cost(kind: str, operation: str, of_input: bool) -> tuple[int, int]:
        probe = (("skip_connect", 0),), ((operation, 0 if of_input else space.inputs),)
        plain = (("skip_connect", 0),), (("skip_connect", 0),)
        return measure(CellArchitecture({one: probe if one == kind else plain for one in space.kinds}))

    def most_expensive(kind: str, node: int, source: int) -> tuple[tuple[int, int], str]:
        operations = space.choices_between(kind, node, source)
        costs = [(cost(kind, operation, source < space.inputs), operation) for operation in operations]
        # max returns the first of equals
        return max(costs, key=lambda pair: pair[0])

    cells = {}
    for kind in space.kinds:
        nodes = []
        for node in range(space.nodes):
            edges = {source: most_expensive(kind, node, source) for source in space.sources(node)}

            def total(sources: Iterable[int], edges: dict[int, Any] = edges) -> tuple[int, ...]:
                # each cost contains the same rest of the network, so that costs add up as the edges do
                return tuple(sum(edges[source][0][figure] for source in sources) for figure in (0, 1))

            nodes.append(tuple((edges[source][1], source) for source in max(space.kept_sources(node), key=total)))
        cells[kind] = tuple(nodes)
    return space.made(cells)


def _counter(settings: TrainingSettings, data: str | Path) -> Callable[[object], Size]:
    """Return a function that counts networks of the space for the data's images."""
    from nas_steps.models.build import size

    shape = sizes_of(data).arguments
    return lambda architecture: size(str(architecture), settings.network, **shape)


def best_searched(winners: str | Path) -> dict[str, str] | None:
    """Return the best ranked row of winners.csv, a searched one if there is any; None if there is no winner."""
    rows = read_csv(winners)
    rows = [row for row in rows if row["kind"] == "searched"] or rows
    return max(rows, key=lambda row: number(row["score"]), default=None)


def missing(entry: Entry) -> tuple[str, str]:
    """Return the status of an entry that has no architecture, and why it has none."""
    if entry.kind == "uniform":
        return UNNEEDED, "the space has no more architectures that are not isomorphic to the uniform entries before"
    if entry.kind == "random" and slot_of(entry.name) > 1:
        return UNNEEDED, "within this budget random search had found nothing that no other entry is"
    if entry.kind == "pretrained":
        return UNNEEDED, "at this resolution it does not keep the constraints of the searches"
    if entry.kind == "from_nothing":
        return "missing", "the searches have no winner"
    if entry.kind == "baseline":
        return "missing", "it cannot be made as small as the winner of the searches, or there is none (see the log)"
    return "missing", "none of the architectures that this search proposed could be trained"


def constraints_of(macs: float | None, parameters: float | None) -> Constraints | None:
    """Return the constraints of a command line; None if it has none."""
    if macs is None and parameters is None:
        return None
    for value in (macs, parameters):
        if value is not None and not value > 0:
            raise UserError(f"a budget must be above 0, given {value}")
    return Constraints(macs, parameters)
