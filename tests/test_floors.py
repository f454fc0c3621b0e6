"""The house's promises about itself: floors, torch, pickles, the generated page."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from nas_steps.config.docs import page
from nas_steps.provenance.fingerprint import PACKAGE, _imports
from nas_steps.workflow.docs import page as steps_page

ROOT = PACKAGE.parent
FLOOR = {
    "errors": 1,
    "facts": 1,
    "intervals": 1,
    "metrics": 2,
    "calibration": 1,
    "provenance": 2,
    "spaces": 3,
    "wording": 3,
    "config": 4,
    "data": 5,
    "models": 5,
    "pretrained": 6,
    "training": 6,
    "estimation": 7,
    "search": 8,
    "ranking": 9,
    "retraining": 10,
    "scaling": 10,
    "generation": 9,
    "export": 10,
    "predict": 10,
    "loading": 10,
    "report": 11,
    "workflow": 12,
    "latency": 13,
    "manifest": 13,
    "why": 13,
    "status": 13,
    "compare": 13,
    "launch": 13,
    "start": 13,
}
MODULES = sorted(
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for file in PACKAGE.rglob("*.py")
)


@pytest.mark.parametrize("module", [name for name in MODULES if name != "nas_steps"])
def test_a_module_imports_only_from_lower_floors_or_its_own_room(module: str) -> None:
    room = module.split(".")[1]
    for imported in _imports(module) - {"nas_steps"}:
        other = imported.split(".")[1]
        assert other == room or FLOOR[other] < FLOOR[room], f"{module}: {imported}"


def test_the_floors_are_those_of_the_page_for_contributors() -> None:
    rows = re.findall(r"^\| (\d+) \| (.*) \|$", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), flags=re.M)
    assert {name: int(floor) for floor, names in rows for name in re.findall(r"`(\w+)`", names)} == FLOOR


def test_no_modules_import_each_other() -> None:
    on_the_way: list[str] = []
    done: set[str] = set()

    def visit(module: str) -> None:
        assert module not in on_the_way, " -> ".join([*on_the_way[on_the_way.index(module) :], module])
        if module not in done:
            on_the_way.append(module)
            # a package is run before its modules, whatever they import
            for imported in sorted(one for one in _imports(module) if not module.startswith(f"{one}.")):
                visit(imported)
            done.add(on_the_way.pop())

    for module in MODULES:
        visit(module)


@pytest.mark.parametrize(
    "module",
    [
        "nas_steps.workflow.plan",
        "nas_steps.search.steps.propose",
        "nas_steps.search.steps.gather_search",
        "nas_steps.ranking.steps.match",
        "nas_steps.ranking.steps.rank",
        "nas_steps.ranking.steps.sufficiency",
        "nas_steps.ranking.noise",
        "nas_steps.retraining.steps.gather_retraining",
        "nas_steps.retraining.contests",
        "nas_steps.retraining.steps.retrain",
        "nas_steps.retraining.steps.gather_recipes",
        "nas_steps.scaling.steps.train_member",
        "nas_steps.estimation.steps.evaluate",
        "nas_steps.report.steps.report",
        "nas_steps.data.__main__",
        "nas_steps.predict",
        "nas_steps.generation",
        "nas_steps.workflow.manifest.write",
    ],
)
def test_steps_that_train_nothing_load_no_torch(module: str) -> None:
    code = f"import sys, {module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_snakefile_is_parsed_without_torch_and_pandas() -> None:
    imported = "sys, nas_steps.workflow.plan, nas_steps.workflow.manifest.trust, nas_steps.retraining.refusing"
    code = f"import {imported}; sys.exit(bool({{'torch', 'pandas', 'scipy', 'numpy'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_nothing_is_unpickled() -> None:
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "import pickle" not in text, file
        # checkpoints aside, which are not loaded without it
        assert text.count("torch.load(") == text.count("weights_only=True"), file
        assert "allow_pickle=True" not in text, file


def test_configuration_page_is_what_the_schema_says() -> None:
    assert (ROOT / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8") == page(), "run `make docs`"


def test_results_page_is_what_the_steps_declare() -> None:
    assert (ROOT / "docs" / "reference" / "results.md").read_text(encoding="utf-8") == steps_page(), "run `make docs`"


@pytest.mark.parametrize("file", sorted((ROOT / "config").glob("*.yaml")), ids=lambda file: Path(file).name)
def test_shipped_configs_are_valid(file: Path) -> None:
    from nas_steps.config.load import load, read_yaml

    raw = read_yaml(file)
    if raw.get("data", {}).get("source") in ("folder", "npz"):
        raw["images"] = str(ROOT if raw["data"]["source"] == "folder" else file)
    if raw["search"].get("estimator", {}).get("kind") == "table":
        raw["search"]["estimator"]["path"] = str(file)
    # of a config in several sizes, each may have results of its own
    assert load(raw, str(file)).experiment.startswith(file.stem.replace("config", "digits"))
