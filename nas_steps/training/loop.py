"""The training loop: epochs, divergence, history, checkpoints. A `Learner` says how a batch is learnt.

An epoch's random numbers come from seeds derived from (seed, epoch), so it can be repeated by itself."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.data.batches import DeviceImages
from nas_steps.metrics import ACCURACY
from nas_steps.models.tally import Tally
from nas_steps.provenance.seeds import derive_seed
from nas_steps.training.checkpoint import Checkpoint, Interrupted, Interrupts, State
from nas_steps.training.devices import gpu_memory
from nas_steps.training.distributed import world
from nas_steps.training.gpu_places import place
from nas_steps.training.micro_batches import MicroBatches, out_of_memory, random_state, set_random_state
from nas_steps.training.progress import Progress

Batch = tuple[Tensor, Tensor]
Row = dict[str, Any]
Result = TypeVar("Result")

#: images that are evaluated at once, on a CPU of this side in pixels at most
EVALUATION_BATCH, EVALUATION_SIDE = 512, 32


class Learner:
    """One optimiser step on one batch. Later batches depend on the objects of `stateful`, by name."""

    stateful: dict[str, Any]
    micro_batches: MicroBatches

    def __call__(self, images: Tensor, labels: Tensor, done: float) -> tuple[Tensor, Tensor]:
        """Learn at share `done` of the training; return the summed loss and the number of hits, on the device."""
        raise NotImplementedError

    def state(self) -> State:
        parts = {name: part.state_dict() for name, part in self.stateful.items()}
        return {**parts, "micro_batches": self.micro_batches.count}

    def restore(self, state: State) -> None:
        for name, part in self.stateful.items():
            part.load_state_dict(state[name])
        self.micro_batches.count = state["micro_batches"]


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
    """Train on `batches(epoch, start)`: an epoch's batches from number `start` on, of `images` images in all.

    Return a row per epoch, from 1: `train_loss` and `train_accuracy` (means while training), `seconds`, and the row of
    `end_of_epoch(epoch)`, which must leave the learner as it is. If `stop(rows)` is true, no other epoch follows.
    Raises DivergedError after an epoch with a loss that is not finite. With a `checkpoint`, resume from it and save to
    it, also on SIGTERM or SIGINT (raises Interrupted); the numbers are those of an unbroken training, seconds aside."""
    position, processes = Position(), world()
    if checkpoint is not None and (state := checkpoint.read()) is not None:
        learner.restore(state["learner"])
        set_random_state(state["random"])
        position = Position(**state["position"])
        progress.resume(len(position.history))
        print(f"going on with {checkpoint.name} from epoch {position.epoch}, batch {position.batches}", flush=True)
    with Interrupts() if checkpoint is not None else nullcontext() as interrupts:
        while position.epoch <= epochs and not (stop is not None and position.history and stop(position.history)):
            epoch = position.epoch
            if position.batches == 0:
                torch.manual_seed(derive_seed(seed, "epoch", epoch))
            started, before = time.perf_counter(), position.seconds
            for inputs, labels in batches(epoch, position.batches):
                loss, correct = learner(inputs, labels, (epoch - 1 + position.seen / images) / epochs)
                position.losses.append(loss)
                position.hits.append(correct)
                position.seen += len(labels)
                position.batches += 1
                position.seconds = before + time.perf_counter() - started
                if interrupts is not None and checkpoint is not None:
                    # several processes stop and save at the same batch
                    interrupts.caught, save = processes.largest(interrupts.caught, int(checkpoint.due))
                    if interrupts.caught or save:
                        checkpoint.write(_state(position, learner))
                    if interrupts.caught:
                        interrupts.leave()
            mean = torch.stack(position.losses).sum().item() / position.seen
            if not math.isfinite(mean):
                raise DivergedError(f"the training loss is {mean} in epoch {epoch}", position.history)
            accuracy = torch.stack(position.hits).sum().item() / position.seen
            row: Row = {"epoch": epoch, "train_loss": mean, "train_accuracy": accuracy}
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
            if (held := place()) is not None:
                held.measured(gpu_memory(position.losses[0].device))
            position = Position(epoch + 1, history=[*position.history, row])
            progress.advance(loss=mean, accuracy=row.get("valid_accuracy", accuracy))
    return position.history


def _state(position: Position, learner: Learner) -> State:
    return {"learner": learner.state(), "position": vars(position), "random": random_state()}


class Judged(NamedTuple):
    """A network's figures on some images: mean cross-entropy, accuracy, and the experiment's metric."""

    loss: float
    accuracy: float
    value: float


def evaluate(
    model: nn.Module, data: DeviceImages, logits: Callable[[Tensor], Tensor] | None = None
) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy on `data`, by `logits` or `model`; the model's mode is as before."""
    return judge(model, data, logits=logits)[:2]


def judge(
    model: nn.Module,
    data: DeviceImages,
    metric: str = ACCURACY,
    logits: Callable[[Tensor], Tensor] | None = None,
) -> Judged:
    """Evaluate on `data`, by `logits` or `model`; the model's mode is as before."""
    return _halved(data, lambda batch: _judge(model, data, metric, logits or model, batch))


def predict(model: nn.Module, data: DeviceImages) -> tuple[Tensor, Tensor]:
    """Return the class (N,) int64 of each image and its softmax probability (N,) float32, on the CPU.

    Each process that calls this predicts all images by itself; the model's mode is as before."""
    return _halved(data, lambda batch: _predict(model, data, batch))


def evaluation_batch(data: DeviceImages) -> int:
    """Return how many images are evaluated at once: on a CPU fewer large ones, whose feature maps leave its caches."""
    large = data.device.type == "cpu" and data.side > EVALUATION_SIDE
    return max(1, EVALUATION_BATCH * EVALUATION_SIDE**2 // data.side**2) if large else EVALUATION_BATCH


def _halved(data: DeviceImages, run: Callable[[int], Result]) -> Result:
    """Return `run(batch size)`, with half the size as long as memory runs out."""
    batch = evaluation_batch(data)
    while True:
        try:
            return run(batch)
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or batch == 1 or world().size > 1:
                raise
        batch //= 2


@torch.no_grad()
def _predict(model: nn.Module, data: DeviceImages, batch: int) -> tuple[Tensor, Tensor]:
    was_training = model.training
    model.eval()
    try:
        likeliest = [model(images).float().softmax(1).max(1) for images, _ in data.batches(batch, shuffle=False)]
    finally:
        model.train(was_training)
    return torch.cat([one.indices for one in likeliest]).cpu(), torch.cat([one.values for one in likeliest]).cpu()


@torch.no_grad()
def _judge(model: nn.Module, data: DeviceImages, metric: str, logits: Callable, batch: int) -> Judged:
    was_training, processes, tally = model.training, world(), Tally(metric)
    loss = torch.zeros((), device=data.device)
    # what a batch draws (noise) depends on its number, not on what this process has judged before
    first = int(torch.randint(2**62, ()))
    before = random_state()
    model.eval()
    try:
        for number, (images, labels) in enumerate(data.batches(batch, shuffle=False)):
            if number % processes.size == processes.rank:
                torch.manual_seed(first + number)
                answers = logits(images).float()
                loss = loss + F.cross_entropy(answers, labels, reduction="sum")
                tally.add(answers, labels)
    finally:
        model.train(was_training)
        set_random_state(before)
    (loss,) = processes.sum(loss)
    tally.add_up(processes.sum, processes.largest, data.device)
    return Judged(loss.item() / len(data), tally.accuracy(len(data)), tally.value(len(data)))
