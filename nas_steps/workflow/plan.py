"""Which files a config asks for: what the rules in `rules/` are filled in with. Imports no torch.

Everything here is known from the config alone, so that a dry run shows the whole workflow.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_steps.config.estimators import SharedWeights, ShortTraining, Table, ZeroCost
from nas_steps.config.load import load, read_yaml
from nas_steps.config.settings import write_settings
from nas_steps.config.slicing import data_settings, write_slices
from nas_steps.config.strategies import SAMPLING, Enas, Gradient, Random
from nas_steps.data.content import content_fingerprint, same_outcome
from nas_steps.errors import UserError, exact
from nas_steps.estimation.table import check_table
from nas_steps.provenance.fingerprint import code_fingerprint, module_hashes
from nas_steps.provenance.versions import describe_versions
from nas_steps.search.sampling import rounds
from nas_steps.spaces.baselines import to_be_fitted
from nas_steps.watched import WATCHED


@dataclass(frozen=True)
class Made:
    """Files that one rule makes by one slice of the config."""

    rule: str
    strategy: str
    files: list[str]

    @property
    def name(self) -> str:
        """The rule, and the strategy whose settings it goes by: `propose evolution`."""
        return f"{self.rule} {self.strategy}".strip()


SPLITS = ("train", "valid", "test")
TABLES = (
    "retrained",
    "contests",
    "comparisons",
    "estimators",
    "top",
    "sufficiency",
    "gaps",
    "agreement",
    "search",
    "latencies",
    "fronts",
    "family",
    "factorial",
    "effects",
    "exports",
    "performance",
    "costs",
)


class Plan:
    """The workflow of one experiment. Raises UserError for a config that cannot be run.

    `root` is the folder that results go to; creating a Plan writes the steps' settings below it. `placed` says where a
    file of the rules really lies: as a module of another workflow, Snakemake puts a prefix before it.
    """

    def __init__(
        self,
        raw: Mapping[str, Any],
        origin: str = "config",
        root: str = "results",
        placed: Callable[[str], str] = str,
    ) -> None:
        self.config = load(raw, origin)
        self.root = root
        self.placed = placed
        self.folder = f"{root}/{self.config.experiment}"
        self.store = f"{root}/settings"
        content = self._data_content()
        self.slices = write_slices(self.config, self.store, content)
        self.data_folder = self._data_folder(content)
        self._code: dict[str, str] = {}
        estimator = self.config.search.estimator
        if isinstance(estimator, Table):
            space, memory = self.config.space.cells(), f"{self.store}/tables.json"
            check_table(
                estimator.path, estimator, space, memory, f"{content} {code_fingerprint(check_table.__module__)}"
            )

    def settings(self, rule: str, strategy: str = "") -> str:
        """The settings file of a rule (of one strategy); empty where it reads none."""
        name = WATCHED[rule].settings
        # a rule that this experiment does not need has no settings
        return self.slices.get(f"search_{strategy}" if name == "search_" else name, "")

    def code(self, rule: str) -> str:
        """The fingerprint of the code that a rule runs. `code-<fingerprint>.json` among the settings spells it out,
        so that a later run can name the modules that changed."""
        if rule not in self._code:
            module = WATCHED[rule].module.format(estimator=self.estimator)
            path = write_settings("code", module_hashes(module), self.store)
            self._code[rule] = Path(path).stem.removeprefix("code-")
        return self._code[rule]

    def versions(self, rule: str) -> str:
        """The packages whose version shapes a rule's numbers, as text."""
        return describe_versions(WATCHED[rule].packages)

    def _data_content(self) -> str:
        """A fingerprint of the user's files that are read: the images, or the table; empty where there are none."""
        data = self.config.data
        path = data.path if data.source in ("folder", "npz") else None
        path = path if self.table is None else self.table
        return "" if path is None else content_fingerprint(path, f"{self.store}/file_hashes.json", self.root)

    def _data_folder(self, content: str) -> str:
        """Where the prepared data lie: `results/data/<source>-<fingerprint of their settings>`.

        Whether unreadable files and too large pictures are refused or skipped is part of the name only if it matters:
        if the data were prepared before and another answer would have led to others.
        """
        exact = write_settings(
            "data", data_settings(self.config, content, exact=True).model_dump(mode="json"), self.store
        )
        plain, strict = (
            f"{self.root}/data/{self.config.data.source}-{Path(path).stem.removeprefix('data-')}"
            for path in (self.slices["data"], exact)
        )
        lies = Path(self.placed(plain))
        prepared = Path(lies, "meta.json").is_file()
        strictly = Path(self.placed(strict)).is_dir()
        if plain != strict and (strictly or (prepared and not same_outcome(lies, self.config.data))):
            self.slices["data"] = exact
            return strict
        return plain

    def check_prepared(self) -> None:
        """Raise UserError if another run has prepared the data meanwhile, and otherwise than this config asks."""
        data = self.config.data
        lies = Path(self.placed(self.data_folder))
        if data.source == "folder" and Path(lies, "meta.json").is_file() and not same_outcome(lies, data):
            raise UserError(
                f"another run has prepared {lies} meanwhile, with another data.unreadable or data.max_image_pixels "
                "that leaves out other files; run snakemake again, which prepares them as this config asks"
            )

    def processes(self, strategy: str = "") -> int:
        """How many processes train one supernet of `strategy`, or one final network."""
        if not strategy:
            return self.config.retrain.processes
        settings = self.config.search.strategies[strategy]
        return settings.processes if isinstance(settings, Gradient) else 1

    @property
    def supernet_processes(self) -> int:
        """How many processes train one supernet that all strategies share."""
        estimator = self.config.search.estimator
        return estimator.supernet.processes if isinstance(estimator, SharedWeights) else 1

    # ------------------------------------------------------------------------------------------------ data

    def data(self, *splits: str) -> list[str]:
        """The prepared files of some splits, and meta.json."""
        arrays = [f"{self.data_folder}/{split}_{what}.npy" for split in splits for what in ("images", "labels")]
        return [*arrays, f"{self.data_folder}/meta.json"]

    @property
    def data_path(self) -> str:
        """The options that say where the user's files lie; empty where the source needs none."""
        data = self.config.data
        if data.path is None:
            return ""
        options = [f"--path={data.path}"]
        if data.source == "folder":
            options += ["--leave-out", self.root, "--unreadable", data.unreadable]
            options += ["--max-image-pixels", str(data.max_image_pixels)]
        return shlex.join(options)

    @property
    def tolerance(self) -> str:
        """What is done with files that cannot be read, if it is not what is done by default."""
        data = self.config.data
        given, default = ((one.unreadable, one.max_image_pixels) for one in (data, type(data)()))
        return "" if data.source != "folder" or given == default else f"{data.unreadable} {data.max_image_pixels}"

    # ---------------------------------------------------------------------------------------------- search

    @property
    def estimator(self) -> str:
        """The step of `nas_steps.estimation` that scores architectures. A table needs none: it is looked into; nor do
        shared weights, which score within the search."""
        kind = self.config.search.estimator.kind
        return "short_training" if kind in ("table", "shared_weights") else kind

    @property
    def scores(self) -> str:
        """What the scores of this experiment are: the name of an estimator, or of its proxy."""
        estimator = self.config.search.estimator
        return estimator.proxy if isinstance(estimator, ZeroCost) else estimator.kind

    @property
    def rungs(self) -> list[int]:
        """The epochs of each rung of successive halving; empty where there is none."""
        estimator = self.config.search.estimator
        return list(estimator.rungs) if isinstance(estimator, ShortTraining) and estimator.halving else []

    @property
    def table(self) -> str | None:
        """The benchmark's table, where searching and retraining are lookups."""
        estimator = self.config.search.estimator
        return estimator.path if isinstance(estimator, Table) else None

    @property
    def shards(self) -> range:
        return range(self.config.shards)

    @property
    def sampling(self) -> list[str]:
        """The strategies that ask and tell."""
        return [name for name, settings in self.config.search.strategies.items() if isinstance(settings, SAMPLING)]

    @property
    def one_shot(self) -> bool:
        """Whether architectures are scored by the shared weights of a supernet."""
        return isinstance(self.config.search.estimator, SharedWeights)

    @property
    def in_rounds(self) -> list[str]:
        """The strategies whose evaluations are jobs of their own."""
        return [] if self.one_shot else self.sampling

    @property
    def gradient(self) -> list[str]:
        """The strategies that train a supernet of their own."""
        return [name for name, settings in self.config.search.strategies.items() if isinstance(settings, Gradient)]

    @property
    def enas(self) -> list[str]:
        """The strategies whose controller learns on a supernet of their own."""
        return [name for name, settings in self.config.search.strategies.items() if isinstance(settings, Enas)]

    @property
    def searches(self) -> list[tuple[str, int]]:
        """Every (strategy, search seed), seed by seed."""
        return [(name, seed) for name in self.config.search.strategies for seed in range(self.config.search.seeds)]

    def round_shards(self, strategy: str, seed: str | int, number: int) -> list[str]:
        """The estimates of round `number` (from 0): the evaluated shards, and what a screen turned down."""
        folder = f"{self.folder}/search/{strategy}-{seed}/round-{number}"
        shards = [f"{folder}/shard-{shard}.csv" for shard in self.shards]
        return shards if self.config.search.screen is None else [*shards, f"{folder}/rejected.csv"]

    def proposals(self, folder: str) -> str:
        """What a round's shards evaluate: all that was proposed, or what a screen left of it."""
        return f"{folder}/{'proposals' if self.config.search.screen is None else 'screened'}.csv"

    def rounds(self, strategy: str) -> range:
        """The rounds of a strategy that asks and tells."""
        settings = self.config.search.strategies[strategy]
        assert not isinstance(settings, (Gradient, Enas))
        return range(rounds(settings))

    def told(self, strategy: str, seed: str | int) -> list[str]:
        """The evaluated shards of all rounds."""
        return [shard for number in self.rounds(strategy) for shard in self.round_shards(strategy, seed, number)]

    def told_files(self, strategy: str, seed: str | int) -> list[str]:
        """Of each round, the file with the estimates of all rounds before it."""
        folder = f"{self.folder}/search/{strategy}-{seed}"
        return [f"{folder}/round-{number}/told.csv" for number in self.rounds(strategy)]

    def last(self, strategy: str, seed: str | int, number: int | None = None) -> list[str]:
        """The evaluated shards of the round before round `number`, of the last round when None."""
        number = len(self.rounds(strategy)) if number is None else number
        return self.round_shards(strategy, seed, number - 1) if number else []

    def earlier(self, strategy: str, seed: str | int, number: int) -> list[str]:
        """The file with all rounds before that one: a job has few inputs, however many rounds there were."""
        return self.told_files(strategy, seed)[number - 1 : number] if number else []

    def state(self, strategy: str, seed: str | int, number: int) -> list[str]:
        """What the strategy was after the round before that one."""
        folder = f"{self.folder}/search/{strategy}-{seed}"
        return [f"{folder}/round-{number - 1}/state.safetensors"] if number else []

    def budget(self, strategy: str) -> list[str]:
        """The counted budget, for the strategy that is matched to it; the others know their own."""
        settings = self.config.search.strategies[strategy]
        matched = isinstance(settings, Random) and settings.evaluations == "auto"
        return [self.budgeted] if matched else []

    @property
    def budgeted(self) -> str:
        """The training cost of each strategy: the first file of an experiment that is made from the data."""
        return f"{self.folder}/search/budget.json"

    def supernet(self, seed: str | int) -> str:
        """The weights that all strategies of a search seed share."""
        return f"{self.folder}/supernet/seed-{seed}/weights.safetensors"

    def supernets(self) -> list[str]:
        """What is told of the supernets; nothing where there are none."""
        if not self.one_shot:
            return []
        folders = [f"{self.folder}/supernet/seed-{seed}" for seed in range(self.config.search.seeds)]
        return [f"{folder}/{file}" for folder in folders for file in ("statistics.csv", "statistics.json")]

    def costs(self) -> list[str]:
        """What each part of a network costs, where the search has to know it."""
        return [f"{self.folder}/search/costs.csv"] if self.config.search.needs_costs else []

    @property
    def latency_threads(self) -> int:
        """CPU threads of the job that measures latency."""
        latency = self.config.search.latency
        return 1 if latency is None else latency.threads

    @property
    def measures_on_device(self) -> bool:
        """Whether latency is measured on `device`, which may be a GPU."""
        latency = self.config.search.latency
        return latency is not None and latency.runtime != "onnxruntime"

    def candidates(self) -> list[str]:
        return [f"{self.folder}/search/{name}-{seed}/candidates.csv" for name, seed in self.searches]

    # --------------------------------------------------------------------------------------------- ranking

    def ranking_trainings(self, part: str = "") -> list[str]:
        """The trainings of the shortlist, or those of the uniform `sample`."""
        folder = f"{self.folder}/ranking/{part}".rstrip("/")
        return [
            f"{folder}/seed-{seed}-shard-{shard}.csv"
            for seed in range(self.config.ranking.seeds)
            for shard in self.shards
        ]

    @property
    def sampled(self) -> bool:
        """Whether a uniform sample is trained, by which scores are judged."""
        return self.table is None and self.config.ranking.uniform > 0

    def sample(self) -> list[str]:
        """The proposals of the uniform sample; empty where there is none, as are all lists of its files."""
        return [f"{self.folder}/ranking/sample/proposals.csv"] if self.sampled else []

    def sample_trainings(self) -> list[str]:
        return self.ranking_trainings("sample") if self.sampled else []

    def sample_scores(self) -> list[str]:
        """Its scores by the search's own estimator, as of search seed 0."""
        if self.one_shot and self.sampled:
            return [f"{self.folder}/ranking/sample/score-0.csv"]
        return [f"{self.folder}/ranking/sample/score-{shard}.csv" for shard in self.shards] if self.sampled else []

    def sample_screening(self) -> list[str]:
        """Its estimates by the screen's proxy."""
        if not self.sampled or self.config.search.screen is None:
            return []
        return [f"{self.folder}/ranking/sample/screen-{shard}.csv" for shard in self.shards]

    def calibrated(self) -> list[str]:
        """What the sample tells of how many must be trained."""
        folder = f"{self.folder}/ranking"
        return [f"{folder}/calibration.json", f"{folder}/sufficiency.csv"] if self.sampled else []

    def calibration(self) -> list[str]:
        """The file that says how long the shortlist is, where the config does not."""
        return self.calibrated()[:1] if self.config.ranking.shortlist == "auto" else []

    def compared(self) -> list[str]:
        """How the scores of the whole pool agree with its accuracies."""
        return [f"{self.folder}/ranking/estimators.csv", f"{self.folder}/ranking/pool.csv"]

    # ------------------------------------------------------------------------------------------ retraining

    @property
    def entries(self) -> dict[str, str]:
        """What is retrained, by name, with its kind."""
        kinds = {
            f"{name}-{seed}": "random" if self.config.search.strategies[name].kind == "random" else "searched"
            for name, seed in self.searches
        }
        retrain = self.config.retrain
        if retrain.uniform:
            kinds |= {f"uniform-{seed}": "uniform" for seed in range(self.config.search.seeds)}
        if retrain.largest:
            kinds["largest"] = "largest"
        return kinds | dict.fromkeys(retrain.baselines, "baseline")

    def winners(self, entry: str) -> list[str]:
        """Where an entry's architecture stands, or what it is fitted to; the others wait for no search."""
        budget = self.config.retrain.budget
        fitted = budget is not None and budget.winner and to_be_fitted(entry) is not None
        if self.entries[entry] in ("searched", "random") or fitted:
            return [f"{self.folder}/ranking/winners.csv"]
        return []

    def drawn_within(self, entry: str) -> list[str]:
        """What a uniform draw needs to keep the limits of the searches; none where nothing is limited."""
        return self.costs() if self.entries[entry] == "uniform" and self.config.search.constrained else []

    def constraints(self, entry: str) -> str:
        """The options of a baseline's budget, where it is told in numbers."""
        budget = self.config.retrain.budget
        if self.entries[entry] != "baseline" or budget is None:
            return ""
        given = {"--macs": budget.macs, "--parameters": budget.parameters}
        return " ".join(f"{option} {exact(value)}" for option, value in given.items() if value is not None)

    def trainings(self, *entries: str) -> list[str]:
        """The records of all final trainings, or of some entries'."""
        return [
            f"{self.folder}/retraining/{entry}-s{seed}/metrics.json"
            for entry in entries or self.entries
            for seed in range(self.config.retrain.seeds)
        ]

    # --------------------------------------------------------------------------------------------- scaling

    def grid(self) -> list[str]:
        return [f"{self.folder}/scaling/grid-{shard}.csv" for shard in self.shards]

    def member_trainings(self) -> list[str]:
        return [
            f"{self.folder}/scaling/B{member}-s{seed}/metrics.json"
            for member in range(self.config.scaling.members)
            for seed in range(self.config.scaling.seeds)
        ]

    def smaller(self, member: str, seed: str | int) -> list[str]:
        """The training whose weights a member starts from; none where it starts from random ones."""
        if not self.config.scaling.warm_start or int(member) == 0:
            return []
        folder = f"{self.folder}/scaling/B{int(member) - 1}-s{seed}"
        return [f"{folder}/metrics.json", f"{folder}/weights.safetensors"]

    @property
    def factorial(self) -> bool:
        """Whether search and scaling are told apart."""
        return self.config.scaling.factorial.enabled and self.table is None

    def designs(self) -> list[str]:
        """The factorial's networks, a file for each seed."""
        seeds = range(self.config.scaling.factorial.seeds)
        return [f"{self.folder}/scaling/factorial/designs-s{seed}.csv" for seed in seeds]

    def design_trainings(self) -> list[str]:
        """The records of the factorial's trainings."""
        wanted = self.config.scaling.factorial
        return [
            f"{self.folder}/scaling/factorial/{base}-{way}-s{seed}/metrics.json"
            for base in wanted.bases
            for way in wanted.scalings
            for seed in range(wanted.seeds)
        ]

    # -------------------------------------------------------------------------------------- export, report

    def reported_data(self) -> list[str]:
        """The prepared data that the report describes; none where a table was searched in."""
        return [] if self.table is not None else self.data()

    def gathered(self) -> list[str]:
        """What the final trainings end in."""
        return [f"{self.folder}/retraining/{name}.csv" for name in ("retrained", "summary", "comparisons", "contests")]

    def ranked_in_table(self) -> list[str]:
        """What stands in the place of ranking where a table was searched in."""
        return [self.budgeted, f"{self.folder}/ranking/winners.csv", f"{self.folder}/ranking/agreement.csv"]

    def checks(self) -> list[str]:
        """What the table of exports is gathered from."""
        entries = [f"{self.folder}/export/{entry}/check.json" for entry in self.entries]
        return entries + ([f"{self.folder}/export/scaled/exports.json"] if self.config.scaling.enabled else [])

    def performances(self) -> list[str]:
        """What was measured of the exported files, in the order of `checks`."""
        return [f"{os.path.dirname(check)}/performance.json" for check in self.checks()]

    def models(self) -> list[str]:
        """The ONNX file of each entry; none where nothing was trained."""
        if self.table is not None:
            return []
        return [f"{self.folder}/export/{entry}/model.onnx" for entry in self.entries]

    def latencies(self) -> list[str]:
        """What blocks take, and how well that foretells whole networks; nothing where latency plays no part."""
        if self.config.search.latency is None:
            return []
        return [f"{self.folder}/search/costs.{ending}" for ending in ("csv", "json")]

    def reported(self) -> list[str]:
        """All that the report reads, the data and the costs aside: costs come with these files."""
        folder = self.folder
        searched = [*self.candidates()]
        searched += [f"{folder}/search/{name}-{seed}/history.csv" for name, seed in self.searches]
        if self.table is not None:
            return [*searched, *self.ranked_in_table(), *self.gathered()]
        files = [
            *searched,
            *self.latencies(),
            self.budgeted,
            f"{folder}/ranking/ranked.csv",
            f"{folder}/ranking/winners.csv",
            f"{folder}/ranking/agreement.csv",
            *self.supernets(),
            *self.compared(),
            *self.calibrated(),
            *self.gathered(),
            f"{folder}/export/exports.csv",
            f"{folder}/export/performance.csv",
            *self.trainings(),
        ]
        if self.config.scaling.enabled:
            files += [f"{folder}/scaling/family.csv", f"{folder}/scaling/chosen.json"]
        if self.factorial:
            files += [f"{folder}/scaling/factorial.csv", f"{folder}/scaling/effects.csv"]
        return files

    @property
    def report(self) -> str:
        return f"{self.folder}/report/report.html"

    @property
    def manifest(self) -> str:
        return f"{self.folder}/manifest.json"

    def tables(self) -> list[str]:
        return [f"{self.folder}/report/tables/{table}.csv" for table in TABLES]

    # -------------------------------------------------------------------------------------------- manifest

    def made(self) -> list[Made]:
        """Every file that lasts, by the rule that makes it; logs and what preparing the data cost aside."""
        return [Made(rule, strategy, files) for rule, strategy, files in self._made() if files]

    def lasting(self) -> dict[str, Made]:
        """Every file that lasts, where it really lies, and what makes it."""
        return {self.placed(file): made for made in self.made() for file in made.files}

    def _made(self) -> Iterator[tuple[str, str, list[str]]]:
        search, ranking, scaling, export = (
            f"{self.folder}/{name}" for name in ("search", "ranking", "scaling", "export")
        )
        if self.table is not None:
            for name, seed in self.searches:
                files = ("candidates.csv", "history.csv", "cost.json")
                yield "replay", name, [f"{search}/{name}-{seed}/{file}" for file in files]
            yield "rank_in_table", "", self.ranked_in_table()
            yield "lookup", "", self.gathered()
            yield "report", "", [self.report, *self.tables()]
            return
        yield "data", "", self.data(*SPLITS)
        yield "budget", "", with_costs([self.budgeted])
        if self.one_shot:
            for seed in range(self.config.search.seeds):
                folder = f"{self.folder}/supernet/seed-{seed}"
                made = ("weights.safetensors", "history.csv", "cost.json")
                yield "supernet", "", [f"{folder}/{file}" for file in made]
                made = ("statistics.csv", "statistics.json", "statistics.cost.json")
                yield "supernet_statistics", "", [f"{folder}/{file}" for file in made]
        if self.costs():
            yield "measure_costs", "", [f"{search}/costs.{ending}" for ending in ("csv", "json", "cost.json")]
        for name, seed in self.searches:
            folder = f"{search}/{name}-{seed}"
            ends = [f"{folder}/candidates.csv", f"{folder}/history.csv"]
            if name in self.gradient:
                yield "darts", name, [*ends, f"{folder}/alphas.json", f"{folder}/cost.json"]
                continue
            if name in self.enas:
                yield "enas", name, [*ends, f"{folder}/cost.json"]
                continue
            if self.one_shot:
                yield "one_shot", name, [*ends, f"{folder}/cost.json"]
                continue
            told = [f"{folder}/round-{n}/shard-{shard}.csv" for n in self.rounds(name) for shard in self.shards]
            made = ("proposals.csv", "told.csv", "state.safetensors")
            yield "propose", name, [f"{folder}/round-{n}/{file}" for n in self.rounds(name) for file in made]
            if self.config.search.screen is not None:
                made = ("screened.csv", "rejected.csv", "screen.cost.json")
                yield "screen", "", [f"{folder}/round-{n}/{file}" for n in self.rounds(name) for file in made]
            yield "evaluate", "", with_costs(told)
            yield "gather_search", "", ends
        yield "sample", "", self.sample()
        yield "train_sample", "", with_costs(self.sample_trainings())
        yield f"score_sample{'_by_supernet' if self.one_shot else ''}", "", with_costs(self.sample_scores())
        yield "screen_sample", "", with_costs(self.sample_screening())
        yield "calibrate", "", self.calibrated()
        yield "shortlist", "", [f"{ranking}/shortlist.csv"]
        yield "train_shortlist", "", with_costs(self.ranking_trainings())
        yield "rank", "", [f"{ranking}/{name}.csv" for name in ("ranked", "agreement", "winners")]
        yield "compare", "", self.compared()
        yield "retrain", "", training_files(self.trainings())
        yield "gather_retraining", "", self.gathered()
        if self.config.scaling.enabled:
            yield "describe_grid", "", with_costs([f"{scaling}/triples.csv"])
            yield "train_grid", "", with_costs(self.grid())
            chosen = ("chosen.json", "members.csv", "choose.cost.json")
            yield "choose_scaling", "", [f"{scaling}/{name}" for name in chosen]
            yield "train_member", "", training_files(self.member_trainings())
            yield "gather_family", "", [f"{scaling}/family.csv"]
            if self.factorial:
                yield "describe_designs", "", with_costs(self.designs())
                yield "train_design", "", training_files(self.design_trainings())
                yield "gather_factorial", "", [f"{scaling}/factorial.csv", f"{scaling}/effects.csv"]
            made = ("exports.json", "performance.json", "cost.json")
            yield "export_scaled", "", [f"{export}/scaled/{name}" for name in made]
        kinds = ("model.onnx", "check.json", "performance.json", "cost.json")
        yield "export_entry", "", [f"{export}/{entry}/{name}" for entry in self.entries for name in kinds]
        yield "gather_exports", "", [f"{export}/exports.csv", f"{export}/performance.csv"]
        yield "report", "", [self.report, *self.tables()]

    def order(self) -> list[str]:
        """The rules, as a run comes to them."""
        return [*WATCHED]

    def listed(self) -> list[str]:
        """What the manifest is made from. The arrays are not among it: meta.json holds their checksums."""
        files = [file for made in self.made() if made.rule != "data" for file in made.files]
        return [*self.reported_data(), *files]

    def fingerprints(self) -> dict[str, dict[str, str]]:
        """What each rule's files are made with now, by `Made.name`: name of the settings, code, versions."""
        return {
            made.name: {
                "rule": made.rule,
                "settings": Path(self.settings(made.rule, made.strategy)).stem,
                "code": self.code(made.rule),
                "versions": self.versions(made.rule),
            }
            for made in self.made()
        }

    def manifest_settings(self) -> str:
        """The settings file of the manifest: which files there are, and what they are made with."""
        files = {os.path.relpath(file, self.folder): made.name for made in self.made() for file in made.files}
        value = {"config": self.config.model_dump(mode="json"), "rules": self.fingerprints(), "files": files}
        return write_settings("manifest", value, self.store)


