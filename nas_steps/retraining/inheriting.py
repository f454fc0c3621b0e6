"""Start final trainings from the supernet of a search."""

import hashlib
from pathlib import Path
from typing import Any

from torch import nn

from nas_steps.config.space import Network
from nas_steps.config.supernet import SupernetTraining
from nas_steps.data.store import read_meta
from nas_steps.facts import SUPERNET
from nas_steps.models.mobile.network import MobileNetwork
from nas_steps.models.mobile.slicing import take_path
from nas_steps.models.mobile.supernet import MobileSupernet
from nas_steps.search.one_shot.networks import shared_network, sharing
from nas_steps.search.one_shot.scoring import read_weights
from nas_steps.spaces.declare import declared
from nas_steps.spaces.mobile.architectures import parse_mobile
from nas_steps.training.settings import TrainingSettings


class FromSupernet:
    """The trained supernet in a file, whose paths networks start from: a `training.final.Start`."""

    def __init__(
        self, file: str | Path, settings: TrainingSettings, supernet: SupernetTraining, data: str | Path
    ) -> None:
        self.file, self.settings, self.supernet, self.data = Path(file), settings, supernet, data

    def key(self) -> str:
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    def start(self, model: nn.Module, architecture: str) -> str:
        """Copy the path of `architecture` into `model`, on the CPU, and the classifier, which learnt these classes."""
        meta = read_meta(self.data)
        shape: dict[str, Any] = {"inputs": meta.shape[0], "classes": len(meta.classes)}
        network = shared_network(declared(self.settings.space), Network(), **shape, **sharing(self.supernet))
        read_weights(network, self.file)
        assert isinstance(network.supernet, MobileSupernet)
        assert isinstance(model, MobileNetwork)
        take_path(model, network.supernet, parse_mobile(architecture))
        return SUPERNET
