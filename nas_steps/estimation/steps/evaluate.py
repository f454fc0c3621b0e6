"""Score a share of proposed architectures by the estimator of the settings."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from nas_steps.config.estimators import ShortTraining
from nas_steps.estimation.estimates import write_estimates
from nas_steps.estimation.proposals import read_proposals
from nas_steps.estimation.settings import EstimationSettings
from nas_steps.facts import shortened
from nas_steps.provenance.files import canonical_json
from nas_steps.provenance.task import Task

#: the stage whose random numbers an architecture gets
STAGES = {"train_sample": "ranking", "train_shortlist": "ranking"}


def main(task: Task) -> None:
    settings = task.read_settings(EstimationSettings)
    proposals = read_proposals(task.proposals)
    mine = [one for one in proposals if one.index % int(task.shards) == task.shard]
    if not mine:
        write_estimates(task.output("estimates"), [])
        task.cost.device = ""  # none was used
        return
    from nas_steps.estimation.shard import Shard, estimates_of
    from nas_steps.models.pretrained import pretrained
    from nas_steps.training.job import training_job

    if settings.share is not None and isinstance(settings.estimator, ShortTraining):
        given = settings.estimator
        estimator = given.model_copy(update=shortened(given.epochs, given.compute, settings.share))
        settings = settings.model_copy(update={"estimator": estimator})
    # the sample is scored as in search seed 0
    stage, seed = STAGES.get(task.step.name, "search"), getattr(task.given, "seed", 0)
    asked = canonical_json([asdict(one) for one in mine])
    start = pretrained(task.weights)
    started: dict[str, Any] = {} if start is None else {"weights": start.key()}
    what: dict[str, Any] = {"stage": stage, "proposals": asked, "seed": seed} | started
    with training_job(task, settings, task.output("estimates"), **what) as job:
        # the settings lie in results/settings
        root = Path(task.given.settings).resolve().parent.parent
        shard = Shard(settings, task.data, stage, seed, job, start)
        write_estimates(task.output("estimates"), estimates_of(shard, mine, root))
