"""The files of a final training: metrics.json, history.csv, weights and predictions. Imports no torch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from nas_steps.facts import ACCURACY, NEG_BITS_PER_BYTE
from nas_steps.provenance.files import atomic, write_csv, write_json

HISTORY = ("epoch", "learning_rate", "train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "seconds")
#: more columns of a language model: what it had read, and its FLOPs
OF_TEXT = ("tokens", "flops")
#: the status of a training that another one makes needless, or for which the space has no architecture
UNNEEDED = "unneeded"


@dataclass(frozen=True)
class Entry:
    """What is trained. `kind`: searched, random, uniform, largest, baseline, pretrained, from_nothing or scaled."""

    name: str
    kind: str
    architecture: str
    #: limits a baseline's size: `of` (a winner, or `numbers`), `macs`, `parameters`
    budget: Mapping[str, Any] | None = None


def record(entry: Entry, repetition: int) -> dict[str, Any]:
    """Return a record with every key of metrics.json and no figure yet."""
    return {
        "entry": entry.name,
        "kind": entry.kind,
        "architecture": entry.architecture or None,
        "budget": entry.budget,
        "seed": repetition,
        "status": "missing",
        "reason": "",
        **dict.fromkeys(("settings", "train_on", "network", "parameters", "macs", "side")),
        **{f"{part}_{name}": math.nan for part in ("train", "valid", "test") for name in ("loss", "accuracy")},
        # of the experiment's metric, which is named if the training took place
        **{"metric": None, "valid_metric": math.nan, "test_metric": math.nan},
        **dict.fromkeys(("test_images", "test_file", "batch_parts")),
        "train_seconds": 0.0,
        "device": None,
    }


def write_untrained(output: Path, entry: Entry, repetition: int, *, status: str, reason: str, **known: Any) -> None:
    """Write the files of a training that did not take place: a record with the reason, no epochs, no tensors."""
    write(output, record(entry, repetition) | {"status": status, "reason": reason} | known, [], {}, {})


def write(
    output: Path,
    metrics: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    weights: Mapping[str, np.ndarray],
    predictions: Mapping[str, np.ndarray],
) -> None:
    """Write a training's four files; metrics.json, the record, comes last."""
    columns = (*HISTORY, *(["valid_metric"] if metrics.get("metric") not in (None, ACCURACY) else []))
    columns = (*columns, *([*OF_TEXT] if metrics.get("metric") == NEG_BITS_PER_BYTE else []))
    write_csv(output / "history.csv", ({key: row.get(key) for key in columns} for row in history), columns)
    for name, tensors in (("weights", weights), ("predictions", predictions)):
        with atomic(output / f"{name}.safetensors") as temporary:
            temporary.write_bytes(save(dict(tensors)))
    write_json(output / "metrics.json", metrics)
