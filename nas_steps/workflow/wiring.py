"""What a rule takes from the declaration of its step."""

import shlex
from collections.abc import Callable, Mapping
from typing import Any

from nas_steps.errors import exact
from nas_steps.workflow.plan import Plan
from nas_steps.workflow.steps import STEPS

#: what each rule's shell runs; `wired` says what it is
RUN = "{params.command} {params.options} > {log:q} 2>&1"


class Wired(dict[str, Any]):
    """The params of a step's rule, for `params: **step("darts")`.

    Snakemake watches `settings`, `code`, `versions` and `options`: a change of one makes the files stale. It does not
    watch `command`, a function of the files: where they lie and on what device they are computed does not count.
    """

    def __init__(self, plan: Plan, name: str) -> None:
        self.plan = plan
        self.step = STEPS[name]
        super().__init__(
            settings=self._settings(), code=self._code(), versions=self._versions(), options=self._options()
        )
        self["command"] = self._command

    @property
    def outputs(self) -> dict[str, str]:
        """The files of the step by name, with their wildcards."""
        return {output: self.plan.file(self.step.name, output) for output in self.step.writes}

    @property
    def log(self) -> str:
        """The file of a job's log."""
        wildcards = "-".join(f"{{{name}}}" for name in self.step.wildcards())
        below = f"{self.step.name}/{wildcards}" if wildcards else self.step.name
        return f"{self.plan.folder}/logs/{below}.log"

    def _settings(self) -> str | Callable[..., str]:
        name = self.step.name
        if self.step.by:
            return lambda wildcards: self.plan.settings(name, self.step.variant(dict(wildcards.items())))
        # a step that this experiment does not need has no settings
        return self.plan.settings(name) if self.plan.has(name) else ""

    def _code(self) -> str | Callable[..., str]:
        name = self.step.name
        if self.step.kinds:
            return lambda wildcards: self.plan.code(name, **dict(wildcards.items()))
        return self.plan.code(name) if self.plan.has(name) else ""

    def _versions(self) -> str | Callable[..., str]:
        name = self.step.name
        if self.step.kind_packages:
            return lambda wildcards: self.plan.versions(name, wildcards.strategy)
        return self.plan.versions(name)

    def _options(self) -> str | Callable[..., str]:
        if not self.step.options:
            return ""
        return lambda wildcards: spelled(self.plan.options(self.step, dict(wildcards.items())))

    def _command(self, wildcards: Any, input: Mapping[str, Any], output: Mapping[str, str]) -> str:
        return self.plan.command(self.step.name, dict(wildcards.items()), dict(input.items()), dict(output.items()))


def spelled(options: Mapping[str, Any]) -> str:
    """Return options as words of a command line: `--kind baseline --macs 1234567`."""
    return " ".join(
        f"--{name} {exact(value) if isinstance(value, float) else shlex.quote(str(value))}"
        for name, value in options.items()
    )


def wired(plan: Plan) -> Callable[[str], Wired]:
    """Return the function that rules call `step`."""
    return lambda name: Wired(plan, name)
