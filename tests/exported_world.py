"""What the tests of the export share: exported trainings of the tiny experiment, and networks without training."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from stepping import run
from tiny_world import MIXED, ROOT, prepared, retrained, settings
from torch import Tensor, nn

from nas_steps.data.store import Meta, load_split, read_meta
from nas_steps.export.convert import Deployed
from nas_steps.provenance.files import read_json, write_csv, write_json
from nas_steps.scaling.family import MEMBERS


class Prototypes(nn.Module):
    """The class of the nearest class mean of the training digits: a linear network, right on most of them.

    `offset` is added to all logits: it changes no class, but an 8-bit scale over it sees no difference between them.
    """

    def __init__(self, offset: float = 0.0) -> None:
        super().__init__()
        split, meta = load_split(prepared(), "train"), read_meta(prepared())
        pixels = (torch.tensor(split.images[:]).float() / 255 - meta.mean[0]) / meta.std[0]
        means = torch.stack([pixels[torch.tensor(split.labels == label)].mean(0).flatten() for label in range(10)])
        self.linear = nn.Linear(64, 10)
        self.linear.weight.data, self.linear.bias.data = means, -means.square().sum(1) / 2
        self.offset = offset

    def forward(self, x: Tensor) -> Tensor:
        logits = self.linear(x.flatten(1))
        return logits + self.offset if self.offset else logits


class Bessel(nn.Module):
    """An operator that ONNX does not have."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j1(x).flatten(1)[:, :10]


def deployed(network: nn.Module, meta: Meta | None = None) -> Deployed:
    meta = meta or read_meta(prepared())
    return Deployed(network, meta, meta.side).eval()


def export(
    trainings: list[str], output: Path, step: str = "export_networks", source: Path | None = None, **changes: Any
) -> None:
    """Run a step of the export; `export__tolerance=1` changes its settings. The last network is recommended.

    `source` is source.json of pretrained weights.
    """
    more: dict[str, Any] = {"source": source}
    if step == "export_networks":
        more["recommended"] = output / "recommended.json"
        write_json(more["recommended"], recommended([read_json(path) for path in trainings]))
    run(step, settings=settings(**changes)[step], data=prepared(), trainings=trainings, **more, output=output)


def recommended(trainings: list[dict[str, Any]]) -> dict[str, Any]:
    """recommended.json of one training a network, the last of which is recommended and the first an alternative."""
    figures = {"test_accuracy": 0.75, "test_low": 0.625, "test_high": 0.875, "trainings": 2, "sound": 1}
    rows = [
        {key: metrics[key] for key in ("entry", "kind", "architecture", "seed", "valid_accuracy")}
        | {"strategy": metrics["entry"].rpartition("-")[0], **figures}
        for metrics in trainings
    ]
    return {
        **rows[-1],
        "rule": "The rule.",
        "reason": "",
        "alternatives": [{"role": "smaller", **rows[0]}] if len(rows) > 1 else [],
        "considered": rows,
        "export": [row["entry"] for row in rows],
    }


def line_of(folder: Path) -> dict[str, Any]:
    """The first line of exports.json in `folder`."""
    return read_json(folder / "exports.json")[0]


@cache
def exported(name: str) -> Path:
    """The folder of a network's files below the one of its exports.json, made once a session."""
    output = Path(ROOT.name) / f"export-{name}"
    export([retrained(name, MIXED if name == "darts-0" else "")], output)
    return output / name


@cache
def exported_family() -> Path:
    """B0 on images of 11 pixels, and B1 that is over budget."""
    folder = Path(ROOT.name) / "scaling"
    size = {"cells": 3, "channels": 4, "side": 11, "architecture": MIXED, "drop_path": 0.0, "parameters": 1, "macs": 2}
    members = [{"member": "B0", **size, "within_budget": "yes"}, {"member": "B1", **size, "within_budget": "no"}]
    write_csv(folder / "members.csv", members, MEMBERS)
    write_json(folder / "chosen.json", {"architecture": MIXED})
    for member in (0, 1):
        given = {"chosen": folder / "chosen.json", "members": folder / "members.csv", "member": member, "seed": 0}
        where = {"data": prepared(), "output": folder / f"B{member}"}
        run("train_member", settings=settings()["train_member"], **given, **where)
    output = Path(ROOT.name) / "export" / "scaled"
    export([str(folder / member / "metrics.json") for member in ("B0", "B1")], output, "export_scaled")
    return output
