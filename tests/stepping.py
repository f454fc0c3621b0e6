"""Steps as the tests run them: settings files as the Snakefile writes them, and a step's command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from nas_steps.config.schema import Config
from nas_steps.provenance.settings import read_settings
from nas_steps.provenance.task import run_step
from nas_steps.workflow.plan import Plan
from nas_steps.workflow.steps import STEPS

Kind = TypeVar("Kind", bound=BaseModel)


def settings_files(config: Config, folder: str | Path) -> dict[str, str]:
    """The settings files of an experiment below `folder`, by step; of a step that a strategy or recipe has,
    `<step> <name>`, and by the strategy's name."""
    plan = Plan(config.model_dump(mode="json"), root=str(folder))
    found = {}
    for name, step in STEPS.items():
        for job in plan.jobs(name) if step.reads else []:
            variant = step.variant(job)
            found[f"{name} {variant}".strip()] = plan.settings(name, variant)
            if step.by == "strategy":
                found[variant] = plan.settings(name, variant)
    return found


def settings_of(config: Config, name: str, kind: type[Kind], folder: str | Path) -> Kind:
    """The settings of a step (of `<step> <strategy>`), typed."""
    return read_settings(settings_files(config, folder)[name], kind)


def run(name: str, **given: Any) -> None:
    """Run one job of the step `name`: keyword arguments are its options; lists are several values."""
    words = []
    for option, value in given.items():
        if value is None:
            continue
        words += [f"--{option}", *(map(str, value) if isinstance(value, list | tuple) else [str(value)])]
    run_step(STEPS[name], words)
