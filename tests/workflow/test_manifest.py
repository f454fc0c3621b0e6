"""The manifest: what a run left, whether it is still that, and results that came without `.snakemake`."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import time
from importlib import metadata
from pathlib import Path

import pytest
from tiny_workflow import ROOT, TINY, change, exported, jobs_to_run, run_module, snakemake, write_config, write_images

from nas_steps.errors import UserError
from nas_steps.provenance.files import read_json, write_json
from nas_steps.workflow.manifest.devices import check_device
from nas_steps.workflow.manifest.left import SLACK
from nas_steps.workflow.manifest.trust import records
from nas_steps.workflow.plan import Plan

RESULTS = "results/tiny"


def manifest(folder: Path, *arguments: str, root: Path = ROOT, status: int = 0) -> str:
    """What `python -m nas_steps.manifest` prints."""
    return run_module(folder, "manifest", *arguments, root=root, status=status)


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished folder with the order of its files' times kept, but without .snakemake."""
    shutil.copytree(finished, tmp_path / "copy", ignore=shutil.ignore_patterns(".snakemake"))
    write_config(tmp_path / "copy", TINY)
    return tmp_path / "copy"


def scramble(folder: Path) -> None:
    """Times as a careless copy leaves them."""
    dice = random.Random(3)
    for file in (folder / "results").rglob("*"):
        if file.is_file():
            os.utime(file, (1.7e9 + dice.random() * 1e6,) * 2)


def refused(folder: Path, config: dict[str, object], *words: str, root: Path = ROOT) -> None:
    result = snakemake(folder, config, "--dry-run", root=root)
    output = result.stdout + result.stderr
    assert result.returncode != 0, output
    assert "Traceback" not in output
    for word in words:
        assert word in output


# --------------------------------------------------------------------------------------- what stands in it


