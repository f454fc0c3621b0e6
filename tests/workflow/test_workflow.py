"""The workflow itself, run by snakemake on a configuration that takes a minute."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from nas_steps.provenance.files import read_csv, read_json

ROOT = Path(__file__).resolve().parents[2]
SNAKEMAKE = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")]

RECIPE = {"epochs": 2, "learning_rate": 0.05}
TINY: dict[str, Any] = {
    "experiment": "tiny",
    "shards": 1,
    "data": {"source": "digits", "max_train": 60, "max_valid": 60, "max_test": 80},
    "search": {
        "network": {"channels": 4, "cells": 3},
        "estimator": RECIPE,
        "strategies": {
            "random": {"evaluations": 2},
            "evolution": {"population": 2, "sample": 1, "children": 1, "rounds": 2},
            "darts": {"epochs": 1, "candidates": 2},
        },
    },
    "ranking": {"shortlist": 1, "recipe": RECIPE},
    "retrain": {
        "network": {"channels": 4, "cells": 3},
        "recipe": RECIPE,
        "seeds": 1,
        "baselines": ["resnet20_x0.25", "mobilenet_v3_small_x0.5"],
    },
    "scaling": {
        "depth": [1.2],
        "width": [1.1],
        "resolution": [1.15],
        "recipe": RECIPE,
        "members": 3,
        "mac_budget": 4e5,
        "channel_divisor": 1,
        "seeds": 1,
    },
}


def snakemake(folder: Path, config: dict[str, Any], *flags: str) -> subprocess.CompletedProcess[str]:
    """Run snakemake in `folder` on a config written there."""
    folder.mkdir(exist_ok=True)
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [*SNAKEMAKE, "--directory", str(folder), "--cores", "2", "--configfile", str(file), *flags]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def rules_to_run(folder: Path, config: dict[str, Any]) -> set[str]:
    """The rules that a dry run would run."""
    result = snakemake(folder, config, "--dry-run")
    assert result.returncode == 0, result.stdout + result.stderr
    return set(re.findall(r"^(?:local)?rule (\w+):", result.stdout + result.stderr, flags=re.M)) - {"all"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny experiment has run to its end."""
    folder = tmp_path_factory.mktemp("finished")
    result = snakemake(folder, TINY)
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-8000:]
    assert "The report is at results/tiny/report/report.html" in result.stdout + result.stderr
    return folder


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
    assert {"random-0", "evolution-0", "darts-0", "resnet20_x0.25", "mobilenet_v3_small_x0.5", "B0"} <= set(exports)
    assert all(row["status"] in ("ok", "over budget") for row in exports.values())
    assert float(exports["darts-0"]["largest_difference"]) < 1e-3
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
    assert suffixes <= {".csv", ".json", ".npy", ".safetensors", ".onnx", ".html", ".svg", ".png", ".log"}


def test_nothing_is_to_be_done_afterwards(finished: Path) -> None:
    assert rules_to_run(finished, TINY) == set()


def test_nothing_is_to_be_done_after_the_folder_was_moved(finished: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(finished, tmp_path / "moved elsewhere")
    assert rules_to_run(moved, TINY) == set()


def test_a_second_run_from_scratch_is_identical(finished: Path, tmp_path: Path) -> None:
    result = snakemake(tmp_path, TINY)
    assert result.returncode == 0, result.stderr[-8000:]
    first, second = finished / "results" / "tiny", tmp_path / "results" / "tiny"
    compared = 0
    for file in sorted(first.rglob("*")):
        relative = file.relative_to(first)
        if not file.is_file() or file.name.endswith("cost.json") or relative.parts[0] in ("logs", "report"):
            continue
        assert without_seconds(file) == without_seconds(second / relative), relative
        compared += 1
    assert compared > 60


def test_a_retrain_key_reruns_retraining_and_what_follows_alone(finished: Path) -> None:
    changed = {**TINY, "retrain": {**TINY["retrain"], "recipe": {**RECIPE, "epochs": 3}}}
    assert rules_to_run(finished, changed) == {
        "retrain",
        "gather_retraining",
        "choose_scaling",
        "train_member",
        "gather_family",
        "export_entry",
        "export_scaled",
        "gather_exports",
        "report",
    }


def test_another_strategy_leaves_the_searches_alone(finished: Path) -> None:
    strategies = {**TINY["search"]["strategies"], "darts_long": {"kind": "darts", "epochs": 2}}
    changed = {**TINY, "search": {**TINY["search"], "strategies": strategies}}
    result = snakemake(finished, changed, "--dry-run")
    output = result.stdout + result.stderr
    assert re.search(r"^darts +1$", output, flags=re.M), output[-3000:]
    assert not re.search(r"^evaluate +", output, flags=re.M) or "budget" in output


def test_spelling_of_the_config_does_not_matter(finished: Path) -> None:
    spelled = {key: TINY[key] for key in reversed(TINY)}
    spelled["ranking"] = {"recipe": {"learning_rate": "5e-2", "epochs": "2", "momentum": 0.9}, "shortlist": 1}
    assert rules_to_run(finished, spelled) == set()


def test_no_search_or_ranking_rule_has_the_test_files_among_its_inputs(tmp_path: Path) -> None:
    result = snakemake(tmp_path, TINY, "--dry-run", "--forceall")
    output = result.stdout + result.stderr
    readers = set()
    for block in re.split(r"^\[.*\d{4}\]$", output, flags=re.M):
        rule = re.search(r"^(?:local)?rule (\w+):", block, flags=re.M)
        inputs = re.search(r"^ +input: (.*)$", block, flags=re.M)
        if rule and inputs and "test_" in inputs[1]:
            readers.add(rule[1])
    assert readers == {"retrain", "train_member", "export_entry", "export_scaled"}


def test_a_run_in_which_no_search_succeeds_still_ends_in_a_report(tmp_path: Path) -> None:
    """Every training of the search and the ranking diverges; the baselines are sound."""
    wild = {**RECIPE, "learning_rate": 1e18, "gradient_clip": None}
    config = {
        **TINY,
        "experiment": "wild",
        "search": {**TINY["search"], "estimator": wild},
        "ranking": {"shortlist": 1, "recipe": wild},
    }
    result = snakemake(tmp_path, config)
    results = tmp_path / "results" / "wild"
    assert result.returncode == 0, result.stderr[-8000:]
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
        ({"retrain": {"seeds": 0}}, ["retrain.seeds", "greater than or equal to 1"]),
    ],
)
def test_a_bad_config_is_refused_before_any_job(tmp_path: Path, change: dict[str, Any], words: list[str]) -> None:
    result = snakemake(tmp_path, {**TINY, **change})
    assert result.returncode != 0
    output = result.stdout + result.stderr
    assert all(word in output for word in words), output
    assert "Traceback" not in output
    assert not (tmp_path / "results").exists()
