"""Train a supernet: each step learns one batch along the paths that the sampling names, and makes one update."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.supernet import SupernetTraining
from nas_steps.data.batches import DeviceImages
from nas_steps.data.store import load_split, part_of, read_meta
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.one_shot.networks import SharedNetwork, shared_network
from nas_steps.search.one_shot.sampling import Sampling, sampling
from nas_steps.search.settings import SupernetSettings
from nas_steps.spaces.declare import declared
from nas_steps.spaces.protocol import Architecture
from nas_steps.training.batch_norms import synchronise
from nas_steps.training.checkpoint import Checkpoint, State
from nas_steps.training.loop import Batch, Row, fit
from nas_steps.training.micro_batches import Loss, MicroBatches
from nas_steps.training.progress import Progress
from nas_steps.training.supervised import cosine, decay_groups, optimizer_of


class OneShotLearner:
    """What `fit` calls. Gradients of all paths of a step are summed, as in the papers: weights that one path alone uses
    learn as if it were trained by itself. A weight that no path of a step uses stays as it is, momentum included."""

    def __init__(
        self, network: SharedNetwork, settings: SupernetTraining, paths: Sampling, steps_per_epoch: int
    ) -> None:
        self.network, self.settings, self.sampling = network, settings, paths
        self.parameters = network.weights()
        self.micro_batches = MicroBatches(network)
        groups = [
            {**group, "params": [one for one in group["params"] if one.requires_grad]}  # type: ignore[attr-defined]
            for group in decay_groups(network, settings.weight_decay)
        ]
        self.optimizer = optimizer_of(groups, settings)
        self.warmup = settings.warmup_epochs / settings.epochs
        # the middle of the step: otherwise the first step of a warm-up would have a rate of 0
        self.half_step = 0.5 / (steps_per_epoch * settings.epochs)
        self.number = 0

    def begin(self, number: int) -> None:
        """Go on with step `number` (from 0) of the whole training."""
        self.number = number

    def __call__(self, images: Tensor, labels: Tensor, done: float) -> tuple[Tensor, Tensor]:
        """The summed loss and the number of correct answers are the mean over the paths; of the sandwich, those of the
        largest architecture, which alone learns from labels."""
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = cosine(settings.learning_rate, done + self.half_step, warmup=self.warmup)
        self.network.train()
        found = self.gradients(images, labels, self.sampling.paths(self.number))
        if settings.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, settings.gradient_clip)
        self.optimizer.step()
        self.number += 1
        return found

    def gradients(self, images: Tensor, labels: Tensor, paths: list[Architecture]) -> tuple[Tensor, Tensor]:
        """Set the weights' gradients to the sums over the paths, each of which is learnt by itself: memory is that of
        one. What `__call__` returns."""
        # a micro-batch knows which of the images it has
        numbers = torch.arange(len(labels), device=labels.device)
        if self.settings.sampling == "sandwich":
            predicted: list[Tensor] = []
            losses = [self._supervised(paths[0], labels, keep=predicted)]
            losses += [self._distilled(path, labels, predicted) for path in paths[1:]]
        else:
            losses = [self._supervised(path, labels) for path in paths]
        summed: dict[nn.Parameter, Tensor] = {}
        reported = []
        for loss in losses:
            reported.append(self.micro_batches.backward(self.parameters, images, numbers, loss))
            for parameter in self.parameters:
                if parameter.grad is not None:
                    before = summed.get(parameter)
                    summed[parameter] = parameter.grad if before is None else before.add_(parameter.grad)
                    parameter.grad = None
        for parameter, gradient in summed.items():
            parameter.grad = gradient
        counted = reported[:1] if self.settings.sampling == "sandwich" else reported
        total, hits = (torch.stack([one[which].float() for one in counted]).mean() for which in (0, 1))
        return total, hits

    def _logits(self, images: Tensor, path: Architecture) -> Tensor:
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=self.settings.precision == "bfloat16"):
            logits = self.network(images, path)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def _supervised(self, path: Architecture, labels: Tensor, keep: list[Tensor] | None = None) -> Loss:
        """The loss on the labels; the softmax of the logits goes to `keep[0]`, row by row."""

        def loss(images: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            logits, their = self._logits(images, path), labels[numbers]
            found = F.cross_entropy(logits, their, label_smoothing=self.settings.label_smoothing)
            if keep is not None:
                if not keep:
                    keep.append(logits.new_empty(len(labels), logits.shape[1]))
                keep[0][numbers] = logits.detach().softmax(1)
            return found, found, (logits.detach().argmax(1) == their).sum()

        return loss

    def _distilled(self, path: Architecture, labels: Tensor, predicted: list[Tensor]) -> Loss:
        """In-place distillation (Yu & Huang 2019, section 3.3; Yu et al. 2020, section 3.1): the cross-entropy with
        what the largest architecture predicted in this very step, which gets no gradient from it."""

        def loss(images: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            logits = self._logits(images, path)
            found = F.cross_entropy(logits, predicted[0][numbers])
            return found, found, (logits.detach().argmax(1) == labels[numbers]).sum()

        return loss

    def state(self) -> State:
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "micro_batches": self.micro_batches.count,
        }

    def restore(self, state: State) -> None:
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.micro_batches.count = state["micro_batches"]

    @property
    def rate(self) -> float:
        """The learning rate of the last step."""
        return self.optimizer.param_groups[0]["lr"]


def training_images(
    folder: str | Path, device: torch.device, *, share: float = 1.0, side: int | None = None, seed: int = 0
) -> DeviceImages:
    """`share` of each class's prepared training images, drawn by `seed`, at `side` pixels (the stored side if None)."""
    meta, split = read_meta(folder), load_split(folder, "train")
    if share < 1:
        split = part_of(split, share, meta.classes, seed)
    return DeviceImages(split.images, split.labels, meta.mean, meta.std, device, side)


def train_supernet(
    step: SupernetSettings,
    images: DeviceImages,
    *,
    inputs: int,
    classes: int,
    seed: int,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
) -> tuple[SharedNetwork, list[Row], int]:
    """Return the trained supernet, a row an epoch, and the number of micro-batches of a batch. Raises DivergedError.

    The result is deterministic in `seed` on one machine, interrupted or not; several processes get the same."""
    settings = step.supernet
    torch.manual_seed(derive_seed(seed, "initialisation"))
    network = shared_network(
        declared(step.space), step.network, inputs=inputs, classes=classes, entangled=settings.entangled
    )
    network = network.to(images.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    synchronise(network)
    paths = sampling(settings.sampling, declared(step.space), seed=derive_seed(seed, "paths"), between=settings.between)
    steps = images.steps(settings.batch_size, shuffle=True)
    learning = OneShotLearner(network, settings, paths, steps)

    def batches(epoch: int, start: int) -> Iterator[Batch]:
        learning.begin((epoch - 1) * steps + start)
        return images.batches(
            settings.batch_size,
            augment=settings.augment,
            shuffle=True,
            seed=derive_seed(seed, "batches", epoch),
            start=start,
        )

    rows = fit(
        learning,
        batches,
        epochs=settings.epochs,
        images=len(images),
        seed=seed,
        end_of_epoch=lambda _epoch: {"learning_rate": learning.rate, "paths": paths.count * steps},
        progress=progress,
        checkpoint=checkpoint,
    )
    return network, rows, learning.micro_batches.count
