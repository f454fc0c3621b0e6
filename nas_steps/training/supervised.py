"""The step of plain supervised training, by a recipe."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.recipe import Recipe
from nas_steps.training.checkpoint import State
from nas_steps.training.memory import Parts

#: weight of the new value in AdamW's moving averages is 1 - these
ADAMW_BETAS = (0.9, 0.999)


def cosine(peak: float, done: float, *, warmup: float = 0.0, floor: float = 0.0) -> float:
    """The learning rate when the share `done` of the training is over: linear up to `peak` while done < warmup, then
    half a cosine down to `floor` (Loshchilov & Hutter 2017, without restarts)."""
    if done < warmup:
        return peak * (done / warmup)
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Parameters in two groups: weight decay for weights, none for biases and batch norms (He et al. 2019)."""
    weights = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


class SupervisedStep:
    """One optimiser step on one batch: what `fit` calls. Keeps the optimiser."""

    def __init__(self, model: nn.Module, recipe: Recipe, steps_per_epoch: int) -> None:
        self.model = model
        self.recipe = recipe
        self.parts = Parts(model)
        groups = decay_groups(model, recipe.weight_decay)
        self.optimizer: torch.optim.Optimizer
        if recipe.optimizer == "sgd":
            # lr is set anew before each step
            self.optimizer = torch.optim.SGD(
                groups, lr=recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.momentum > 0
            )
        else:
            self.optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=ADAMW_BETAS)
        self.warmup = recipe.warmup_epochs / recipe.epochs
        # the middle of the step: otherwise the first step of a warm-up would have a rate of 0
        self.half_step = 0.5 / (steps_per_epoch * recipe.epochs)

    def __call__(self, images: Tensor, labels: Tensor, done: float) -> tuple[Tensor, Tensor]:
        recipe = self.recipe
        rate = cosine(recipe.learning_rate, done + self.half_step, warmup=self.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if hasattr(self.model, "drop_path"):
            self.model.drop_path = recipe.drop_path * done  # type: ignore[assignment]
        self.model.train()
        learnt = self.parts.backward(list(self.model.parameters()), images, labels, self._loss)
        if recipe.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), recipe.gradient_clip)
        self.optimizer.step()
        return learnt

    def _loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        recipe = self.recipe
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=recipe.precision == "bfloat16"):
            output = self.model(images)
            logits, auxiliary = output if isinstance(output, tuple) else (output, None)
            loss = F.cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
            total = loss
            if auxiliary is not None:
                second = F.cross_entropy(auxiliary.float(), labels, label_smoothing=recipe.label_smoothing)
                total = loss + recipe.auxiliary_weight * second
        return total, loss, (logits.detach().argmax(1) == labels).sum()

    def state(self) -> State:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "parts": self.parts.count,
        }

    def restore(self, state: State) -> None:
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.parts.count = state["parts"]

    @property
    def rate(self) -> float:
        """The learning rate of the last step."""
        return self.optimizer.param_groups[0]["lr"]
