"""Supervised training by a recipe: how one batch is learnt."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from nas_steps.config.recipe import Recipe
from nas_steps.config.supernet import SupernetTraining
from nas_steps.errors import UserError
from nas_steps.training.batch_norms import freeze_statistics
from nas_steps.training.checkpoint import State
from nas_steps.training.layer_decay import depth_of
from nas_steps.training.loop import Learner
from nas_steps.training.micro_batches import MicroBatches
from nas_steps.training.mixing import mixed

#: weight of the new value in AdamW's moving averages is 1 - these
ADAMW_BETAS = (0.9, 0.999)


def cosine(peak: float, done: float, *, warmup: float = 0.0, floor: float = 0.0) -> float:
    """The rate at share `done`: a linear warm-up to `peak`, half a cosine to `floor` (Loshchilov & Hutter 2017)."""
    if done < warmup:
        return peak * (done / warmup)
    return floor + (peak - floor) * 0.5 * (1 + math.cos(math.pi * (done - warmup) / (1 - warmup)))


def learning(model: nn.Module) -> list[nn.Parameter]:
    """Return the parameters that are not frozen."""
    return [parameter for parameter in model.parameters() if parameter.requires_grad]


def decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Return two groups: weights with weight decay, biases and batch norms without (He et al. 2019)."""
    weights = [parameter for parameter in learning(model) if parameter.ndim > 1]
    others = [parameter for parameter in learning(model) if parameter.ndim <= 1]
    return [{"params": weights, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def layered_groups(model: nn.Module, weight_decay: float, layer_decay: float) -> list[dict[str, object]]:
    """Return `decay_groups` of each depth (`depth_of`), from the input to the classifier.

    The learning rate of a group is that of the recipe times its `rate`, `layer_decay` to the power of the depth."""
    by_depth: dict[int, dict[bool, list[nn.Parameter]]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        both = by_depth.setdefault(depth_of(name, model), {True: [], False: []})
        both[parameter.ndim > 1].append(parameter)
    return [
        {"params": some, "weight_decay": weight_decay if decayed else 0.0, "rate": layer_decay**depth}
        for depth in sorted(by_depth, reverse=True)
        for decayed, some in by_depth[depth].items()
        if some
    ]


def optimizer_of(
    groups: list[dict[str, object]], settings: Recipe | SupernetTraining, betas: tuple[float, float] = ADAMW_BETAS
) -> torch.optim.Optimizer:
    """Return SGD with Nesterov momentum, or AdamW; the learning rate is set anew before each step."""
    if settings.optimizer == "sgd":
        momentum, tensors = settings.momentum, [one for group in groups for one in group["params"]]  # type: ignore[attr-defined]
        # on a CPU torch's loop is kept, whose last bits differ
        fused = True if all(one.device.type == "cuda" for one in tensors) else None
        return torch.optim.SGD(groups, lr=settings.learning_rate, momentum=momentum, nesterov=momentum > 0, fused=fused)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=betas, fused=True)


def averaged(model: nn.Module, decay: float) -> AveragedModel:
    """Return an exponential moving average of a model's parameters and buffers, at first a copy.

    The decay after n steps is (1 + n) / (10 + n) at most, else the initial weights would dominate a short training."""

    def average(mine: Sequence[Tensor], current: Sequence[Tensor], steps: Tensor | int) -> None:
        now = min(decay, (1 + int(steps)) / (10 + int(steps)))
        if mine[0].is_floating_point():
            torch._foreach_lerp_(list(mine), list(current), 1 - now)
        else:
            for one, other in zip(mine, current, strict=True):
                one.copy_(other)  # batch norms count their batches

    return AveragedModel(model, multi_avg_fn=torch.no_grad()(average), use_buffers=True)


def check_precision(recipe: Recipe, device: torch.device) -> None:
    """Raise UserError for a precision that the device does not train in."""
    if recipe.precision == "float16" and device.type != "cuda":
        raise UserError(
            f"recipe.precision is float16, but the device is {device.type}: scaling the loss against underflow needs a "
            "CUDA GPU; set precision: float32, or bfloat16"
        )


class SupervisedLearner(Learner):
    """Learns one batch by one step of the optimiser, and averages the weights.

    `seed` is that of mixup and CutMix; `class_weights` (classes,) are factors of the losses."""

    #: of AdamW
    betas = ADAMW_BETAS

    def __init__(
        self,
        model: nn.Module,
        recipe: Recipe,
        steps_per_epoch: int,
        seed: int = 0,
        class_weights: Tensor | None = None,
    ) -> None:
        self.model, self.recipe, self.seed, self.class_weights = model, recipe, seed, class_weights
        self.steps = 0
        self.average = averaged(model, recipe.ema) if recipe.ema else None
        self.mix = 1.0  # the share of an image in its mixture
        self.scaler = torch.amp.GradScaler("cuda", enabled=recipe.precision == "float16")
        self.micro_batches = MicroBatches(model)
        if recipe.layer_decay < 1:
            groups = layered_groups(model, recipe.weight_decay, recipe.layer_decay)
        else:
            groups = decay_groups(model, recipe.weight_decay)
        self.optimizer = optimizer_of(groups, recipe, self.betas)
        self.stateful = {"model": model, "optimizer": self.optimizer, "scaler": self.scaler}
        if self.average is not None:
            self.stateful["average"] = self.average
        self.warmup = recipe.warmup_epochs / recipe.epochs
        # the middle of the step: otherwise the first step of a warm-up would have a rate of 0
        self.half_step = 0.5 / (steps_per_epoch * recipe.epochs)

    def __call__(self, images: Tensor, labels: Tensor, done: float) -> tuple[Tensor, Tensor]:
        recipe = self.recipe
        rate = cosine(recipe.learning_rate, done + self.half_step, warmup=self.warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group.get("rate", 1.0)
        if hasattr(self.model, "drop_path"):
            rises = getattr(self.model, "drop_path_rises", True)
            self.model.drop_path = recipe.drop_path * (done if rises else 1)  # type: ignore[assignment]
        self.model.train()
        if recipe.batch_norm == "frozen":
            freeze_statistics(self.model)
        if recipe.mixup or recipe.cutmix:
            images, labels = self._mixed(images, labels)
        learnt = self._backward(images, labels)
        self.scaler.unscale_(self.optimizer)
        if recipe.gradient_clip is not None:
            self._clip(recipe.gradient_clip)
        self.scaler.step(self.optimizer)  # no step if a gradient overflowed
        self.scaler.update()
        self.steps += 1
        if self.average is not None:
            self.average.update_parameters(self.model)
        return learnt

    def _backward(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Set the gradients of a batch's mean loss; return its summed loss and hits."""
        return self.micro_batches.backward(learning(self.model), images, labels, self._loss)

    def _clip(self, largest: float) -> None:
        nn.utils.clip_grad_norm_(self.model.parameters(), largest)

    def _mixed(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Mix each image with the one before it in the batch; labels (B, 2) are its own and the other's."""
        images, self.mix = mixed(images, self.recipe, self.seed, self.steps)
        return images, torch.stack([labels, labels.roll(1, 0)], 1)

    def _loss(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        recipe = self.recipe
        half = torch.float16 if recipe.precision == "float16" else torch.bfloat16
        with torch.autocast(images.device.type, dtype=half, enabled=recipe.precision != "float32"):
            output = self.model(images)
            logits, auxiliary = output if isinstance(output, tuple) else (output, None)
            loss = total = self._entropy(logits, labels)
            if auxiliary is not None:
                total = loss + recipe.auxiliary_weight * self._entropy(auxiliary, labels)
        # of a mixture, the label of the larger share
        heavier = labels if labels.ndim == 1 else labels[:, 0 if self.mix >= 0.5 else 1]
        return self.scaler.scale(total), loss, (logits.detach().argmax(1) == heavier).sum()

    def _entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy; of mixtures, that of both labels by their shares."""
        if labels.ndim == 1:
            return self._mean_entropy(logits, labels)
        own, other = (self._mean_entropy(logits, some) for some in labels.unbind(1))
        return self.mix * own + (1 - self.mix) * other

    def _mean_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        smoothing = self.recipe.label_smoothing
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        if self.class_weights is None:
            return F.cross_entropy(logits, labels, label_smoothing=smoothing)
        # not torch's weighted mean, which divides by the weights of the batch: micro-batches would then count wrongly
        losses = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="none")
        return (self.class_weights[labels] * losses).mean()

    @property
    def evaluated(self) -> nn.Module:
        """The network to evaluate: the average, if the recipe has one."""
        return self.model if self.average is None else self.average.module

    def state(self) -> State:
        return {**super().state(), "steps": self.steps}

    def restore(self, state: State) -> None:
        super().restore(state)
        self.steps = state["steps"]

    @property
    def rate(self) -> float:
        """The learning rate of the last step, of the classifier."""
        return self.optimizer.param_groups[-1]["lr"]
