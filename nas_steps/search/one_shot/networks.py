"""One interface to the supernets of all spaces: compute one architecture with shared weights, score many."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from functools import lru_cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.space import Network
from nas_steps.config.supernet import SupernetTraining
from nas_steps.facts import NEG_BITS_PER_BYTE
from nas_steps.metrics import ACCURACY, bits_per_byte
from nas_steps.models.cells.mixed_cell import Mix
from nas_steps.models.cells.supernet import Supernet
from nas_steps.models.language.supernet import LanguageSupernet
from nas_steps.models.mobile.prefix import evaluate_paths
from nas_steps.models.mobile.supernet import MobileSupernet
from nas_steps.models.single import single_values_in_words
from nas_steps.models.tally import Tally
from nas_steps.spaces.cells.space import CellSpace
from nas_steps.spaces.language.space import LanguageSpace
from nas_steps.spaces.mobile.space import MobileSpace
from nas_steps.spaces.protocol import Architecture
from nas_steps.training.batch_norms import kept_momentum, same_statistics

#: a new iterator over the batches to score on: normalised images (B, C, side, side) and labels (B,)
Batches = Callable[[], Iterable[tuple[Tensor, Tensor]]]
#: the target of a token that is no text
NO_TEXT = -1
#: architectures whose mix of operations is cached
CACHED = 4096


class SharedNetwork(nn.Module, ABC):
    """A supernet, seen as one network for each architecture of its space; `metric` judges them."""

    def __init__(self, supernet: nn.Module, metric: str = ACCURACY) -> None:
        super().__init__()
        self.supernet, self.metric = supernet, metric

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
        """Compute the accuracy, or the other metric, of each architecture, in evaluation mode.

        On `calibration`, batches of normalised training images (B, C, side, side), batch norms are re-estimated for
        each (Guo et al. 2020, section 3.4)."""


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
        return evaluate_paths(self.supernet, architectures, batches(), calibration=calibration, metric=self.metric)


class CellPaths(SharedNetwork):
    """The supernet of a cell space, one architecture at a time (random search with weight sharing: Li & Talwalkar 2020,
    section 3.3). Its alphas are not used."""

    supernet: Supernet

    def __init__(self, supernet: Supernet, metric: str = ACCURACY) -> None:
        super().__init__(supernet.requires_grad_(True), metric)
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
        tally = Tally(self.metric)
        for images, labels in batches:
            tally.add(self(images, architecture), labels)
        return tally.value()

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


class LanguagePaths(SharedNetwork):
    """The supernet of a space of language models, one architecture at a time.

    It takes tokens (N, T), and its logits are (N, vocabulary, T), as cross-entropy wants them. `bytes_of`, int64
    (vocabulary,), says how many bytes a token stands for; without it, a token is a byte.
    """

    supernet: LanguageSupernet
    bytes_of: Tensor | None

    def __init__(self, supernet: LanguageSupernet, bytes_of: Tensor | None = None) -> None:
        super().__init__(supernet, NEG_BITS_PER_BYTE)
        self.register_buffer("bytes_of", bytes_of, persistent=False)

    def forward(self, x: Tensor, architecture: Architecture) -> Tensor:
        return self.supernet(x, architecture).transpose(1, 2)

    def weights(self) -> list[nn.Parameter]:
        return list(self.supernet.parameters())

    @torch.no_grad()
    def accuracies(
        self, architectures: Sequence[Architecture], batches: Batches, *, calibration: Sequence[Tensor] = ()
    ) -> list[float]:
        """Compute minus the bits per byte of each architecture. Batches are inputs and targets, int64 (B, T).

        A target below 0 is no text. There are no batch norms, so that `calibration` must be empty.
        """
        assert not calibration
        was_training = self.training
        self.eval()
        try:
            return [self._minus_bits(architecture, batches()) for architecture in architectures]
        finally:
            self.train(was_training)

    def _minus_bits(self, architecture: Architecture, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
        nats, sizes = 0.0, 0
        for inputs, targets in batches:
            logits = self(inputs, architecture).float()
            nats += float(F.cross_entropy(logits, targets, ignore_index=NO_TEXT, reduction="none").double().sum())
            kept = targets[targets != NO_TEXT]
            sizes += len(kept) if self.bytes_of is None else int(self.bytes_of[kept].sum())
        return -bits_per_byte(np.array(nats), np.array(sizes))


def sharing(settings: SupernetTraining) -> dict[str, Any]:
    """Return how blocks share weights: options of `shared_network`."""
    return {"entangled": settings.entangled, "transform": settings.kernels == "transform"}


def shared_network(
    space: Any,
    network: Network,
    *,
    inputs: int,
    classes: int,
    entangled: bool = False,
    transform: bool = False,
    metric: str = ACCURACY,
) -> SharedNetwork:
    """Build a supernet, of cells in the skeleton `network`, initialised from torch's random numbers. `entangled` shares
    weights among blocks that differ in kernel and expansion alone. Raises ValueError if the space has no such blocks.
    """
    if isinstance(space, MobileSpace):
        shape = {"inputs": inputs, "classes": classes}
        return MobilePaths(MobileSupernet(space, **shape, entangled=entangled, transform=transform), metric)
    if isinstance(space, LanguageSpace):
        return LanguagePaths(LanguageSupernet(space))
    assert isinstance(space, CellSpace)
    if entangled:
        raise ValueError(f"space {space.name} has cells, which have no blocks to entangle")
    return CellPaths(Supernet(space, network, inputs=inputs, classes=classes), metric)
