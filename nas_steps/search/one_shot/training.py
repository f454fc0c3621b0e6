"""Train a supernet: each step learns one batch along the paths that the sampling names, and makes one update."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.supernet import SupernetTraining
from nas_steps.data.batches import DeviceImages
from nas_steps.data.sizes import sizes_of
from nas_steps.data.store import load_split, part_of, read_meta
from nas_steps.data.text.store import is_text
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.one_shot.contexts import Contexts
from nas_steps.search.one_shot.networks import SharedNetwork, shared_network, sharing
from nas_steps.search.one_shot.sampling import Sampling, sampling
from nas_steps.search.settings import SupernetSettings
from nas_steps.spaces.declare import declared
from nas_steps.spaces.protocol import Architecture
from nas_steps.training.batch_norms import synchronise
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.loop import Batch, Learner, Row, fit
from nas_steps.training.micro_batches import Loss, MicroBatches
from nas_steps.training.progress import Progress
from nas_steps.training.supervised import cosine, decay_groups, optimizer_of
from nas_steps.training.texts import load_text


class OneShotLearner(Learner):
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
        self.stateful = {"network": network, "optimizer": self.optimizer}
        self.warmup = settings.warmup_epochs / settings.epochs
        # the middle of the step: otherwise the first step of a warm-up would have a rate of 0
        self.half_step = 0.5 / (steps_per_epoch * settings.epochs)
        self.steps_per_epoch = steps_per_epoch
        self.number = 0  # of the next step of the whole training

    def batches(self, images: DeviceImages | Contexts, seed: int) -> Callable[[int, int], Iterator[Batch]]:
        """Return the function of `fit` that goes on in an epoch with its batch `start`."""
        settings = self.settings

        def begin(epoch: int, start: int) -> Iterator[Batch]:
            self.number = (epoch - 1) * self.steps_per_epoch + start
            drawn: dict[str, Any] = {"shuffle": True, "seed": derive_seed(seed, "batches", epoch)}
            return images.batches(settings.batch_size, augment=settings.augment, **drawn, start=start)

        return begin

    def __call__(self, images: Tensor, labels: Tensor, done: float) -> tuple[Tensor, Tensor]:
        """Learn a batch; return loss and correct answers, means over the paths (of the sandwich, the largest's)."""
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = cosine(settings.learning_rate, done + self.half_step, warmup=self.warmup)
        self.network.train()
        loss_and_hits = self.gradients(images, labels, self.sampling.paths(self.number))
        if settings.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, settings.gradient_clip)
        self.optimizer.step()
        self.number += 1
        return loss_and_hits

    def gradients(self, images: Tensor, labels: Tensor, paths: list[Architecture]) -> tuple[Tensor, Tensor]:
        """Set the weights' gradients to the sums over the paths; return what `__call__` does. It needs one's memory."""
        # a micro-batch knows which of the images it has
        numbers = torch.arange(len(labels), device=labels.device)
        sandwich = self.settings.sampling == "sandwich"
        predicted: list[Tensor] = []
        losses = [
            self._loss(path, labels, predicted, distilled=sandwich and place > 0) for place, path in enumerate(paths)
        ]
        summed: dict[nn.Parameter, Tensor] = {}
        reported = []
        for loss in losses:
            reported.append(self.micro_batches.backward(self.parameters, images, numbers, loss, summed=False))
            for parameter in self.parameters:
                if parameter.grad is not None:
                    before = summed.get(parameter)
                    summed[parameter] = parameter.grad if before is None else before.add_(parameter.grad)
                    parameter.grad = None
        for parameter, gradient in summed.items():
            parameter.grad = gradient
        counted = reported[:1] if sandwich else reported
        means = (torch.stack([one[which].float() for one in counted]).mean() for which in (0, 1))
        # of several processes, once a step
        total, hits = self.micro_batches.add_up(summed, len(labels), *means)
        return total, hits

    def _loss(self, path: Architecture, labels: Tensor, predicted: list[Tensor], distilled: bool) -> Loss:
        """Make the loss on labels, or on what the sandwich's largest architecture `predicted` in this step (in-place
        distillation: Yu & Huang 2019, section 3.3; Yu et al. 2020, section 3.1)."""
        settings = self.settings

        def loss(images: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=settings.precision == "bfloat16"):
                logits = self.network(images, path)
            logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
            if distilled:
                value = F.cross_entropy(logits, predicted[0][numbers])
            else:
                value = F.cross_entropy(logits, labels[numbers], label_smoothing=settings.label_smoothing)
            if settings.sampling == "sandwich" and not distilled:
                if not predicted:
                    predicted.append(logits.new_empty(len(labels), *logits.shape[1:]))
                predicted[0][numbers] = logits.detach().softmax(1)
            right = logits.detach().argmax(1) == labels[numbers]
            # of the tokens of a context, the share that is right
            return value, value, right.sum() if right.ndim == 1 else right.float().mean(1).sum()

        return loss

    @property
    def rate(self) -> float:
        """The learning rate of the last step."""
        return self.optimizer.param_groups[0]["lr"]


def training_images(
    folder: str | Path, device: torch.device, *, share: float = 1.0, side: int | None = None, seed: int = 0
) -> DeviceImages | Contexts:
    """Load the training images at `side` pixels (None: as stored), of each class a `share` drawn by `seed`.

    Of text: as many contexts as the share of its tokens fills.
    """
    if is_text(folder):
        return Contexts(load_text(folder, device, "train"), max(1, round(share * sizes_of(folder).train)))
    meta, split = read_meta(folder), load_split(folder, "train")
    if share < 1:
        split = part_of(split, share, meta.classes, seed)
    return DeviceImages(split.images, split.labels, meta.mean, meta.std, device, side)


def train_supernet(
    settings: SupernetSettings,
    images: DeviceImages | Contexts,
    *,
    inputs: int,
    classes: int,
    seed: int,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
    initial: Callable[[nn.Module], None] | None = None,
) -> tuple[SharedNetwork, list[Row], int]:
    """Return the trained supernet, a row for each epoch, and the micro-batches of a batch. Raises DivergedError.

    `initial` may change the initialised supernet in place, on the CPU.
    """
    supernet, space = settings.supernet, declared(settings.space)
    torch.manual_seed(derive_seed(seed, "initialisation"))
    shape: dict[str, Any] = {"inputs": inputs, "classes": classes}
    network = shared_network(space, settings.network, **shape, **sharing(supernet))
    if initial is not None:
        initial(network.supernet)
    network = network.to(images.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    synchronise(network)
    paths = sampling(supernet.sampling, space, seed=derive_seed(seed, "paths"), between=supernet.between)
    steps = images.steps(supernet.batch_size, shuffle=True)
    learner = OneShotLearner(network, supernet, paths, steps)

    def end_of_epoch(_epoch: int) -> Row:
        return {"learning_rate": learner.optimizer.param_groups[0]["lr"], "paths": paths.count * steps}

    rows = fit(
        learner,
        learner.batches(images, seed),
        epochs=supernet.epochs,
        images=len(images),
        seed=seed,
        end_of_epoch=end_of_epoch,
        progress=progress,
        checkpoint=checkpoint,
    )
    return network, rows, learner.micro_batches.count
