"""Stale means stale: which jobs an edit reruns, asked of `snakemake -n` after the tiny experiment has run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from tiny_workflow import RECIPE, ROOT, TINY, change, exported, finish, jobs_to_run, snakemake

from nas_steps.provenance.files import read_json

STRATEGIES = TINY["search"]["strategies"]

#: one row an edit, one column a rule, each cell the number of jobs that rerun; the first row counts all there are.
#: The report reruns with any key: it prints the config.
TABLE = """
                                | da bu pr ev ga dn| sh ts ra| sa tm sc ca cp| rt gr rc| dg tg ch me fa| en es ge| rp ma
all jobs                        |  1  1  3  3  2  1|  1  1  1|  1  1  1  1  1|  6  1  1|  1  1  1  3  1|  1  1  1|  1  1
comments and docstrings anywhere|  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
keys in another order           |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
5e-2 for 0.05                   |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
a default written out           |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
images touched                  |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
images moved                    |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  1  1
images renamed                  |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  1  1
files that are never read       |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
a class behind a link           |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
device: cpu                     |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  1  1
data.unreadable                 |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  1  1
data.max_image_pixels           |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  1  1
settings edited by hand         |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
another version of nas-steps    |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
help texts of the schema        |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
bounds of the schema, respelled |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
another check of the schema     |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
a default of DrNAS              |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
a default of every recipe       |  .  .  1  3  2  .|  1  1  1|  .  1  1  1  1|  6  1  1|  1  1  1  3  1|  1  1  1|  1  1
one more preset                 |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
one more kind of DARTS          |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
one more sampler                |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
one more zero-cost proxy        |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
one more family of baselines    |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
the declarations' words         |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .
code of the kind darts          |  .  .  .  .  .  1|  1  1  1|  .  .  .  1  1|  3  1  1|  1  1  1  3  1|  1  1  1|  1  1
code of the sampler evolution   |  .  .  2  2  1  .|  1  1  1|  .  .  .  1  1|  3  1  1|  1  1  1  3  1|  1  1  1|  1  1
code of the scaling's settings  |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  1  1  1  3  1|  .  1  1|  1  1
the report's template           |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  1  1
code of the retraining's summary|  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  1  1|  .  .  .  .  .|  1  .  1|  1  1
code of the step of retraining  |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  6  1  1|  .  .  .  .  .|  1  .  1|  1  1
code of an operation            |  .  1  2  3  2  1|  1  1  1|  .  1  1  1  1|  6  1  1|  1  1  1  3  1|  1  1  1|  1  1
code of preparing data          |  1  1  2  3  2  1|  1  1  1|  .  1  1  1  1|  6  1  1|  1  1  1  3  1|  1  1  1|  1  1
another version of torch        |  .  .  1  3  2  1|  1  1  1|  .  1  1  1  1|  6  1  1|  1  1  1  3  1|  1  1  1|  1  1
another version of torchvision  |  .  .  1  3  2  1|  1  1  1|  .  1  1  1  1|  6  1  1|  1  1  1  3  1|  1  1  1|  1  1
another version of onnx         |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  1  1  1|  1  1
one pixel of one image          |  1  1  2  3  2  1|  1  1  1|  .  1  1  1  1|  6  1  1|  1  1  1  3  1|  1  1  1|  1  1
one pixel behind a link         |  1  1  2  3  2  1|  1  1  1|  .  1  1  1  1|  6  1  1|  1  1  1  3  1|  1  1  1|  1  1
an image of that size and time  |  1  1  2  3  2  1|  1  1  1|  .  1  1  1  1|  6  1  1|  1  1  1  3  1|  1  1  1|  1  1
data.max_train                  |  1  1  2  3  2  1|  1  1  1|  .  1  1  1  1|  6  1  1|  1  1  1  3  1|  1  1  1|  1  1
search.estimator.learning_rate  |  .  .  1  3  2  .|  1  1  1|  .  .  1  1  1|  3  1  1|  1  1  1  3  1|  1  1  1|  1  1
a key of darts                  |  .  .  .  .  .  1|  1  1  1|  .  .  .  1  1|  3  1  1|  1  1  1  3  1|  1  1  1|  1  1
a key of evolution              |  .  .  2  2  1  .|  1  1  1|  .  .  .  1  1|  3  1  1|  1  1  1  3  1|  1  1  1|  1  1
one more strategy               |  .  1  1  1  1  1|  1  1  1|  .  .  .  1  1|  4  1  1|  1  1  1  3  1|  1  1  1|  1  1
one more search seed            |  .  .  3  3  2  1|  1  1  1|  .  .  .  1  1|  7  1  1|  1  1  1  3  1|  1  1  1|  1  1
one more round of evolution     |  .  1  2  2  2  .|  1  1  1|  .  .  .  1  1|  3  1  1|  1  1  1  3  1|  1  1  1|  1  1
ranking.shortlist               |  .  .  .  .  .  .|  1  1  1|  .  .  .  1  1|  3  1  1|  1  1  1  3  1|  1  1  1|  1  1
ranking.recipe                  |  .  .  .  .  .  .|  .  1  1|  .  1  .  1  1|  3  1  1|  1  1  1  3  1|  1  1  1|  1  1
ranking.uniform                 |  .  .  .  .  .  .|  .  .  .|  1  1  1  1  1|  .  .  .|  .  .  .  .  .|  .  .  .|  1  1
ranking.tolerance               |  .  .  .  .  .  .|  .  .  .|  .  .  .  1  .|  .  .  .|  .  .  .  .  .|  .  .  .|  1  1
retrain.recipe                  |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  6  1  1|  .  .  1  3  1|  1  1  1|  1  1
one more training seed          |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  6  1  1|  .  .  .  .  .|  1  .  1|  1  1
one more baseline               |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  1  1  1|  .  .  .  .  .|  1  .  1|  1  1
scaling.recipe                  |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  1  1  1  3  1|  .  1  1|  1  1
scaling.mac_budget              |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  1  3  1|  .  1  1|  1  1
export.tolerance                |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  1  1  1|  1  1
an exported model deleted       |  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  1  .  1|  1  1
final training's weights deleted|  .  .  .  .  .  .|  .  .  .|  .  .  .  .  .|  1  1  1|  .  .  .  .  .|  1  .  1|  1  1
"""
RULES = {
    "da": "data",
    "bu": "budget",
    "pr": "propose",
    "ev": "evaluate",
    "ga": "gather_search",
    "dn": "darts",
    "sh": "shortlist",
    "ts": "train_shortlist",
    "ra": "rank",
    "sa": "sample",
    "tm": "train_sample",
    "sc": "score_sample",
    "ca": "calibrate",
    "cp": "compare",
    "rt": "retrain",
    "gr": "gather_retraining",
    "rc": "recommend",
    "dg": "describe_grid",
    "tg": "train_grid",
    "ch": "choose_scaling",
    "me": "train_member",
    "fa": "gather_family",
    "en": "export_networks",
    "es": "export_scaled",
    "ge": "gather_exports",
    "rp": "report",
    "ma": "manifest",
}


def row(cells: str) -> dict[str, int]:
    """How many jobs of each rule a row of the table says."""
    columns = [RULES[code] for code in TABLE.splitlines()[1].replace("|", " ").split()]
    numbers = cells.replace("|", " ").split()
    return {rule: int(number) for rule, number in zip(columns, numbers, strict=True) if number != "."}


ROWS = {name.strip(): row(cells) for name, _, cells in (line.partition("|") for line in TABLE.splitlines()[2:])}

CONFIGS: dict[str, dict[str, Any]] = {
    "keys in another order": {key: TINY[key] for key in reversed(TINY)}
    | {"data": dict(reversed(TINY["data"].items()))}
    | {"search": {**TINY["search"], "strategies": dict(reversed(STRATEGIES.items()))}},
    "5e-2 for 0.05": change(TINY, ranking__recipe={"learning_rate": "5e-2", "epochs": "2"}),
    "a default written out": change(TINY, ranking__recipe={**RECIPE, "momentum": 0.9}, seed=0, scaling__enabled=True),
    "device: cpu": change(TINY, device="cpu"),
    "data.unreadable": change(TINY, data__unreadable="skip"),
    "data.max_image_pixels": change(TINY, data__max_image_pixels=64),
    "data.max_train": change(TINY, data__max_train=50),
    "search.estimator.learning_rate": change(TINY, search__estimator__learning_rate=0.2),
    "a key of darts": change(TINY, search__strategies__darts__alpha_learning_rate=0.01),
    "a key of evolution": change(TINY, search__strategies__evolution__sample=2),
    "one more strategy": change(TINY, search__strategies__darts_long={"kind": "darts", "epochs": 2}),
    "one more search seed": change(TINY, search__seeds=2),
    "one more round of evolution": change(TINY, search__strategies__evolution__rounds=3),
    "ranking.shortlist": change(TINY, ranking__shortlist=2),
    "ranking.recipe": change(TINY, ranking__recipe__epochs=3),
    "ranking.uniform": change(TINY, ranking__uniform=4),
    "ranking.tolerance": change(TINY, ranking__tolerance=0.01),
    "retrain.recipe": change(TINY, retrain__recipe__epochs=3),
    "one more training seed": change(TINY, retrain__seeds=2),
    "one more baseline": change(TINY, retrain__baselines=[*TINY["retrain"]["baselines"], "resnet20"]),
    "scaling.recipe": change(TINY, scaling__recipe__epochs=3),
    "scaling.mac_budget": change(TINY, scaling__mac_budget=5e5),
    "export.tolerance": change(TINY, export={"tolerance": 0.01}),
}
#: where a statement is added
CODE = {
    "another check of the schema": "nas_steps/config/checks.py",
    "code of the kind darts": "nas_steps/search/darts/kinds/darts.py",
    "code of the sampler evolution": "nas_steps/search/samplers/evolution.py",
    "code of the scaling's settings": "nas_steps/scaling/settings.py",
    "code of the retraining's summary": "nas_steps/retraining/summary.py",
    "code of the step of retraining": "nas_steps/retraining/steps/retrain.py",
    "code of an operation": "nas_steps/models/cells/operations.py",
    "code of preparing data": "nas_steps/data/prepare.py",
}
#: what is written otherwise: file, pattern, replacement
RESPELLED = {
    "help texts of the schema": ("nas_steps/config/*.py", r'description="', 'description="Other words. '),
    "bounds of the schema, respelled": ("nas_steps/config/*.py", r"\b(gt|ge)=0\b", r"\1=0.0"),
    "a default of DrNAS": ("nas_steps/config/strategies.py", r"(divergence_weight: float = Field\()1e-3", r"\g<1>2e-3"),
    "a default of every recipe": ("nas_steps/config/recipe.py", r"(label_smoothing: float = Field\()0\.0", r"\g<1>0.1"),
    "one more preset": (
        "nas_steps/spaces/cells/presets.py",
        r"\Z",
        "\nDECLARED = {**DECLARED, 'mine': {**DECLARED['small'], 'nodes': 3}}\n",
    ),
    "the declarations' words": ("nas_steps/*/steps/__init__.py", r"(epoch|index)", r"\1 (other words)"),
}
#: a module that is added, and the one of the same kind that it is a copy of
ADDED = {
    "one more kind of DARTS": ("nas_steps/search/darts/kinds/mine.py", "nas_steps/search/darts/kinds/darts.py"),
    "one more sampler": ("nas_steps/search/samplers/mine.py", "nas_steps/search/samplers/evolution.py"),
    "one more zero-cost proxy": ("nas_steps/estimation/proxies/mine.py", "nas_steps/estimation/proxies/synflow.py"),
    "one more family of baselines": ("nas_steps/models/baselines/mine.py", "nas_steps/models/baselines/resnet.py"),
}
VERSIONS = {
    "another version of nas-steps": "nas_steps",
    "another version of torch": "torch",
    "another version of torchvision": "torchvision",
    "another version of onnx": "onnx",
}
#: which jobs, where only some of a rule's are new
ONLY = {
    "one more strategy": {
        "propose": ["strategy=random, seed=0, round=0"],
        "evaluate": ["strategy=random, seed=0, round=0, shard=0"],
        "gather_search": ["strategy=random, seed=0"],
        "darts": ["strategy=darts_long, seed=0"],
    },
    "one more search seed": {
        "propose": [
            "strategy=evolution, seed=1, round=0",
            "strategy=evolution, seed=1, round=1",
            "strategy=random, seed=1, round=0",
        ],
        "gather_search": ["strategy=evolution, seed=1", "strategy=random, seed=1"],
        "darts": ["strategy=darts, seed=1"],
    },
    "one more round of evolution": {
        "propose": ["strategy=evolution, seed=0, round=2", "strategy=random, seed=0, round=0"],
        "evaluate": ["strategy=evolution, seed=0, round=2, shard=0", "strategy=random, seed=0, round=0, shard=0"],
    },
    "one more training seed": {
        "retrain": [
            f"entry={entry}, seed=1"
            for entry in (
                "darts-0",
                "evolution-0",
                "mobilenet_v3_small_x0.5",
                "random-0",
                "resnet20_x0.25",
                "uniform-0",
            )
        ],
    },
    "one more baseline": {"retrain": ["entry=resnet20, seed=0"]},
}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository as it stands in the working tree, to be edited."""
    folder = tmp_path_factory.mktemp("repository")
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder


