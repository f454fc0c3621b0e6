"""List the grid's triples with the size that each gives the winner."""

from typing import Any

from nas_steps.data.store import read_meta
from nas_steps.provenance.files import write_csv
from nas_steps.provenance.task import Task
from nas_steps.scaling import family
from nas_steps.scaling.compound import Design
from nas_steps.scaling.settings import ScalingSettings
from nas_steps.scaling.winner import measure, winner


def main(task: Task) -> None:
    """Write triples.csv; it has no rows without a winner."""
    settings = task.read_settings(ScalingSettings)
    architecture, meta = winner(task.ranked), read_meta(task.data)
    rows: list[dict[str, Any]] = []
    if architecture:
        base = Design(architecture, settings.network, meta.shape[-1])
        rows = family.describe_triples(settings.scaling, base, measure(meta))
    write_csv(task.output("triples"), rows, family.TRIPLES)
