"""The tiny experiment of the workflow's tests: its config, its images, snakemake run on them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import yaml
from PIL import Image
from sklearn.datasets import load_digits

from nas_steps.provenance.files import read_json

ROOT = Path(__file__).resolve().parents[2]

RECIPE = {"epochs": 2, "learning_rate": 0.05}
TINY: dict[str, Any] = {
    "experiment": "tiny",
    "shards": 1,
    "data": {
        "source": "folder",
        "path": "images",
        "resolution": 8,
        "channels": 1,
        "valid": 0.3,
        "test": 0.4,
        "max_train": 60,
        "max_valid": 60,
        "max_test": 80,
    },
    "search": {
        "network": {"channels": 4, "cells": 3},
        "estimator": RECIPE,
        "strategies": {
            "random": {},
            "evolution": {"population": 2, "sample": 1, "children": 1, "rounds": 2},
            "darts": {"epochs": 1, "candidates": 2},
        },
    },
    "ranking": {"shortlist": 1, "uniform": 3, "recipe": RECIPE},
    "retrain": {
        "network": {"channels": 4, "cells": 3},
        "recipe": RECIPE,
        "seeds": 1,
        "uniform": 1,
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
#: images of each digit
EACH = 24


def change(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy of `config`; `retrain__seeds=2` sets retrain.seeds."""
    changed = dict(config)
    for name, value in changes.items():
        key, _, rest = name.partition("__")
        changed[key] = change(changed.get(key, {}), **{rest: value}) if rest else value
    return changed


def write_images(folder: Path) -> None:
    """Some of scikit-learn's digits, as an image folder."""
    digits = load_digits()
    counts: Counter[int] = Counter()
    for pixels, label in zip(digits.images, digits.target, strict=True):
        counts[label] += 1
        if counts[label] <= EACH:
            file = folder / str(label) / f"{counts[label]:02}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((pixels * (255 / 16)).astype("uint8")).save(file)


def write_config(folder: Path, config: dict[str, Any], name: str = "") -> Path:
    """Write a config into `folder`, under its experiment's name if no other is given."""
    file = folder / (name or f"{config['experiment']}.yaml")
    file.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return file


def snakemake(
    folder: Path, config: dict[str, Any], *flags: str, root: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the workflow of the repository `root` in `folder`, on images and a config written there."""
    folder.mkdir(exist_ok=True)
    if not (folder / "images").exists():
        write_images(folder / "images")
    file = write_config(folder, config)
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(root / "Snakefile"), "--directory", str(folder)]
    return subprocess.run(
        [*command, "--cores", "2", "--configfile", str(file), *flags],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "NAS_STEPS_CONSOLE": "snakemake"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def planned(words: list[str], folder: Path) -> str:
    """What a dry run prints in `folder` by a page's command, given as words; its configs are the repository's."""
    words = [str(ROOT / word) if word.startswith(("config/", "profiles/")) else word for word in words]
    if "--configfile" not in words:
        words += ["--configfile", str(ROOT / "config" / "config.yaml")]
    flags = ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder), "--dry-run"]
    result = subprocess.run(
        [sys.executable, "-m", *words, *flags], cwd=ROOT, capture_output=True, text=True, check=False
    )
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-3000:]
    return output


def exported(folder: Path) -> str:
    """The name of the recommended network's file, such as `export/darts-0/model.onnx`, in a finished folder."""
    return str(read_json(folder / "results" / "tiny" / "recommended.json")["file"])


def finish(folder: Path, config: dict[str, Any], *flags: str, **environment: str) -> str:
    """Run an experiment to its end; what snakemake printed."""
    result = snakemake(folder, config, *flags, **environment)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output[-8000:]
    return output


def run_module(folder: Path, module: str, *arguments: str, root: Path = ROOT, status: int = 0) -> str:
    """What `python -m nas_steps.<module>` prints in `folder`; it must end with `status`, and never in a traceback."""
    result = subprocess.run(
        [sys.executable, "-m", f"nas_steps.{module}", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )
    output = result.stdout + result.stderr
    assert result.returncode == status, output
    assert "Traceback" not in output
    return output


def jobs_to_run(folder: Path, config: dict[str, Any], *flags: str, root: Path = ROOT, **environment: str) -> list[str]:
    """The jobs of a dry run: each as its rule and its wildcards, such as `retrain entry=darts-0, seed=0`."""
    result = snakemake(folder, config, "--dry-run", *flags, root=root, **environment)
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    jobs = []
    for block in re.split(r"^\[.*\d{4}\]$", output, flags=re.M):
        if rule := re.search(r"^(?:local)?rule (\w+):", block, flags=re.M):
            wildcards = re.search(r"^ +wildcards: (.*)$", block, flags=re.M)
            jobs.append(" ".join([rule[1], *([wildcards[1]] if wildcards else [])]))
    return sorted(job for job in jobs if job != "all")
