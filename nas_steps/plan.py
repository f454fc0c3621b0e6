"""Which files a config asks for: what the rules in `rules/` are filled in with. Imports no torch.

Everything here is known from the config alone, so that a dry run shows the whole workflow.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nas_steps.config.load import load, read_yaml
from nas_steps.config.schema import Darts
from nas_steps.config.stages import write_slices
from nas_steps.provenance.fingerprint import code_fingerprint, files_fingerprint
from nas_steps.search.sampling import rounds

#: what a rule's command runs: the module whose fingerprint decides whether the rule is stale
DATA, REPORT, EVALUATE = "nas_steps.data.__main__", "nas_steps.report.__main__", "nas_steps.estimation.__main__"
SPLITS = ("train", "valid", "test")
TABLES = ("retrained", "comparisons", "agreement", "search", "family", "exports", "costs")


class Plan:
    """The workflow of one experiment. Raises UserError for a config that cannot be run.

    `root` is the folder that results go to; creating a Plan writes the steps' settings below it.
    """

    def __init__(self, raw: Mapping[str, Any], origin: str = "config", root: str = "results") -> None:
        self.config = load(raw, origin)
        self.folder = f"{root}/{self.config.experiment}"
        self.settings = write_slices(self.config, f"{self.folder}/settings")
        self.data_content = self._data_content()

    def code(self, module: str) -> str:
        """The fingerprint of a step's code; `search.propose` is short for nas_steps.search.steps.propose."""
        stage, _, step = module.partition(".")
        return code_fingerprint(module if stage == "nas_steps" else f"nas_steps.{stage}.steps.{step}")

    def _data_content(self) -> str:
        """A fingerprint of the files that the data stage reads; empty where it reads none of the user's."""
        data = self.config.data
        if data.source not in ("folder", "npz") or data.path is None:
            return ""
        return files_fingerprint(data.path, f"{self.folder}/settings/file_hashes.json")

    # ------------------------------------------------------------------------------------------------ data

    def data(self, *splits: str) -> list[str]:
        """The prepared files of some splits, and meta.json."""
        arrays = [f"{self.folder}/data/{split}_{what}.npy" for split in splits for what in ("images", "labels")]
        return [*arrays, f"{self.folder}/data/meta.json"]

    # ---------------------------------------------------------------------------------------------- search

    @property
    def shards(self) -> range:
        return range(self.config.shards)

    @property
    def sampling(self) -> list[str]:
        """The strategies that ask and tell."""
        return [name for name, settings in self.config.search.strategies.items() if not isinstance(settings, Darts)]

    @property
    def gradient(self) -> list[str]:
        """The strategies that train a supernet."""
        return [name for name, settings in self.config.search.strategies.items() if isinstance(settings, Darts)]

    @property
    def searches(self) -> list[tuple[str, int]]:
        """Every (strategy, search seed), seed by seed."""
        return [(name, seed) for name in self.config.search.strategies for seed in range(self.config.search.seeds)]

    def round_shards(self, strategy: str, seed: str | int, number: int) -> list[str]:
        """The evaluated shards of round `number` (from 0)."""
        return [f"{self.folder}/search/{strategy}-{seed}/round-{number}/shard-{shard}.csv" for shard in self.shards]

    def told(self, strategy: str, seed: str | int, before: int | None = None) -> list[str]:
        """The evaluated shards of all rounds before round `before`, of all rounds when None."""
        settings = self.config.search.strategies[strategy]
        assert not isinstance(settings, Darts)
        last = rounds(settings) if before is None else before
        return [shard for number in range(last) for shard in self.round_shards(strategy, seed, number)]

    def candidates(self) -> list[str]:
        return [f"{self.folder}/search/{name}-{seed}/candidates.csv" for name, seed in self.searches]

    # --------------------------------------------------------------------------------------------- ranking

    def ranking_trainings(self) -> list[str]:
        return [
            f"{self.folder}/ranking/seed-{seed}-shard-{shard}.csv"
            for seed in range(self.config.ranking.seeds)
            for shard in self.shards
        ]

    # ------------------------------------------------------------------------------------------ retraining

    @property
    def entries(self) -> dict[str, str]:
        """What is retrained, by name, with its kind."""
        kinds = {
            f"{name}-{seed}": "random" if self.config.search.strategies[name].kind == "random" else "searched"
            for name, seed in self.searches
        }
        return kinds | dict.fromkeys(self.config.retrain.baselines, "baseline")

    def winners(self, entry: str) -> list[str]:
        """Where an entry's architecture stands; a baseline's is its name and waits for no search."""
        return [] if self.entries[entry] == "baseline" else [f"{self.folder}/ranking/winners.csv"]

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

    # -------------------------------------------------------------------------------------- export, report

    def checks(self) -> list[str]:
        """What the table of exports is gathered from."""
        entries = [f"{self.folder}/export/{entry}/check.json" for entry in self.entries]
        return entries + ([f"{self.folder}/export/scaled/exports.json"] if self.config.scaling.enabled else [])

    def reported(self) -> list[str]:
        """All that the report reads, costs aside: they come with these files."""
        folder = self.folder
        files = [
            f"{folder}/data/meta.json",
            *self.candidates(),
            *(f"{folder}/search/{name}-{seed}/history.csv" for name, seed in self.searches),
            f"{folder}/search/budget.json",
            f"{folder}/ranking/ranked.csv",
            f"{folder}/ranking/winners.csv",
            f"{folder}/ranking/agreement.csv",
            f"{folder}/retraining/retrained.csv",
            f"{folder}/retraining/summary.csv",
            f"{folder}/retraining/comparisons.csv",
            f"{folder}/export/exports.csv",
            *self.trainings(),
        ]
        if self.config.scaling.enabled:
            files += [f"{folder}/scaling/family.csv", f"{folder}/scaling/chosen.json"]
        return files

    @property
    def report(self) -> str:
        return f"{self.folder}/report/report.html"

    def tables(self) -> list[str]:
        return [f"{self.folder}/report/tables/{table}.csv" for table in TABLES]


def check_files(paths: list[str | Path]) -> str:
    """Read config files for what Snakemake's own reader lets pass, such as a key that stands twice.

    Returns their names, to be told with what is wrong in them.
    """
    for path in paths:
        read_yaml(path)
    return ", ".join(map(str, paths)) or "config"
