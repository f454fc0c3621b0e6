"""The workflow runs wherever it lies and wherever it is called from, and its jobs run the package that lies with it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "rules", "nas_steps", "config", "profiles", "workflow", "pyproject.toml")
FILES = ("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md")
TINY = {"experiment": "tiny", "data": {"source": "digits", "max_train": 60, "max_valid": 60, "max_test": 80}}
MARK = "from the copied checkout"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of the workflow in a folder with spaces; its data stage says in the log that it is the copy's."""
    copy = tmp_path / "a check out"
    copy.mkdir()
    for name in (*PARTS, *FILES):
        source = ROOT / name
        if source.is_dir():
            # what is compiled already need not be compiled by each of these tests
            shutil.copytree(source, copy / name)
        else:
            shutil.copy2(source, copy / name)
    with (copy / "nas_steps" / "data" / "prepare.py").open("a", encoding="utf-8") as file:
        file.write(f"\nprint({MARK!r})\n")
    return copy


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with spaces in its name, and an experiment's file in it."""
    folder = tmp_path / "a working folder"
    folder.mkdir()
    (folder / "tiny.yaml").write_text(yaml.safe_dump(TINY), encoding="utf-8")
    return folder


def snakemake(folder: Path, *flags: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake in `folder`, in an environment that says nothing about where the package is."""
    command = [sys.executable, "-m", "snakemake", "--cores", "1", *map(str, flags)]
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        command, cwd=folder, env={**clean, **environment}, capture_output=True, text=True, check=False
    )


def succeeds(result: subprocess.CompletedProcess[str]) -> str:
    """What a run printed; an assertion where it failed."""
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-4000:]
    return output


def data_log(results: Path) -> str:
    """What the data stage printed."""
    (log,) = results.glob("data/*/data.log")
    return log.read_text(encoding="utf-8")


def test_another_working_directory_and_spaces_in_both_paths(checkout: Path, folder: Path) -> None:
    flags = ["--snakefile", checkout / "Snakefile", "--directory", folder, "--configfile", folder / "tiny.yaml"]
    succeeds(snakemake(Path("/"), "data", *flags))
    assert MARK in data_log(folder / "results")
    assert not (checkout / "results").exists()


def test_without_a_config_the_default_experiment_is_planned_from_anywhere(checkout: Path, folder: Path) -> None:
    output = succeeds(snakemake(folder, "--snakefile", checkout / "Snakefile", "--dry-run"))
    assert "results/digits/report/report.html" in output


def test_python_need_not_be_on_the_path(checkout: Path, folder: Path) -> None:
    """As when Snakemake is called by its full path, with no environment activated."""
    flags = ["data", "--snakefile", checkout / "Snakefile", "--configfile", "tiny.yaml"]
    succeeds(snakemake(folder, *flags, PATH="/usr/bin:/bin"))
    assert MARK in data_log(folder / "results")


def test_moving_the_folder_makes_nothing_stale(checkout: Path, tmp_path: Path) -> None:
    config = checkout / "config" / "tiny.yaml"
    config.write_text(yaml.safe_dump(TINY), encoding="utf-8")
    succeeds(snakemake(checkout, "data", "--configfile", "config/tiny.yaml"))
    records = list((checkout / ".snakemake" / "metadata").iterdir())
    assert len(records) == 8
    for record in records:
        watched = json.loads(record.read_text(encoding="utf-8"))
        told = json.dumps([watched["params"], watched["shellcmd"], watched["input"], b64decode(record.name).decode()])
        assert str(tmp_path) not in told
    moved = checkout.rename(tmp_path / "moved")
    output = succeeds(snakemake(moved, "data", "--dry-run", "--configfile", "config/tiny.yaml"))
    assert "Nothing to be done" in output


OUTER = """
configfile: "config/config.yaml"

module nas:
    snakefile: {snakefile!r}
    config: config["nas"]
    {prefix}

use rule * from nas as nas_*

rule mine:
    default_target: True
    input: rules.nas_report.output.report
    output: "mine.txt"
    shell: "cp {{input:q}} {{output:q}}"
"""


@pytest.mark.parametrize("prefix", ["", "my networks"])
def test_a_module_of_another_workflow(checkout: Path, folder: Path, prefix: str) -> None:
    statement = f"prefix: {prefix!r}" if prefix else ""
    text = OUTER.format(snakefile=str(checkout / "Snakefile"), prefix=statement)
    (folder / "Snakefile").write_text(text, encoding="utf-8")
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump({"nas": TINY, "of mine": 1}), encoding="utf-8")
    output = succeeds(snakemake(folder, "--dry-run", "--printshellcmds"))
    results = f"{prefix}/results" if prefix else "results"
    assert f"input: {results}/tiny/report/report.html" in output
    commands = re.findall(r"^Shell command: (.*)$", output, flags=re.M)
    assert len(commands) > 50
    unquoted = [command for command in commands if "my networks" in re.sub(r"'[^']*'", "", command)]
    assert unquoted == []
    succeeds(snakemake(folder, "nas_data"))
    assert MARK in data_log(folder / results)


def test_what_is_wrong_in_a_module_is_told_with_its_name(checkout: Path, folder: Path) -> None:
    text = OUTER.format(snakefile=str(checkout / "Snakefile"), prefix="")
    (folder / "Snakefile").write_text(text, encoding="utf-8")
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text("nas: {experimnt: x}", encoding="utf-8")
    result = snakemake(folder, "--dry-run")
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert "the config of module nas is refused" in output
    assert "did you mean 'experiment'" in output


def install(source: Path, target: Path, folder: Path) -> None:
    """`pip install --target`, with what is here already and nothing from the network."""
    flags = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    command = [sys.executable, "-m", "pip", "install", *flags, str(source)]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-3000:]


def test_an_installed_source_archive_brings_the_workflow_with_it(checkout: Path, folder: Path, tmp_path: Path) -> None:
    build = "import setuptools.build_meta as backend; print(backend.build_sdist('dist'))"
    built = subprocess.run([sys.executable, "-c", build], cwd=checkout, capture_output=True, text=True, check=True)
    target = tmp_path / "installed here"
    install(checkout / "dist" / built.stdout.split()[-1], target, folder)
    shutil.rmtree(checkout)
    snakefile = target / "share" / "nas-steps" / "Snakefile"
    assert not (snakefile.parent / "nas_steps").exists()
    flags = ["data", "--snakefile", snakefile, "--configfile", "tiny.yaml"]
    succeeds(snakemake(folder, *flags, PYTHONPATH=str(target)))
    assert MARK in data_log(folder / "results")
    for profile in ("default", "slurm", "generic", "kubernetes"):
        assert (snakefile.parent / "profiles" / profile / "config.yaml").is_file()


def test_a_checkout_goes_before_an_installed_package(checkout: Path, folder: Path, tmp_path: Path) -> None:
    """`pip install .` and an edit afterwards: what lies beside the Snakefile is what its jobs run."""
    installed = tmp_path / "installed"
    install(checkout, installed, folder)
    marked = checkout / "nas_steps" / "data" / "prepare.py"
    marked.write_text(marked.read_text(encoding="utf-8").replace(MARK, "edited since"), encoding="utf-8")
    flags = ["data", "--snakefile", checkout / "Snakefile", "--configfile", "tiny.yaml"]
    succeeds(snakemake(folder, *flags, PYTHONPATH=str(installed)))
    assert "edited since" in data_log(folder / "results")


SHADOWS = ("random", "copy", "numpy", "torch", "types", "nas_steps")


def write_shadows(folder: Path) -> None:
    for name in SHADOWS:
        (folder / f"{name}.py").write_text(f"raise SystemExit('the {name} of {folder}')\n", encoding="utf-8")


def test_what_lies_in_the_working_directory_is_no_module(checkout: Path, folder: Path) -> None:
    """`python -m` looks there first, and so does Snakemake when it is started in that way."""
    shutil.copytree(ROOT / "nas_steps", folder / "nas_steps", ignore=shutil.ignore_patterns("__pycache__"))
    write_shadows(folder)
    flags = ["data", "--snakefile", checkout / "Snakefile", "--configfile", "tiny.yaml"]
    succeeds(snakemake(folder, *flags, PYTHONSAFEPATH="1"))
    assert MARK in data_log(folder / "results")


def test_what_lies_beside_the_package_is_no_module(checkout: Path, folder: Path) -> None:
    """A checkout is where people work: their scripts lie beside the package that jobs find there."""
    write_shadows(checkout)
    command = [
        Path(sys.executable).with_name("snakemake"),
        "data",
        "--cores",
        "1",
        "--configfile",
        folder / "tiny.yaml",
    ]
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    result = subprocess.run(command, cwd=checkout, env=clean, capture_output=True, text=True, check=False)
    succeeds(result)
    assert MARK in data_log(checkout / "results")


def test_as_a_module_another_package_in_the_working_directory_is_refused(checkout: Path, folder: Path) -> None:
    """The jobs of the other workflow may need what lies there, and `python -m` would run that one."""
    shutil.copytree(ROOT / "nas_steps", folder / "nas_steps", ignore=shutil.ignore_patterns("__pycache__"))
    text = OUTER.format(snakefile=str(checkout / "Snakefile"), prefix="")
    (folder / "Snakefile").write_text(text, encoding="utf-8")
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_text(yaml.safe_dump({"nas": TINY, "of mine": 1}), encoding="utf-8")
    # nor does Snakemake itself find it, as where it is a command of its own
    result = snakemake(folder, "--dry-run", PYTHONPATH=str(checkout))
    output = result.stdout + result.stderr
    assert result.returncode != 0
    assert "holds another nas_steps" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("name", ["-photos", "2024", "~/photos", "caf\u00e9 photos"])
def test_images_lie_in_a_folder_of_any_name(folder: Path, name: str) -> None:
    photos = folder / name.replace("~", "home")
    for kind in ("a", "b"):
        (photos / kind).mkdir(parents=True)
        for index in range(8):
            pixels = np.random.default_rng([index, ord(kind)]).integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(photos / kind / f"{index}.png")
    given = ("--configfile", "tiny.yaml", "--config", f"images={name}", "experiment=7")
    (folder / "tiny.yaml").write_text("data: {source: folder, resolution: 8}\n", encoding="utf-8")
    succeeds(snakemake(folder, "--snakefile", ROOT / "Snakefile", "--until", "data", *given, HOME=str(folder / "home")))
    (report,) = (folder / "results" / "settings").glob("report-*.json")
    assert '"experiment":"7"' in report.read_text(encoding="utf-8")
    (meta,) = (folder / "results" / "data").glob("folder-*/meta.json")
    assert json.loads(meta.read_text(encoding="utf-8"))["classes"] == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"seed: 1\ndata: [\n", "config/config.yaml is not valid YAML: line 3"),
        ("seed: 1\n".encode("utf-16"), "config/config.yaml is no UTF-8 text: line 1"),
        (
            (
                "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{b: *a{n - 1}, c: *a{n - 1}}}\n" for n in range(1, 64))
            ).encode(),
            "its aliases expand to more than 100,000 values",
        ),
    ],
    ids=["broken", "UTF-16", "without end"],
)
def test_the_default_config_is_checked_before_snakemake_reads_it(folder: Path, content: bytes, words: str) -> None:
    (folder / "config").mkdir()
    (folder / "config" / "config.yaml").write_bytes(content)
    result = snakemake(folder, "--snakefile", ROOT / "Snakefile", "--dry-run")
    told = result.stdout + result.stderr
    assert result.returncode == 1
    assert words in told
    assert "Traceback" not in told
