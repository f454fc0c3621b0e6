"""The declaration of a step: everything that is said of it outside its rule and its function. Imports no torch.

From a declaration come the settings file and what makes it stale, the command line, the manifest's list of files, what
`nas_steps.why` prints, and `docs/reference/results.md`. Each stage has its declarations in
`nas_steps/<stage>/steps/__init__.py`.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

#: the text about the ledger's line of a job, which most steps write
COST = "seconds, memory and device of the job"
#: the modules of a family of hand-designed networks
FAMILY = ("nas_steps.models.baselines.{family}", "nas_steps.spaces.families.{family}")
WILDCARD = re.compile(r"{(\w+)}")


@dataclass(frozen=True)
class Reads:
    """Where a field of the settings comes from: `path` of the config, `{strategy}` or `{recipe}` being a name in it.

    `path` may depend on the config. `value`, given the config and that name, shapes what the step gets;
    without it that is the value at the path, less the keys in `leave_out`. If what it gives has keys of the config
    inside,
    `depth` says how many levels of them. `whole` is the key that decides whether there is a value at all.
    """

    path: str | Callable[[Any], str]
    value: Callable[[Any, str], Any] | None = None
    leave_out: Sequence[str] = ()
    depth: int | None = None
    whole: str = ""

    def key(self, config: Any, name: str, inside: Sequence[str]) -> str:
        """Return the config's spelling of a place inside the value; what several keys make has the key above them."""
        if not inside and self.whole:
            return self.whole
        depth = (0 if self.value else len(inside)) if self.depth is None else self.depth
        return ".".join(filter(None, (self.path_in(config, name), *inside[:depth])))

    def path_in(self, config: Any, name: str) -> str:
        """Return the path, spelled out for one strategy or recipe."""
        path = self.path if isinstance(self.path, str) else self.path(config)
        return WILDCARD.sub(name, path)

    def of(self, config: Any, dump: Mapping[str, Any], name: str) -> Any:
        """Return the value as JSON has it. `dump` is the whole config as JSON."""
        if self.value is not None:
            return self.value(config, name)
        found: Any = dump
        for key in self.path_in(config, name).split("."):
            # a key that this kind of estimator or strategy does not have
            found = found.get(key) if isinstance(found, Mapping) else None
        if self.leave_out and isinstance(found, Mapping):
            found = {key: value for key, value in found.items() if key not in self.leave_out}
        return found


