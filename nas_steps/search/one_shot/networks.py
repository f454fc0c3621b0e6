"""One interface to the supernets of all spaces: compute one architecture with shared weights, score many."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn

from nas_steps.config.space import Network
from nas_steps.config.supernet import SupernetTraining
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.models.mobile.prefix import evaluate_paths
from nas_steps.models.mobile.supernet import MobileSupernet
from nas_steps.models.single import single_values_in_words
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.spaces.protocol import Architecture
from nas_steps.training.batch_norms import kept_momentum, same_statistics

#: a new iterator over the batches to score on: normalised images (B, C, side, side) and labels (B,)
Batches = Callable[[], Iterable[tuple[Tensor, Tensor]]]
#: architectures whose mix of operations is cached
CACHED = 4096


class SharedNetwork(nn.Module, ABC):
    """A supernet, seen as one network for each architecture of its space."""

    def __init__(self, supernet: nn.Module) -> None:
        super().__init__()
        self.supernet = supernet

    @abstractmethod
    def forward(self, x: Tensor, architecture: Architecture) -> Tensor:
        """Compute logits (N, classes) of images (N, C, side, side). Raises UserError for one of another space."""

    @abstractmethod
    def weights(self) -> list[nn.Parameter]:
        """Return all learnt weights; the unused ones of an architecture get no gradient (None) from it."""

    @abstractmethod
    def accuracies(
        self, architectures: Sequence[Architecture], batches: Batches, *, calibration: Sequence[Tensor] = ()
    ) -> list[float]:
        """Compute the accuracy of each architecture, in evaluation mode. On `calibration`, batches of normalised
        training images (B, C, side, side), batch norms are re-estimated for each (Guo et al. 2020, section 3.4)."""


class MobilePaths(SharedNetwork):
    """The single-path supernet of a mobile space. Scores are computed over shared prefixes."""

    supernet: MobileSupernet

    def forward(self, x: Tensor, architecture: Architecture) -> Tensor:
        return self.supernet(x, architecture)

    def weights(self) -> list[nn.Parameter]:
        return list(self.supernet.parameters())

    def accuracies(
        self, architectures: Sequence[Architecture], batches: Batches, *, calibration: Sequence[Tensor] = ()
    ) -> list[float]:
        return evaluate_paths(self.supernet, architectures, batches(), calibration=calibration)


class CellPaths(SharedNetwork):
    """The supernet of a cell space, one architecture at a time (random search with weight sharing: Li & Talwalkar 2020,
    section 3.3). Its alphas are not used."""

    supernet: Supernet

    def __init__(self, supernet: Supernet) -> None:
        super().__init__(supernet.requires_grad_(True))
        for alpha in supernet.architecture():
            alpha.requires_grad_(False)
        self._mix = lru_cache(maxsize=CACHED)(self._uncached_mix)

    def forward(self, x: Tensor, architecture: Architecture) -> Tensor:
        return self.supernet(x, self._mix(architecture, x.device))

    def weights(self) -> list[nn.Parameter]:
        return self.supernet.weights()

    @torch.no_grad()
    def accuracies(
        self, architectures: Sequence[Architecture], batches: Batches, *, calibration: Sequence[Tensor] = ()
    ) -> list[float]:
        was_training = self.training
        accuracies = []
        try:
            for architecture in architectures:
                with same_statistics(self.supernet) if calibration else nullcontext():
                    if calibration:
                        self._estimate(architecture, calibration)
                    accuracies.append(self._accuracy(architecture, batches()))
        finally:
            self.train(was_training)
        return accuracies

    def _accuracy(self, architecture: Architecture, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
        self.eval()
        correct: Tensor | int = 0
        seen = 0
        for images, labels in batches:
            correct = correct + (self(images, architecture).argmax(1) == labels).sum()
            seen += len(labels)
        if seen == 0:
            raise ValueError("no images to evaluate on")
        return int(correct) / seen

    def _estimate(self, architecture: Architecture, calibration: Sequence[Tensor]) -> None:
        """Set the running statistics of what the architecture uses to the averages over the batches."""
        self.train()
        with kept_momentum(self) as norms:
            for number, images in enumerate(calibration, start=1):
                for norm in norms:
                    # the first batch replaces the statistics, and all batches have the same weight
                    norm.momentum = 1 / number
                with single_values_in_words("calibration_images"):
                    self(images, architecture)

    def _uncached_mix(self, architecture: Architecture, _device: torch.device) -> Mix:
        self.supernet.space.check(architecture)
        return self.supernet.discrete(architecture)


def sharing(settings: SupernetTraining) -> dict[str, bool]:
    """Return how blocks share weights: options of `shared_network`."""
    return {"entangled": settings.entangled, "transform": settings.kernels == "transform"}


def shared_network(
    space: Any, network: Network, *, inputs: int, classes: int, entangled: bool = False, transform: bool = False
) -> SharedNetwork:
    """Build a supernet, of cells in the skeleton `network`, initialised from torch's random numbers. `entangled` shares
    weights among blocks that differ in kernel and expansion alone. Raises ValueError if the space has no such blocks.
    """
    if isinstance(space, MobileSpace):
        shape = {"inputs": inputs, "classes": classes}
        return MobilePaths(MobileSupernet(space, **shape, entangled=entangled, transform=transform))
    assert isinstance(space, CellSpace)
    if entangled:
        raise ValueError(f"space {space.name} has cells, which have no blocks to entangle")
    return CellPaths(Supernet(space, network, inputs=inputs, classes=classes))
