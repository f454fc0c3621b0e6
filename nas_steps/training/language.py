"""Train a language model for a given compute: AdamW, warm-up and cosine, and the best of several peak learning rates.

All networks get the same FLOPs, not the same tokens: a training of C FLOPs reads C / (3 * FLOPs of a forward pass)
contexts (Kaplan et al. 2020, section 2.1: a backward pass is two forward passes).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.recipe import Recipe
from nas_steps.errors import UserError
from nas_steps.facts import TRAINING_FACTOR
from nas_steps.models.language.network import build_language
from nas_steps.provenance.seeds import derive_seed
from nas_steps.spaces.language.costs import count_architecture
from nas_steps.spaces.language.parsing import parse_language
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.loop import Batch, Row
from nas_steps.training.progress import Progress
from nas_steps.training.supervised import SupervisedLearner, check_precision
from nas_steps.training.texts import Texts, judge_text, score_text
from nas_steps.training.trained import JUDGED, Trained


class Schedule:
    """The steps of a training: how many contexts each reads, and in which of the equal parts it is.

    `compute` FLOPs pay for `contexts`, rounded down. They are spread evenly over steps of about `batch_size` contexts,
    so that all networks spend the same to one context. Raises UserError if they are fewer than a batch or the parts.
    """

    def __init__(self, recipe: Recipe, macs: int, context: int, name: str = "the network") -> None:
        assert recipe.compute is not None
        self.context, self.parts = context, recipe.epochs
        self.flops = TRAINING_FACTOR * 2 * macs
        self.contexts = int(recipe.compute / self.flops)
        fewest = max(recipe.batch_size, recipe.epochs)
        if self.contexts < fewest:
            least = self.flops * fewest
            raise UserError(
                f"compute is {recipe.compute:.4g} FLOPs, but one step of {name} takes {least:.4g} ({fewest} contexts "
                f"of {context} tokens); raise compute to that, or lower batch_size"
            )
        self.steps = max(self.parts, round(self.contexts / recipe.batch_size))

    def bounds(self, part: int) -> tuple[int, int]:
        """Return the first step of a part, from 1, and the one after its last."""
        return (part - 1) * self.steps // self.parts, part * self.steps // self.parts

    def size(self, step: int) -> int:
        """Return how many contexts a step reads."""
        return self.read(step + 1) - self.read(step)

    def read(self, steps: int) -> int:
        """Return how many contexts the first steps read."""
        return steps * self.contexts // self.steps

    @property
    def largest(self) -> int:
        """The most contexts of a step."""
        return -(-self.contexts // self.steps)


class LanguageLearner(SupervisedLearner):
    """Learns one batch of contexts: inputs and targets int64 (B, T)."""

    #: those of GPT-3 (Brown et al. 2020, appendix B)
    betas = (0.9, 0.95)

    def __init__(self, model: nn.Module, recipe: Recipe, steps: int) -> None:
        super().__init__(model, recipe, steps)
        self.total = steps
        # parts of a training may have one step more or less
        self.half_step = 0.5 / steps

    def __call__(self, inputs: Tensor, targets: Tensor, _done: float) -> tuple[Tensor, Tensor]:
        return super().__call__(inputs, targets, self.steps / self.total)

    def _loss(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        half = torch.float16 if self.recipe.precision == "float16" else torch.bfloat16
        with torch.autocast(inputs.device.type, dtype=half, enabled=self.recipe.precision != "float32"):
            logits = self.model(inputs)
        loss = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
        # means over the tokens of a context, as all contexts are equally long
        right = (logits.detach().argmax(-1) == targets).float().mean(1).sum()
        return self.scaler.scale(loss), loss, right


def rates_of(recipe: Recipe) -> list[float]:
    """Return the peak learning rates that are tried."""
    return recipe.learning_rates or [recipe.learning_rate]


def train_language(
    architecture: str,
    recipe: Recipe,
    texts: Texts,
    *,
    seed: int,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
    stop: Callable[[list[Row]], object] | None = None,
    initial: Callable[[nn.Module], object] | None = None,
) -> Trained:
    """Build the language model `architecture` and train it by `recipe`; deterministic in `seed`, interrupted or not.

    With `recipe.learning_rates` each is tried from the same initial weights on the same contexts. The one with the best
    validation figure is returned; what the others took is in `tried` and counts in `seconds`. If all diverge, the first
    is returned. Rows have, beside those of `fit`, learning_rate, tokens and flops so far, and what it validates at.
    Raises UserError for a compute below one step.
    """
    check_precision(recipe, texts.train.device)
    tried: list[Trained] = []
    finished = _Finished(checkpoint, len(rates_of(recipe)))
    for number, rate in enumerate(rates_of(recipe)):
        known = finished.read(number)
        own = None if checkpoint is None else finished.of(number)
        how: dict[str, Any] = {"seed": seed, "progress": progress, "stop": stop, "initial": initial}
        one = _train(architecture, _at(recipe, rate), texts, checkpoint=own, known=known, **how)
        tried.append(one)
        finished.write(number, one)
    best = max(range(len(tried)), key=lambda number: (_figure(tried[number]), -number))
    rows = [
        {"learning_rate": rate, "valid_metric": one.last("valid_metric"), "seconds": one.seconds, "status": one.status}
        for rate, one in zip(rates_of(recipe), tried, strict=True)
    ]
    return replace(tried[best], tried=rows) if len(tried) > 1 else tried[best]


def _at(recipe: Recipe, rate: float) -> Recipe:
    return recipe.model_copy(update={"learning_rate": rate, "learning_rates": None})


def _figure(trained: Trained) -> float:
    value = trained.last("valid_metric")
    return -math.inf if math.isnan(value) else value


class _Finished:
    """The finished trainings of a network's learning rates, which survive a kill: one checkpoint for each."""

    def __init__(self, checkpoint: Checkpoint | None, count: int) -> None:
        self.checkpoint, self.count = checkpoint, count

    def of(self, number: int) -> Checkpoint:
        """Return the checkpoint of a training that goes on; of a single one, the network's own."""
        assert self.checkpoint is not None
        return self.checkpoint if self.count == 1 else self.checkpoint.part(f"rate-{number}")

    def read(self, number: int) -> dict[str, Any] | None:
        """Return what a finished training left; None if it is not finished, or the only one."""
        if self.checkpoint is None or self.count == 1:
            return None
        return self._done(number).read()

    def write(self, number: int, trained: Trained) -> None:
        if self.checkpoint is None or self.count == 1:
            return
        state = {name: tensor.detach().cpu() for name, tensor in trained.model.state_dict().items()}
        kept = {name: getattr(trained, name) for name in ("history", "status", "reason", "micro_batches")}
        self._done(number).write({"model": state, **kept})
        self.of(number).remove()

    def _done(self, number: int) -> Checkpoint:
        assert self.checkpoint is not None
        return self.checkpoint.part(f"finished-{number}")


