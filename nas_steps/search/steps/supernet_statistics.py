"""Look at a trained supernet: accuracies of a fixed sample of architectures, before and after batch norms are
re-estimated."""

from __future__ import annotations

from nas_steps.provenance.files import write_csv, write_json
from nas_steps.provenance.task import Task
from nas_steps.search.settings import SharedSettings
from nas_steps.spaces.declare import declared


def main(task: Task) -> None:
    """Write statistics.csv and statistics.json."""
    from nas_steps.search.one_shot.scoring import load_scorer, size_of
    from nas_steps.search.one_shot.statistics import COLUMNS, look, sample, summary
    from nas_steps.training.job import training_job

    settings = task.read_settings(SharedSettings)
    with training_job(task, settings, task.output("statistics")) as job:
        scorer = load_scorer(settings, task.data, task.weights, job.device)
        architectures = sample(declared(settings.space), settings.seed)
        rows = look(scorer, architectures)
        for row, architecture in zip(rows, architectures, strict=True):
            row |= vars(size_of(settings, task.data, architecture))
        write_csv(task.output("statistics"), rows, COLUMNS)
        write_json(task.output("summary"), summary(rows))
