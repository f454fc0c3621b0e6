"""Score architectures by a trained supernet: the validation accuracy with the shared weights."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from nas_steps.data.batches import DeviceImages
from nas_steps.data.store import load_split, part_of, read_meta
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate
from nas_steps.models.build import size
from nas_steps.models.count import Size
from nas_steps.provenance.files import atomic
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.one_shot.networks import SharedNetwork, shared_network
from nas_steps.search.settings import SharedSettings
from nas_steps.spaces.declare import declared
from nas_steps.spaces.protocol import Architecture
from nas_steps.training.loop import Batch

#: images at once: while norms are re-estimated, and while architectures are scored
CALIBRATION_BATCH, SCORING_BATCH = 128, 128


class Scorer:
    """Scores architectures on the same images, each once; `known` are the accuracies so far, by architecture."""

    def __init__(
        self,
        network: SharedNetwork,
        valid: DeviceImages,
        calibration: Sequence[Tensor] = (),
        known: dict[str, float] | None = None,
    ) -> None:
        self.network, self.valid, self.calibration = network, valid, calibration
        self.known = {} if known is None else known

    def __call__(self, architectures: Sequence[Architecture]) -> list[float]:
        """Compute the accuracy of each, with batch norms re-estimated if there are calibration images."""
        new = {str(one): one for one in architectures if str(one) not in self.known}
        if new:
            found = self.network.accuracies(list(new.values()), self._batches, calibration=self.calibration)
            self.known |= dict(zip(new, found, strict=True))
        return [self.known[str(one)] for one in architectures]

    def running(self, architectures: Sequence[Architecture]) -> list[float]:
        """Compute the accuracies with the running statistics of the training."""
        return self.network.accuracies(architectures, self._batches)

    def _batches(self) -> Iterator[Batch]:
        return self.valid.batches(SCORING_BATCH, shuffle=False)


def load_scorer(
    step: SharedSettings,
    data: str | Path,
    weights: str | Path,
    device: torch.device,
    known: dict[str, float] | None = None,
) -> Scorer:
    """Load the supernet's weights from a file. Raises UserError if they are not this space's."""
    meta, settings = read_meta(data), step.estimator.supernet
    network = shared_network(
        declared(step.space),
        step.network,
        inputs=meta.shape[0],
        classes=len(meta.classes),
        entangled=settings.entangled,
    )
    read_weights(network, weights)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    valid, train = load_split(data, "valid"), load_split(data, "train")
    if step.estimator.valid_images is not None and step.estimator.valid_images < len(valid.labels):
        share = step.estimator.valid_images / len(valid.labels)
        valid = part_of(valid, share, meta.classes, derive_seed(step.seed, "scored on"))
    there = [
        DeviceImages(split.images, split.labels, meta.mean, meta.std, device, settings.resolution)
        for split in (valid, train)
    ]
    calibration = calibration_batches(
        there[1], step.estimator.calibration_images, derive_seed(step.seed, "calibration")
    )
    return Scorer(network.eval(), there[0], calibration, known)


def calibration_batches(images: DeviceImages, count: int, seed: int) -> list[Tensor]:
    """Draw `count` images without augmentation by `seed` (all, if there are fewer), in full batches of one size."""
    count = min(count, len(images))
    if count == 0:
        return []
    batch = min(CALIBRATION_BATCH, count)
    batches = images.batches(batch, shuffle=True, seed=seed)
    return [found for (found, _), _ in zip(batches, range(count // batch), strict=False)]


def size_of(settings: SharedSettings, data: str | Path, architecture: Architecture) -> Size:
    """Count the parameters and multiply-accumulates of the architecture's own network at the stored side."""
    meta = read_meta(data)
    shape = {"inputs": meta.shape[0], "classes": len(meta.classes), "side": meta.shape[-1]}
    return size(str(architecture), settings.network, **shape)


def estimates_of(
    settings: SharedSettings, data: str | Path, scorer: Scorer, architectures: Sequence[Architecture]
) -> list[Estimate]:
    """Score one round of architectures; their seconds are the mean of the round."""
    started = time.perf_counter()
    scores = scorer(architectures)
    seconds = (time.perf_counter() - started) / max(len(architectures), 1)
    return [
        Estimate(index, str(one), score, **vars(size_of(settings, data, one)), seconds=seconds)
        for index, (one, score) in enumerate(zip(architectures, scores, strict=True))
    ]


def write_weights(path: str | Path, network: SharedNetwork) -> None:
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with atomic(path) as temporary:
        temporary.write_bytes(save(tensors))


def read_weights(network: SharedNetwork, path: str | Path) -> None:
    """Load a supernet's weights. Raises UserError where the file has none, or those of another supernet."""
    if not Path(path).is_file():
        raise UserError(f"there is no file {path}; run snakemake, which trains the supernet")
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(
            f"{path} holds no weights of this supernet ({first}); give the settings and the weights of one experiment"
        ) from None
