"""The commands and the code of the how-to pages, the questions and the reference work as they stand there."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from tiny_workflow import planned

from nas_steps.config.load import load, read_yaml
from nas_steps.config.space import filled
from nas_steps.spaces.declare import declared

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
HOW_TO = DOCS / "how_to"
#: pages whose commands another test reads and runs
ELSEWHERE = {"deploy.md": "tests/workflow/test_deployed.py"}
PAGES = sorted(
    page
    for page in [*HOW_TO.glob("*.md"), *(DOCS / "reference").glob("*.md"), *DOCS.glob("*.md")]
    if page.name not in ELSEWHERE
)
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.S | re.M)
#: commands that other tests run, by the file that does
TESTED = {
    "python -m nas_steps.start": "tests/test_start.py",
    "python -m nas_steps.ranking --tau": "tests/ranking/test_ranking_sufficiency.py",
    "python -m nas_steps.latency kit": "tests/latency/test_latency_kit.py",
    "python -m nas_steps.predict results/language": "tests/test_predict_text.py",
    "python -m nas_steps.why": "tests/workflow/test_why.py",
    "python -m nas_steps.compare": "tests/report/test_compare_experiments.py",
    "python -m nas_steps.status": "tests/workflow/test_console.py",
    "python -m nas_steps.manifest --check": "tests/workflow/test_manifest.py",
    "python -m nas_steps.manifest --adopt": "tests/workflow/test_manifest.py",
}
#: commands that no test runs, and why
NOT_RUN = {
    "make run": "it is the default experiment, which continuous integration runs",
    "pip install -e": "it asks a package index; the extras are in pyproject.toml",
    "python -m pip install onnxruntime; python run.py": "on another device; tests/latency runs run.py itself",
    "snakemake --cores 2 --configfile config/nasbench201_weight_sharing.yaml": "it needs the benchmark's table; "
    "tests/workflow/test_reproduction.py runs a small one",
    "make dist": "tests/test_archives.py builds both archives by the same library",
    "python -m venv venv": "tests/test_archives.py builds the wheel, test_paths.py runs an installed one",
    "venv/bin/pip install": "as above",
    "venv/bin/nas-steps": "as above",
    "docker": "it needs a builder of images and a registry",
    "python run.py": "in the unzipped kit; tests/latency runs it there",
    "snakemake --workflow-profile profiles/kubernetes": "it needs a cluster and a bucket",
}


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, without their indent."""
    found = FENCE.findall(page.read_text(encoding="utf-8"))
    return [textwrap.dedent(body) for _, name, body in found if name == language]


def block(page: str, language: str, start: str) -> str:
    """The one block of a page that starts with a text."""
    (found,) = [one for one in blocks(HOW_TO / page, language) if one.lstrip().startswith(start)]
    return found


