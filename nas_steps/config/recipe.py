"""The training of a network: the keys of every `recipe`."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nas_steps.config.section import Augment, Natural, Positive, Section
from nas_steps.errors import exact


def is_none(value: Any) -> bool:
    """Return whether a key is left out of settings: one of text is no part of those of images."""
    return value is None


class Optimisation(Section):
    """How weights are trained, of a network or a supernet."""

    epochs: Positive = Field(20, description="Passes over the training images.")
    batch_size: Positive = Field(32, description="Images a step.")
    optimizer: Literal["sgd", "adamw"] = Field("sgd", description="SGD with Nesterov momentum, or AdamW.")
    learning_rate: float = Field(0.1, gt=0, description="Peak learning rate; it falls to 0 along a cosine.")
    momentum: float = Field(0.9, ge=0, lt=1, description="Momentum of SGD.")
    weight_decay: float = Field(5e-4, ge=0, description="Weight decay; biases and batch norms are left out.")
    warmup_epochs: float = Field(1, ge=0, description="Epochs of linear warm-up.")
    label_smoothing: float = Field(0.0, ge=0, lt=1, description="Share of the target spread over all classes.")
    gradient_clip: float | None = Field(5.0, gt=0, description="Largest gradient norm; null: no clipping.")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="bfloat16 is autocast, worth it on a GPU.")
    augment: Augment = Field(default_factory=Augment, description="Made on the training device, batch by batch.")

    @model_validator(mode="after")
    def _warmup_ends(self) -> Self:
        if self.warmup_epochs >= self.epochs:
            problem = f"warmup_epochs ({exact(self.warmup_epochs)}) must be below epochs ({self.epochs})"
            raise ValueError(f"{problem}: the learning rate would never come down")
        return self


class Recipe(Optimisation):
    """How a network is trained, a candidate or a final one."""

    drop_path: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Drop-path probability. Of a cell's edge: it rises to this over the epochs. Of a mobile network: "
        "that of the last block, the same in all epochs; blocks before it have less.",
    )
    auxiliary_weight: float = Field(0.0, ge=0, description="Weight of the auxiliary head's loss; 0: no such head.")
    mixup: float = Field(
        0.0,
        ge=0,
        description="Mix images and labels in pairs by a Beta(mixup, mixup) share (Zhang et al. 2018; 0.2 is usual).",
    )
    cutmix: float = Field(
        0.0,
        ge=0,
        description="Paste a rectangle of a Beta(cutmix, cutmix) share into another image and mix the labels by area "
        "(Yun et al. 2019; 1 is usual). With `mixup`, too, each batch draws one of the two.",
    )
    ema: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Decay of the moving average of weights and batch norms that is evaluated and exported; 0: none.",
    )
    layer_decay: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Factor of the learning rate from each stage (or cell) to the one before. The classifier has the "
        "full rate (Clark et al. 2020, section 3.1). 1: one rate for all, as for random initial weights.",
    )
    frozen_stages: Natural = Field(
        0,
        description="First stages (or cells; the stem is the first) that keep their pretrained weights: a training "
        "takes less time and memory. The classifier always learns, and random initial weights do.",
    )
    balance: Literal["none", "weights", "sampling"] = Field(
        "none",
        description="For classes of unequal size: `weights` multiplies losses by the inverse frequency of the class "
        "(1 on average), `sampling` draws the class of each image of an epoch uniformly.",
    )
    batch_norm: Literal["train", "frozen"] = Field(
        "train",
        description="`frozen` normalises by the statistics of pretrained weights and leaves them as they are; scale "
        "and shift still learn. Random initial weights are trained as by `train`.",
    )
    compute: float | None = Field(
        None,
        gt=0,
        exclude_if=is_none,
        description="Of text, which needs it: FLOPs of a training, the same for every network, 3 times those of its "
        "forward passes (Kaplan et al. 2020). `epochs` are then equal parts of it; after each the network is "
        "validated. Images have none.",
    )
    learning_rates: list[Annotated[float, Field(gt=0)]] | None = Field(
        None,
        min_length=2,
        exclude_if=is_none,
        description="Of text: peak learning rates that are all tried, each with the whole `compute`. The one that "
        "validates best is kept, and the cost of all counts. null: `learning_rate` alone.",
    )
    # one kind more than what trains a supernet
    precision: Literal["float32", "bfloat16", "float16"] = Field(  # type: ignore[assignment]
        "float32", description="Autocast to a 16-bit type is for GPUs; float16 scales the loss and needs CUDA."
    )

    @model_validator(mode="after")
    def _rates_differ(self) -> Self:
        if self.learning_rates is not None and len(set(self.learning_rates)) < len(self.learning_rates):
            raise ValueError(f"learning_rates: one stands twice in {self.learning_rates}; name each once")
        return self