def with_costs(files: list[str]) -> list[str]:
    """Files, each with the ledger's line of the job that made it."""
    return [name for file in files for name in (file, f"{file.rpartition('.')[0]}.cost.json")]


def training_files(records: list[str]) -> list[str]:
    """All files of final trainings whose metrics.json are given."""
    names = ("metrics.json", "history.csv", "weights.safetensors", "cost.json")
    return [f"{file.removesuffix('metrics.json')}{name}" for file in records for name in names]


def merged(paths: Iterable[str | Path], overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Configs and `key=value` overrides laid over each other as Snakemake does it, without a workflow."""
    from snakemake.cli import parse_config
    from snakemake.utils import update_config

    raw: dict[str, Any] = {}
    for path in paths:
        update_config(raw, read_yaml(path))
    try:
        update_config(raw, parse_config(overrides))
    except ValueError as error:
        raise UserError(f"--config {' '.join(overrides)}: {error}; write for instance --config seed=3") from None
    return raw


def check_files(paths: list[str | Path]) -> str:
    """Read config files for what Snakemake's own reader lets pass, such as a key that stands twice.

    Returns their names, to be told with what is wrong in them.
    """
    for path in paths:
        read_yaml(path)
    return ", ".join(map(str, paths)) or "config"


def launcher(processes: int) -> str:
    """What starts a step in so many processes."""
    if processes == 1:
        return "python -m"
    return f"python -m nas_steps.training.launch {processes} -m"