@contextmanager
def restored(*files: Path) -> Iterator[None]:
    """Files as they were before, their times included."""
    before = [(file, file.read_bytes(), file.stat()) for file in files]
    try:
        yield
    finally:
        for file, content, status in before:
            file.write_bytes(content)
            os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


@contextmanager
def code_edited(copy: Path, files: Sequence[str], edit: Callable[[str], str]) -> Iterator[None]:
    with restored(*(copy / file for file in files)):
        for file in files:
            before = (copy / file).read_text()
            after = edit(before)
            assert after != before, f"the edit of {file} changes nothing"
            (copy / file).write_text(after)
        yield


def commented(text: str) -> str:
    """A comment at each statement's side, another module docstring, a docstring in each plain function."""
    text = "# a comment\n" + re.sub(r'\A"""', '"""Other words. ', text)
    return re.sub(r"^( *)(def .*\) -> .*:)\n(?! *\"\"\")", r'\1\2  # why\n\1    """Words."""\n', text, flags=re.M)


def edit(name: str, finished: Path, copy: Path, tmp_path: Path) -> tuple[AbstractContextManager[Any], dict[str, str]]:
    """What an edit of files is, and the environment to look at it in."""
    modules = [file.relative_to(copy).as_posix() for file in sorted((copy / "nas_steps").rglob("*.py"))]
    images = finished / "images"
    if name == "comments and docstrings anywhere":
        return code_edited(copy, modules, commented), {}
    if name == "the report's template":
        return code_edited(copy, ["nas_steps/report/page.html.j2"], lambda text: text + "<!-- new -->\n"), {}
    if name in RESPELLED:
        pattern, old, new = RESPELLED[name]
        files = [file.relative_to(copy).as_posix() for file in sorted(copy.glob(pattern))]
        files = [file for file in files if re.search(old, (copy / file).read_text())]
        assert files
        return code_edited(copy, files, lambda text: re.sub(old, new, text)), {}
    if name in ADDED:
        return one_more(copy, *ADDED[name]), {}
    if name in CODE:
        return code_edited(copy, [CODE[name]], lambda text: text + "\nEDITED = 1\n"), {}
    if name in VERSIONS:
        # found before the one that is installed
        package = tmp_path / f"{VERSIONS[name]}-99.0.dist-info"
        package.mkdir()
        (package / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {VERSIONS[name]}\nVersion: 99.0\n")
        return nullcontext(), {"PYTHONPATH": f"{tmp_path}{os.pathsep}{copy}"}
    if name == "images touched":
        return touched(images), {}
    if name == "one pixel of one image":
        return one_pixel(images / "3" / "01.png"), {}
    if name == "files that are never read":
        return added(images), {}
    if name in ("a class behind a link", "one pixel behind a link"):
        return linked(images / "3", tmp_path / "elsewhere", pixel="pixel" in name), {}
    if name == "an image of that size and time":
        return swapped(images / "3" / "01.png", images / "4" / "01.png"), {}
    if name == "settings edited by hand":
        name = read_json(finished / "results" / "tiny" / "manifest.json")["rules"]["retrain"]["settings"]
        return edited_by_hand(finished / "results" / "settings" / f"{name}.json"), {}
    if name == "final training's weights deleted":
        return deleted(finished / "results" / "tiny" / "retraining" / "darts-0-s0" / "weights.safetensors"), {}
    if name == "an exported model deleted":
        return deleted(finished / "results" / "tiny" / exported(finished)), {}
    return nullcontext(), {}


@contextmanager
def one_more(copy: Path, file: str, like: str) -> Iterator[None]:
    """One more module of a package of kinds, and its class in the schema."""
    schema = ["nas_steps/config/strategies.py", "nas_steps/config/estimators.py"]
    with code_edited(copy, schema, lambda text: text + "\n\nclass Mine(Section):\n    mine: int = 1\n"):
        shutil.copy(copy / like, copy / file)
        yield
        (copy / file).unlink()


@contextmanager
def touched(folder: Path) -> Iterator[None]:
    files = list(folder.rglob("*.png"))
    with restored(*files):
        for file in files:
            file.touch()
        yield


@contextmanager
def one_pixel(file: Path) -> Iterator[None]:
    with restored(file):
        with Image.open(file) as opened:
            picture = opened.copy()
        picture.putpixel((0, 0), 77)
        picture.save(file)
        yield


@contextmanager
def added(folder: Path) -> Iterator[None]:
    files = [folder / name for name in (".DS_Store", "3/.DS_Store", "3/Thumbs.db", "3/notes.txt", "labels.csv")]
    for file in files:
        file.write_text("no image")
    yield
    for file in files:
        file.unlink()


@contextmanager
def linked(folder: Path, elsewhere: Path, *, pixel: bool) -> Iterator[None]:
    """A folder that lies elsewhere, with a link in its place."""
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere, target_is_directory=True)
    try:
        with one_pixel(elsewhere / "01.png") if pixel else nullcontext():
            yield
    finally:
        folder.unlink()
        elsewhere.rename(folder)