def test_every_file_is_listed_with_its_hash_and_what_made_it(finished: Path) -> None:
    folder = finished / RESULTS
    found = read_json(folder / "manifest.json")
    files = {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    own = {name for name in found["files"] if not name.startswith("../data/")}
    assert own == {name for name in files if not name.startswith("logs/")} - {"manifest.json"}
    assert len(found["files"]) - len(own) == 7  # six arrays and meta.json
    for name in (exported(finished), "export/scaled/B0.onnx", "retraining/darts-0-s0/weights.safetensors"):
        listed, content = found["files"][name], (folder / name).read_bytes()
        assert (listed["sha256"], listed["bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    rule = found["rules"][found["files"]["retraining/darts-0-s0/metrics.json"]["by"]]
    assert rule["rule"] == "retrain"
    assert found["settings"][rule["settings"]]["recipe"]["epochs"] == 2
    assert "nas_steps.retraining.steps.retrain" in found["code"][rule["code"]]
    assert rule["versions"].startswith(f"torch {metadata.version('torch').partition('+')[0]}")
    assert found["files"]["search/darts-0/alphas.json"]["by"] == "darts darts"
    assert {"python", "torch", "torchvision", "numpy", "snakemake", "onnx", "onnxruntime", "nas-steps"} == set(
        found["packages"]
    )
    assert all(found["packages"].values())
    assert found["devices"]
    assert found["config"]["experiment"] == "tiny"


# ------------------------------------------------------------------------------------------------- --check


def test_what_a_run_left_is_verified(finished: Path) -> None:
    write_config(finished, TINY)
    assert "files, all as listed\n" in manifest(finished, "--check", RESULTS)
    assert "all as listed, all current" in manifest(finished, "--check", RESULTS, "--config", "tiny.yaml")


def test_one_byte_a_file_that_is_gone_and_one_too_many_are_named(copied: Path) -> None:
    model = copied / RESULTS / exported(copied)
    content = bytearray(model.read_bytes())
    content[100] ^= 1
    model.write_bytes(content)
    (copied / RESULTS / "ranking" / "ranked.csv").unlink()
    (copied / RESULTS / "report" / "tables" / "costs.csv").write_text("a\n")
    (copied / RESULTS / "search" / "old.csv").write_text("")
    (images,) = (copied / "results" / "data").glob("*/test_images.npy")
    images.write_bytes(images.read_bytes()[:-1] + b"\xff")
    told = manifest(copied, "--check", RESULTS, status=1).splitlines()
    wrong = sorted(line.strip().split(" has ")[0] for line in told[2:])
    assert wrong == sorted(
        [
            f"changed: ../data/{images.parent.name}/test_images.npy",
            f"changed: {exported(copied)}",
            "changed: report/tables/costs.csv",
            "missing: ranking/ranked.csv",
            "not listed: search/old.csv",
        ]
    )


def test_what_differs_from_a_config_and_from_the_code_is_named(finished: Path, copy_of_code: Path) -> None:
    write_config(finished, change(TINY, retrain__recipe__epochs=3), "other.yaml")
    told = manifest(finished, "--check", RESULTS, "--config", "other.yaml", root=copy_of_code, status=1)
    assert "stale: retrain: retrain.recipe.epochs: 2 -> 3" in told
    assert "stale: gather_retraining: code of nas_steps.retraining.summary" in told
    assert "stale: evaluate" not in told


def test_a_folder_without_a_manifest_is_refused_in_words(tmp_path: Path) -> None:
    assert "there is no results/x/manifest.json; a run writes it at its end" in manifest(
        tmp_path, "--check", "results/x", status=1
    )


# ------------------------------------------------------------------------------------- without .snakemake


@pytest.fixture(scope="module")
def copy_of_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository with one module of it edited."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("Snakefile", "nas_steps", "rules", "profiles", "workflow"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
    module = folder / "nas_steps" / "retraining" / "summary.py"
    module.write_text(module.read_text() + "\nEDITED = 1\n")
    return folder


def test_an_equal_copy_is_trusted_and_another_config_is_refused(copied: Path, copy_of_code: Path) -> None:
    assert jobs_to_run(copied, TINY) == []
    refused(
        copied,
        change(TINY, retrain__recipe__epochs=3),
        "retrain (30 files): retrain.recipe.epochs: 2 -> 3",
        "retrain resnet (5 files): retrain.recipe.epochs: 2 -> 3",
        "train_member (15 files): retrain.recipe.epochs: 2 -> 3",
        "python -m nas_steps.manifest --adopt results/tiny",
    )
    refused(copied, TINY, "gather_retraining (4 files): code of nas_steps.retraining.summary", root=copy_of_code)
    (copied / RESULTS / "ranking" / "ranked.csv").write_text("rank\n")
    refused(copied, TINY, "ranking/ranked.csv: 5 bytes, the manifest says")
    (copied / RESULTS / "manifest.json").unlink()
    refused(copied, TINY, "files of which Snakemake knows nothing", "delete results/tiny")


def test_an_adopted_copy_has_nothing_to_do_and_then_reruns_what_is_stale(copied: Path) -> None:
    scramble(copied)
    assert jobs_to_run(copied, TINY) != []  # Snakemake goes by the times, for want of anything better
    assert "files are as listed, and Snakemake knows them again" in manifest(copied, "--adopt", RESULTS)
    assert jobs_to_run(copied, TINY) == []
    assert "all as listed" in manifest(copied, "--check", RESULTS)
    jobs = jobs_to_run(copied, change(TINY, scaling__recipe__epochs=3))
    assert {job.split()[0] for job in jobs} >= {"train_grid", "train_member"}
    assert not {job.split()[0] for job in jobs} & {"retrain", "evaluate", "darts"}


def test_adopted_under_other_code_exactly_that_is_stale(copied: Path, copy_of_code: Path) -> None:
    scramble(copied)
    manifest(copied, "--adopt", RESULTS, root=copy_of_code)
    assert jobs_to_run(copied, TINY, root=copy_of_code) == [
        "export_networks",
        "gather_exports",
        "gather_retraining",
        "manifest",
        "recommend",
        "report",
    ]
    assert jobs_to_run(copied, TINY) == []  # and with the code that made them nothing is


def test_what_is_not_as_listed_is_not_adopted(copied: Path) -> None:
    file = copied / RESULTS / "retraining" / "darts-0-s0" / "metrics.json"
    file.write_text(file.read_text().replace("darts-0", "darts-1", 1))
    told = manifest(copied, "--adopt", RESULTS, status=1)
    assert "changed: retraining/darts-0-s0/metrics.json" in told
    assert not (copied / ".snakemake").exists()


# --------------------------------------------------------------------------------- with .snakemake, replaced


@pytest.fixture
def known(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished folder with `.snakemake`, which knows each of its files."""
    shutil.copytree(finished, tmp_path / "known")
    return tmp_path / "known"


def test_a_result_that_was_restored_over_a_newer_one_is_refused_and_made_anew_once_it_is_deleted(known: Path) -> None:
    assert jobs_to_run(known, TINY) == []
    file = known / RESULTS / "ranking" / "ranked.csv"
    before, status = file.read_text(), file.stat()
    file.write_text(before.replace("ok", "OK", 1))
    os.utime(file, (1e9, 1e9))  # older than all that was made from it: no reason for Snakemake
    refused(known, TINY, "is not what its runs left", f"{RESULTS}/ranking/ranked.csv (rank)", "delete these files")
    file.write_text(before)  # brought back, with another time
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert jobs_to_run(known, TINY) == []
    file.write_text("rank\n")
    file.unlink()
    assert "rank" in {job.split()[0] for job in jobs_to_run(known, TINY)}


def test_prepared_data_that_were_changed_are_refused(known: Path) -> None:
    (images,) = (known / "results" / "data").glob("*/train_images.npy")
    content = bytearray(images.read_bytes())
    content[-1] ^= 1
    images.write_bytes(content)
    refused(known, TINY, "is not what its runs left", "train_images.npy (data)")


def list_anew(folder: Path, name: str) -> None:
    """Make the manifest list a file as it is now, as that of another run would."""
    listed = read_json(folder / "manifest.json")
    content = (folder / name).read_bytes()
    listed["files"][name] |= {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    write_json(folder / "manifest.json", listed)


def test_results_copied_over_equal_ones_are_taken_and_those_of_other_code_are_not(
    known: Path, copy_of_code: Path
) -> None:
    folder = known / RESULTS
    file = folder / "retraining" / "summary.csv"
    file.write_text(file.read_text() + "\n")
    refused(known, TINY, "retraining/summary.csv (gather_retraining)", "delete these files")
    list_anew(folder, "retraining/summary.csv")
    # the manifest vouches for all; what read the one before is made anew
    after = ["export_networks", "gather_exports", "manifest", "recommend", "report"]
    assert jobs_to_run(known, TINY) == after
    refused(known, TINY, "retraining/summary.csv (gather_retraining)", "--adopt", root=copy_of_code)
    # one file of another state of the run is not vouched for by a manifest that others contradict
    ranked = folder / "ranking" / "ranked.csv"
    ranked.write_text(ranked.read_text() + "\n")
    refused(known, TINY, "ranking/ranked.csv (rank)", "retraining/summary.csv (gather_retraining)")


def test_a_file_that_was_replaced_before_anybody_looked_is_made_anew(known: Path) -> None:
    """A run that is killed cannot write down what its jobs left."""
    for ledger in (known / ".snakemake" / "nas-steps").iterdir():
        ledger.unlink()
    file = known / RESULTS / "ranking" / "ranked.csv"
    record = next(records(f"{RESULTS}/ranking/ranked.csv", known / ".snakemake"))
    content, status = file.read_text(), file.stat()
    wait = record.stat().st_ctime + SLACK + 1 - time.time()
    time.sleep(max(0, wait))
    file.write_text(content.replace("ok", "OK", 1))
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert "rank" in {job.split()[0] for job in jobs_to_run(known, TINY)}


@pytest.mark.parametrize(
    ("name", "jobs"),
    [
        ("export/scaled/B0.onnx", {"export_scaled"}),
        ("export/scaled", {"export_scaled"}),
        ("the recommended model", {"export_networks"}),
        ("its card", {"export_networks"}),
        ("export", {"export_scaled", "export_networks"}),
    ],
)
def test_a_deleted_model_that_no_rule_declares_is_made_anew(known: Path, name: str, jobs: set[str]) -> None:
    model = Path(exported(known))
    named = {"the recommended model": model, "its card": model.with_name("README.md")}
    path = known / RESULTS / named.get(name, Path(name))
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    rules = {job.split()[0] for job in jobs_to_run(known, TINY)}
    assert rules == {*jobs, "gather_exports", "report", "manifest"}


def test_what_a_file_manager_leaves_among_the_results_is_no_result(known: Path) -> None:
    for name in (".DS_Store", "ranking/Thumbs.db", "report/.ipynb_checkpoints/x.csv"):
        (known / RESULTS / name).parent.mkdir(exist_ok=True)
        (known / RESULTS / name).write_text("x")
    assert "all as listed" in manifest(known, "--check", RESULTS)


def test_results_that_lie_behind_a_link_are_listed(known: Path) -> None:
    (known / RESULTS).rename(known / "elsewhere")
    (known / RESULTS).symlink_to(known / "elsewhere", target_is_directory=True)
    assert "all as listed" in manifest(known, "--check", RESULTS)
    assert jobs_to_run(known, TINY) == []


def test_one_digit_and_one_byte_that_differ_in_a_copy_without_records_are_noticed(copied: Path) -> None:
    file = copied / RESULTS / "ranking" / "ranked.csv"
    content = file.read_text()
    file.write_text(content.replace("0", "1", 1))
    refused(copied, TINY, "ranking/ranked.csv: another content than the manifest lists")
    file.write_text(content)
    (images,) = (copied / "results" / "data").glob("*/train_images.npy")
    pixels = bytearray(images.read_bytes())
    pixels[-1] ^= 1
    images.write_bytes(pixels)
    refused(copied, TINY, "train_images.npy is not what meta.json beside it says", "delete results/data/")


# ------------------------------------------------------------------------------------------------- devices


def test_results_of_another_device_than_the_one_that_is_named_are_refused(tmp_path: Path) -> None:
    write_images(tmp_path / "images")
    config = change(TINY, data__path=str(tmp_path / "images"))

    def plan(device: str) -> Plan:
        return Plan(change(config, device=device), root=str(tmp_path / "results"))

    for device in ("auto", "cpu", "cuda"):
        check_device(plan(device))  # nothing is there yet
    ledger = Path(plan("auto").every("retrain", "metrics")[0]).with_name("cost.json")
    write_json(ledger, {"device": "cpu (x86_64)"})
    check_device(plan("auto"))
    check_device(plan("cpu"))
    with pytest.raises(
        UserError, match=r"device is cuda, but .* 1 on cpu \(x86_64\).*device: auto.*experiment=tiny_cuda"
    ):
        check_device(plan("cuda"))
    write_json(ledger, {"device": "NVIDIA H200"})
    check_device(plan("cuda"))
    with pytest.raises(UserError, match=r"device is cpu, but .* 1 on NVIDIA H200"):
        check_device(plan("cpu"))
    write_json(ledger, {"device": ""})  # nothing was to be done
    for device in ("auto", "cpu", "cuda"):
        check_device(plan(device))
