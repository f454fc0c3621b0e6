"""The training of a one-shot supernet: the keys of `search.estimator.supernet`."""

from typing import Any, Literal

from pydantic import Field

from nas_steps.config.recipe import Optimisation
from nas_steps.config.section import Augment, Positive, Processes
from nas_steps.spaces.mobile.space import MobileSpace


class SupernetTraining(Optimisation):
    sampling: Literal["uniform", "fair", "sandwich"] = Field(
        "fair",
        description="What a step trains: `uniform`, one random architecture (SPOS); `fair`, each choice once "
        "(FairNAS); `sandwich`, the largest, the smallest and `between` others, which distil from the "
        "largest (BigNAS).",
    )
    between: Positive = Field(2, description="Random architectures in each step of the sandwich.")
    entangled: bool = Field(
        False, description="Whether mobile blocks that differ in kernel and expansion share weights."
    )
    kernels: Literal["centre", "transform"] = Field(
        "centre",
        description="A smaller kernel of an entangled block: the `centre` of the largest, or that times a learnt "
        "matrix (`transform`, once-for-all).",
    )
    images: float = Field(1.0, gt=0, le=1, description="Share of the training images, stratified.")
    resolution: int | None = Field(None, ge=4, le=1024, description="Side in pixels; null: the stored side.")
    epochs: Positive = Field(30, description="Passes over the images; `fair` and `sandwich` cost several each.")
    batch_size: Positive = Field(32, description="Images a step; small batches are as fast on a CPU.")
    learning_rate: float = Field(0.1, gt=0, description="Peak learning rate; it falls to 0 along a cosine.")
    weight_decay: float = Field(4e-5, ge=0, description="Weight decay; biases and batch norms are left out.")
    augment: Augment = Field(default_factory=Augment, description="Made on the training device, batch by batch.")
    processes: Processes = 1


def check_supernet(settings: SupernetTraining, space: Any) -> None:
    """Raise ValueError if these settings do not go with `space`."""
    mobile = isinstance(space, MobileSpace)
    if settings.entangled and not mobile:
        raise ValueError(f"entangled is true, but space {space.name} has no blocks that could share; set false")
    if settings.kernels == "transform" and not settings.entangled:
        raise ValueError("kernels is transform, but blocks share no weights; set entangled: true")
    if settings.resolution is not None and mobile and not space.resolution and settings.resolution < space.stride:
        strides = f"the strides of space {space.name} divide the side by {space.stride}"
        raise ValueError(f"resolution is {settings.resolution}, but {strides}: no pixel would be left; raise it")
    try:
        if settings.sampling == "fair":
            space.sites()
        if settings.sampling == "sandwich":
            space.largest()
            space.smallest()
    except ValueError as error:
        raise ValueError(f"sampling is {settings.sampling}, but {error}; or set sampling: uniform") from None