@dataclass(frozen=True)
class Step:
    """A step of the workflow.

    - `name`: of its rule, of its command and, unless `module` says otherwise, of its module `<stage>.steps.<name>`
    - `summary`: one sentence
    - `writes`: by the name that rules use, the file below results/<experiment>/ and what it holds
    - `reads`: by field of its settings, the config path that it comes from
    - `takes`: by option of the command line, what the input is; `name?` may be missing, `name*` are several files
    - `options`: likewise, what else the rule passes
    - `jobs`: by wildcard, the name of the plan's list of its values; one job for each combination
    - `when`: properties of the plan that must all be true, or the experiment has no such step
    - `packages`: the packages whose versions shape its numbers
    - `kind_packages`: likewise, those of one kind of strategy
    - `kinds`: modules that its settings and options choose, such as `nas_steps.search.samplers.{strategy[kind]}`
    - `stage`: its line in the ledger; `device`: whether it computes on the device of the config
    - `folder`: where its files lie: the `experiment`'s folder, or that of the prepared `data`
    - `package`: the stage's package, whose command runs it
    """

    name: str
    summary: str
    writes: Mapping[str, tuple[str, str]]
    reads: Mapping[str, str | Reads] = field(default_factory=dict)
    takes: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    jobs: Mapping[str, str] = field(default_factory=dict)
    when: Sequence[str] = ()
    packages: Sequence[str] = ()
    kind_packages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    kinds: Sequence[str] = ()
    stage: str = ""
    device: bool = False
    module: str = ""
    folder: str = "experiment"
    package: str = ""

    @cached_property
    def by(self) -> str:
        """The wildcard whose values have settings of their own, `strategy` or `recipe`; empty if there is none."""
        paths = (one.path for one in self.sources().values() if isinstance(one.path, str))
        return next((found[1] for path in paths if (found := WILDCARD.search(path))), "")

    def variant(self, wildcards: Mapping[str, Any]) -> str:
        """Return the strategy or recipe whose settings a job has; empty if all jobs share them."""
        return str(wildcards.get(self.by, "")) if self.by else ""

    def sources(self) -> dict[str, Reads]:
        """Return what each field of the settings is read from."""
        return {name: Reads(one) if isinstance(one, str) else one for name, one in self.reads.items()}

    def files(self, **wildcards: object) -> dict[str, str]:
        """Return the files of one job, below the step's folder, by name."""
        return {name: path.format(**wildcards) for name, (path, _) in self.writes.items()}

    def wildcards(self) -> list[str]:
        """Return the wildcards of its files, in order of appearance."""
        return list(self._wildcards)

    @cached_property
    def _wildcards(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(WILDCARD.findall(" ".join(path for path, _ in self.writes.values()))))

    def modules(self, settings: Mapping[str, Any], options: Mapping[str, Any]) -> list[str]:
        """Return the modules that one job runs: all that they import counts as its code."""
        # a strategy's settings, not its name, which is an option
        known = {name: value for name, value in {**options, **settings}.items() if value is not None}
        found = [self.module]
        for kind in self.kinds:
            with suppress(KeyError):  # an estimator without a proxy has no module of a proxy
                found.append(kind.format(**known))
        return found


def steps(package: str, *declared: Step) -> dict[str, Step]:
    """Return the declarations of a stage by name, in the order of a run, with the defaults of `package` filled in."""
    stage = package.rpartition(".")[2]
    named = {step.name: step for step in declared}
    return {
        name: replace(step, package=package, module=step.module or f"{package}.steps.{name}", stage=step.stage or stage)
        for name, step in named.items()
    }


def cardinality(name: str) -> tuple[str, str]:
    """Split the name of an option into the name and its mark: `costs?` is (costs, ?)."""
    return (name[:-1], name[-1]) if name[-1] in "?*+" else (name, "")


def trained(folder: str) -> dict[str, tuple[str, str]]:
    """Return what a final training writes into `folder`."""
    return {
        "metrics": (f"{folder}/metrics.json", "the record of a training, see below"),
        "history": (
            f"{folder}/history.csv",
            "epoch, learning_rate, train_loss, train_accuracy, valid_loss, valid_accuracy, seconds; by another "
            "`metric` than accuracy also valid_metric; of text also tokens, flops (so far)",
        ),
        "weights": (f"{folder}/weights.safetensors", "the state of the network"),
        "predictions": (
            f"{folder}/predictions.safetensors",
            "by image: valid, test (int64 classes), valid_confidence, test_confidence (float32 softmax); empty if the "
            "training did not end soundly, without valid if it trained on these images; of text valid_nats, test_nats "
            "(float64), valid_bytes, test_bytes by document, or by block of windows if there are few documents",
        ),
        "cost": (f"{folder}/cost.json", COST),
    }


def expand(step: Step, axis: Callable[[str, dict[str, Any]], Sequence[Any]]) -> Iterator[dict[str, Any]]:
    """Yield the wildcards of each job; `axis` gives the values of a list of the plan, given the wildcards so far."""

    def rest(names: list[str], chosen: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if not names:
            yield chosen
            return
        for value in axis(step.jobs[names[0]], chosen):
            yield from rest(names[1:], {**chosen, names[0]: value})

    yield from rest(list(step.jobs), {})


def common_folder(files: Mapping[str, str]) -> str:
    """Return the folder below which all files of a job lie."""
    return os.path.commonpath([os.path.dirname(file) or "." for file in files.values()])
