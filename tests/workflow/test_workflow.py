"""The workflow itself, run by snakemake on a configuration that takes a minute."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from tiny_workflow import RECIPE, TINY, change, exported, finish, jobs_to_run, snakemake

from nas_steps.provenance.files import read_csv, read_json


def without_seconds(path: Path) -> object:
    """The content of a result file less what a clock measured."""
    if path.suffix == ".csv":
        rows = read_csv(path)
        return [{key: value for key, value in row.items() if "seconds" not in key} for row in rows]
    if path.suffix == ".json":
        found = read_json(path)
        return {k: v for k, v in found.items() if "seconds" not in k} if isinstance(found, dict) else found
    return path.read_bytes()


def test_every_stage_leaves_its_files(finished: Path) -> None:
    results = finished / "results" / "tiny"
    exports = {row["name"]: row for row in read_csv(results / "export" / "exports.csv")}
    recommended = read_json(results / "recommended.json")
    considered = {row["entry"] for row in recommended["considered"]}
    assert {"random-0", "evolution-0", "darts-0", "resnet20_x0.25", "mobilenet_v3_small_x0.5"} <= considered
    assert {*recommended["export"], "B0"} <= set(exports)
    assert {row["kind"] for row in recommended["considered"]} == {
        exports[name]["kind"] for name in recommended["export"]
    }
    assert (results / recommended["file"]).with_name("README.md").is_file()
    assert all(row["status"] in ("ok", "over budget") for row in exports.values())
    assert float(exports[recommended["entry"]]["largest_difference"]) < 1e-3
    family = {row["member"]: row for row in read_csv(results / "scaling" / "family.csv")}
    assert family["B0"]["status"] == "ok"
    assert set(family) == {"B0", "B1", "B2"}
    metrics = read_json(results / "retraining" / "darts-0-s0" / "metrics.json")
    assert metrics["test_images"] == 80
    assert metrics["test_file"]["name"] == "test_images.npy"
    page = (results / "report" / "report.html").read_text(encoding="utf-8")
    assert "darts-0" in page


def test_only_open_formats_are_written(finished: Path) -> None:
    suffixes = {file.suffix for file in (finished / "results").rglob("*") if file.is_file()}
    assert suffixes <= {".csv", ".json", ".npy", ".safetensors", ".onnx", ".html", ".svg", ".png", ".log", ".md"}


def test_nothing_is_to_be_done_after_the_folder_was_moved(finished: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(finished, tmp_path / "moved elsewhere")
    assert jobs_to_run(moved, TINY) == []


def test_snakemakes_report_holds_the_results_that_the_config_names(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder, symlinks=True)
    card = Path(exported(folder)).with_name("README.md")
    held = attached(folder, TINY)
    assert {"report.html", "dots.svg", "costs.csv", "README.md"} <= set(held)
    assert held["README.md"] == (folder / "results" / "tiny" / card).read_bytes()
    assert "reproduction.csv" not in held  # it has no row
    chosen = change(TINY, report={"attached": ["page"]})
    assert jobs_to_run(folder, chosen) == []
    assert list(attached(folder, chosen)) == ["report.html"]


def attached(folder: Path, config: dict[str, Any]) -> dict[str, bytes]:
    """The files that `snakemake --report` lays into its archive, by name."""
    result = snakemake(folder, config, "--report", "report.zip")
    assert result.returncode == 0, result.stderr[-3000:]
    with ZipFile(folder / "report.zip") as archive:
        names = [name for name in archive.namelist() if name.startswith("report/data/raw/")]
        return {name.rpartition("/")[2]: archive.read(name) for name in names}


def test_a_second_run_from_scratch_is_identical(finished: Path, tmp_path: Path) -> None:
    finish(tmp_path, TINY)
    first, second = finished / "results" / "tiny", tmp_path / "results" / "tiny"
    compared = 0
    for file in sorted(first.rglob("*")):
        relative = file.relative_to(first)
        measured = file.name.endswith("cost.json") or relative.parts[0] in ("logs", "report", "manifest.json")
        measured = measured or file.stem == "performance" or file.name == "README.md"
        if not file.is_file() or measured:
            continue
        assert without_seconds(file) == without_seconds(second / relative), relative
        compared += 1
    assert compared > 60
    listed, again = (read_json(folder / "manifest.json") for folder in (first, second))
    assert listed["rules"] == again["rules"]
    assert set(listed["files"]) == set(again["files"])


def test_no_search_or_ranking_rule_has_the_test_files_among_its_inputs(tmp_path: Path) -> None:
    result = snakemake(tmp_path, TINY, "--dry-run", "--forceall")
    output = result.stdout + result.stderr
    readers = set()
    for block in re.split(r"^\[.*\d{4}\]$", output, flags=re.M):
        rule = re.search(r"^(?:local)?rule (\w+):", block, flags=re.M)
        inputs = re.search(r"^ +input: (.*)$", block, flags=re.M)
        if rule and inputs and "test_" in inputs[1]:
            readers.add(rule[1])
    # those that train in the end and what follows them
    assert readers == {
        "retrain", "gather_retraining", "train_member", "export_networks", "export_scaled", "report"
    }  # fmt: skip


def test_nothing_upstream_of_a_final_training_has_read_the_test_set(tmp_path: Path) -> None:
    """Over the whole DAG: of all that a final training depends on, however far away, no job has a test file among its
    inputs. What prepares the data writes them; nobody opens them before."""
    config = change(
        TINY,
        search__seeds=2,
        retrain__largest=True,
        retrain__budget={"macs": 9e6},
        retrain__baselines=["resnet20_x0.25", "mobilenet_v3_small_auto"],
    )
    result = snakemake(tmp_path, config, "--dry-run", "--forceall")
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    jobs = []
    for block in re.split(r"^\[.*\d{4}\]$", output, flags=re.M):
        rule = re.search(r"^(?:local)?rule (\w+):", block, flags=re.M)
        files = {
            what: set(found[1].split(", ")) if (found := re.search(rf"^ +{what}: (.*)$", block, flags=re.M)) else set()
            for what in ("input", "output")
        }
        if rule:
            jobs.append((rule[1], files["input"], files["output"]))
    maker = {file: job for job, (_, _, outputs) in enumerate(jobs) for file in outputs}
    finals = [job for job, (rule, _, _) in enumerate(jobs) if rule in ("retrain", "train_member")]
    # winners, random search's slots, uniform draws, the largest, baselines, members
    assert len(finals) == 2 * 3 + 2 * 2 + 1 + 1 + 2 + 3

    def upstream(job: int) -> set[int]:
        parents = {maker[file] for file in jobs[job][1] if file in maker}
        return parents.union(*map(upstream, parents))

    before = set().union(*map(upstream, finals))
    rules = {jobs[job][0] for job in before}
    assert {"data", "budget", "propose", "evaluate", "darts", "shortlist", "rank", "train_grid"} <= rules
    readers = {jobs[job][0] for job in before if any("test_" in file for file in jobs[job][1])}
    assert readers == set()
    # and each file of a test split is written by the preparation alone
    assert {jobs[job][0] for file, job in maker.items() if "test_" in file} == {"data"}
    # who needs no search waits for none
    for job in finals:
        entry = next(file for file in jobs[job][2] if file.endswith("metrics.json")).split("/")[-2]
        if entry.startswith(("uniform", "largest", "resnet20", "mobilenet")):
            assert {jobs[one][0] for one in upstream(job)} == {"data"}, entry


def test_a_run_in_which_no_search_succeeds_still_ends_in_a_report(tmp_path: Path) -> None:
    """Every training of the search and the ranking diverges; the baselines are sound."""
    wild = {**RECIPE, "learning_rate": 1e18, "gradient_clip": None}
    config = {
        **TINY,
        "experiment": "wild",
        "search": {**TINY["search"], "estimator": wild},
        "ranking": {"shortlist": 1, "uniform": 3, "recipe": wild},
    }
    finish(tmp_path, config)
    results = tmp_path / "results" / "wild"
    with (results / "retraining" / "retrained.csv").open(newline="", encoding="utf-8") as file:
        status = {row["entry"]: row["status"] for row in csv.DictReader(file)}
    assert status["random-0"] == "missing"
    assert status["resnet20_x0.25"] == "ok"
    assert read_csv(results / "search" / "random-0" / "candidates.csv") == []
    assert read_csv(results / "search" / "random-0" / "history.csv")[0]["status"] == "diverged"
    page = (results / "report" / "report.html").read_text(encoding="utf-8")
    assert "nan" not in re.sub(r"<svg.*?</svg>|<style.*?</style>", "", page, flags=re.S).lower().split()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"retrian": {}}, ["retrian", "did you mean 'retrain'"]),
        ({"data": {"source": "folder", "path": "no such place"}}, ["data.path", "no such place"]),
        (
            {"data": {"source": "digits"}, "retrain": {"budget": {"macs": 1e6}}},
            ["retrain.baselines", "the budget is 1,000,000 MACs, but resnet20 has", "resnet20_auto"],
        ),
        ({"retrain": {"seeds": 0}}, ["retrain.seeds", "must be 1 or more"]),
    ],
)
def test_a_bad_config_is_refused_before_any_job(tmp_path: Path, change: dict[str, Any], words: list[str]) -> None:
    result = snakemake(tmp_path, {**TINY, **change})
    assert result.returncode != 0
    output = result.stdout + result.stderr
    assert all(word in output for word in words), output
    assert "Traceback" not in output
    # what is refused by its size has its settings written, and nothing else
    assert {file.name for file in tmp_path.glob("results/*")} <= ({"settings"} if "budget" in str(change) else set())
