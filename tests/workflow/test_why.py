"""`python -m nas_steps.why`: what would run, because of what, at what cost."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
from tiny_workflow import ROOT, TINY, change, exported, run_module, write_config

from nas_steps.provenance.files import read_json
from nas_steps.workflow.why.costs import Estimate, spelled
from nas_steps.workflow.why.jobs import parse


def why(folder: Path, *arguments: str, root: Path = ROOT, status: int = 0) -> str:
    """What the command prints, all spaces as one, so that the table's widths do not matter."""
    return re.sub(" +", " ", run_module(folder, "why", *arguments, root=root, status=status))


@pytest.fixture(scope="module")
def folder(finished: Path) -> Path:
    write_config(finished, TINY)
    return finished


def test_after_a_run_nothing_is_stale(folder: Path) -> None:
    assert why(folder, "tiny.yaml").endswith("results/tiny: nothing is stale\n")


def test_a_key_is_named_with_its_old_and_its_new_value_and_what_follows_from_it(folder: Path) -> None:
    told = why(folder, "tiny.yaml", "--config", "retrain={recipe: {epochs: 4}}")
    assert "retrain.recipe.epochs: 2 -> 4" in told
    assert re.search(r"^retrain 8 [\d.]+ (?:s|min).* retrain\.recipe\.epochs: 2 -> 4$", told, flags=re.M)
    assert re.search(r"^train_member 3 .* retrain\.recipe\.epochs: 2 -> 4\n follows choose_scaling$", told, flags=re.M)
    assert re.search(r"^gather_retraining 1 seconds follows retrain$", told, flags=re.M)
    assert not re.search(r"^(?:evaluate|darts|rank) ", told, flags=re.M)
    assert re.search(r"^together 20 .* 14 jobs by their own earlier run, 6 jobs that only gather", told, flags=re.M)


def test_the_cost_is_the_sum_of_the_same_jobs_earlier(folder: Path) -> None:
    told = why(folder, "tiny.yaml", "--config", "export={tolerance: 0.01}")
    exports = folder / "results" / "tiny" / "export"
    networks, scaled = (
        read_json(file)["seconds"] for file in (exports / "cost.json", exports / "scaled" / "cost.json")
    )
    assert f"export_networks 1 {spelled(networks)} export.tolerance: 0.001 -> 0.01" in told
    assert f"export_scaled 1 {spelled(scaled)} " in told


def test_jobs_that_never_ran_cost_the_mean_of_their_rule(folder: Path) -> None:
    write_config(folder, change(TINY, retrain__seeds=2), "more.yaml")
    told = why(folder, "more.yaml")
    costs = (folder / "results" / "tiny" / "retraining").glob("*/cost.json")
    seconds = [read_json(file)["seconds"] for file in costs]
    assert f"retrain 8 about {spelled(sum(seconds))} new: it has never run here" in told
    assert "8 jobs by the mean of their rule's others" in told


def test_what_was_never_measured_is_said_to_be_unknown(tmp_path: Path) -> None:
    write_config(tmp_path, change(TINY, data={"source": "digits", "max_train": 60}))
    told = why(tmp_path, "tiny.yaml")
    assert re.search(r"^data 1 unknown new: it has never run here$", told, flags=re.M)
    assert re.search(r"^together 42 unknown .* never measured", told, flags=re.M)


def test_other_images_and_other_data_settings_are_named(folder: Path) -> None:
    told = why(folder, "tiny.yaml", "--config", "data={max_train: 50}")
    assert re.search(r"^data 1 about [\d.]+ s data\.max_train: 60 -> 50$", told, flags=re.M)
    assert re.search(r"^budget 1 [\d.]+ s data\.max_train: 60 -> 50\n follows data$", told, flags=re.M)
    file = folder / "images" / "5" / "02.png"
    content, status = file.read_bytes(), file.stat()
    file.write_bytes((folder / "images" / "5" / "03.png").read_bytes())
    try:
        told = why(folder, "tiny.yaml")
    finally:
        file.write_bytes(content)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert re.search(r"^data 1 about [\d.]+ s the content of the images$", told, flags=re.M)
    assert "follows data" in told


def test_modules_of_the_code_are_named(folder: Path, tmp_path: Path) -> None:
    for name in ("Snakefile", "nas_steps", "rules", "profiles", "workflow"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    module = tmp_path / "nas_steps" / "retraining" / "summary.py"
    module.write_text(module.read_text() + "\nEDITED = 1\n")
    told = why(folder, "tiny.yaml", root=tmp_path)
    assert re.search(r"^gather_retraining 1 seconds code of nas_steps\.retraining\.summary$", told, flags=re.M)
    assert re.search(r"^together 6 ", told, flags=re.M)


def test_a_file_that_is_gone_is_named(folder: Path) -> None:
    file = folder / "results" / "tiny" / exported(folder)
    content, status = file.read_bytes(), file.stat()
    file.unlink()
    try:
        told = why(folder, "tiny.yaml")
    finally:
        file.write_bytes(content)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    missing = re.escape(f"missing: results/tiny/{exported(folder)}")
    assert re.search(rf"^export_networks 1 .* {missing}$", told, flags=re.M)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.yaml"], ["there is no config file nowhere.yaml"]),
        (["tiny.yaml", "--config", "sed=3"], ["sed: unknown key", "did you mean 'seed'"]),
        (["tiny.yaml", "--config", "3=3"], ["--config 3=3", "--config seed=3"]),
    ],
)
def test_a_bad_config_is_told_in_words(folder: Path, arguments: list[str], words: list[str]) -> None:
    told = why(folder, *arguments, status=1)
    assert all(word in told for word in words), told
    assert "Traceback" not in told


def test_the_dry_run_is_read_block_by_block() -> None:
    block = (
        "Building DAG of jobs...\n[Tue Nov 24 07:55:40 2026]\nrule retrain:\n    input: a, b\n    output: c, d\n"
        "    jobid: 3\n    reason: Missing output files: c, d; Input files updated by another job: a\n"
        "    wildcards: entry=x-0, seed=1\n\n[Tue Nov 24 07:55:40 2026]\nlocalrule all:\n    input: c\n    jobid: 0\n"
    )
    (job,) = parse(block)
    assert (job.rule, job.output, job.wildcards) == ("retrain", ["c", "d"], {"entry": "x-0", "seed": "1"})
    assert job.reason_files("Missing output files") == ["c", "d"]
    assert job.reason_files("Input files updated by another job") == ["a"]
    assert job.reason_files("Updated input files") == []


def test_costs_are_spelled_for_people() -> None:
    spellings = [spelled(seconds) for seconds in (0.44, 12.4, 119.4, 200, 7500)]
    assert spellings == ["0.4 s", "12 s", "119 s", "3 min 20 s", "2 h 5 min"]
    assert str(Estimate(30, same=1) + Estimate(10, like=1) + Estimate(unknown=2)) == "about 40 s + unknown for 2"
    assert str(Estimate(unmeasured=1)) == "seconds"
