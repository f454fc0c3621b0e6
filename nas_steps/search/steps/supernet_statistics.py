"""Compute a supernet's accuracies of a fixed sample, before and after batch norms are re-estimated."""

from nas_steps.provenance.files import write_csv, write_json
from nas_steps.provenance.task import Task
from nas_steps.search.settings import SharedSettings
from nas_steps.spaces.declare import declared

COLUMNS = ("architecture", "parameters", "macs", "running", "reestimated")


def main(task: Task) -> None:
    from nas_steps.search.one_shot.scoring import Scorer, sample, summary
    from nas_steps.training.job import training_job

    settings = task.read_settings(SharedSettings)
    with training_job(task, settings, task.output("statistics")) as job:
        scorer = Scorer(settings, task.data, task.weights, job.device)
        rows = scorer.look(sample(declared(settings.space), settings.seed))
        write_csv(task.output("statistics"), rows, COLUMNS)
        write_json(task.output("summary"), summary(rows))
