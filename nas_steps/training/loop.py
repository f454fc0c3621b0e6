"""Epochs, steps, divergence, history: the loop that everything is trained by.

What a step does is the caller's: `fit` takes a step function. All random numbers of an epoch come from seeds derived
from (seed, epoch), never from what ran before, so an epoch can be repeated by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.data.batches import DeviceImages
from nas_steps.provenance.seeds import derive_seed
from nas_steps.training.progress import Progress

Batch = tuple[Tensor, Tensor]
#: (images, labels, share of the training that is done) -> (summed loss, number of correct answers), both on the device
Step = Callable[[Tensor, Tensor, float], tuple[Tensor, Tensor]]
Row = dict[str, Any]

EVALUATION_BATCH = 512


class DivergedError(ArithmeticError):
    """The training loss is no longer a number. `history` holds the epochs before."""

    def __init__(self, message: str, history: list[Row]) -> None:
        super().__init__(message)
        self.history = history


def fit(
    step: Step,
    batches: Callable[[int], Iterator[Batch]],
    *,
    epochs: int,
    images: int,
    seed: int,
    end_of_epoch: Callable[[int], Row],
    progress: Progress,
) -> list[Row]:
    """Run `epochs` epochs of `step` over `batches(epoch)`, which yield `images` images in all.

    Returns one row an epoch (counted from 1): `train_loss` and `train_accuracy`, means over the epoch's images while
    they were learnt; `seconds` of training; and whatever `end_of_epoch(epoch)` adds. Raises DivergedError at the end
    of the epoch in which the loss stopped being finite.
    """
    history: list[Row] = []
    for epoch in range(1, epochs + 1):
        torch.manual_seed(derive_seed(seed, "epoch", epoch))
        started = time.perf_counter()
        losses: list[Tensor] = []
        hits: list[Tensor] = []
        seen = 0
        for inputs, labels in batches(epoch):
            loss, correct = step(inputs, labels, (epoch - 1 + seen / images) / epochs)
            losses.append(loss)
            hits.append(correct)
            seen += len(labels)
        train_loss = torch.stack(losses).sum().item() / seen
        accuracy = torch.stack(hits).sum().item() / seen
        row: Row = {
            "epoch": epoch,
            "train_loss": train_loss,
            "train_accuracy": accuracy,
            "seconds": round(time.perf_counter() - started, 4),
        }
        if not torch.isfinite(torch.tensor(train_loss)):
            raise DivergedError(f"the training loss is {train_loss} in epoch {epoch}", history)
        row |= end_of_epoch(epoch)
        history.append(row)
        progress.advance(loss=train_loss, accuracy=row.get("valid_accuracy", accuracy))
    return history


@torch.no_grad()
def evaluate(model: nn.Module, data: DeviceImages) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of `model` on all of `data`, in evaluation mode."""
    was_training = model.training
    model.eval()
    loss = correct = torch.zeros((), device=data.device)
    for inputs, labels in data.batches(EVALUATION_BATCH, shuffle=False):
        logits = model(inputs).float()
        loss = loss + F.cross_entropy(logits, labels, reduction="sum")
        correct = correct + (logits.argmax(1) == labels).sum()
    model.train(was_training)
    return loss.item() / len(data), correct.item() / len(data)
