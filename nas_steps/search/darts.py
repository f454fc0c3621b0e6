"""DARTS, first order: alphas and weights take turns (Liu et al. 2019, algorithm 1 with xi = 0)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.schema import Darts
from nas_steps.config.stages import DartsStep
from nas_steps.data.batches import DeviceImages
from nas_steps.models.supernet import KINDS, Supernet
from nas_steps.provenance.seeds import derive_seed
from nas_steps.search.discretise import entropy, most_likely, parameter_free, softmax
from nas_steps.spaces.cells import CellSpace
from nas_steps.training.checkpoint import Checkpoint, State
from nas_steps.training.distributed import synchronise
from nas_steps.training.loop import Batch, DivergedError, Row, evaluate, fit
from nas_steps.training.memory import Parts
from nas_steps.training.networks import Images
from nas_steps.training.progress import Progress
from nas_steps.training.supervised import cosine

ALPHA_BETAS = (0.5, 0.999)  # section A.1.1


@dataclass
class DartsResult:
    """What a search leaves: genotypes with their log-likelihood, history rows, the alphas after every epoch."""

    candidates: list[tuple[str, float]] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)
    alphas: list[dict[str, list[list[float]]]] = field(default_factory=list)
    reason: str = ""
    parts: int = 1  # that batches were learnt in, since memory ran out


class BilevelStep:
    """One alpha step on validation images, then one weight step on training images: what `fit` calls."""

    def __init__(self, supernet: Supernet, settings: Darts, valid: Iterator[Batch]) -> None:
        self.supernet = supernet
        self.settings = settings
        self.valid = valid
        self.parts = Parts(supernet)
        self.weights = supernet.weights()
        self.alphas = list(supernet.alphas.values())
        self.weight_optimizer = torch.optim.SGD(
            self.weights,
            lr=settings.learning_rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
        self.alpha_optimizer = torch.optim.Adam(
            self.alphas,
            lr=settings.alpha_learning_rate,
            betas=ALPHA_BETAS,
            weight_decay=settings.alpha_weight_decay,
        )

    def __call__(self, images: Tensor, labels: Tensor, done: float) -> tuple[Tensor, Tensor]:
        self.supernet.train()
        valid_images, valid_labels = next(self.valid)
        # each half computes the gradients that it uses and no others
        self._learn(self.alphas, frozen=self.weights)
        self.parts.backward(self.alphas, valid_images, valid_labels, self._loss)
        self.alpha_optimizer.step()

        self._learn(self.weights, frozen=self.alphas)
        for group in self.weight_optimizer.param_groups:
            group["lr"] = cosine(self.settings.learning_rate, done, floor=self.settings.learning_rate_min)
        learnt = self.parts.backward(self.weights, images, labels, self._loss)
        nn.utils.clip_grad_norm_(self.weights, self.settings.gradient_clip)
        self.weight_optimizer.step()
        return learnt

    def _loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits = self.supernet(images)
        loss = F.cross_entropy(logits, labels)
        return loss, loss, (logits.detach().argmax(1) == labels).sum()

    def state(self) -> State:
        return {
            "supernet": self.supernet.state_dict(),
            "weight_optimizer": self.weight_optimizer.state_dict(),
            "alpha_optimizer": self.alpha_optimizer.state_dict(),
            "parts": self.parts.count,
        }

    def restore(self, state: State) -> None:
        self.supernet.load_state_dict(state["supernet"])
        self.weight_optimizer.load_state_dict(state["weight_optimizer"])
        self.alpha_optimizer.load_state_dict(state["alpha_optimizer"])
        self.parts.count = state["parts"]

    @staticmethod
    def _learn(parameters: list[nn.Parameter], *, frozen: list[nn.Parameter]) -> None:
        for parameter in parameters:
            parameter.requires_grad_(True)
        for parameter in frozen:
            parameter.requires_grad_(False)


def endless(data: DeviceImages, settings: Darts, seed: int, start: int = 0) -> Iterator[Batch]:
    """Shuffled, augmented batches of `data` without end, from number `start` on; each pass has its own seed."""
    turn, start = divmod(start, data.steps(settings.batch_size, shuffle=True))
    while True:
        turn += 1
        yield from data.batches(
            settings.batch_size,
            augment=settings.augment,
            shuffle=True,
            seed=derive_seed(seed, "turn", turn),
            start=start,
        )
        start = 0


def darts(
    step: DartsStep, images: Images, *, seed: int, progress: Progress, checkpoint: Checkpoint | None = None
) -> DartsResult:
    """Search. A supernet that diverges ends the search; the alphas of its last sound epoch are used.

    Raises nothing for divergence: without any sound epoch the result has no candidates and a `reason`.
    """
    settings, space = step.strategy, step.space.declared()
    train, valid = images.train, images.valid
    assert valid is not None  # the alphas learn from validation images
    torch.manual_seed(derive_seed(seed, "initialisation"))
    supernet = Supernet(space, step.network, inputs=images.meta.shape[0], classes=len(images.meta.classes))
    supernet = supernet.to(train.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    synchronise(supernet)
    # batches of the alphas are drawn anew in each epoch, so that an epoch depends on its number alone
    bilevel = BilevelStep(supernet, settings, iter(()))

    def batches(epoch: int, start: int) -> Iterator[Batch]:
        bilevel.valid = endless(valid, settings, derive_seed(seed, "alpha batches", epoch), start)
        return train.batches(
            settings.batch_size,
            augment=settings.augment,
            shuffle=True,
            seed=derive_seed(seed, "batches", epoch),
            start=start,
        )

    def end_of_epoch(epoch: int) -> Row:
        loss, accuracy = evaluate(supernet, valid)
        alphas = {kind: supernet.alphas[kind].detach().cpu().tolist() for kind in KINDS}
        if not all(math.isfinite(value) for rows in alphas.values() for row in rows for value in row):
            raise DivergedError(f"an alpha is no number after epoch {epoch}")
        return {"valid_loss": loss, "valid_accuracy": accuracy, "alphas": alphas}

    result = DartsResult()
    try:
        rows = fit(
            bilevel,
            batches,
            epochs=settings.epochs,
            images=len(train),
            seed=seed,
            end_of_epoch=end_of_epoch,
            progress=progress,
            checkpoint=checkpoint,
        )
    except DivergedError as error:
        rows, result.reason = error.history, str(error)
    result.parts = bilevel.parts.count
    result.alphas = [row["alphas"] for row in rows]
    result.history = [
        history_row(space, row["alphas"], row["epoch"], row["valid_loss"], row["valid_accuracy"]) for row in rows
    ]
    if result.reason:
        result.history.append({"step": len(rows) + 1, "status": "diverged"})
    if result.alphas:
        mixes = {kind: softmax(rows) for kind, rows in result.alphas[-1].items()}
        result.candidates = [(str(found), score) for found, score in most_likely(space, mixes, settings.candidates)]
    return result


def history_row(space: CellSpace, alphas: dict[str, Any], epoch: int, loss: float, accuracy: float) -> Row:
    """An epoch's line: the architecture that its alphas stand for, and how decided they are."""
    mixes = {kind: softmax(rows) for kind, rows in alphas.items()}
    architecture = most_likely(space, mixes, 1)[0][0]
    return {
        "step": epoch,
        "architecture": str(architecture),
        "score": accuracy,
        "status": "ok",
        "loss": loss,
        "entropy": sum(map(entropy, mixes.values())) / len(mixes),
        "parameter_free": parameter_free(architecture.normal),
    }
