"""Say what a run searches and how long it takes: after a dry run and at its beginning; keep what its jobs took."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from nas_steps.config.constraints import Constraints
from nas_steps.config.search import constrained
from nas_steps.config.space import filled
from nas_steps.config.text import TextData
from nas_steps.provenance.seeds import derive_seed
from nas_steps.spaces.costs import Shape
from nas_steps.spaces.declare import declared
from nas_steps.spaces.profile import profile_lines
from nas_steps.workflow.forecast.forecast import Forecast, networks_of
from nas_steps.workflow.forecast.images import Images, images_of
from nas_steps.workflow.forecast.speeds import FILE, Speeds, measured_since
from nas_steps.workflow.forecast.text import seconds_of, text_lines
from nas_steps.workflow.forecast.words import lines
from nas_steps.workflow.forecast.work import Workload
from nas_steps.workflow.machine import cores
from nas_steps.workflow.plan import Plan

#: rules that search
SEARCHING = ("budget", "propose", "evaluate", "darts", "enas", "supernet", "one_shot")


def tell(workflow: Any, plan: Plan, gpu: int) -> None:
    """Print profile and forecast of the jobs that Snakemake would run; nothing if there are none, or by `--quiet`."""
    if workflow.output_settings.quiet:
        return
    told = told_of(plan, _jobs(workflow), *_slots(workflow, plan, gpu))
    if told:
        print("\n" + "\n".join(told), flush=True, file=sys.stdout)


def expected(workflow: Any, plan: Plan, gpu: int) -> list[tuple[str, Any, float]]:
    """Return rule, wildcards and foreseen seconds of the jobs that Snakemake is going to run; none if all are alike."""
    jobs = _jobs(workflow)
    if isinstance(plan.config.data, TextData):
        return [(rule, wildcards, seconds_of(plan, rule, wildcards)) for rule, wildcards in jobs]
    images = images_of(plan) if plan.reads_images else None
    if images is None:
        return []
    forecast = Forecast(plan, Workload(plan, images), [], speeds_of(plan), *_slots(workflow, plan, gpu))
    return [(rule, wildcards, forecast.of(rule, wildcards).seconds) for rule, wildcards in jobs]


def _jobs(workflow: Any) -> list[tuple[str, Any]]:
    jobs = workflow.dag.needrun_jobs(exclude_finished=False)
    return [(job.rule.name, job.wildcards_dict) for job in jobs if job.rule.name != "all"]


def told_of(plan: Plan, jobs: list[tuple[str, Any]], device: str, slots: int) -> list[str]:
    """Return the lines for some jobs, given as (rule, wildcards)."""
    if jobs and isinstance(plan.config.data, TextData):
        return text_lines(plan, jobs, slots)
    if not jobs or not plan.reads_images:
        return []
    images = images_of(plan)
    if images is None:
        return ["Estimate of time: how many images there are is unknown until the job `data` has read them."]
    found = lines(Forecast(plan, Workload(plan, images), jobs, speeds_of(plan), device, slots))
    # what the searches choose from is of interest until they are done
    searching = any(rule in SEARCHING for rule, _ in jobs)
    return [*(profile_of(plan, images) if searching else []), *found]


def profile_of(plan: Plan, images: Images) -> list[str]:
    """Return the least, median and largest network of the space, and how many keep the constraints."""
    config = plan.config
    shape = Shape(images.channels, images.side, images.classes)
    latency = (config.search.constraints or Constraints()).latency
    seed = derive_seed(config.seed, "profile")
    space, limits = declared(filled(config.space)), constrained(config.search)
    return [
        "Profile of the " + line if place == 0 else line
        for place, line in enumerate(profile_lines(space, shape, limits, seed, config.retrain.network, latency.batch))
    ]


def keep_speeds(plan: Plan, since: float) -> None:
    """Keep what the jobs took that began after the Unix time `since`."""
    images = images_of(plan) if plan.reads_images else None
    if images is not None:
        workload = Workload(plan, images)
        speeds_of(plan).add(measured_since(plan, workload, networks_of(workload), since))


def speeds_of(plan: Plan) -> Speeds:
    """Return the speeds that were measured in this folder."""
    return Speeds(Path(plan.placed(plan.store), FILE))


def _slots(workflow: Any, plan: Plan, gpu: int) -> tuple[str, int]:
    """Return the kind of device that trains, and how many trainings run at once."""
    nodes = workflow.resource_settings.nodes
    if gpu:
        return "cuda", nodes or _resource(workflow, "gpu") or 1
    usable = min(_resource(workflow, "_cores") or cores(), cores())
    return "cpu", nodes or max(1, usable // plan.config.threads)


def _resource(workflow: Any, name: str) -> int | None:
    """Return a number of Snakemake's resources, which is bare or has a unit; None if it is not one."""
    given = workflow.global_resources.get(name)
    found = getattr(given, "value", given)
    return found if isinstance(found, int) else None
