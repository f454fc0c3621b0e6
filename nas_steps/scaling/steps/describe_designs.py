"""List the networks of one repetition of the factorial, with the size of each."""

from typing import Any

from nas_steps.data.store import read_meta
from nas_steps.provenance.files import read_csv, read_json, write_csv
from nas_steps.provenance.task import Task
from nas_steps.scaling.compound import Factors
from nas_steps.scaling.factorial import DESIGNS, base_architectures, describe_designs
from nas_steps.scaling.settings import FactorialSettings
from nas_steps.scaling.winner import measure, searches_of
from nas_steps.spaces.constraints import constrained_space
from nas_steps.spaces.declare import declared


def main(task: Task) -> None:
    """Write the designs of this seed; there are none without a winner."""
    settings, chosen = task.read_settings(FactorialSettings), read_json(task.chosen)
    rows: list[dict[str, Any]] = []
    if chosen["architecture"]:
        meta = read_meta(task.data)
        searches = searches_of(chosen["architecture"], read_csv(task.winners) if task.winners else [])
        search = searches[task.seed % len(searches)] if searches else None
        winner = chosen["architecture"] if search is None else search["architecture"]
        triple = Factors(chosen["depth"], chosen["width"], chosen["resolution"])
        side = meta.shape[-1]
        space = constrained_space(declared(settings.space), settings.constraints, task.blocks)
        given = settings.factorial, winner, space, side
        bases = base_architectures(*given, seed=settings.seed, repetition=task.seed)
        sized = triple, settings.network, side, measure(meta)
        rows = describe_designs(settings.factorial, bases, *sized, "" if search is None else search["entry"])
    write_csv(task.output("designs"), rows, DESIGNS)
