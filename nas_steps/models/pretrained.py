"""Start networks from the pretrained weights that the step `weights` has prepared."""

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor, nn

from nas_steps.models.mobile.slicing import start_from, start_supernet
from nas_steps.models.mobile.supernet import MobileSupernet
from nas_steps.provenance.files import read_json
from nas_steps.spaces.baselines import parse_baseline
from nas_steps.spaces.mobile.architectures import is_mobile

#: what the network of a mobile space is called among the prepared ones
SPACE = "space"


class Pretrained:
    """Weights in a file `source.safetensors`; `source.json` beside it says what they are.

    Tensors are called `<network>/<name>`. The network `space` has sorted channels, so that each slice of it keeps the
    first ones; the others are hand-designed networks by their names.
    """

    def __init__(self, file: str | Path) -> None:
        self.file = Path(file)

    @cached_property
    def facts(self) -> Mapping[str, Any]:
        """Where the weights come from: source, url, licence, normalisation, networks."""
        return read_json(self.file.with_name("source.json"))

    def key(self) -> str:
        """Return the checksum of the weights: a killed training does not go on from others."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    def network_of(self, architecture: str) -> str | None:
        """Return the prepared network whose weights an architecture starts from; None if there is none."""
        return network_of(architecture, self.facts["networks"])

    def state(self, network: str) -> dict[str, Tensor]:
        """Read the state dict of a prepared network."""
        with safe_open(str(self.file), framework="pt") as tensors:
            mine = [name for name in tensors.keys() if name.startswith(f"{network}/")]  # noqa: SIM118 (no mapping)
            return {name.removeprefix(f"{network}/"): tensors.get_tensor(name) for name in mine}

    def start(self, model: nn.Module, architecture: str) -> str | None:
        """Copy the weights into `model`, on the CPU; its last linear layer starts small.

        Return the name of their source, None if there are none for this architecture. Raises UserError if the
        architecture is no slice of the pretrained network.
        """
        network = self.network_of(architecture)
        if network is None:
            return None
        start_from(model, self.state(network), f"{self.facts['source']} ({self.facts['networks'][network]})")
        return str(self.facts["source"])

    def start_supernet(self, supernet: nn.Module) -> None:
        """Copy the weights into all paths of a mobile supernet, on the CPU. Raises UserError if one is no slice."""
        assert isinstance(supernet, MobileSupernet)
        start_supernet(supernet, self.state(SPACE), f"{self.facts['source']} ({self.facts['networks'][SPACE]})")


def pretrained(file: str | None) -> Pretrained | None:
    """Return the weights in a file; None if there is none."""
    return None if file is None else Pretrained(file)


def network_of(architecture: str, networks: Mapping[str, str]) -> str | None:
    """Return which of `networks` an architecture starts from; a hand-designed one of another size from none."""
    if is_mobile(architecture):
        return SPACE if SPACE in networks else None
    try:
        baseline = parse_baseline(architecture)
    except ValueError:
        return None
    unscaled = baseline.width == 1 and baseline.depth == 1
    return baseline.base if unscaled and baseline.base in networks else None