@contextmanager
def swapped(file: Path, other: Path) -> Iterator[None]:
    """Another content under a name, of the same size and of the same time of modification."""
    with restored(file):
        status, content = file.stat(), other.read_bytes()
        picture = (content + file.read_bytes())[: status.st_size]  # bytes behind a picture's end are not read
        assert picture != file.read_bytes()
        file.write_bytes(picture)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert (file.stat().st_size, file.stat().st_mtime_ns) == (status.st_size, status.st_mtime_ns)
        yield


@contextmanager
def edited_by_hand(file: Path) -> Iterator[None]:
    """A settings file that says something else than its name; the next run writes it anew."""
    before = file.read_text()
    file.write_text(before.replace('"epochs":2', '"epochs":3'))
    assert file.read_text() != before
    yield
    assert file.read_text() == before


@contextmanager
def deleted(file: Path) -> Iterator[None]:
    with restored(file):
        file.unlink()
        yield


@pytest.mark.parametrize("name", [name for name in ROWS if name != "all jobs"])
def test_an_edit_reruns_these_jobs_and_no_others(name: str, finished: Path, copy: Path, tmp_path: Path) -> None:
    config = CONFIGS.get(name, TINY)
    if name in ("images moved", "images renamed"):
        place = tmp_path / ("images" if name == "images moved" else "photos")
        shutil.copytree(finished / "images", place)
        config = change(TINY, data__path=str(place))
    edited, environment = edit(name, finished, copy, tmp_path)
    with edited:
        jobs = jobs_to_run(finished, config, root=copy, **environment)
    counts = {rule: sum(job.split()[0] == rule for job in jobs) for rule in RULES.values()}
    assert {rule: count for rule, count in counts.items() if count} == ROWS[name]
    for rule, wildcards in ONLY.get(name, {}).items():
        assert [job for job in jobs if job.split()[0] == rule] == [f"{rule} {one}" for one in wildcards]