def _train(
    architecture: str,
    recipe: Recipe,
    texts: Texts,
    *,
    seed: int,
    progress: Progress,
    checkpoint: Checkpoint | None,
    stop: Callable[[list[Row]], object] | None,
    initial: Callable[[nn.Module], object] | None,
    known: dict[str, Any] | None,
) -> Trained:
    """Train by one learning rate, or make the network that is `known` from before."""
    found = parse_language(architecture)
    parameters, macs = count_architecture(found, texts.context)
    schedule = Schedule(recipe, macs, texts.context, architecture)
    torch.manual_seed(derive_seed(seed, "initialisation"))
    model = build_language(found)
    if initial is not None:
        initial(model)
    model.to(texts.train.device)
    trained = Trained(model, parameters, macs)
    if known is not None:
        model.load_state_dict(known.pop("model"))
        progress.resume(recipe.epochs)
        return replace(trained, **known)
    learner = LanguageLearner(model, recipe, schedule.steps)

    def end_of_part(part: int) -> Row:
        read = schedule.read(schedule.bounds(part)[1])
        row: Row = {"learning_rate": learner.rate, "tokens": read * texts.context, "flops": read * schedule.flops}
        if texts.valid is not None:
            judged = judge_text(score_text(learner.evaluated, texts.valid))
            row |= {f"valid_{name}": figure for name, figure in zip(JUDGED, judged, strict=True)}
        return row

    trained.learn(
        learner,
        _batches(texts, schedule, seed),
        planned=recipe.epochs,
        epochs=schedule.parts,
        images=schedule.contexts,
        seed=seed,
        end_of_epoch=end_of_part,
        progress=progress,
        checkpoint=checkpoint,
        stop=stop,
    )
    return trained


def _batches(texts: Texts, schedule: Schedule, seed: int) -> Callable[[int, int], Iterator[Batch]]:
    """Return the function from a part and its first batch to its batches of inputs and targets (B, T)."""

    def batches(part: int, start: int) -> Iterator[Batch]:
        first, stop = schedule.bounds(part)
        number = derive_seed(seed, "batches")
        every = texts.train.batches(schedule.largest, seed=number, steps=stop, start=first + start)
        for step, contexts in enumerate(every, start=first + start):
            some = contexts[: schedule.size(step)]
            yield some[:, :-1], some[:, 1:]

    return batches
