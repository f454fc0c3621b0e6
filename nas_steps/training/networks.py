"""Train one network from its string: candidates, the shortlist, final models and scaled ones."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nas_steps.config.recipe import Recipe
from nas_steps.config.space import Network
from nas_steps.data.balance import class_weights
from nas_steps.data.batches import DeviceImages
from nas_steps.data.store import Meta, Split, load_split, merge, part_of, read_meta
from nas_steps.data.text.store import is_text
from nas_steps.metrics import ACCURACY
from nas_steps.models.build import build, size
from nas_steps.models.mobile.slicing import last_linear
from nas_steps.provenance.seeds import derive_seed
from nas_steps.training.batch_norms import synchronise
from nas_steps.training.checkpoint import Checkpoint
from nas_steps.training.language import train_language
from nas_steps.training.layer_decay import stage_of
from nas_steps.training.loop import Batch, Row, judge
from nas_steps.training.progress import Progress
from nas_steps.training.supervised import SupervisedLearner, check_precision
from nas_steps.training.texts import Texts, load_texts
from nas_steps.training.trained import JUDGED, Trained


@dataclass(frozen=True)
class Images:
    """The training and validation images on the training device, never the test set."""

    meta: Meta
    train: DeviceImages
    valid: DeviceImages | None
    side: int
    #: by which networks are judged on the validation images
    metric: str = ACCURACY

    @property
    def shape(self) -> dict[str, int]:
        """The arguments of a network for these images: `inputs` channels and `classes`."""
        return {"inputs": self.meta.shape[0], "classes": len(self.meta.classes)}


def load_images(
    folder: str | Path,
    device: torch.device,
    *,
    side: int | None = None,
    merged: bool = False,
    share: float = 1.0,
    seed: int = 0,
    metric: str = ACCURACY,
) -> Images:
    """Read the data at `side` pixels or its own; `merged` joins train and valid, `share` of a class is drawn."""
    meta = read_meta(folder)
    side = side or meta.shape[-1]
    train, valid = load_split(folder, "train"), load_split(folder, "valid")
    if merged:
        train = merge(train, valid)
    if share < 1:
        train = part_of(train, share, meta.classes, seed)

    def on_device(split: Split) -> DeviceImages:
        return DeviceImages(split.images, split.labels, meta.mean, meta.std, device, side)

    return Images(meta, on_device(train), None if merged else on_device(valid), side, metric)


def load_data(folder: str | Path, device: torch.device, *, merged: bool = False, **how: Any) -> Images | Texts:
    """Read images as `load_images` does, with `how`, or text, if that was prepared."""
    if is_text(folder):
        return load_texts(folder, device, merged=merged)
    return load_images(folder, device, merged=merged, **how)


def train_network(
    architecture: str,
    network: Network,
    recipe: Recipe,
    images: Images | Texts,
    *,
    seed: int,
    progress: Progress,
    checkpoint: Checkpoint | None = None,
    stop: Callable[[list[Row]], object] | None = None,
    initial: Callable[[nn.Module], object] | None = None,
    probe: bool = False,
) -> Trained:
    """Build `architecture` and train it by `recipe`; deterministic in `seed`, interrupted or not. `stop` is `fit`'s.

    With text it is a language model (`train_language`), of which `network` and `probe` say nothing. With images:

    `initial` may change the initialised weights in place, on the CPU; it returns None if it left them. Random weights
    all learn, without `layer_decay` and with batch norms of their own, whatever the recipe. Of a `probe` the last
    linear layer learns alone, and batch norms keep their statistics. With `recipe.ema` the average is evaluated and
    returned. Divergence is a status. Raises UserError for a precision that the device does not have."""
    if isinstance(images, Texts):
        how: dict[str, Any] = {"seed": seed, "progress": progress, "checkpoint": checkpoint}
        return train_language(architecture, recipe, images, stop=stop, initial=initial, **how)
    check_precision(recipe, images.train.device)
    counted = size(architecture, network, **images.shape, side=images.side)
    model, recipe = started(architecture, network, recipe, images, seed=seed, initial=initial, probe=probe)
    synchronise(model)
    trained = Trained(model, counted.parameters, counted.macs)
    steps = images.train.steps(recipe.batch_size, shuffle=True)
    learner = SupervisedLearner(model, recipe, steps, seed, class_weighted(recipe, images))

    def end_of_epoch(_epoch: int) -> Row:
        row: Row = {"learning_rate": learner.rate}
        if images.valid is not None:
            judged = judge(learner.evaluated, images.valid, images.metric)
            row |= {f"valid_{name}": figure for name, figure in zip(JUDGED, judged, strict=True)}
        return row

    trained.learn(
        learner,
        epoch_of(images, recipe, seed),
        planned=recipe.epochs,
        epochs=recipe.epochs,
        images=len(images.train),
        seed=seed,
        end_of_epoch=end_of_epoch,
        progress=progress,
        checkpoint=checkpoint,
        stop=stop,
    )
    return trained


def started(
    architecture: str,
    network: Network,
    recipe: Recipe,
    images: Images,
    *,
    seed: int,
    initial: Callable[[nn.Module], object] | None = None,
    probe: bool = False,
) -> tuple[nn.Module, Recipe]:
    """Build a network with its initial weights, on the training device; return it and what of the recipe it learns by.

    The arguments are those of `train_network`."""
    torch.manual_seed(derive_seed(seed, "initialisation"))
    model = build(architecture, network, **images.shape, side=images.side, auxiliary=recipe.auxiliary_weight > 0)
    if initial is None or initial(model) is None:
        recipe = recipe.model_copy(update={"layer_decay": 1.0, "batch_norm": "train", "frozen_stages": 0})
    freeze_stages(model, recipe.frozen_stages)
    if probe:
        freeze_all_but_the_last(model)
        recipe = recipe.model_copy(update={"batch_norm": "frozen"})
    return model.to(images.train.device, memory_format=torch.channels_last), recipe  # type: ignore[call-overload]


def class_weighted(recipe: Recipe, images: Images) -> Tensor | None:
    """Return the factors (classes,) of the losses; None if the recipe has none."""
    return class_weights(images.train.labels, images.shape["classes"]) if recipe.balance == "weights" else None


def epoch_of(images: Images, recipe: Recipe, seed: int) -> Callable[[int, int], Iterator[Batch]]:
    """Return the function from an epoch and its first batch to the training batches of the `seed`."""

    def batches(epoch: int, start: int) -> Iterator[Batch]:
        number = derive_seed(seed, "batches", epoch)
        drawn: dict[str, Any] = {"shuffle": True, "balanced": recipe.balance == "sampling", "seed": number}
        return images.train.batches(recipe.batch_size, augment=recipe.augment, **drawn, start=start)

    return batches


def freeze_stages(model: nn.Module, count: int) -> None:
    """Let the first `count` stages of a network keep their weights; the last linear layer learns in any case."""
    last = last_linear(model)
    for name, parameter in model.named_parameters() if count else ():
        if name.rpartition(".")[0] != last and stage_of(name, model) < count:
            parameter.requires_grad_(False)


def freeze_all_but_the_last(model: nn.Module) -> None:
    """Let only the last linear layer of a network learn."""
    last = last_linear(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.rpartition(".")[0] == last)
