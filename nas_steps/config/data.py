"""Where images come from: the key `data`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from nas_steps.config.section import Fraction, PathText, Positive, Section
from nas_steps.errors import exact
from nas_steps.facts import FOLDER_RESOLUTION, NATIVE_SHAPE

Source = Literal["digits", "cifar10", "cifar100", "fashion_mnist", "svhn", "folder", "npz"]


class Data(Section):
    source: Source = Field(
        "digits",
        description="Where images come from: `digits` (scikit-learn's, needs no download), `cifar10`, "
        "`cifar100`, `fashion_mnist`, `svhn` (downloaded by torchvision), `folder` (one subfolder a class; a "
        ".zip of such a folder will do), `npz` (a NumPy archive).",
    )
    path: PathText | None = Field(
        None,
        description="The folder, .zip or .npz to read; for torchvision's sets the download folder "
        "(`downloads` when left out).",
    )
    resolution: int | None = Field(
        None,
        ge=4,
        le=1024,
        description="Side in pixels of the stored square images; the source's own when left out "
        f"({FOLDER_RESOLUTION} for `folder`). Photos are resized and centre-cropped.",
    )
    channels: Literal["auto", 1, 3] = Field(
        "auto", description="1 (grey) or 3 (RGB); `auto` keeps the source's own, RGB for `folder`."
    )
    valid: Fraction = Field(0.2, description="Share of all images for validation if the source brings no valid split.")
    test: Fraction = Field(
        0.2, description="Share of all images for the final test if the source brings no test split."
    )
    max_train: Positive | None = Field(None, description="Training images to keep, at most (stratified, seeded).")
    max_valid: Positive | None = Field(None, description="Validation images to keep, at most.")
    max_test: Positive | None = Field(None, description="Test images to keep, at most.")
    unreadable: Literal["refuse", "skip"] = Field(
        "refuse",
        description="What to do with a file that cannot be read as an image: stop and name it, or `skip` it and "
        "count it in meta.json.",
    )
    max_image_pixels: Positive = Field(
        50_000_000, description="A larger picture is refused before it is decoded (a decompression bomb, or a mistake)."
    )

    @field_validator("channels", mode="before")
    @classmethod
    def _channels(cls, value: Any) -> Any:
        return int(value) if isinstance(value, str) and value.isdigit() else value

    @model_validator(mode="after")
    def _consistent(self) -> Data:
        if self.valid + self.test >= 0.95:
            raise ValueError(
                f"valid + test is {exact(self.valid + self.test)}: that leaves less than 5 % to train on; "
                "lower one of them"
            )
        if self.source == "npz" and self.path is None:
            raise ValueError(
                "source npz needs `path`: the .npz file to read; or add `--config images=PATH` to the command"
            )
        if self.source == "digits" and self.path is not None:
            raise ValueError(
                f"source digits is embedded and reads no path, but path is {self.path!r}; "
                "set source: folder or npz to read it"
            )
        return self


def known_side(data: Data) -> int | None:
    """Return the side of the stored images in pixels; None if only the images can tell, as those of a NumPy archive."""
    if data.source == "folder":
        return data.resolution or FOLDER_RESOLUTION
    return data.resolution or NATIVE_SHAPE.get(data.source, (None,))[0]
