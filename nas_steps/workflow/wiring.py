"""What a rule takes from the declaration of its step."""

import inspect
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import cache, cached_property
from typing import Any, TypeVar

from nas_steps.errors import exact
from nas_steps.provenance.step import cardinality
from nas_steps.workflow.plan import Plan
from nas_steps.workflow.steps import STEPS

#: what each rule's shell runs; `wired` says what it is
RUN = "{params.command} {params.options} > {log:q} 2>&1"
#: a function of a job's wildcards
Function = TypeVar("Function", bound=Callable[..., Any])
#: the fields of a name of a module
FIELD = re.compile(r"{(\w+)")
#: options that all jobs of an experiment share
COMMON = {"shards"}


class Wired(Mapping[str, Any]):
    """The params of a step's rule, for `params: **step("darts")`.

    Snakemake watches `settings`, `code`, `versions` and `options`: a change of one makes the files stale. It does not
    watch `command`, a function of the files: where they lie and on what device they are computed does not count.
    """

    def __init__(self, plan: Plan, name: str) -> None:
        self.plan = plan
        self.step = STEPS[name]

    def __getitem__(self, name: str) -> Any:
        return self._params[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._params)

    def __len__(self) -> int:
        return len(self._params)

    @cached_property
    def _params(self) -> dict[str, Any]:
        return {
            "settings": self._settings(),
            "code": self._code(),
            "versions": self._versions(),
            "options": self._options(),
            "command": signed(lambda wildcards, input, output: self._command(wildcards, input, output)),
        }

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
            return signed(lambda wildcards: self.plan.settings(name, self.step.variant(dict(wildcards.items()))))
        # a step that this experiment does not need has no settings
        return self.plan.settings(name) if self.plan.has(name) else ""

    def _code(self) -> str | Callable[..., str]:
        name = self.step.name
        fields = {field for kind in self.step.kinds for field in FIELD.findall(kind)}
        if fields and (self.step.by or self._has_own_options or not fields <= self.step.reads.keys()):
            return signed(lambda wildcards: self.plan.code(name, **dict(wildcards.items())))
        return self.plan.code(name) if self.plan.uses(name) else ""

    def _versions(self) -> str | Callable[..., str]:
        name = self.step.name
        if self.step.kind_packages:
            return signed(lambda wildcards: self.plan.versions(name, wildcards.strategy))
        return self.plan.versions(name)

    def _options(self) -> str | Callable[..., str]:
        if not self.step.options:
            return ""
        if self._has_own_options:
            return signed(lambda wildcards: spelled(self.plan.options(self.step, dict(wildcards.items()))))
        return spelled(self.plan.options(self.step, {})) if self.plan.uses(self.step.name) else ""

    @property
    def _has_own_options(self) -> bool:
        """Whether jobs of the step differ in their options."""
        return not {cardinality(name)[0] for name in self.step.options} <= COMMON

    def _command(self, wildcards: Any, input: Mapping[str, Any], output: Mapping[str, str]) -> str:
        return self.plan.command(self.step.name, dict(wildcards.items()), dict(input.items()), dict(output.items()))


def signed(function: Function) -> Function:
    """Note a function's parameters with it: Snakemake asks for them several times a job, and finds them so at once."""
    function.__signature__ = inspect.signature(function)  # type: ignore[attr-defined]
    return function


def spelled(options: Mapping[str, Any]) -> str:
    """Return options as words of a command line: `--kind baseline --macs 1234567`."""
    return " ".join(
        f"--{name} {exact(value) if isinstance(value, float) else shlex.quote(str(value))}"
        for name, value in options.items()
    )


def wired(plan: Plan) -> Callable[[str], Wired]:
    """Return the function that rules call `step`."""
    return cache(lambda name: Wired(plan, name))
