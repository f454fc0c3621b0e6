"""The workflow is used from a git repository, as a module of another workflow, in containers and conda environments."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from nas_steps.errors import UserError
from nas_steps.workflow.machine import check_conda

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "rules", "config", "profiles", "workflow")
TINY = {"experiment": "tiny", "data": {"source": "digits", "max_train": 60, "max_valid": 60, "max_test": 80}}
#: what git says of itself, whatever the machine's settings are; an address of GitHub is one of this machine
GIT = """
[user]
    name = someone
    email = someone@example.org
[url "file://{folder}/github.com/"]
    insteadOf = https://github.com/
"""
#: what snakedeploy writes
DEPLOYED = """
configfile: "config/config.yaml"

module nas_steps:
    snakefile:
        {source}
    config:
        config

use rule * from nas_steps
"""


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A repository of the workflow without its package, the package for itself, and an environment for git."""
    folder = tmp_path_factory.mktemp("world")
    repository = folder / "github.com" / "owner" / "nas-steps"
    repository.mkdir(parents=True)
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, repository / name)
        else:
            shutil.copy2(ROOT / name, repository / name)
    (folder / "gitconfig").write_text(GIT.format(folder=folder), encoding="utf-8")
    environment = {
        "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
        "XDG_CACHE_HOME": str(folder / "cache"),
        "PYTHONPATH": str(folder / "site"),
    }
    for words in (["init", "--quiet", "--initial-branch=main"], ["add", "."], ["commit", "--quiet", "-m", "all"]):
        subprocess.run(["git", *words], cwd=repository, env=os.environ | environment, check=True)
    # what lies in the work tree is not what is read
    (repository / "rules" / "common.smk").write_text("raise SystemExit('the work tree')\n", encoding="utf-8")
    (folder / "site").mkdir()
    (folder / "site" / "nas_steps").symlink_to(ROOT / "nas_steps", target_is_directory=True)
    return SimpleNamespace(repository=repository, environment=environment)


def deploy(folder: Path, source: str) -> None:
    """Write what snakedeploy writes: a Snakefile, and a copy of the config."""
    (folder / "workflow").mkdir()
    (folder / "workflow" / "Snakefile").write_text(DEPLOYED.format(source=source), encoding="utf-8")
    shutil.copytree(ROOT / "config", folder / "config")


def snakemake(folder: Path, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1", *flags],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def succeeds(result: subprocess.CompletedProcess[str]) -> str:
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-4000:]
    return output


def test_a_module_from_a_git_repository(world: SimpleNamespace, tmp_path: Path) -> None:
    deploy(tmp_path, f'"git+file://{world.repository}/workflow/Snakefile@main"')
    output = succeeds(snakemake(tmp_path, "--dry-run", **world.environment))
    assert "results/digits/report/report.html" in output
    succeeds(snakemake(tmp_path, "data", **world.environment))
    (made,) = tmp_path.glob("results/data/*/meta.json")
    assert made.is_file()


def test_a_module_from_github(world: SimpleNamespace, tmp_path: Path) -> None:
    deploy(tmp_path, 'github("owner/nas-steps", path="workflow/Snakefile", branch="main")')
    assert "results/digits/manifest.json" in succeeds(snakemake(tmp_path, "--dry-run", **world.environment))


def test_a_repository_is_named_on_the_command_line(world: SimpleNamespace, tmp_path: Path) -> None:
    """Without any file of one's own: the default config is the repository's."""
    source = f"git+file://{world.repository}/workflow/Snakefile@main"
    output = succeeds(snakemake(tmp_path, "--dry-run", "--snakefile", source, **world.environment))
    assert "results/digits/report/report.html" in output


@pytest.mark.parametrize(
    ("source", "requirement"),
    [
        ('"git+file://{repository}/workflow/Snakefile@main"', "nas-steps @ git+file://{repository}@main"),
        (
            'github("owner/nas-steps", path="workflow/Snakefile", branch="main")',
            "nas-steps @ git+https://github.com/owner/nas-steps@main",
        ),
    ],
    ids=["a folder", "GitHub"],
)
def test_a_package_that_is_missing_or_of_another_version(
    world: SimpleNamespace, tmp_path: Path, source: str, requirement: str
) -> None:
    deploy(tmp_path, source.format(repository=world.repository))
    (tmp_path / "other" / "nas_steps").mkdir(parents=True)
    # the finder of an editable install would find the modules of an empty package
    text = "raise ModuleNotFoundError(\"No module named 'nas_steps.workflow.attached'\")\n"
    (tmp_path / "other" / "nas_steps" / "__init__.py").write_text(text, encoding="utf-8")
    result = snakemake(tmp_path, "--dry-run", **world.environment | {"PYTHONPATH": str(tmp_path / "other")})
    told = result.stdout + result.stderr
    assert result.returncode == 1
    assert "the package nas_steps lies neither beside the Snakefile" in told
    wanted = requirement.format(repository=world.repository)
    assert f"install the package where Snakemake is: {sys.executable} -m pip install '{wanted}'" in told
    assert "Traceback" not in told


#: an apptainer that runs the command on this machine and writes down how it was called
APPTAINER = """#!/bin/sh
if [ "$1" = "--version" ]; then echo "apptainer version 1.3.0"; exit; fi
echo "$@" >> "$CALLS"
while [ "$1" != "sh" ] && [ "$1" != "bash" ]; do shift; done
exec "$@"
"""


