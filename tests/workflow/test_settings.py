"""Each job's settings are what its step reads: a check of the whole config must not refuse a part of it."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from test_keys import WORLDS
from tiny_world import TINY

from nas_steps.estimation.table import check_table
from nas_steps.provenance.settings import Settings, read_settings
from nas_steps.workflow.plan import Plan
from nas_steps.workflow.steps import STEPS

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = sorted(path.name for path in (ROOT / "config").glob("*.yaml"))


def kind_read_by(module: str) -> type[Settings] | None:
    """The class that a step reads its settings as; None if it reads none."""
    loaded = import_module(module)
    found = re.search(r"read_settings\((?:given\.settings, )?(\w+)\)", Path(str(loaded.__file__)).read_text("utf-8"))
    return None if found is None else getattr(loaded, found[1])


def read_all(plan: Plan) -> set[str]:
    """Read the settings of every job; return the names of their steps."""
    seen = set()
    for name, step in STEPS.items():
        module = "nas_steps.data.__main__" if name == "data" else step.module
        for variant in {step.variant(job) for job in plan.jobs(name)} if step.reads and name != "manifest" else set():
            kind = kind_read_by(module)
            assert kind is not None, f"{name} declares settings that {module} does not read"
            read_settings(plan.settings(name, variant), kind)
            seen.add(name)
    return seen


@pytest.mark.parametrize("world", WORLDS)
def test_every_step_reads_its_settings(world: str, tmp_path: Path) -> None:
    raw = {**{key: value for key, value in TINY.items() if key in ("experiment", "data")}, **WORLDS[world]}
    data = "text" if world == "text" else "data"
    assert {data, "retrain", "report"} <= read_all(Plan(raw, root=str(tmp_path)))


def images(source: str, folder: Path) -> Path:
    """Images of a user: an archive or a folder."""
    if source == "npz":
        pixels, labels = np.zeros((20, 8, 8), dtype=np.uint8), np.arange(20) % 2
        np.savez(folder / "images.npz", images=pixels, labels=labels)
        return folder / "images.npz"
    for name in ("cat", "dog"):
        (folder / "photos" / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(folder / "photos" / name / "1.png")
    return folder / "photos"


def unchecked(*_: Any) -> None:
    """In place of `check_table`: the table of a shipped config is not ours."""


unchecked.__module__ = check_table.__module__


@pytest.mark.parametrize("name", SHIPPED)
def test_every_step_reads_the_settings_of_a_shipped_config(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw: dict[str, Any] = yaml.safe_load((ROOT / "config" / name).read_text(encoding="utf-8"))
    source = raw.get("data", {}).get("source")
    if source in ("folder", "npz"):
        raw["images"] = str(images(source, tmp_path))
    if raw["search"].get("estimator", {}).get("kind") == "table":
        raw["search"]["estimator"]["path"] = str(tmp_path / "table.csv")
        (tmp_path / "table.csv").write_text("architecture\n", encoding="utf-8")
        monkeypatch.setattr("nas_steps.workflow.plan.check_table", unchecked)
    seen = read_all(Plan(raw, root=str(tmp_path / "results")))
    assert "report" in seen
