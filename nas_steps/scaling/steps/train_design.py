"""Train one network of the factorial and test it once."""

from nas_steps.provenance.files import read_csv
from nas_steps.provenance.task import Task
from nas_steps.scaling.factorial import entry_name
from nas_steps.scaling.settings import FactorialSettings
from nas_steps.scaling.winner import NO_WINNER, design_of


def main(task: Task) -> None:
    """Write the record, the history and the weights of a final training."""
    from nas_steps.training.record import Entry, write_untrained

    settings, cell = task.read_settings(FactorialSettings), (task.base, task.scaling)
    name = entry_name(*cell)
    row = next((row for row in read_csv(task.designs) if (row["base"], row["scaling"]) == cell), None)
    if row is None:
        write_untrained(task.folder, Entry(name, "factorial", ""), task.seed, status="missing", reason=NO_WINNER)
        return
    from nas_steps.training.final import final_job

    design = design_of(settings.network, row)
    entry = Entry(name, "factorial", design.architecture)
    final_job(task, entry, settings, network=design.network, side=design.side)
