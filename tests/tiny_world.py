"""A tiny experiment on digits that the tests of the upper floors share: its config, its data, its trainings."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

from once import once
from stepping import run, settings_files

from nas_steps.config.load import load
from nas_steps.config.schema import Config
from nas_steps.data.prepare import prepare
from nas_steps.data.settings import DataSettings
from nas_steps.provenance.files import write_csv
from nas_steps.ranking.rank import WINNERS

ROOT = TemporaryDirectory(prefix="tiny-world-")  # gone with the interpreter

RECIPE = {"epochs": 1, "warmup_epochs": 0, "batch_size": 20, "learning_rate": 0.05}
NETWORK = {"channels": 4, "cells": 3, "stem_multiplier": 1}
TINY: dict[str, Any] = {
    "experiment": "tiny",
    "device": "cpu",
    "data": {"source": "digits", "max_train": 60, "max_valid": 60, "max_test": 60},
    "space": {"nodes": 1, "operations": ["skip_connect", "max_pool_3x3", "nor_conv_1x1"]},
    "search": {
        "network": NETWORK,
        "estimator": RECIPE,
        "strategies": {
            "random": {},
            "evolution": {"population": 4, "sample": 4, "children": 2, "rounds": 2},
            "darts": {"epochs": 2, "batch_size": 20, "candidates": 3},
        },
    },
    "ranking": {"shortlist": 2, "recipe": RECIPE},
    "retrain": {"network": NETWORK, "recipe": RECIPE, "seeds": 2, "baselines": ["resnet20", "mobilenet_v2_x0.5"]},
    "scaling": {
        "depth": [1.0, 2.0],
        "width": [1.0, 1.4],
        "resolution": [1.0, 1.4],
        "recipe": RECIPE,
        "members": 2,
        "seeds": 1,
        "channel_divisor": 2,
    },
    "export": {"images": 30},
}
CONVOLUTION = "normal:|nor_conv_1x1~0|nor_conv_1x1~1|;reduce:|nor_conv_1x1~0|nor_conv_1x1~1|"
MIXED = "normal:|nor_conv_1x1~0|skip_connect~1|;reduce:|max_pool_3x3~0|nor_conv_1x1~1|"
POOLS = "normal:|max_pool_3x3~0|skip_connect~1|;reduce:|max_pool_3x3~0|max_pool_3x3~1|"


def tiny_config(**changes: Any) -> Config:
    """The tiny experiment; `search__estimator__epochs=2` changes search.estimator.epochs."""
    raw = copy.deepcopy(TINY)
    for name, value in changes.items():
        *path, last = name.split("__")
        section = raw
        for key in path:
            section = section.setdefault(key, {})
        section[last] = value
    return load(raw)


def settings(**changes: Any) -> dict[str, str]:
    """The settings files of the tiny experiment, by step (`stepping.settings_files`)."""
    return settings_files(tiny_config(**changes), ROOT.name)


@cache
def prepared() -> str:
    """The folder of the prepared digits, made once a session."""
    folder = Path(ROOT.name) / "data"
    config = tiny_config()
    prepare(DataSettings(seed=config.seed, data=config.data), folder)
    return str(folder)


@once
def retrained(entry: str, architecture: str = "", seed: int = 0) -> str:
    """metrics.json of a final training by the tiny recipe, made once a session. A baseline has no architecture."""
    folder = Path(mkdtemp(prefix="retraining-", dir=ROOT.name))
    output, winners = folder / f"{entry}-s{seed}", folder / "winners.csv"
    write_csv(winners, [{"entry": entry, "architecture": architecture}] if architecture else [], WINNERS)
    kind = "searched" if architecture else "baseline"
    where = {"settings": settings()["retrain"], "data": prepared(), "winners": winners, "output": output}
    run("retrain", entry=entry, kind=kind, seed=seed, **where)
    return str(output / "metrics.json")
