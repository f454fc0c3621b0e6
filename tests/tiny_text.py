"""A tiny experiment on made-up text that tests share: its config, its text, what is prepared of it."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from made_up_text import prose
from once import once
from stepping import settings_files

from nas_steps.config.load import load
from nas_steps.config.schema import Config
from nas_steps.config.text import TextData
from nas_steps.data.text.prepare import prepare_text
from nas_steps.data.text.settings import TextSettings

ROOT = TemporaryDirectory(prefix="tiny-text-")  # gone with the interpreter

SHORT = {"compute": 1e8, "batch_size": 2}
TINY: dict[str, Any] = {
    "experiment": "tiny",
    "device": "cpu",
    "shards": 1,
    "data": {"source": "text", "context": 16, "valid": 0.2, "test": 0.2},
    "space": {
        "depth": [1, 2],
        "width": [8, 16],
        "mixer": ["attn_h2", "conv_k3"],
        "feed_forward": ["gelu_e4", "relu2_e2"],
    },
    "search": {
        "estimator": {**SHORT},
        "strategies": {"random": {}, "evolution": {"population": 2, "sample": 1, "children": 1, "rounds": 2}},
    },
    "ranking": {"shortlist": 1, "uniform": 2, "recipe": {**SHORT}},
    "retrain": {
        "recipe": {**SHORT, "epochs": 2, "learning_rates": [1e-3, 1e-2]},
        "seeds": 2,
        "uniform": 1,
        "baselines": ["gpt2", "llama_d16_l2"],
    },
}
ATTENTION = "lm_v256_d16_rope_rms/2x_attn_h2+gelu_e4"
CONVOLUTION = "lm_v256_d8_rope_rms_tied/conv_k3+relu2_e2"


def write_text(folder: Path, files: int = 40, size: int = 300) -> Path:
    """Made-up prose in so many files."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        (folder / f"{number:02}.txt").write_bytes(prose(number, size + 20 * (number % 5)))
    return folder


@cache
def folder() -> str:
    """The folder of the text, made once a session."""
    return str(write_text(Path(ROOT.name) / "text"))


def tiny_config(**changes: Any) -> Config:
    """The tiny experiment; `search__estimator__epochs=2` changes search.estimator.epochs."""
    raw = copy.deepcopy(TINY)
    raw["data"]["path"] = folder()
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


@once
def prepared(**data: Any) -> str:
    """The folder of the prepared text, made once a session for each change of `data`."""
    name = "-".join(f"{key}{value}" for key, value in sorted(data.items()))
    output = Path(ROOT.name) / f"data{name}"
    section = TextData.model_validate({**TINY["data"], "path": folder(), **data})
    prepare_text(TextSettings(seed=0, data=section), output)
    return str(output)
