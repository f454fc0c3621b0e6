"""Refuse baselines above the budget before any job runs. Imports no torch: it counts in a process of its own."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from nas_steps.config.schema import Config
from nas_steps.config.text import TextData
from nas_steps.errors import UserError
from nas_steps.facts import NATIVE_CLASSES, NATIVE_SHAPE
from nas_steps.provenance.files import read_json, remember
from nas_steps.provenance.fingerprint import code_fingerprint, fingerprint
from nas_steps.retraining.fitting import Constraints, refuse_larger, widest, with_width
from nas_steps.spaces.baselines import family_of, to_be_fitted

COUNTING = "nas_steps.retraining.steps.count"
#: the width of the narrowest network
NARROWEST = 0.01


def check_baselines(config: Config, store: str | Path) -> None:
    """Raise UserError for a baseline above a budget in numbers if the images' shape is known; `store` caches counts."""
    budget, shape = config.retrain.budget, known_shape(config)
    if budget is None or budget.winner or shape is None or config.search.estimator.kind == "table":
        return
    constraints = Constraints(budget.macs, budget.parameters)
    sizes = _counted(config.retrain.baselines, shape, Path(store))
    plain = [name for name in config.retrain.baselines if to_be_fitted(name) is None]
    refuse_larger(plain, constraints, sizes.__getitem__)
    for name in config.retrain.baselines:
        if (base := to_be_fitted(name)) is not None and not constraints.holds(*sizes[with_width(base, NARROWEST)]):
            widest(base, constraints, sizes.__getitem__)  # which says why it cannot


def known_shape(config: Config) -> tuple[int, int, int] | None:
    """Return channels, classes and side of the images; None if they are the user's own."""
    data = config.data
    if isinstance(data, TextData) or data.source not in NATIVE_CLASSES:
        return None
    side, channels = NATIVE_SHAPE[data.source]
    return channels if data.channels == "auto" else data.channels, NATIVE_CLASSES[data.source], data.resolution or side


def _counted(baselines: list[str], shape: tuple[int, int, int], store: Path) -> dict[str, tuple[int, int]]:
    """Return (parameters, MACs) by name; of a baseline to be fitted, those of the narrowest network."""
    names = sorted(
        {name if (base := to_be_fitted(name)) is None else with_width(base, NARROWEST) for name in baselines}
    )
    families = [f"nas_steps.models.baselines.{family_of(name)}" for name in names]
    content = {"names": names, "shape": list(shape), "code": code_fingerprint(COUNTING, *families)}
    path = store / f"baselines-{fingerprint(content)}.json"
    if path.is_file():
        sizes = read_json(path)
    else:
        channels, classes, side = map(str, shape)
        command = [sys.executable, "-m", "nas_steps.retraining", "count", "--names", *names, "--inputs", channels]
        with TemporaryDirectory() as folder:
            counted = Path(folder, path.name)
            command += ["--classes", classes, "--side", side, "--output", str(counted)]
            result = subprocess.run(command, capture_output=True, encoding="utf-8", errors="backslashreplace")
            if result.returncode:
                raise UserError(f"the baselines could not be counted: {result.stderr.strip() or result.stdout.strip()}")
            sizes = read_json(counted)
        remember(path, sizes)
    return {name: (size["parameters"], size["macs"]) for name, size in sizes.items()}
