"""The profiles: each key is an option of Snakemake, and each does what it says, as far as one machine can show it."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
from itertools import accumulate
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PROFILES = sorted(folder.name for folder in (ROOT / "profiles").iterdir())
TRAINING = {
    "darts",
    "evaluate",
    "score_sample",
    "train_sample",
    "train_shortlist",
    "retrain",
    "train_grid",
    "train_member",
}
# options of the kubernetes plugin 0.5, which is not among what the tests install
KUBERNETES = {"cpu-scalar", "namespace", "omit-job-cleanup", "persistent-volumes", "privileged", "service-account-name"}


def run(folder: Path, *words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, words)]
    clean = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "CUDA_VISIBLE_DEVICES")}
    return subprocess.run(
        command, cwd=folder, env={**clean, **environment}, capture_output=True, text=True, check=False
    )


def parsed(profile: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Let Snakemake read a profile as it does at its start."""
    code = "import sys; from snakemake.cli import parse_args; parse_args(sys.argv[1:])"
    return run(folder, "-c", code, "--workflow-profile", profile)


def dry_run(folder: Path, *flags: str | Path, **environment: str) -> str:
    snakefile = ["--snakefile", ROOT / "Snakefile"]
    result = run(folder, "-m", "snakemake", *snakefile, "--dry-run", *flags, **environment)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-3000:]
    return output


def asking_for_gpus(output: str) -> set[str]:
    """The rules of a dry run with a job that asks for a GPU."""
    blocks = re.split(r"^\[.*\d{4}\]$", output, flags=re.M)
    rules = {re.search(r"^(?:local)?rule (\w+):", block, flags=re.M): block for block in blocks}
    return {rule[1] for rule, block in rules.items() if rule and re.search(r"resources: .*\bgpu=1\b", block)}


@pytest.mark.parametrize("name", PROFILES)
def test_snakemake_accepts_each_key(name: str, tmp_path: Path) -> None:
    keys = yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text(encoding="utf-8"))
    if keys.get("executor") == "kubernetes":
        options = {key.removeprefix("kubernetes-") for key in keys if key.startswith("kubernetes-")}
        assert options <= KUBERNETES
        keys = {key: value for key, value in keys.items() if not key.startswith("kubernetes-") and key != "executor"}
    shutil.copytree(ROOT / "profiles" / name, tmp_path / name)
    (tmp_path / name / "config.yaml").write_text(yaml.safe_dump(keys), encoding="utf-8")
    result = parsed(tmp_path / name, tmp_path)
    assert result.returncode == 0, result.stderr[-2000:]


def test_a_key_that_is_no_option_is_found(tmp_path: Path) -> None:
    """That the test above can fail."""
    (tmp_path / "config.yaml").write_text("latency-weight: 3", encoding="utf-8")
    assert "latency-weight" in parsed(tmp_path, tmp_path).stderr


@pytest.mark.parametrize("name", [name for name in PROFILES if name != "kubernetes"])
def test_what_a_profile_must_have(name: str) -> None:
    profile = yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text(encoding="utf-8"))
    assert profile["rerun-incomplete"] is True
    assert profile["keep-going"] is True
    if "executor" in profile:
        assert profile["retries"] > 0
        # by these two the workflow knows that its jobs run elsewhere
        assert profile["jobs"] > 0
        assert profile["default-resources"]


@pytest.mark.parametrize(("device", "asking"), [("auto", TRAINING), ("cuda", TRAINING), ("cpu", set())])
@pytest.mark.parametrize("name", ["slurm", "generic"])
def test_on_a_cluster_training_asks_for_a_gpu_unless_the_config_says_cpu(
    name: str, device: str, asking: set[str], tmp_path: Path
) -> None:
    """The machine that reads the workflow has no GPU, as a login node."""
    profile = ["--workflow-profile", ROOT / "profiles" / name, "--config", f"device={device}"]
    assert asking_for_gpus(dry_run(tmp_path, *profile, CUDA_VISIBLE_DEVICES="")) == asking


def test_the_slurm_check_knows_which_rules_of_its_run_ask_for_a_gpu(tmp_path: Path) -> None:
    """It runs where SLURM can be installed, long after these tests: a rule that it does not know is found here."""
    place = ROOT / ".ci" / "slurm"
    check = runpy.run_path(str(place / "check"))
    profile = ["--workflow-profile", ROOT / "profiles" / "slurm", "--configfile", place / "small.yaml"]
    assert asking_for_gpus(dry_run(tmp_path, *profile, CUDA_VISIBLE_DEVICES="")) == check["GPU_RULES"]