def test_when_every_edit_is_undone_nothing_is_to_be_done(finished: Path, copy: Path) -> None:
    """Stands behind the table: its edits are undone by now, and dry runs left nothing behind that counts."""
    assert jobs_to_run(finished, TINY, root=copy) == []
    assert jobs_to_run(finished, TINY) == []


def test_a_job_computes_by_the_threads_of_the_config_however_many_cores_a_run_has(finished: Path) -> None:
    """Snakemake scales a job down to the cores that it has. The numbers would depend on them."""
    two = change(TINY, threads=2)
    runs = (["--cores", "1"], ["--cores", "2"], ["--cores", "2", "--set-threads", "retrain=1", "darts=1"])
    commands = []
    for flags in runs:
        result = snakemake(finished, two, "--dry-run", "--printshellcmds", *flags)
        assert result.returncode == 0, result.stderr
        commands.append(sorted(re.findall(r"Shell command: (.*)$", result.stdout + result.stderr, flags=re.M)))
    assert len(commands[0]) > 20
    assert commands[0] == commands[1] == commands[2]


def test_the_table_counts_all_jobs(finished: Path) -> None:
    jobs = jobs_to_run(finished, TINY, "--forceall")
    assert {rule: sum(job.split()[0] == rule for job in jobs) for rule in RULES.values()} == ROWS["all jobs"]
    assert {job.split()[0] for job in jobs} == set(RULES.values())