def test_jobs_run_in_the_container_that_the_config_names(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "apptainer").write_text(APPTAINER, encoding="utf-8")
    (tmp_path / "bin" / "apptainer").chmod(0o755)
    (tmp_path / "nas-steps.sif").touch()
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "container": "nas-steps.sif"}), encoding="utf-8")
    flags = ("data", "--snakefile", str(ROOT / "Snakefile"), "--configfile", "tiny.yaml")
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")}
    # an image that is named and not asked for changes nothing
    succeeds(snakemake(tmp_path, *flags, **environment))
    assert not (tmp_path / "calls").exists()
    succeeds(snakemake(tmp_path, *flags, "--forcerun", "data", "--sdm", "apptainer", **environment))
    (call,) = (tmp_path / "calls").read_text(encoding="utf-8").splitlines()
    assert "nas-steps.sif" in call
    assert "python -m nas_steps.data --settings" in call


def test_an_image_is_one_word(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "container": "two words"}), encoding="utf-8")
    flags = ("--dry-run", "--snakefile", str(ROOT / "Snakefile"), "--configfile", "tiny.yaml")
    result = snakemake(tmp_path, *flags)
    assert result.returncode == 1
    assert "container: given 'two words'" in result.stdout + result.stderr


#: a conda that knows itself and makes nothing
CONDA = """#!/bin/sh
case "$*" in
  "info --json") echo '{"conda_prefix": "/nowhere", "conda_version": "24.9.0", "platform": "linux-64"}';;
  --version) echo "conda 24.9.0";;
  *) echo '{"get": {"channel_priority": "strict"}}';;
esac
"""


def test_the_conda_environment_is_the_repositorys(world: SimpleNamespace, tmp_path: Path) -> None:
    source = f"git+file://{world.repository}/workflow/Snakefile@main"
    deploy(tmp_path, f'"{source}"')
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "conda").write_text(CONDA, encoding="utf-8")
    (tmp_path / "bin" / "conda").chmod(0o755)
    environment = world.environment | {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    flags = ("data", "--dry-run", "--sdm", "conda", "--conda-not-block-search-path-envvars")
    output = succeeds(snakemake(tmp_path, *flags, **environment))
    made = source.replace("Snakefile", "envs/nas-steps.yaml")
    assert f"Conda environment {made} will be created." in output


def test_conda_without_the_path_to_the_package_is_refused() -> None:
    settings = SimpleNamespace(deployment_method={"conda"}, conda_not_block_search_path_envvars=False)
    with pytest.raises(UserError, match=r"jobs find the package nas_steps by PYTHONPATH.*add --conda-not-block"):
        check_conda(settings)
    settings.conda_not_block_search_path_envvars = True
    check_conda(settings)
    check_conda(SimpleNamespace(deployment_method=frozenset(), conda_not_block_search_path_envvars=False))


PAGE = (ROOT / "docs" / "how_to" / "deploy.md").read_text(encoding="utf-8")
#: the page's commands: the test that runs it, or why none does
COMMANDS = {
    "snakemake --cores 2 --dry-run": "test_a_module_from_github",
    "snakemake --cores 2 --dry-run --snakefile git+file:///srv/nas-steps/workflow/Snakefile@main": (
        "test_a_repository_is_named_on_the_command_line"
    ),
    "snakemake --software-deployment-method apptainer --config container=nas-steps.sif": (
        "test_jobs_run_in_the_container_that_the_config_names"
    ),
    "snakemake --report report.zip": "tests/workflow/test_workflow.py",
    "check-jsonschema --schemafile workflow/schemas/config.schema.yaml config/config.yaml": (
        "tests/config/test_json_schema.py, by the library below that command"
    ),
    "pip install 'nas-steps @ git+https://github.com/OWNER/nas-steps@v0.2.0'": "the network is not for tests",
    "snakedeploy deploy-workflow https://github.com/OWNER/nas-steps my-experiment --tag v0.2.0": (
        "no dependency of this project; DEPLOYED above is what it writes"
    ),
    "docker build --tag nas-steps:0.2.0 .": "needs a daemon; the checks on GitHub run it",
    "docker build --tag nas-steps:0.2.0-cuda --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu128 .": (
        "needs a daemon"
    ),
    'docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" nas-steps:0.2.0 snakemake --snakefile '
    "/usr/local/share/nas-steps/Snakefile --configfile config/config.yaml": "needs a daemon",
    "apptainer build nas-steps.sif docker-daemon://nas-steps:0.2.0": "needs a daemon and apptainer",
    "snakemake --software-deployment-method conda --conda-not-block-search-path-envvars": (
        "needs conda; test_conda_without_the_path_to_the_package_is_refused tests what this project adds"
    ),
}


def test_each_command_of_the_page_is_known_here() -> None:
    blocks = [text for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", PAGE, flags=re.S | re.M) if not language]
    assert {line for block in blocks for line in block.splitlines()} == set(COMMANDS)
    named = {reason for reason in COMMANDS.values() if reason.startswith("test_")}
    assert named <= set(globals())


def test_the_page_shows_the_module_that_is_tested() -> None:
    shown = DEPLOYED.format(source='github("OWNER/nas-steps", path="workflow/Snakefile", tag="v0.2.0")')
    assert shown.strip() in PAGE
