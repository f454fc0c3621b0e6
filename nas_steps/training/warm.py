"""Start a training from the weights of a smaller network's training."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import nn

from nas_steps.config.space import Network
from nas_steps.models.build import build
from nas_steps.models.inherit import Inherited, inherit
from nas_steps.provenance.files import read_json

WEIGHTS = "weights.safetensors"


@dataclass(frozen=True)
class WarmStart:
    """The folder of a final training whose weights a larger network starts from."""

    folder: Path

    @property
    def metrics(self) -> Mapping[str, Any]:
        return read_json(self.folder / "metrics.json")

    @property
    def usable(self) -> bool:
        """Whether that training ended soundly; a diverged one is no start."""
        return self.metrics["status"] == "ok"

    def key(self) -> str:
        """The content of the weights: a training that was killed does not go on from others."""
        return hashlib.sha256((self.folder / WEIGHTS).read_bytes()).hexdigest()

    def apply(self, model: nn.Module, *, inputs: int, classes: int) -> Inherited:
        """Copy the smaller network's weights into `model`, on the CPU."""
        metrics = self.metrics
        network = Network.model_validate(metrics["network"])
        smaller = build(metrics["architecture"], network, inputs=inputs, classes=classes, side=metrics["side"])
        # an auxiliary head starts anew
        state = {name: tensor for name, tensor in load_file(self.folder / WEIGHTS).items() if "auxiliary." not in name}
        smaller.load_state_dict(state)
        return inherit(model, smaller)
