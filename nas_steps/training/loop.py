"""The training loop: epochs, divergence, history, checkpoints. A `Learner` says how a batch is learnt.

All random numbers of an epoch come from seeds derived from (seed, epoch), so an epoch can be repeated by itself.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.data.batches import DeviceImages
from nas_steps.provenance.seeds import derive_seed
from nas_steps.training.checkpoint import Checkpoint, Interrupted, Interrupts, State
from nas_steps.training.distributed import world
from nas_steps.training.micro_batches import out_of_memory
from nas_steps.training.progress import Progress

Batch = tuple[Tensor, Tensor]
Row = dict[str, Any]

EVALUATION_BATCH = 512


class Learner(Protocol):
    """One optimiser step on one batch."""

    def __call__(self, images: Tensor, labels: Tensor, done: float) -> tuple[Tensor, Tensor]:
        """Learn from a batch when the share `done` of the training is over; the summed loss and the number of correct
        answers, both on the device."""

    def state(self) -> State:
        """All that later batches depend on: weights, optimisers."""

    def restore(self, state: State) -> None:
        """Go back to a state."""


class DivergedError(ArithmeticError):
    """The training loss or an alpha is no longer a number. `history` holds the epochs before."""

    def __init__(self, message: str, history: Sequence[Row] = ()) -> None:
        super().__init__(message)
        self.history = list(history)


@dataclass
class Position:
    """How far a training has come: `batches` of epoch `epoch` (from 1) are learnt, with their losses and hits."""

    epoch: int = 1
    batches: int = 0
    seen: int = 0
    seconds: float = 0.0
    losses: list[Tensor] = field(default_factory=list)
    hits: list[Tensor] = field(default_factory=list)
    history: list[Row] = field(default_factory=list)

    def learnt(self, loss: Tensor, correct: Tensor, images: int) -> None:
        self.losses.append(loss)
        self.hits.append(correct)
        self.seen += images
        self.batches += 1

    def next_epoch(self, row: Row) -> None:
        self.history.append(row)
        self.epoch, self.batches, self.seen, self.seconds = self.epoch + 1, 0, 0, 0.0
        self.losses, self.hits = [], []


def fit(
    learner: Learner,
    batches: Callable[[int, int], Iterator[Batch]],
    *,
    epochs: int,
    images: int,
    seed: int,
    end_of_epoch: Callable[[int], Row],
    progress: Progress,
    checkpoint: Checkpoint | None = None,
    stop: Callable[[list[Row]], object] | None = None,
) -> list[Row]:
    """Train for `epochs` epochs on `batches(epoch, start)`: an epoch's batches from number `start` on, which hold
    `images` images in all.

    Returns one row an epoch (counted from 1): `train_loss` and `train_accuracy`, means over the epoch's images while
    they were learnt; `seconds` of training; and whatever `end_of_epoch(epoch)` adds, which must depend on the step's
    state alone and leave it as it is. Raises DivergedError at the end of the epoch in which the loss stopped being
    finite. After an epoch, `stop` says of all rows so far whether (by anything true) there is to be no other.

    With a `checkpoint`, the training goes on from it, saves its state there from time to time and on SIGTERM or SIGINT
    (raising Interrupted); it ends with the same numbers as one that never stopped, seconds aside.
    """
    position, processes = Position(), world()
    if checkpoint is not None and (state := checkpoint.read()) is not None:
        position = _restore(state, learner)
        progress.resume(len(position.history))
        print(f"going on with {checkpoint.name} from epoch {position.epoch}, batch {position.batches}", flush=True)
    with Interrupts() if checkpoint is not None else nullcontext() as interrupts:
        while position.epoch <= epochs and not (stop is not None and position.history and stop(position.history)):
            epoch = position.epoch
            if position.batches == 0:
                torch.manual_seed(derive_seed(seed, "epoch", epoch))
            started = time.perf_counter()
            before = position.seconds
            for inputs, labels in batches(epoch, position.batches):
                position.learnt(*learner(inputs, labels, (epoch - 1 + position.seen / images) / epochs), len(labels))
                position.seconds = before + time.perf_counter() - started
                if interrupts is not None and checkpoint is not None:
                    # several processes stop and save at the same batch
                    interrupts.caught, save = processes.largest(interrupts.caught, int(checkpoint.due))
                    if interrupts.caught or save:
                        checkpoint.write(_state(position, learner))
                    if interrupts.caught:
                        interrupts.leave()
            row = {"epoch": epoch, **_means(position)}
            position.seconds = before + time.perf_counter() - started
            row["seconds"] = round(position.seconds, 4)
            try:
                # a process that left its evaluation would keep the others waiting
                alone = interrupts is not None and processes.size == 1
                with interrupts.at_once() if interrupts is not None and alone else nullcontext():
                    row |= end_of_epoch(epoch)
            except DivergedError as error:
                error.history = list(position.history)
                raise
            except Interrupted:
                assert checkpoint is not None
                checkpoint.write(_state(position, learner))
                raise
            processes.assert_same(learner.state(), f"after epoch {epoch}")
            position.next_epoch(row)
            progress.advance(loss=row["train_loss"], accuracy=row.get("valid_accuracy", row["train_accuracy"]))
    return position.history


def _means(position: Position) -> Row:
    """Mean loss and accuracy of an epoch's batches. Raises DivergedError if the loss is no number."""
    loss = torch.stack(position.losses).sum().item() / position.seen
    if not math.isfinite(loss):
        raise DivergedError(f"the training loss is {loss} in epoch {position.epoch}", position.history)
    return {"train_loss": loss, "train_accuracy": torch.stack(position.hits).sum().item() / position.seen}


def _state(position: Position, learner: Learner) -> State:
    """All that the rest of a training depends on."""
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_initialized() else None
    return {
        "learner": learner.state(),
        "position": vars(position),
        "random": {"cpu": torch.get_rng_state(), "cuda": cuda},
    }


def _restore(state: State, learner: Learner) -> Position:
    learner.restore(state["learner"])
    torch.set_rng_state(state["random"]["cpu"])
    if state["random"]["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["random"]["cuda"])
    return Position(**state["position"])


def evaluate(
    model: nn.Module, data: DeviceImages, logits: Callable[[Tensor], Tensor] | None = None
) -> tuple[float, float]:
    """Mean cross-entropy and accuracy of `model` on all of `data`, in evaluation mode; the model's mode is as before.

    `logits` computes the model's answers, `model(images)` if it is None; it may change the mode.
    """
    batch = EVALUATION_BATCH
    while True:
        try:
            return _evaluate(model, data, logits or model, batch)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or batch == 1 or world().size > 1:
                raise
        batch //= 2


@torch.no_grad()
def _evaluate(
    model: nn.Module, data: DeviceImages, logits: Callable[[Tensor], Tensor], batch: int
) -> tuple[float, float]:
    was_training, processes = model.training, world()
    loss = correct = torch.zeros((), device=data.device)
    model.eval()
    try:
        for number, (images, labels) in enumerate(data.batches(batch, shuffle=False)):
            if number % processes.size == processes.rank:
                answers = logits(images).float()
                loss = loss + F.cross_entropy(answers, labels, reduction="sum")
                correct = correct + (answers.argmax(1) == labels).sum()
    finally:
        model.train(was_training)
    loss, correct = processes.sum(loss, correct)
    return loss.item() / len(data), correct.item() / len(data)
