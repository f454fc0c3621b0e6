"""Build the network of a final training's record again, with the weights that it learnt."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import nn

from nas_steps.config.space import Network
from nas_steps.models.build import build


def saved_network(metrics: Mapping[str, Any], weights: str | Path, *, inputs: int, classes: int) -> nn.Module:
    """Return the network of a record, metrics.json, in evaluation mode, with the weights of weights.safetensors.

    It takes normalised float32 images (N, `inputs`, side, side) and returns logits (N, `classes`); side is
    `metrics["side"]`. The auxiliary head, which is for training alone, is left out.
    """
    skeleton = Network.model_validate(metrics["network"])
    network = build(metrics["architecture"], skeleton, inputs=inputs, classes=classes, side=metrics["side"])
    kept = {name: tensor for name, tensor in load_file(weights).items() if not name.startswith("auxiliary.")}
    network.load_state_dict(kept)
    return network.eval()
