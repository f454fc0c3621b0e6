"""Let Snakemake run one job at a time of those that train a block of seeds together: the others would only wait."""

import re
from collections.abc import Iterable
from typing import Any

from nas_steps.training.parking import block_of
from nas_steps.workflow.plan import Plan

#: the rules whose seeds may be trained together
RULES = ("retrain", "retrain_by_recipe")


def one_at_a_time(workflow: Any, plan: Plan) -> None:
    """Give the jobs of each block a resource of which there is one. For `onstart`, when the jobs are known.

    It is how Snakemake itself keeps apart the jobs that update one file. A Snakemake that has no such resources runs
    them beside each other; then they wait for one another by themselves, and take a core each."""
    size = plan.config.retrain.together if plan.trains else 1
    if size == 1 or not hasattr(workflow, "register_resource"):
        return
    for name, jobs in blocks(workflow.dag.needrun_jobs(), size).items():
        if len(jobs) == 1:
            continue
        workflow.register_resource(name, 1)
        # registered before the scheduler is made, it would be here, too
        workflow.scheduler.global_resources[name] = 1
        for job in jobs:
            job.add_aux_resource(name, 1)


def blocks(jobs: Iterable[Any], size: int) -> dict[str, list[Any]]:
    """Return the jobs of each block of `size` seeds, by a name of the block."""
    found: dict[str, list[Any]] = {}
    for job in jobs:
        if job.rule.name in RULES:
            wildcards = dict(job.wildcards_dict)
            seed = block_of(int(wildcards.pop("seed")), size)[0]
            name = re.sub(r"\W", "_", "_".join(("seeds_of", *wildcards.values(), f"from_{seed}")))
            found.setdefault(name, []).append(job)
    return found