def made_up_gpus(folder: Path) -> dict[str, str]:
    """The environment of a machine whose nvidia-smi tells of three GPUs, and whose torch is for CUDA."""
    tool, torch = folder / "bin" / "nvidia-smi", folder / "python" / "torch"
    for place in (tool.parent, torch):
        place.mkdir(parents=True)
    tool.write_text('#!/bin/sh\nfor n in 0 1 2; do echo "GPU $n: Made up (UUID: GPU-$n)"; done\n', encoding="utf-8")
    tool.chmod(0o755)
    (torch / "__init__.py").touch()
    (torch / "version.py").write_text("cuda = '13.0'\n", encoding="utf-8")
    return {"PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(torch.parent)}


@pytest.mark.parametrize(
    ("visible", "asking"), [("", set()), ("NoDevFiles", set()), ("none", set()), ("3", set()), ("0", TRAINING)]
)
def test_on_this_machine_training_asks_for_a_gpu_where_there_is_one(
    visible: str, asking: set[str], tmp_path: Path
) -> None:
    """Also with a number of jobs, which is how a cluster's profile begins."""
    output = dry_run(tmp_path, "--jobs", "4", CUDA_VISIBLE_DEVICES=visible, **made_up_gpus(tmp_path))
    assert asking_for_gpus(output) == asking


# training jobs of a sort: they wait, and write down when
WAITING = """
include: {snakefile!r}

rule wait:
    output: "{{number}}.txt"
    resources: gpu=session.gpu
    shell: "date +%s.%N > {{output}} && sleep 1.5 && date +%s.%N >> {{output}}"
"""


@pytest.mark.parametrize(
    ("flags", "visible", "at_once"),
    [
        ((), None, 3),
        ((), "0,2", 2),
        ((), "none", 4),
        (("--resources", "gpu=1"), None, 1),
        (("--config", "trainings_per_gpu=2"), "0", 2),
        (("--config", "trainings_per_gpu=auto"), "0", 4),
    ],
)
def test_as_many_training_jobs_run_at_once_as_gpus_have_places(
    flags: tuple[str, ...], visible: str | None, at_once: int, tmp_path: Path
) -> None:
    (tmp_path / "Snakefile").write_text(WAITING.format(snakefile=str(ROOT / "Snakefile")), encoding="utf-8")
    environment = made_up_gpus(tmp_path)
    if visible is not None:
        environment["CUDA_VISIBLE_DEVICES"] = visible
    targets = [f"{number}.txt" for number in range(4)]
    profile = ["--workflow-profile", ROOT / "profiles" / "default", "--cores", "8", *flags]
    result = run(tmp_path, "-m", "snakemake", *targets, *profile, **environment)
    assert result.returncode == 0, result.stderr[-3000:]
    times = [[float(line) for line in (tmp_path / target).read_text().split()] for target in targets]
    changes = sorted([(began, 1) for began, _ in times] + [(ended, -1) for _, ended in times])
    assert max(accumulate(change for _, change in changes)) == at_once


ALONE = """
include: {snakefile!r}

rule wait:
    output: "{{processes}}-{{alone}}.txt"
    resources: gpu=lambda w: session.gpus(int(w.processes), alone=w.alone == "alone")
    shell: "echo $NAS_STEPS_TRAININGS_PER_GPU {{resources.gpu}} > {{output}}"
"""


@pytest.mark.parametrize(
    ("sharing", "expected"),
    [
        (1, {"1-shared": 1, "2-shared": 2}),
        (3, {"1-shared": 1, "2-shared": 6, "1-alone": 3}),
        ("auto", {"1-alone": 8}),
    ],
)
def test_who_needs_whole_gpus_asks_for_all_their_places(
    sharing: int | str, expected: dict[str, int], tmp_path: Path
) -> None:
    text = ALONE.format(snakefile=str(ROOT / "Snakefile"))
    (tmp_path / "Snakefile").write_text(text, encoding="utf-8")
    profile = ["--workflow-profile", ROOT / "profiles" / "default", "--config", f"trainings_per_gpu={sharing}"]
    targets = [f"{name}.txt" for name in expected]
    result = run(tmp_path, "-m", "snakemake", *targets, *profile, **made_up_gpus(tmp_path))
    assert result.returncode == 0, result.stderr[-3000:]
    for name, places in expected.items():
        assert (tmp_path / f"{name}.txt").read_text(encoding="utf-8").split() == [str(sharing), str(places)]


def test_the_generic_profile_hands_a_job_to_the_queue_with_what_it_needs(tmp_path: Path) -> None:
    """A made-up qsub notes its arguments and runs the job script at once, in the background."""
    tool = tmp_path / "bin" / "qsub"
    tool.parent.mkdir()
    tool.write_text(
        '#!/bin/sh\necho "$@" > asked.txt\nfor script; do :; done\nnohup sh "$script" > job.out 2>&1 &\necho $!\n',
        encoding="utf-8",
    )
    tool.chmod(0o755)
    profile = ["--workflow-profile", ROOT / "profiles" / "generic", "--snakefile", ROOT / "Snakefile"]
    environment = {"PATH": f"{tool.parent}{os.pathsep}{os.environ['PATH']}"}
    result = run(tmp_path, "-m", "snakemake", "data", *profile, "--latency-wait", "5", **environment)
    assert result.returncode == 0, result.stderr[-3000:]
    asked = (tmp_path / "asked.txt").read_text(encoding="utf-8")
    assert "-pe smp 2 -l h_vmem=4000M -l h_rt=0:240:0 -l gpu=0 " in asked
    assert list((tmp_path / "results").glob("data/*/meta.json"))
