"""Score architectures by a trained supernet: validation accuracies with the shared weights, and their statistics."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from nas_steps.data.batches import DeviceImages
from nas_steps.data.sizes import sizes_of
from nas_steps.data.store import load_split, part_of, read_meta
from nas_steps.data.text.store import is_text, read_tokens
from nas_steps.errors import UserError
from nas_steps.estimation.estimates import Estimate
from nas_steps.facts import CALIBRATION_BATCH
from nas_steps.models.build import size
from nas_steps.provenance.files import atomic
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.one_shot.contexts import Contexts
from nas_steps.search.one_shot.networks import LanguagePaths, SharedNetwork, shared_network, sharing
from nas_steps.search.settings import SharedSettings
from nas_steps.spaces.declare import declared
from nas_steps.spaces.protocol import Architecture
from nas_steps.training.loop import Batch
from nas_steps.training.texts import load_text

#: images at once while architectures are scored
SCORING_BATCH = 128
#: number of architectures in the statistics
SAMPLE = 32


class Scorer:
    """Scores architectures on the same images, each once; `known` has the accuracies so far, by architecture."""

    def __init__(
        self,
        settings: SharedSettings,
        data: str | Path,
        weights: str | Path,
        device: torch.device,
        known: dict[str, float] | None = None,
    ) -> None:
        """Load the supernet's weights from a file. Raises UserError if they are not this space's."""
        sizes, estimator, supernet = sizes_of(data), settings.estimator, settings.estimator.supernet
        shape: dict[str, Any] = {"inputs": sizes.shape.inputs, "classes": sizes.shape.classes}
        how: dict[str, Any] = {**shape, **sharing(supernet), "metric": settings.metric}
        network = shared_network(declared(settings.space), settings.network, **how)
        read_weights(network, weights)
        if isinstance(network, LanguagePaths):
            network.bytes_of = torch.from_numpy(read_tokens(data).bytes_of)
        network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network, self.known = network.eval(), {} if known is None else known
        self._shape = {"network": settings.network, **shape, "side": sizes.shape.side}
        self.calibration: list[Tensor] = []
        self.valid: DeviceImages | Contexts
        if is_text(data):
            scored = sizes.valid if estimator.valid_images is None else min(sizes.valid, estimator.valid_images)
            self.valid = Contexts(load_text(data, device, "valid"), scored)
            return
        meta, valid, train = read_meta(data), load_split(data, "valid"), load_split(data, "train")
        if estimator.valid_images is not None and estimator.valid_images < len(valid):
            share = estimator.valid_images / len(valid)
            valid = part_of(valid, share, meta.classes, derive_seed(settings.seed, "scored on"))
        self.valid, train_images = (
            DeviceImages(split.images, split.labels, meta.mean, meta.std, device, supernet.resolution)
            for split in (valid, train)
        )
        seed = derive_seed(settings.seed, "calibration")
        self.calibration = calibration_batches(train_images, estimator.calibration_images, seed)

    def __call__(self, architectures: Sequence[Architecture]) -> list[float]:
        """Compute the accuracy of each, or other metric, with batch norms re-estimated on the calibration images."""
        new = {str(one): one for one in architectures if str(one) not in self.known}
        if new:
            accuracies = self.network.accuracies(list(new.values()), self._batches, calibration=self.calibration)
            self.known |= dict(zip(new, accuracies, strict=True))
        return [self.known[str(one)] for one in architectures]

    def running(self, architectures: Sequence[Architecture]) -> list[float]:
        """Compute the accuracies with the running statistics of the training."""
        return self.network.accuracies(architectures, self._batches)

    def estimates(self, architectures: Sequence[Architecture]) -> list[Estimate]:
        """Score one round of architectures; their seconds are the mean of the round."""
        started = time.perf_counter()
        scores = self(architectures)
        seconds = (time.perf_counter() - started) / max(len(architectures), 1)
        return [
            Estimate(index, str(one), score, **self._size(one), seconds=seconds)
            for index, (one, score) in enumerate(zip(architectures, scores, strict=True))
        ]

    def look(self, architectures: Sequence[Architecture]) -> list[dict[str, Any]]:
        """Compute each size and accuracy, with running and re-estimated statistics (NaN without calibration images)."""
        running = self.running(architectures)
        reestimated = self(architectures) if self.calibration else [math.nan] * len(architectures)
        return [
            {"architecture": str(one), "running": plain, "reestimated": again, **self._size(one)}
            for one, plain, again in zip(architectures, running, reestimated, strict=True)
        ]

    def _size(self, architecture: Architecture) -> dict[str, Any]:
        return vars(size(str(architecture), **self._shape))

    def _batches(self) -> Iterator[Batch]:
        return self.valid.batches(SCORING_BATCH, shuffle=False)


def calibration_batches(images: DeviceImages, count: int, seed: int) -> list[Tensor]:
    """Draw `count` images by `seed` (all, if there are fewer), in full batches of one size, not augmented."""
    count = min(count, len(images))
    if count == 0:
        return []
    batch = min(CALIBRATION_BATCH, count)
    batches = images.batches(batch, shuffle=True, seed=seed)
    return [drawn for (drawn, _), _ in zip(batches, range(count // batch), strict=False)]


def write_weights(path: str | Path, network: SharedNetwork) -> None:
    tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    with atomic(path) as temporary:
        temporary.write_bytes(save(tensors))


def read_weights(network: SharedNetwork, path: str | Path) -> None:
    """Load a supernet's weights. Raises UserError if the file has none, or those of another supernet."""
    if not Path(path).is_file():
        raise UserError(f"there is no file {path}; run snakemake, which trains the supernet")
    try:
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(
            f"{path} holds no weights of this supernet ({first}); give the settings and the weights of one experiment"
        ) from None


def sample(space: Any, seed: int, count: int = SAMPLE) -> list[Architecture]:
    """Draw `count` different architectures uniformly (fewer if the space has fewer)."""
    random = Random(derive_seed(seed, "statistics"))
    drawn: dict[str, Architecture] = {}
    for _ in range(100 * count):
        if len(drawn) == min(count, space.size()):
            break
        one = space.sample(random)
        drawn.setdefault(str(one), one)
    return list(drawn.values())


def summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Summarise both kinds of accuracy: mean, least, best and Spearman's rank correlations."""
    summarised: dict[str, Any] = {"architectures": len(rows)}
    for kind in ("running", "reestimated"):
        values = [row[kind] for row in rows]
        summarised[kind] = {
            "mean": sum(values) / len(values),
            "least": min(values),
            "best": max(values),
            "spearman_with_macs": spearman(values, [row["macs"] for row in rows]),
        }
    summarised["spearman"] = spearman([row["running"] for row in rows], [row["reestimated"] for row in rows])
    return summarised


def spearman(one: Sequence[float], other: Sequence[float]) -> float:
    """Compute Spearman's rank correlation; NaN if all values of a side are equal or one is unknown."""
    if len(set(one)) < 2 or len(set(other)) < 2 or any(map(math.isnan, [*one, *other])):
        return math.nan
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)
