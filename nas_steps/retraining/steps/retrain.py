"""Train one entry by the final recipe and test it once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas_steps.errors import known
from nas_steps.facts import PROBE
from nas_steps.provenance.task import Task
from nas_steps.retraining.constrained import keeps
from nas_steps.retraining.entries import KINDS, constraints_of, entry_of, missing
from nas_steps.training.settings import TrainingSettings

if TYPE_CHECKING:
    from nas_steps.training.final import Start
    from nas_steps.training.trained import Trained


def main(task: Task) -> None:
    """Write the record, the history and the weights of a final training."""
    settings = task.read_settings(TrainingSettings)
    entry = entry_of(
        task.entry,
        known("kind of entry", task.kind, KINDS),
        settings,
        task.data,
        winners=task.winners,
        constraints=constraints_of(task.macs, task.parameters),
        costs=task.blocks,
        weights=task.weights,
    )
    if not entry.architecture:
        from nas_steps.training.record import write_untrained

        status, reason = missing(entry)
        write_untrained(task.folder, entry, task.seed, status=status, reason=reason)
        return

    from nas_steps.models.pretrained import pretrained
    from nas_steps.training.final import final_job

    def more(trained: Trained) -> dict[str, str]:
        if entry.kind in ("searched", "random"):
            judged = "kept" if settings.constraints is not None else None  # a search keeps its constraints
        else:
            judged = keeps(entry.architecture, settings, task.blocks, trained.parameters, trained.macs)
        return {} if judged is None else {"constraints": judged}

    start: Start | None = None if entry.kind == "from_nothing" else pretrained(task.weights)
    if task.supernet is not None and settings.supernet is not None:
        from nas_steps.retraining.inheriting import FromSupernet

        start = FromSupernet(task.supernet, settings, settings.supernet, task.data)
    final_job(task, entry, settings, start=start, probe=entry.name == PROBE, more=more)
