"""The images: the key `data`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from nas_steps.config.section import Digits, Fraction, PathText, Positive, Section
from nas_steps.errors import exact
from nas_steps.facts import FOLDER_RESOLUTION, NATIVE_SHAPE

Source = Literal["digits", "cifar10", "cifar100", "fashion_mnist", "svhn", "folder", "npz"]


class Data(Section):
    source: Source = Field(
        "digits",
        description="`digits` (scikit-learn's, no download); `cifar10`, `cifar100`, `fashion_mnist`, `svhn` "
        "(torchvision downloads them); `folder` (one subfolder a class, or a .zip of it); `npz` (a "
        "NumPy archive).",
    )
    path: PathText | None = Field(
        None, description="The folder, .zip or .npz; of torchvision's sets the download folder (null: `downloads`)."
    )
    resolution: int | None = Field(
        None,
        ge=4,
        le=1024,
        description=f"Side of the stored square images; null: the source's ({FOLDER_RESOLUTION} for `folder`, which is "
        "refused if its photos have less than half of that).",
    )
    crop: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Share of the shorter side that the centre crop keeps: that side is resized to resolution / crop. "
        "0.875 is usual for photos whose margins say little.",
    )
    fit: Literal["crop", "letterbox"] = Field(
        "crop",
        description="What becomes of pictures that are not square: `crop` keeps the centre; `letterbox` keeps all (the "
        "longer side is resized to resolution, the rest is black).",
    )
    channels: Annotated[Literal["auto", 1, 3], Digits] = Field(
        "auto", description="1 (grey) or 3 (RGB); `auto`: the source's own, RGB for `folder`."
    )
    valid: Fraction = Field(0.2, description="Share of the images for validation if the source has no such split.")
    test: Fraction = Field(0.2, description="Share of the images for the final test if the source has no such split.")
    max_train: Positive | None = Field(None, description="Training images to keep, at most (stratified, seeded).")
    max_valid: Positive | None = Field(None, description="Validation images to keep, at most.")
    max_test: Positive | None = Field(None, description="Test images to keep, at most.")
    unreadable: Literal["refuse", "skip"] = Field(
        "refuse", description="If a file is no readable image: stop and name it, or skip it and list it in meta.json."
    )
    max_image_pixels: Positive = Field(50_000_000, description="A larger picture is refused before it is decoded.")

    @model_validator(mode="after")
    def _consistent(self) -> Data:
        if self.valid + self.test >= 0.95:
            total = exact(self.valid + self.test)
            raise ValueError(f"valid + test is {total}: that leaves less than 5 % to train on; lower one of them")
        if self.fit == "letterbox" and self.crop != 1:
            raise ValueError(f"fit letterbox keeps the whole picture, but crop is {exact(self.crop)}; leave crop out")
        if self.source == "digits" and self.path is not None:
            raise ValueError(f"source digits reads no path, but path is {self.path!r}; set source: folder or npz")
        return self


def known_side(data: Data) -> int | None:
    """Return the side of the stored images in pixels; None if only the images show it, as those of a NumPy archive."""
    if data.source == "folder":
        return data.resolution or FOLDER_RESOLUTION
    return data.resolution or NATIVE_SHAPE.get(data.source, (None,))[0]
