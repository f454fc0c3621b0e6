"""Train one entry by the final recipe and test it once."""

from nas_steps.errors import known
from nas_steps.provenance.task import Task
from nas_steps.retraining.entries import KINDS, constraints_of, entry_of, missing
from nas_steps.training.settings import TrainingSettings


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
    )
    if not entry.architecture:
        from nas_steps.training.record import write_untrained

        status, reason = missing(entry)
        write_untrained(task.folder, entry, task.seed, status=status, reason=reason)
        return

    from nas_steps.training.final import final_job

    final_job(task, entry, settings)