COMMANDS = {
    (page.relative_to(DOCS).as_posix(), line.split("  ")[0].strip())
    for page in PAGES
    for one in blocks(page, "")
    for line in one.splitlines()
    if line.strip()
}
RUN_HERE = sorted({line for _, line in COMMANDS if line.startswith("snakemake") and not line.startswith((*NOT_RUN,))})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that the commands name: photos, an archive, a table."""
    folder = tmp_path_factory.mktemp("place")
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / "PHOTOS" / name).mkdir(parents=True)
        for number in range(10):
            pixels = generator.integers(0, 256, (140, 150, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / "PHOTOS" / name / f"{number}.png")
    exec(block("own_data.md", "python", "import numpy").replace('"photos.npz"', repr(str(folder / "photos.npz"))), {})
    return folder


@pytest.mark.parametrize("page", ELSEWHERE)
def test_the_pages_left_out_here_are_read_by_another_test(page: str) -> None:
    assert (HOW_TO / page).is_file()
    assert page in (ROOT / ELSEWHERE[page]).read_text(encoding="utf-8")


def test_every_command_is_run_or_named_with_a_reason() -> None:
    known = (*TESTED, *NOT_RUN)
    for page, line in sorted(COMMANDS):
        assert line in RUN_HERE or line.startswith(known), f"{page}: {line}"
    for start in known:
        assert any(line.startswith(start) for _, line in COMMANDS), f"no page has {start} any more"
    for start, file in TESTED.items():
        module = re.findall(r"nas_steps\.(\w+)", start)[0]
        assert re.search(
            rf"nas_steps\.{module}|nas_steps import {module}", (ROOT / file).read_text(encoding="utf-8")
        ), file


@pytest.mark.parametrize("command", RUN_HERE)
@pytest.mark.workflow
def test_a_command_of_snakemake_makes_a_plan(command: str, place: Path, tmp_path: Path) -> None:
    words = shlex.split(command)
    words = [
        word.replace("PHOTOS", str(place / "PHOTOS")).replace("photos.npz", str(place / "photos.npz")) for word in words
    ]
    output = planned(words, tmp_path)
    assert re.search(r"^total +\d+$", output, flags=re.M), output[-3000:]


def test_the_options_of_our_commands_are_on_the_page_of_commands() -> None:
    text = (DOCS / "reference" / "command_line.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## nas_steps\.(\w+)[^\n]*\n(.*?)(?=^## )", text, flags=re.S | re.M))
    for page, line in sorted(COMMANDS):
        if found := re.match(r"python -m nas_steps\.(\w+)", line):
            for option in re.findall(r"\s(--\w+)", line):
                assert option in sections[found[1]], f"{page}: {line}"


@pytest.mark.parametrize("text", blocks(HOW_TO / "own_space.md", "yaml"))
def test_a_declared_space_is_one(text: str) -> None:
    # what is not of the space: random search, and of language models what every such experiment must say
    raw = (
        read_yaml(ROOT / "config" / "language.yaml")
        if "mixer" in text
        else {"search": {"strategies": {"random": {"evaluations": 4}}}}
    )
    config = load({**raw, "space": yaml.safe_load(text)["space"]}, "own_space.md")
    assert declared(filled(config.space)).size() > 1


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the operation and the strategy that the pages add."""
    folder = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "nas_steps", folder / "nas_steps", ignore=shutil.ignore_patterns("__pycache__"))
    name, builder = blocks(HOW_TO / "own_operation.md", "python")
    settings, union = (block("own_strategy.md", "python", start) for start in ("class Boltzmann", "_Samplings"))
    edit(folder, "nas_steps/spaces/cells/operations.py", "OPERATIONS: dict[str, bool] = {\n", after=name)
    edit(
        folder,
        "nas_steps/models/cells/operations.py",
        "BUILDERS: dict[str, Callable[[int, int, bool], nn.Module]] = {\n",
        after=builder,
    )
    edit(folder, "nas_steps/config/strategies.py", "_Softmax = ", before=settings + "\n\n")
    file = folder / "nas_steps/config/strategies.py"
    text, count = re.subn(r"^_Samplings = .*\n", lambda _: union, file.read_text(encoding="utf-8"), flags=re.M)
    assert count == 1
    file.write_text(text, encoding="utf-8")
    sampler = block("own_strategy.md", "python", '"""Boltzmann')
    (folder / "nas_steps/search/samplers/boltzmann.py").write_text(sampler, encoding="utf-8")
    return folder


def edit(folder: Path, file: str, mark: str, *, before: str = "", after: str = "") -> None:
    """Insert text around the one place that reads `mark`."""
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert text.count(mark) == 1, (file, mark)
    path.write_text(text.replace(mark, before + mark + after), encoding="utf-8")


def in_python(folder: Path, code: str, *words: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", textwrap.dedent(code), *words]
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_added_operation_is_searched_and_built(extended: Path) -> None:
    code = """
        import random, sys, torch, yaml
        from nas_steps.config.load import load
        from nas_steps.models.build import build, size
        from nas_steps.config.space import filled
        from nas_steps.spaces.declare import declared
        config = load({"space": yaml.safe_load(sys.argv[1])["space"]}, "own_operation.md")
        space = declared(filled(config.space))
        drawn = (space.sample(random.Random(number)) for number in range(100))
        found = next(str(one) for one in drawn if "nor_conv_5x5" in str(one))
        network = build(found, config.search.network, inputs=1, classes=10, side=8)
        logits = network(torch.zeros(2, 1, 8, 8))
        logits = logits[0] if isinstance(logits, tuple) else logits
        print(tuple(logits.shape), size(found, config.search.network, inputs=1, classes=10, side=8).macs > 0)
    """
    assert in_python(extended, code, block("own_operation.md", "yaml", "space:")) == "(2, 10) True\n"


def test_the_added_strategy_finds_better_architectures_than_its_first_round(extended: Path) -> None:
    code = """
        import json, statistics, sys, yaml
        from nas_steps.config.load import load
        from nas_steps.estimation.estimates import Estimate
        from nas_steps.search.sampling import run
        from nas_steps.config.space import filled
        from nas_steps.spaces.declare import declared
        search = yaml.safe_load(sys.argv[1])["search"]
        config = load({"search": search}, "own_strategy.md")
        space = declared(filled(config.space))
        score = lambda one: str(one).count("sep_conv_3x3") / 10
        def evaluate(asked):
            return [Estimate(number, str(one), score(one)) for number, one in enumerate(asked)]
        settings = config.search.strategies["boltzmann"]
        rounds = [run(settings, space, 0, seed, evaluate) for seed in range(20)]
        means = [statistics.mean(one.score for search in rounds for one in search[number]) for number in (0, -1)]
        print(json.dumps([[len(one) for one in rounds[0]], means]))
    """
    text = block("own_strategy.md", "yaml", "search:")
    sizes, (first, last) = json.loads(in_python(extended, code, text))
    assert sizes == [8, 4, 4, 4, 4]
    assert last > first + 0.1
