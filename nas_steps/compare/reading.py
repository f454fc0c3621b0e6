"""Read finished experiments by their manifests; one that cannot be read keeps the reason."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from nas_steps.errors import UserError
from nas_steps.facts import ACCURACY
from nas_steps.provenance.changes import ABSENT
from nas_steps.provenance.files import canonical_json
from nas_steps.provenance.fingerprint import file_hash
from nas_steps.report.page import export_links
from nas_steps.report.recommendation import Recommendation, recommend
from nas_steps.report.results import Results, load_results
from nas_steps.report.settings import ReportSettings
from nas_steps.report.verdict import Verdict, decide
from nas_steps.workflow.manifest.compare import read_manifest
from nas_steps.workflow.manifest.write import MANIFEST, place

#: what a run leaves in its folder before its manifest
STAGES = ("search", "logs", "ranking", "retraining")
#: the parts of prepared data
PARTS = ("train", "valid", "test")
#: files that the figures are read from
READ = (".csv", ".json")


@dataclass(frozen=True)
class Experiment:
    """One experiment: what its manifest says, and its figures unless there is a `problem`."""

    name: str
    folder: Path
    problem: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    #: by part of the data, what tells it from another one
    parts: Mapping[str, str] = field(default_factory=dict)
    results: Results | None = None
    pick: Recommendation | None = None
    verdict: Verdict | None = None

    @property
    def metric(self) -> str:
        return str(self.config.get("metric", ACCURACY))

    @property
    def seed(self) -> int | None:
        return self.config.get("seed")

    @property
    def comparable(self) -> str:
        """What two experiments share if their test figures can stand beside each other."""
        return f"{self.metric} {self.parts.get('test', '')}"


def read_all(folders: Sequence[str]) -> list[Experiment]:
    """Read the folders of experiments, in their order.

    Raises UserError if one is named twice, or is no folder of an experiment.
    """
    places: dict[Path, str] = {}
    for folder in folders:
        resolved = Path(folder).resolve()
        if resolved in places:
            raise UserError(f"{folder} is the same folder as {places[resolved]}; name each experiment once")
        places[resolved] = folder
        if not any((resolved / name).exists() for name in (MANIFEST, *STAGES)):
            what = "holds no experiment" if resolved.is_dir() else "does not exist"
            raise UserError(f"{folder} {what}; name folders such as results/digits, which a run makes")
    names = [resolved.name for resolved in places]
    return [
        _read(resolved.name if names.count(resolved.name) == 1 else given, resolved)
        for resolved, given in places.items()
    ]


def _read(name: str, folder: Path) -> Experiment:
    if not (folder / MANIFEST).is_file():
        return Experiment(name, folder, f"not finished: there is no {MANIFEST}; run snakemake to its end")
    try:
        manifest = read_manifest(folder)
    except UserError as error:
        return Experiment(name, folder, str(error))
    known: dict[str, Any] = {
        "config": manifest["config"],
        "packages": {key: str(value) for key, value in manifest.get("packages", {}).items() if value},
        "devices": tuple(manifest.get("devices", ())),
        "parts": _parts(manifest),
    }
    if changed := next(_changed(folder, manifest), None):
        problem = f"{changed} is not the file of its manifest; run snakemake to the end"
        return Experiment(name, folder, problem, **known)
    try:
        settings = ReportSettings.model_validate(manifest["settings"][manifest["rules"]["report"]["settings"]])
        results = load_results(settings, folder, _data(folder, manifest))
        pick, verdict = recommend(results, export_links(results, folder)), decide(results)
    except (ValidationError, KeyError) as error:
        problem = f"made by nas-steps {known['packages'].get('nas-steps', 'of another version')}: {_first(error)}"
        return Experiment(name, folder, problem, **known)
    except UserError as error:
        return Experiment(name, folder, str(error), **known)
    return Experiment(name, folder, "", **known, results=results, pick=pick, verdict=verdict)


def _first(error: ValidationError | KeyError) -> str:
    if isinstance(error, KeyError):
        return f"its files lack {error}"
    one = error.errors()[0]
    return f"this version cannot read {'.'.join(map(str, one['loc']))} of its config"


def _data(folder: Path, manifest: Mapping[str, Any]) -> Path | None:
    """Return the folder of the prepared data; None if a table was searched in."""
    names = [name for name in manifest["files"] if name.startswith("../") and name.endswith("/meta.json")]
    return place(folder, names[0]).parent if names else None


def _parts(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Return by part of the data the fingerprint of its files, or of the table and of the column that is reported."""
    files = {name.rpartition("/")[2]: one["sha256"] for name, one in manifest["files"].items() if name[:3] == "../"}
    found = {}
    for part in PARTS:
        if own := {name: sha for name, sha in files.items() if name.startswith(f"{part}_")}:
            found[part] = canonical_json(own)
    if not found:
        contents = {one["content"] for one in manifest["settings"].values() if "content" in one}
        estimator = manifest["config"].get("search", {}).get("estimator", {})
        found["test"] = canonical_json([sorted(contents), estimator.get("report")])
    return found


def _changed(folder: Path, manifest: Mapping[str, Any]) -> Iterator[str]:
    """Yield the files of figures that are gone or not as listed: a run with another config began and did not end."""
    for name, listed in sorted(manifest["files"].items()):
        if name.endswith(READ) and not name.startswith(("../", "report/")):
            file = place(folder, name)
            if not file.is_file() or file.stat().st_size != listed["bytes"] or file_hash(file) != listed["sha256"]:
                yield name


def letters(experiments: Sequence[Experiment], part: str) -> dict[str, str]:
    """Return by experiment a letter for its part of the data: A for the first one's; empty if nothing is known."""
    seen: dict[str, str] = {}
    found = {}
    for one in experiments:
        own = one.parts.get(part, "")
        letter = seen.setdefault(own, _letter(len(seen))) if own else ""
        found[one.name] = letter
    return found


def _letter(number: int) -> str:
    return (_letter(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def differing(values: Sequence[Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, list[Any]]]:
    """Yield the keys of configs in which not all have one value: `retrain.recipe.epochs`, and the value of each.

    The name of an experiment is no difference. `ABSENT` stands for a key that a config has not.
    """
    if values and all(isinstance(one, Mapping) for one in values):
        for key in dict.fromkeys(key for one in values for key in one):
            if (*path, key) != ("experiment",):
                yield from differing([one.get(key, ABSENT) for one in values], (*path, key))
    elif any(one != values[0] for one in values):
        yield ".".join(path), list(values)


def seed_groups(experiments: Sequence[Experiment]) -> list[list[Experiment]]:
    """Return the groups of two or more readable experiments that differ in `seed` alone, one for each seed."""
    groups: dict[str, dict[int | None, Experiment]] = {}
    for one in experiments:
        if one.results is not None:
            same = {key: value for key, value in one.config.items() if key not in ("seed", "experiment")}
            groups.setdefault(canonical_json(same), {}).setdefault(one.seed, one)
    return [list(group.values()) for group in groups.values() if len(group) > 1]
