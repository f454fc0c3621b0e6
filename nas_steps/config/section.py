"""What every part of the config is made of, and augmentation, which several parts have."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(gt=0)]
Natural = Annotated[int, Field(ge=0)]


class Section(BaseModel):
    """A part of the config; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Augment(Section):
    flip: bool = Field(False, description="Mirror left and right with probability 1/2 (not for digits or text).")
    crop: Natural = Field(0, description="Zero padding in pixels of a random crop back to full size.")
    cutout: Natural = Field(0, description="Side in pixels of one erased square (DeVries & Taylor 2017); 0: none.")
    randaugment: int = Field(
        0,
        ge=0,
        le=4,
        description="Random operations an image, one after the other (RandAugment, Cubuk et al. 2020; 2 is usual); "
        "0: none.",
    )
    magnitude: int = Field(9, ge=0, le=30, description="Strength of these operations, of 30.")