def test_another_experiment_shares_the_data_and_touches_nothing_of_the_first(finished: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(finished, folder)
    other = {**change(TINY, retrain__recipe__epochs=3), "experiment": "other"}
    jobs = jobs_to_run(folder, other)
    assert not [job for job in jobs if job.split()[0] == "data"]
    assert len(jobs) == sum(ROWS["all jobs"].values()) - 1
    finish(folder, other, "--until", "propose")
    assert (folder / "results" / "other" / "search" / "budget.json").is_file()
    assert jobs_to_run(folder, TINY) == []


def test_what_the_manifest_says_is_what_snakemake_watches(finished: Path) -> None:
    """The plan's table of what each rule watches, against Snakemake's own records."""
    manifest = read_json(finished / "results" / "tiny" / "manifest.json")
    seen = set()
    for record in (finished / ".snakemake" / "metadata").iterdir():
        told = read_json(record)
        seen.add(told["rule"])
        if told["rule"] == "manifest":
            continue
        params = set(told["params"])
        candidates = [rule for rule in manifest["rules"].values() if rule["rule"] == told["rule"]]
        wanted = [
            {repr(rule["code"])}
            | ({repr(f"results/settings/{rule['settings']}.json")} if rule["settings"] else set())
            | ({repr(rule["versions"])} if rule["versions"] else set())
            for rule in candidates
        ]
        assert any(one <= params for one in wanted), told["rule"]
        assert not [value for value in params if "/tmp" in value or str(finished) in value]
    assert seen == set(RULES.values())


def test_another_shell_text_is_watched_too(finished: Path, copy: Path) -> None:
    """Snakemake's own trigger is not lost by ours."""
    with code_edited(copy, ["rules/report.smk"], lambda text: text.replace("        RUN\n", '        RUN + " "\n')):
        assert jobs_to_run(finished, TINY, root=copy) == ["manifest", "report"]


def test_the_dry_run_says_why(finished: Path) -> None:
    result = snakemake(finished, CONFIGS["export.tolerance"], "--dry-run")
    assert re.search(r"before: 'results/settings/export_networks-\w{16}\.json'", result.stdout + result.stderr)
