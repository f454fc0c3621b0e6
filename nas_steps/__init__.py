"""Neural architecture search as a Snakemake workflow."""

import sys
import time
from importlib import import_module
from typing import Any

#: `time.perf_counter()` close to the start of the process: what a step's cost is measured from
STARTED = time.perf_counter()

# `python -m nas_steps...` puts the working directory first; a random.py that lies there is not Python's
if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    del sys.path[0]


def load(path: str, entry: str | None = None, seed: int | None = None) -> Any:
    """Return a trained network of an experiment, `nas_steps.loading.Loaded`: `model`, `preprocess`, `classes`.

    `path` is the folder of an experiment, `results/digits`, whose `entry` is taken, or its recommended network
    without one; `results/digits/recommended` says the latter; or the folder of a final training,
    `results/digits/retraining/evolution-0-s1`. Without `seed` it is the training that the experiment would export.
    Raises `nas_steps.errors.UserError` if there is no such network.
    """
    # by name: a step that imports the package runs none of this code, nor torch
    return import_module("nas_steps.loading").load(path, entry, seed)
