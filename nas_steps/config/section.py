"""The base of all sections, types of their fields, and augmentation, which several sections have."""

from __future__ import annotations

import os
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def as_text(value: Any) -> Any:
    """A name that YAML and `--config` take for a whole number or a date, such as 2024, as the text that it was.

    Raises ValueError for what cannot be given back as it was written.
    """
    if isinstance(value, bool | float | datetime):
        raise ValueError(
            f'given {value!r}, but a text is wanted; put it into quotes: key: "..." in a file, --config '
            "'key=\"...\"' on the command line"
        )
    if isinstance(value, int) or type(value) is date:
        return str(value)
    return value


def as_path(value: Any) -> Any:
    """The same of a path, `~` replaced by the home folder. Raises ValueError for an empty one."""
    value = as_text(value)
    if not isinstance(value, str):
        return value
    if not value.strip():
        raise ValueError(f"given {value!r}, which names nothing; give a path (`.` is the working directory)")
    if any("\ud800" <= letter <= "\udfff" for letter in value):  # so Python stands for bytes that are no text
        raise ValueError(f"given {value!r}, which is not UTF-8; rename it, or make a link to it with a plain name")
    return os.path.expanduser(value)


Processes = Annotated[
    int,
    Field(
        gt=0,
        description="Processes that train one network together, each on a GPU of its own. They share each batch; 1 is "
        "best for short trainings.",
    ),
]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(gt=0)]
Natural = Annotated[int, Field(ge=0)]
Text = Annotated[str, BeforeValidator(as_text)]
PathText = Annotated[str, BeforeValidator(as_path)]

#: letters of what is retrained, a strategy or a baseline: a file's name has 255 at most, and the longest that is made
#: of one, the temporary file of a strategy's settings, has 49 besides it and the machine's name, of 64 at most
LONGEST_ENTRY = 142


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
