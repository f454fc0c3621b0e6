"""The workflow of one experiment: which jobs its config asks for, and what each is made with. Imports no torch.

Everything here is known from the config alone, so that a dry run shows the whole workflow.
"""

import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nas_steps.config import derive
from nas_steps.config.estimators import SharedWeights, Table
from nas_steps.config.load import load, read_yaml
from nas_steps.config.scaling import rung_networks
from nas_steps.config.search import constrained, measured_latency, needs_costs
from nas_steps.config.space import filled
from nas_steps.config.strategies import SAMPLING, Enas, Gradient
from nas_steps.config.text import TextData
from nas_steps.config.walk import nearest_key
from nas_steps.config.weights import is_file, pretrains
from nas_steps.data.content import content_fingerprint, same_outcome
from nas_steps.data.text.content import text_fingerprint
from nas_steps.data.text.files import KINDS, TOKENIZER
from nas_steps.errors import UserError, exact
from nas_steps.estimation.table import check_table
from nas_steps.export.packages import packages_of
from nas_steps.provenance.fingerprint import code_fingerprint, module_hashes, transitive_imports
from nas_steps.provenance.modules import MODULES, remembered
from nas_steps.provenance.settings import write_settings
from nas_steps.provenance.step import Step, cardinality, common_folder, expand
from nas_steps.provenance.versions import describe_versions
from nas_steps.retraining.names import rival_names, takes_a_budget
from nas_steps.search.slots import slot_entry, slots
from nas_steps.spaces.baselines import family_of
from nas_steps.spaces.declare import declared, declared_on_images
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.workflow.latencies import check_latencies, table_of
from nas_steps.workflow.steps import STEPS

#: keys of the data that count only if they lead to other data
TOLERANCE = ("unreadable", "max_image_pixels")


@dataclass(frozen=True)
class Made:
    """Files that one step makes of one settings file by one code; `variant` tells them from the step's others."""

    step: Step
    variant: str
    files: list[str]
    settings: str
    code: str
    versions: str

    @property
    def rule(self) -> str:
        return self.step.name

    @property
    def name(self) -> str:
        """The rule, and the strategy, recipe or family of networks that it is for: `propose evolution`."""
        return f"{self.rule} {self.variant}".strip()


