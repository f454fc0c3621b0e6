"""Train several seeds of one architecture as one network, where that pays: each seed's result is that of it alone.

Rounding aside, that is: batches, masks, losses, gradient norms and statistics are each seed's own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nas_steps.config.recipe import Recipe
from nas_steps.config.space import Network
from nas_steps.data.batches import DeviceImages
from nas_steps.models.build import size
from nas_steps.models.tally import Tally
from nas_steps.models.together import Draws, UnknownModuleError, separated, side_by_side
from nas_steps.provenance.seeds import derive_seed
from nas_steps.training.checkpoint import Checkpoint, State
from nas_steps.training.loop import Batch, DivergedError, Judged, Row, evaluation_batch, fit
from nas_steps.training.micro_batches import out_of_memory
from nas_steps.training.mixing import mixed
from nas_steps.training.networks import Images, class_weighted, epoch_of, started
from nas_steps.training.progress import Progress
from nas_steps.training.supervised import SupervisedLearner, check_precision, learning
from nas_steps.training.trained import JUDGED, Trained

#: by kind of device, the load of networks (`load_of`) up to which their seeds together are faster: three of them 1.15
#: to 2.4 times on one core, above it 1.0 to 1.5 times (benchmarks/seeds_together.py); of GPUs there are no figures
HEAVIEST = {"cpu": 3.0}


class ApartError(Exception):
    """These seeds cannot be trained together; the message says why."""


class JointLearner(SupervisedLearner):
    """Learns one batch of each of S networks that stand side by side. `seeds` are those of mixup and CutMix.

    Images are (N, S * channels, H, W), labels (N, S). Losses and hits are means over the seeds; `rows` has each's."""

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        steps_per_epoch: int,
        seeds: Sequence[int],
        draws: Draws,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__(model, recipe, steps_per_epoch, 0, class_weights)
        self.seeds = list(seeds)
        self.shares = [1.0] * len(seeds)  # `mix` of each seed
        self.stateful["draws"] = draws
        self.losses: list[Tensor] = []
        self.hits: list[Tensor] = []

    def begin(self) -> None:
        """Forget the losses and hits of the epoch before."""
        self.losses, self.hits = [], []

    def rows(self, images: int) -> list[Row]:
        """Return the mean training loss and accuracy of each seed in this epoch of `images` images."""
        losses, hits = (torch.stack(some).sum(0).tolist() for some in (self.losses, self.hits))
        return [
            {"train_loss": loss / images, "train_accuracy": right / images}
            for loss, right in zip(losses, hits, strict=True)
        ]

    def _mixed(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        both = [
            mixed(some, self.recipe, seed, self.steps)
            for some, seed in zip(images.chunk(len(self.seeds), 1), self.seeds, strict=True)
        ]
        self.shares = [share for _, share in both]
        return torch.cat([some for some, _ in both], 1), torch.stack([labels, labels.roll(1, 0)], 2)

    def _backward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        for parameter in learning(self.model):
            parameter.grad = None
        try:
            total, losses, hits = self._loss(images, labels)
            total.backward()
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
            raise ApartError("there is not enough memory for all of them at once") from None
        self.losses.append(losses.detach() * len(labels))
        self.hits.append(hits)
        return self.losses[-1].mean(), hits.float().mean()

    def _loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the sum of the seeds' losses, whose gradients are each seed's own; their losses and hits (S,)."""
        recipe, count = self.recipe, len(self.seeds)
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=recipe.precision != "float32"):
            output = self.model(images)
            answers = [one.unflatten(1, (count, -1)) for one in (output if isinstance(output, tuple) else (output,))]
            losses, hits, totals = [], [], []
            for number, share in enumerate(self.shares):
                self.mix, their = share, labels[:, number]
                losses.append(self._entropy(answers[0][:, number], their))
                totals.append(losses[-1])
                if len(answers) > 1:
                    second = self._entropy(answers[1][:, number], their)
                    totals[-1] = losses[-1] + recipe.auxiliary_weight * second
                heavier = their if their.ndim == 1 else their[:, 0 if share >= 0.5 else 1]
                hits.append((answers[0][:, number].detach().argmax(1) == heavier).sum())
        return torch.stack(totals).sum(), torch.stack(losses), torch.stack(hits)

    @torch.no_grad()
    def _clip(self, largest: float) -> None:
        count = len(self.seeds)
        gradients = [parameter.grad for parameter in self.model.parameters() if parameter.grad is not None]
        each = [part for gradient in gradients for part in gradient.chunk(count)]
        norms = torch.stack(torch._foreach_norm(each)).view(-1, count)
        factors = (largest / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_(each, [factor for _ in gradients for factor in factors.unbind()])

    def state(self) -> State:
        return {**super().state(), "losses": self.losses, "hits": self.hits}

    def restore(self, state: State) -> None:
        super().restore(state)
        self.losses, self.hits = state["losses"], state["hits"]


def train_together(
    architecture: str,
    network: Network,
    recipe: Recipe,
    images: Images,
    *,
    seeds: Sequence[int],
    progress: Progress,
    checkpoint: Checkpoint | None = None,
    initial: Callable[[nn.Module], object] | None = None,
    probe: bool = False,
) -> list[Trained]:
    """Return what `train_network` returns for each of the `seeds`, rounding aside; interrupted or not.

    The seconds of an epoch are shared out equally. Raises ApartError if the seeds must be trained one after the other:
    one diverges, memory runs out, or the network or the recipe does not allow it."""
    device, count = images.train.device, len(seeds)
    check_precision(recipe, device)
    counted = size(architecture, network, **images.shape, side=images.side)
    networks: list[nn.Module] = []
    for seed in seeds:
        model, learnt = started(architecture, network, recipe, images, seed=seed, initial=initial, probe=probe)
        if not networks and (why := unfit(model, learnt, device, counted.macs)):
            raise ApartError(why)
        networks.append(model)
    draws = Draws(count, device)
    try:
        joint = side_by_side(networks, draws)
    except UnknownModuleError as error:
        raise ApartError(str(error)) from None
    steps = images.train.steps(recipe.batch_size, shuffle=True)
    learner = JointLearner(joint, learnt, steps, seeds, draws, class_weighted(recipe, images))

    def end_of_epoch(_epoch: int) -> Row:
        rows = learner.rows(len(images.train))
        if images.valid is not None:
            judged = judge_each(learner.evaluated, count, images.valid, images.metric)
            for row, one in zip(rows, judged, strict=True):
                row |= {f"valid_{name}": figure for name, figure in zip(JUDGED, one, strict=True)}
        return {"learning_rate": learner.rate, "seeds": rows}

    each = [epoch_of(images, recipe, seed) for seed in seeds]

    def batches(epoch: int, start: int) -> Iterator[Batch]:
        if start == 0:
            draws.seed([derive_seed(seed, "epoch", epoch) for seed in seeds])
            learner.begin()
        for some in zip(*(one(epoch, start) for one in each), strict=True):
            together = torch.cat([one for one, _ in some], 1)
            yield together, torch.stack([labels for _, labels in some], 1)

    try:
        history = fit(
            learner,
            batches,
            epochs=recipe.epochs,
            images=len(images.train),
            seed=seeds[0],
            end_of_epoch=end_of_epoch,
            progress=progress,
            checkpoint=checkpoint,
        )
    except DivergedError as error:
        raise ApartError(f"one of them diverged: {error}") from None
    separated(learner.evaluated, networks)
    return [
        Trained(model, counted.parameters, counted.macs, [_of_seed(row, number, count) for row in history])
        for number, model in enumerate(networks)
    ]


def unfit(model: nn.Module, recipe: Recipe, device: torch.device, macs: int) -> str:
    """Say why seeds of a network of `macs` an image are not trained together; empty if they are."""
    if device.type not in HEAVIEST:
        return f"whether it is faster together on a device of kind {device.type} was never measured"
    load, most = load_of(model, macs, recipe.batch_size), HEAVIEST[device.type]
    if load > most:
        return f"a convolution makes {load:.2f} million products a batch, and together is faster up to {most:g} million"
    if recipe.precision == "float16":
        return "float16 scales the loss of each by itself"
    return ""


def _of_seed(row: Row, number: int, count: int) -> Row:
    """Return the row of one seed's history."""
    own: dict[str, Any] = row["seeds"][number]
    return {**{key: row[key] for key in ("epoch", "learning_rate")}, **own, "seconds": round(row["seconds"] / count, 4)}


def judge_each(model: nn.Module, count: int, data: DeviceImages, metric: str) -> list[Judged]:
    """Evaluate `count` networks that stand side by side on `data`; the model's mode is as before."""
    try:
        return _judge_each(model, count, data, metric)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise ApartError("there is not enough memory to evaluate all of them at once") from None


@torch.no_grad()
def _judge_each(model: nn.Module, count: int, data: DeviceImages, metric: str) -> list[Judged]:
    was_training, tallies = model.training, [Tally(metric) for _ in range(count)]
    losses = torch.zeros(count, device=data.device)
    model.eval()
    try:
        for images, labels in data.batches(max(1, evaluation_batch(data) // count), shuffle=False):
            answers = model(images.repeat(1, count, 1, 1)).float().unflatten(1, (count, -1))
            for number, tally in enumerate(tallies):
                own = answers[:, number]
                losses[number] += torch.nn.functional.cross_entropy(own, labels, reduction="sum")
                tally.add(own, labels)
    finally:
        model.train(was_training)
    found = zip(losses.tolist(), tallies, strict=True)
    return [Judged(loss / len(data), tally.accuracy(len(data)), tally.value(len(data))) for loss, tally in found]


def load_of(model: nn.Module, macs: int, batch_size: int) -> float:
    """Return the multiply-accumulates (millions) of a convolution's forward pass over a batch, on average."""
    return macs * batch_size / 1e6 / sum(isinstance(module, nn.Conv2d) for module in model.modules())
