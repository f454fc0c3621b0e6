"""How a one-shot supernet is trained: the keys `search.estimator.supernet` of shared weights."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from nas_steps.config.recipe import Optimisation
from nas_steps.config.section import Augment, Positive, Processes
from nas_steps.spaces.mobile.space import MobileSpace


class SupernetTraining(Optimisation):
    sampling: Literal["uniform", "fair", "sandwich"] = Field(
        "fair",
        description="The architectures that a step trains: one drawn uniformly (SPOS); a set that has each choice of "
        "each layer once (FairNAS); or the largest, the smallest and some `between`, which learn from the largest's "
        "predictions (the sandwich rule of BigNAS).",
    )
    between: Positive = Field(2, description="Random architectures in each step of the sandwich.")
    entangled: bool = Field(
        False,
        description="Whether blocks of a mobile space that differ in kernel and expansion alone share weights too: the "
        "smaller are parts of the largest.",
    )
    images: float = Field(
        1.0, gt=0, le=1, description="Share of the training images to train on: the same ones, of each class."
    )
    resolution: int | None = Field(
        None, ge=4, le=1024, description="Side in pixels to train and score at; the stored side when left out."
    )
    epochs: Positive = Field(
        30,
        description="Passes over the training images. A step of `fair` or `sandwich` trains several architectures on "
        "each batch and costs as many times more.",
    )
    batch_size: Positive = Field(
        32, description="Images a step; on a CPU small batches, which its caches hold, are as fast."
    )
    learning_rate: float = Field(0.1, gt=0, description="Peak learning rate; it falls to 0 along a cosine.")
    weight_decay: float = Field(4e-5, ge=0, description="Weight decay; biases and batch norms are left out.")
    augment: Augment = Field(default_factory=Augment, description="Made on the training device, batch by batch.")
    processes: Processes = 1


def check_supernet(settings: SupernetTraining, space: Any) -> None:
    """Raise ValueError if a supernet of `space` cannot be trained so."""
    mobile = isinstance(space, MobileSpace)
    if settings.entangled and not mobile:
        raise ValueError(
            f"entangled is true, but space {space.name} has cells, which have no blocks that could share; set false"
        )
    if settings.resolution is not None and mobile and settings.resolution < space.stride:
        raise ValueError(
            f"resolution is {settings.resolution}, but the strides of space {space.name} divide the side by "
            f"{space.stride}: less than a pixel would be left; raise it"
        )
    try:
        if settings.sampling == "fair":
            space.sites()
        if settings.sampling == "sandwich":
            space.largest()
            space.smallest()
    except ValueError as error:
        raise ValueError(f"sampling is {settings.sampling}, but {error}; or set sampling: uniform") from None