class Plan:
    """The workflow of one experiment. Raises UserError for a config that cannot be run.

    `root` is the folder that results go to; creating a Plan writes the steps' settings below it. `placed` says where a
    file of the rules really lies: as a module of another workflow, Snakemake puts a prefix before it. With `warn`, old
    names of keys are reported.
    """

    def __init__(
        self,
        raw: Mapping[str, Any],
        origin: str = "config",
        root: str = "results",
        placed: Callable[[str], str] = str,
        warn: bool = True,
    ) -> None:
        self.config = load(raw, origin, warn=warn)
        self.dump = self.config.model_dump(mode="json")
        self.root = root
        self.placed = placed
        self.folder = f"{root}/{self.config.experiment}"
        self.store = f"{root}/settings"
        self._settings: dict[tuple[str, str], str] = {}
        self._values: dict[tuple[str, str], dict[str, Any]] = {}
        self._code: dict[tuple[str, ...], str] = {}
        self.content = self._content_of_data()
        self.benchmark_content = self._content_of_benchmark()
        self.table_content = self._content_of_latencies()
        self.weights_content = self._content_of_weights()
        self.tolerance = ""
        self.data_folder = self._data_folder()
        check_latencies(self.config, Path(self.placed(self.data_folder)))
        estimator = self.config.search.estimator
        if isinstance(estimator, Table):
            space, memory = declared_on_images(filled(self.config.space)), f"{self.store}/tables.json"
            content = f"{self.benchmark_content} {code_fingerprint(check_table.__module__)}"
            check_table(estimator.path, estimator, space, memory, content)

    # ------------------------------------------------------------------------------------------ made with what

    def values(self, step: Step, variant: str = "") -> dict[str, Any]:
        """Return the settings of a step (of one strategy or recipe): what its declaration reads of the config.

        Nothing stands for null.
        """
        variant = variant if step.by else ""
        if (step.name, variant) not in self._values:
            given: dict[str, Any] = {"content": self.content, "tolerance": self.tolerance, "config": self.dump}
            given |= {"weights_content": self.weights_content, "table_content": self.table_content}
            if "table" in step.reads:
                given["content"] = self.benchmark_content
            values = {
                name: given[name] if source.path == "" else source.of(self.config, self.dump, variant)
                for name, source in step.sources().items()
            }
            known = {name: value for name, value in values.items() if value is not None}
            self._values[step.name, variant] = known
        return self._values[step.name, variant]

    def settings(self, name: str, variant: str = "") -> str:
        """Return the settings file of a step (of one strategy or recipe); empty if it reads none."""
        step = STEPS[name]
        if name == "manifest":
            return self.manifest_settings()
        if not step.reads:
            return ""
        variant = variant if step.by else ""
        if (name, variant) not in self._settings:
            file = "-".join(filter(None, (name, variant)))
            self._settings[name, variant] = write_settings(file, self.values(step, variant), self.store)
        return self._settings[name, variant]

    def code(self, name: str, **wildcards: Any) -> str:
        """Return the fingerprint of the code that a job runs. `code-<fingerprint>.json` among the settings spells it
        out, so that a later run can name the modules that changed."""
        modules = self._roots(name, wildcards)
        if modules not in self._code:
            with remembered(f"{self.store}/{MODULES}"):
                path = write_settings("code", module_hashes(*modules), self.store)
            self._code[modules] = Path(path).stem.removeprefix("code-")
        return self._code[modules]

    def _roots(self, name: str, wildcards: dict[str, Any]) -> tuple[str, ...]:
        """Return the modules that a job runs, without what they import."""
        step = STEPS[name]
        values = self.values(step, step.variant(wildcards)) if step.kinds else {}
        return tuple(step.modules(values, self.options(step, wildcards)))

    def loaded(self, jobs: Iterable[tuple[str, dict[str, Any]]]) -> dict[str, list[str]]:
        """Return by command, `nas_steps.search darts`, the modules of the package that some jobs can load.

        `jobs` are steps and wildcards. Steps are in the order of a run; each has what none before it has.
        """
        roots: dict[str, set[str]] = {}
        for name, wildcards in jobs:
            if name in STEPS:
                roots.setdefault(name, set()).update(self._roots(name, wildcards))
        found: dict[str, list[str]] = {}
        for step in (STEPS[name] for name in STEPS if name in roots):
            earlier = {module for modules in found.values() for module in modules}
            found[f"{step.package} {step.name}"] = sorted(transitive_imports(*roots[step.name]) - earlier)
        return found

    def config_key(self, settings: str, path: Sequence[str]) -> str:
        """Return the key of the config that a value of some settings is read from: of `darts-long` and (strategy,
        epochs) `search.strategies.long.epochs`. A value that several keys make has the key above them."""
        name, _, variant = settings.partition("-")
        if name == "manifest":
            return ".".join(path)
        if name == "data" and path[0] == "tolerance":
            return "data.unreadable and data.max_image_pixels"
        return nearest_key(STEPS[name].sources()[path[0]].key(self.config, variant, path[1:]))

    def versions(self, name: str, strategy: str = "") -> str:
        """Return the packages whose version shapes a step's numbers (by one strategy), as text."""
        step = STEPS[name]
        kind = self.config.search.strategies[strategy].kind if strategy and step.kind_packages else ""
        formats = packages_of(self.config.export.formats) if "export" in step.reads else ()
        return describe_versions((*step.packages, *step.kind_packages.get(kind, ()), *formats))

    def options(self, step: Step, wildcards: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a job is told besides its settings and files."""
        known: dict[str, Any] = {"shards": self.config.shards}
        entry, budget = wildcards.get("entry"), self.config.retrain.budget
        if entry is not None:
            known["kind"] = self.entries[entry]
        if entry in self.config.retrain.baselines:
            known["family"] = family_of(entry)
            known |= {} if budget is None else {"macs": budget.macs, "parameters": budget.parameters}
        if step.name == "weights":
            known["family"] = family_of(str(derive.pretrained_network(self.config)))
        if "factorial" in step.reads and wildcards.get("base", "hand_designed") == "hand_designed":
            known["family"] = family_of(self.config.scaling.factorial.hand_designed)
        names = [cardinality(option)[0] for option in step.options]
        return {name: value for name in names if (value := known.get(name)) is not None}

    def command(
        self, name: str, wildcards: Mapping[str, Any], files: Mapping[str, Any], output: Mapping[str, str]
    ) -> str:
        """Return the command line of a job, less its options: `files` are its inputs and `output` its outputs by name.

        Snakemake does not watch it: what counts of it are the settings, the code and the files.
        """
        step = STEPS[name]
        words = [*launcher(self.processes(name, wildcards)), step.package, name]
        if step.reads:
            words += ["--settings", self.settings(name, step.variant(wildcards))]
        for wildcard in step.wildcards():
            words += [f"--{wildcard}", str(wildcards[wildcard])]
        for option in step.takes:
            option, mark = cardinality(option)
            given = _listed(files.get(option))
            if option == "data" and given:
                given = [os.path.dirname(given[0])]
            if option == "path":
                path = self.config.weights.source if name == "weights" else self.table
                words += [f"--path={path}"] if name != "weights" or is_file(self.config.weights) else []
            elif option == "latencies":
                words += [] if (table := table_of(self.config)) is None else [f"--latencies={table}"]
            elif given:
                words += [f"--{option}", *(given if mark in ("*", "+") else given[-1:])]
        if step.device:
            words += ["--device", self.config.device]
        declared = step.files(**wildcards)
        first = next(iter(declared))
        below = os.path.relpath(declared[first], common_folder(declared))
        return shlex.join([*words, "--output", output[first].removesuffix(below).rstrip("/")])

    def processes(self, name: str, wildcards: Mapping[str, Any]) -> int:
        """Return how many processes train one network of a job together."""
        step = STEPS[name]
        values = self.values(step, step.variant(wildcards)) if step.device else {}
        for holder in (values, values.get("strategy"), values.get("supernet")):
            if isinstance(holder, Mapping) and "processes" in holder:
                return int(holder["processes"])
        return 1

    # ------------------------------------------------------------------------------------------------ data

    def _content_of_data(self) -> str:
        """Return a fingerprint of the text, or of the user's images; empty if none of theirs are read."""
        data = self.config.data
        if isinstance(data, TextData):
            return text_fingerprint(data, f"{self.store}/file_hashes.json", Path(self.root))
        path = data.path if data.source in ("folder", "npz") and self.reads_images else None
        return "" if path is None else content_fingerprint(path, f"{self.store}/file_hashes.json", self.root)

    def _content_of_benchmark(self) -> str:
        """Return a fingerprint of the benchmark's table; empty if there is none."""
        path = self.table
        return "" if path is None else content_fingerprint(path, f"{self.store}/file_hashes.json", self.root)

    def _content_of_latencies(self) -> str | None:
        """Return a fingerprint of what another device took, None if latency is measured here."""
        path = table_of(self.config)
        return None if path is None else content_fingerprint(path, f"{self.store}/file_hashes.json", self.root)

    def _content_of_weights(self) -> str:
        """Return a fingerprint of the user's file of pretrained weights; empty if there is none."""
        source, known = self.config.weights, f"{self.store}/file_hashes.json"
        return content_fingerprint(source.source, known, self.root) if is_file(source) else ""

    def _data_folder(self) -> str:
        """Return where the prepared data lie: `results/data/<source>-<fingerprint of their settings>`.

        Whether unreadable files and too large pictures are refused or skipped is part of the name only if it matters:
        if the data were prepared before and another answer would have led to others.
        """
        data = self.config.data
        if isinstance(data, TextData):
            return f"{self.root}/data/{data.source}-{Path(self.settings('text')).stem.removeprefix('text-')}"
        plain = self.settings("data")
        self.tolerance = self.tolerance_text if data.source == "folder" else ""
        self._forget("data")
        strict = self.settings("data")
        folders = [
            f"{self.root}/data/{data.source}-{Path(path).stem.removeprefix('data-')}" for path in (plain, strict)
        ]
        lies, strictly = Path(self.placed(folders[0])), Path(self.placed(folders[1]))
        others = Path(lies, "meta.json").is_file() and not same_outcome(lies, data)
        if plain != strict and (strictly.is_dir() or others):
            return folders[1]
        self.tolerance = ""
        self._forget("data")
        return folders[0]

    def _forget(self, name: str) -> None:
        for known in (self._settings, self._values):
            known.pop((name, ""), None)

    @property
    def tolerance_text(self) -> str:
        """What is done with files that cannot be read, and with pictures that are too large."""
        return " ".join(str(getattr(self.config.data, key)) for key in TOLERANCE)

    @property
    def tolerance_given(self) -> str:
        """The same, if it is not the default; empty for text."""
        if isinstance(self.config.data, TextData):
            return ""
        default = type(self.config.data)()
        given = any(getattr(self.config.data, key) != getattr(default, key) for key in TOLERANCE)
        return self.tolerance_text if self.config.data.source == "folder" and given else ""

    def check_prepared(self) -> None:
        """Raise UserError if another run has prepared the data meanwhile, and otherwise than this config asks."""
        data = self.config.data
        lies = Path(self.placed(self.data_folder))
        if isinstance(data, TextData):
            return
        if data.source == "folder" and Path(lies, "meta.json").is_file() and not same_outcome(lies, data):
            raise UserError(
                f"another run has prepared {lies} meanwhile, with another data.unreadable or data.max_image_pixels "
                "that leaves out other files; run snakemake again, which prepares them as this config asks"
            )

    def data(self, *splits: str) -> list[str]:
        """Return the prepared files of some splits, and meta.json; of text, its tokens if they are no bytes, too."""
        data = self.config.data
        if isinstance(data, TextData):
            parts = [f"{split}_{what}.{end}" for split in splits for what, end in KINDS.items()]
            names = [*parts, *([TOKENIZER] if data.tokens == "bpe" else []), "meta.json"]
            return [f"{self.data_folder}/{name}" for name in names]
        arrays = [f"{self.data_folder}/{split}_{what}.npy" for split in splits for what in ("images", "labels")]
        return [*arrays, f"{self.data_folder}/meta.json"]

    @property
    def data_path(self) -> str:
        """The options that say where the user's files lie; empty if the source needs none."""
        data = self.config.data
        if data.path is None:
            return ""
        options = [f"--path={data.path}"]
        if isinstance(data, TextData):
            options += ["--leave-out", self.root]
        elif data.source == "folder":
            options += ["--leave-out", self.root, "--unreadable", data.unreadable]
            options += ["--max-image-pixels", str(data.max_image_pixels)]
        return shlex.join(options)

    # ------------------------------------------------------------------------------- what there is, by the config

    @property
    def table(self) -> str | None:
        """The benchmark's table, if evaluating and retraining are lookups."""
        estimator = self.config.search.estimator
        return estimator.path if isinstance(estimator, Table) else None

    @property
    def in_table(self) -> bool:
        return self.table is not None

    @property
    def by_surrogate(self) -> bool:
        """Whether a surrogate completes the benchmark's table."""
        estimator = self.config.search.estimator
        return isinstance(estimator, Table) and estimator.missing == "surrogate"

    @property
    def trains(self) -> bool:
        return self.table is None

    @property
    def reads_data(self) -> bool:
        """Whether something is trained: all but a table's searches, or the supernets whose networks are looked up."""
        return self.trains or bool(self._axes["gradient"] or self._axes["enas"])

    @property
    def reads_text(self) -> bool:
        """Whether language models are trained."""
        return isinstance(self.config.data, TextData)

    @property
    def reads_images(self) -> bool:
        return self.reads_data and not self.reads_text

    @property
    def reproduces(self) -> bool:
        """Whether looked up accuracies are compared with published ones."""
        return self.in_table and bool(self.config.report.published)

    @property
    def pretrains(self) -> bool:
        """Whether networks start from pretrained weights."""
        return pretrains(self.config.weights)

    def pretrained(self, output: str = "source") -> list[str]:
        """Return the pretrained weights that networks start from, or the `facts` about them; none from nothing."""
        return self.every("weights", output)

    @property
    def one_shot(self) -> bool:
        """Whether architectures are scored by the shared weights of a supernet."""
        return isinstance(self.config.search.estimator, SharedWeights)

    @property
    def scores_by_jobs(self) -> bool:
        """Whether architectures are scored by jobs of their own."""
        return not self.one_shot and self.trains

    @property
    def screens(self) -> bool:
        """Whether a cheap score chooses what is evaluated."""
        return self.config.search.screen is not None

    @property
    def needs_blocks(self) -> bool:
        """Whether the search has to know what each block of a network costs."""
        return needs_costs(self.config.search)

    @property
    def sampled(self) -> bool:
        """Whether a uniform sample is trained, by which scores are judged."""
        return self.trains and self.config.ranking.uniform > 0

    @property
    def by_recipes(self) -> bool:
        """Whether entries are trained by further recipes."""
        return self.trains and bool(self.config.retrain.recipes)

    @property
    def scaled(self) -> bool:
        return self.trains and self.config.scaling.enabled

    @property
    def factorial(self) -> bool:
        """Whether search and scaling are told apart."""
        return self.trains and self.config.scaling.factorial.enabled

    @property
    def climbs(self) -> bool:
        """Whether language models are compared over rungs of compute."""
        return self.trains and self.config.scaling.rungs.enabled

    @property
    def latency_threads(self) -> int:
        """CPU threads of the job that measures latency."""
        latency = measured_latency(self.config.search)
        return 1 if latency is None or latency.table is not None else latency.threads

    @property
    def measures_on_device(self) -> bool:
        """Whether latency is measured on `device`, which may be a GPU."""
        latency = measured_latency(self.config.search)
        return latency is not None and latency.table is None and latency.runtime != "onnxruntime"

    # --------------------------------------------------------------------- values of the wildcards, by their list

    def axis(self, name: str, chosen: Mapping[str, Any]) -> Sequence[Any]:
        """Return the values of one wildcard: `name` is the list in a declaration's `jobs`, `chosen` the wildcards
        before it."""
        if name == "rounds":
            return self.rounds(chosen["strategy"])
        return self._axes[name]

    @cached_property
    def _axes(self) -> dict[str, Sequence[Any]]:
        config, strategies = self.config, self.config.search.strategies
        sampling = [name for name, settings in strategies.items() if isinstance(settings, SAMPLING)]
        return {
            "sampling": sampling,
            "in_rounds": sampling if self.scores_by_jobs else [],
            "gradient": [name for name, settings in strategies.items() if isinstance(settings, Gradient)],
            "enas": [name for name, settings in strategies.items() if isinstance(settings, Enas)],
            "search_seeds": range(config.search.seeds),
            "shards": range(config.shards),
            "ranking_seeds": range(config.ranking.seeds),
            "entries": list(self.entries),
            "recipes": list(config.retrain.recipes),
            "retraining_seeds": range(config.retrain.seeds),
            "members": range(config.scaling.members),
            "scaling_seeds": range(config.scaling.seeds),
            "bases": config.scaling.factorial.bases,
            "scalings": config.scaling.factorial.scalings,
            "factorial_seeds": range(config.scaling.factorial.seeds),
            "rung_networks": list(rung_networks(config.scaling.rungs, strategies, config.retrain.baselines)),
            "rung_factors": [exact(factor) for factor in config.scaling.rungs.factors],
            "rung_seeds": range(config.scaling.rungs.seeds),
        }

    def has(self, name: str) -> bool:
        """Return whether the experiment has a step."""
        return all(getattr(self, condition) for condition in STEPS[name].when)

    def uses(self, name: str) -> bool:
        """Return whether the experiment has a job of a step."""
        return self.has(name) and next(expand(STEPS[name], self.axis), None) is not None

    def jobs(self, name: str) -> list[dict[str, Any]]:
        """Return the wildcards of each job of a step; none if the experiment has no such step."""
        return list(expand(STEPS[name], self.axis)) if self.has(name) else []

    def every(self, name: str, output: str) -> list[str]:
        """Return one output of all jobs of a step."""
        return [self.file(name, output, **wildcards) for wildcards in self.jobs(name)]

    def file(self, name: str, output: str, **wildcards: Any) -> str:
        """Return one output of one job of a step; wildcards that are not given stay in it."""
        step = STEPS[name]
        whole = {wildcard: f"{{{wildcard}}}" for wildcard in step.wildcards()} | wildcards
        return f"{self.below(step)}/{step.writes[output][0].format(**whole)}"

    def below(self, step: Step) -> str:
        """Return the folder that the files of a step lie in."""
        return self.data_folder if step.folder == "data" else self.folder

    def strategies_of(self, name: str) -> str:
        """Return a pattern of the strategies that a step searches by; nothing matches it if there are none."""
        return "|".join(self._axes[STEPS[name].jobs["strategy"]]) or "(?!)"

    # ---------------------------------------------------------------------------------------------- search

    @property
    def searches(self) -> list[tuple[str, int]]:
        """Every (strategy, search seed), seed by seed."""
        return [(name, seed) for name in self.config.search.strategies for seed in range(self.config.search.seeds)]

    def rounds(self, strategy: str) -> range:
        """Return the rounds of a strategy that asks and tells."""
        settings = self.config.search.strategies[strategy]
        assert not isinstance(settings, (Gradient, Enas))
        return range(settings.rounds)

    def evaluated(self, strategy: str, seed: int | str, number: int | None = None) -> list[str]:
        """Return the estimates of the round before round `number`, of the last round when None: the evaluated shards,
        and what a screen turned down."""
        number = len(self.rounds(strategy)) if number is None else number
        if not number:
            return []
        which = {"strategy": strategy, "seed": seed, "round": number - 1}
        shards = [self.file("evaluate", "estimates", **which, shard=shard) for shard in range(self.config.shards)]
        return [*shards, self.file("screen", "rejected", **which)] if self.screens else shards

    def asked(self, strategy: str, seed: int | str, number: int) -> dict[str, list[str]]:
        """Return what a strategy is asked for its round `number` with: the inputs of `propose`, by name."""
        return {
            "budget": self.budget(strategy),
            "earlier": self.before("evaluations", strategy, seed, number),
            "state": self.before("state", strategy, seed, number),
            "evaluated": self.evaluated(strategy, seed, number),
        }

    def before(self, output: str, strategy: str, seed: int | str, number: int) -> list[str]:
        """Return an output of `propose` of the round before round `number`; none before the first."""
        which = {"strategy": strategy, "seed": seed, "round": number - 1}
        return [self.file("propose", output, **which)] if number else []

    def proposed(self, strategy: str, seed: int | str, output: str = "evaluations") -> list[str]:
        """Return an output of `propose` of each round: by default the estimates of all rounds before it."""
        return [
            self.file("propose", output, strategy=strategy, seed=seed, round=number) for number in self.rounds(strategy)
        ]

    def budget(self, strategy: str) -> list[str]:
        """Return the counted budget, for the strategy that is matched to it; the others know their own."""
        return [self.budgeted] if derive.matched(self.config, strategy) else []

    @property
    def budgeted(self) -> str:
        """The training cost of each strategy: the first file of an experiment that is made from the data."""
        return f"{self.folder}/search/budget.json"

    def candidates(self) -> list[str]:
        """Return what each search ends in."""
        return [f"{self.folder}/search/{name}-{seed}/candidates.csv" for name, seed in self.searches]

    def histories(self) -> list[str]:
        """Return how each search went."""
        return [f"{self.folder}/search/{name}-{seed}/history.csv" for name, seed in self.searches]

    # --------------------------------------------------------------------------------- ranking, retraining

    @cached_property
    def entries(self) -> dict[str, str]:
        """What is retrained, by name, with its kind."""
        kinds = {
            f"{name}-{seed}": "random" if self.config.search.strategies[name].kind == "random" else "searched"
            for name, seed in self.searches
        }
        # what random search had found within each other strategy's cost, if that is another network
        strategies = self.config.search.strategies
        randoms = [name for name, one in strategies.items() if one.kind == "random"]
        kinds |= {
            slot_entry(name, slot, seed): "random"
            for name in randoms
            for slot in slots(len(strategies) - len(randoms))
            for seed in range(self.config.search.seeds)
        }
        retrain = self.config.retrain
        kinds |= {f"uniform-{number}": "uniform" for number in range(retrain.uniform)}
        if retrain.largest:
            kinds["largest"] = "largest"
        kinds |= dict.fromkeys(retrain.baselines, "baseline")
        space = declared(filled(self.config.space))
        if self.pretrains and isinstance(space, MobileSpace):
            kinds |= rival_names(space.resolution)
        return kinds

    def winners(self, entry: str) -> list[str]:
        """Return where an entry's architecture stands, or what it is fitted to; the others wait for no search."""
        budget = self.config.retrain.budget
        fitted = budget is not None and budget.winner and takes_a_budget(entry)
        if self.entries[entry] in ("searched", "random", "from_nothing") or fitted:
            return [f"{self.folder}/ranking/winners.csv"]
        return []

    def drawn_within(self, entry: str) -> list[str]:
        """Return what the constraints of the searches are judged by; none if there are none, or a search kept them."""
        needed = self.entries[entry] not in ("searched", "random") and constrained(self.config.search)
        return self.every("measure_blocks", "blocks") if needed else []

    def inherited(self, entry: str) -> list[str]:
        """Return the weights of the supernet that an entry starts from; none if it starts from none."""
        kind = self.entries[entry]
        if self.config.retrain.start != "supernet" or kind not in ("searched", "random", "uniform"):
            return []
        seed = 0 if kind == "uniform" else int(entry.rpartition("-")[2])
        return [self.file("supernet", "weights", seed=seed)]

    def judged_by(self) -> list[str]:
        """Return where the ranking's scores stand if no image is left to validate final trainings on."""
        merged = self.config.retrain.train_on == "train+valid"
        return [f"{self.folder}/ranking/winners.csv"] if merged else []

    def climber(self, network: str) -> list[str]:
        """Return where a network of the rungs stands; a hand-designed one waits for no search."""
        kinds = rung_networks(self.config.scaling.rungs, self.config.search.strategies, self.config.retrain.baselines)
        return [f"{self.folder}/ranking/winners.csv"] if kinds[network] == "searched" else []

    def smaller(self, output: str, member: str, seed: str | int) -> list[str]:
        """Return an output of the training whose weights a member starts from; none if they are random."""
        if not self.config.scaling.warm_start or int(member) == 0:
            return []
        return [self.file("train_member", output, member=int(member) - 1, seed=seed)]

    # -------------------------------------------------------------------------------------- what it ends in

    def reported(self) -> list[str]:
        """Return all that the report reads, the costs aside: they come with these files."""
        files = [*self.images_reported(), *self.candidates(), *self.histories()]
        for name, outputs in REPORTED.items():
            files += [file for output in outputs for file in self.every(name, output)]
        return files

    def images_reported(self) -> list[str]:
        """Return the prepared files that the report reads: the test part if there are predictions, or what is said of
        the images that supernets learnt from."""
        return self.data("test") if self.trains else self.data() if self.reads_data else []

    @property
    def report(self) -> str:
        return f"{self.folder}/report/report.html"

    @property
    def manifest(self) -> str:
        return f"{self.folder}/manifest.json"

    # -------------------------------------------------------------------------------------------- manifest

    @cached_property
    def _made(self) -> list[Made]:
        found: dict[tuple[str, str], Made] = {}
        for name, step in STEPS.items():
            if name == "manifest":
                continue
            for wildcards in self.jobs(name):
                own = step.variant(wildcards)
                variant = " ".join(filter(None, (own, self.options(step, wildcards).get("family"))))
                files = step.files(**wildcards)
                if step.folder == "data":
                    # what preparing the data cost is no result of one experiment
                    files.pop("cost")
                made = found.get((name, variant))
                if made is None:
                    settings, versions = Path(self.settings(name, own)).stem, self.versions(name, own)
                    made = Made(step, variant, [], settings, self.code(name, **wildcards), versions)
                    found[name, variant] = made
                made.files.extend(f"{self.below(step)}/{file}" for file in files.values())
        return list(found.values())

    def made(self) -> list[Made]:
        """Return every file that lasts, by the step that makes it; logs and what preparing the data cost aside."""
        return self._made

    def lasting(self) -> dict[str, Made]:
        """Return every file that lasts, where it really lies, and what makes it."""
        return self._lasting

    @cached_property
    def _lasting(self) -> dict[str, Made]:
        return {self.placed(file): made for made in self.made() for file in made.files}

    def listed(self) -> list[str]:
        """Return what the manifest is made from. The arrays are not among it: meta.json holds their checksums."""
        files = [file for made in self.made() if made.step.folder != "data" for file in made.files]
        return [*(self.data() if self.reads_data else []), *files]

    def fingerprints(self) -> dict[str, dict[str, str]]:
        """Return what each step's files are made with now, by `Made.name`: name of the settings, code, versions."""
        return {
            made.name: {
                "rule": made.rule,
                "settings": made.settings,
                "code": made.code,
                "versions": made.versions,
            }
            for made in self.made()
        }

    def manifest_settings(self) -> str:
        """Return the settings file of the manifest: which files there are, and what they are made with."""
        files = {os.path.relpath(file, self.folder): made.name for made in self.made() for file in made.files}
        value = {"config": self.dump, "rules": self.fingerprints(), "files": files}
        return write_settings("manifest", value, self.store)


#: outputs that the report reads, by step; candidates, histories and costs aside
REPORTED = {
    "measure_blocks": ("blocks", "latency"),
    "profile_space": ("profile",),
    "budget": ("budget",),
    "supernet_statistics": ("statistics", "summary"),
    "calibrate": ("calibration", "sufficiency"),
    "rank": ("ranked", "agreement", "winners", "opponents", "search_costs"),
    "compare": ("estimators", "pool"),
    "fit_surrogate": ("checks",),
    "rank_in_table": ("budget", "winners", "agreement", "opponents", "search_costs", "looked_up", "largest"),
    "gather_retraining": ("retrained", "summary", "comparisons", "contests"),
    "recommend": ("recommended",),
    "lookup": ("retrained", "summary", "comparisons", "contests"),
    "reproduce": ("reproduction", "found"),
    "gather_recipes": ("recipes", "recipe_contests", "recipe_agreement"),
    "retrain": ("metrics", "predictions"),
    "choose_scaling": ("chosen",),
    "gather_family": ("family",),
    "gather_factorial": ("factorial", "effects"),
    "gather_rungs": ("rungs", "curves", "multipliers", "effects"),
    "gather_exports": ("exports", "performance"),
}


def _listed(files: Any) -> list[str]:
    """Return one file, several or none as a list."""
    if not files:
        return []
    return [str(files)] if isinstance(files, str) else [str(file) for file in files]


def merged(paths: Iterable[str | Path], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Lay configs and `key=value` overrides over each other as Snakemake does it, without a workflow."""
    from snakemake.cli import parse_config
    from snakemake.utils import update_config

    raw: dict[str, Any] = {}
    for path in paths:
        update_config(raw, read_yaml(path))
    try:
        update_config(raw, parse_config(overrides))
    except ValueError as error:
        if bare := [one for one in overrides if "=" not in one]:
            raise UserError(f"--config {bare[0]}: give each key a value, as in --config seed=3") from None
        raise UserError(f"--config {' '.join(overrides)}: {error}; write for instance --config seed=3") from None
    return raw


def check_files(paths: list[str | Path]) -> str:
    """Read config files for what Snakemake's own reader lets pass, such as a key that stands twice.

    Returns their names, to be told with what is wrong in them.
    """
    for path in paths:
        read_yaml(path)
    return ", ".join(map(str, paths)) or "config"


def launcher(processes: int) -> list[str]:
    """Return what starts a step in so many processes."""
    return ["python", "-m", *([] if processes == 1 else ["nas_steps.training.launch", str(processes), "-m"])]
