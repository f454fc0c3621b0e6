"""The base of all sections, types of their fields, and the section `augment`."""

import os
from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field


def as_text(value: Any) -> Any:
    """Return a number or date of YAML as text, such as 2024. Raises ValueError for a value whose spelling is lost."""
    if isinstance(value, bool | float | datetime):
        raise ValueError(
            f'given {value!r}, but a text is wanted; put it into quotes: key: "..." in a file, --config '
            "'key=\"...\"' on the command line"
        )
    if isinstance(value, int) or type(value) is date:
        return str(value)
    return value


def as_path(value: Any) -> Any:
    """Return a path as text, with `~` expanded. Raises ValueError for an empty one."""
    value = as_text(value)
    if not isinstance(value, str):
        return value
    if not value.strip():
        raise ValueError(f"given {value!r}, which names nothing; give a path (`.` is the working directory)")
    if any("\ud800" <= letter <= "\udfff" for letter in value):  # so Python stands for bytes that are no text
        raise ValueError(f"given {value!r}, which is not UTF-8; rename it, or make a link to it with a plain name")
    return os.path.expanduser(value)


_PROCESSES = "Processes that share each batch of a training, each on its own GPU; 1 is best for short trainings."
Processes = Annotated[int, Field(gt=0, description=_PROCESSES)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[int, Field(gt=0)]
Natural = Annotated[int, Field(ge=0)]
Text = Annotated[str, BeforeValidator(as_text)]
PathText = Annotated[str, BeforeValidator(as_path)]


def _as_number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _each_once(value: list[str]) -> list[str]:
    if len(set(value)) < len(value):
        raise ValueError(f"one stands twice in {value}; name each once")
    return value


#: digits that the command line gives as text are a number
Digits = BeforeValidator(_as_number)
EachOnce = AfterValidator(_each_once)

#: what a name of the user's looks like, which is a part of files' names
NAME = r"^[A-Za-z0-9][A-Za-z0-9_]*$"
#: letters of a strategy's or baseline's name: a file's name has 255 at most, and the longest that holds one, the
#: temporary file of a strategy's settings, has 49 more and the machine's name of at most 64
LONGEST_ENTRY = 142


def with_names(value: dict[Any, Any]) -> dict[str, Any]:
    """Return the values by their names as text, a null as no keys. Raises ValueError for a name that is no text."""
    found: dict[str, Any] = {}
    for name, item in value.items():
        try:
            text = as_text(name)
        except ValueError:
            raise ValueError(f'the name {name!r} is no text; put it into quotes, such as "yes"') from None
        if text in found:
            raise ValueError(f"the name {text} stands twice; keep one")
        found[text] = {} if item is None else item
    return found


class Section(BaseModel):
    """A part of the config; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Augment(Section):
    flip: bool = Field(False, description="Mirror left and right with probability 1/2 (not for digits or text).")
    crop: Natural = Field(0, description="Zero padding in pixels of a random crop back to full size.")
    cutout: Natural = Field(0, description="Side in pixels of one erased square (DeVries & Taylor 2017); 0: none.")
    randaugment: int = Field(0, ge=0, le=4, description="Random operations an image (Cubuk et al. 2020); 0: none.")
    magnitude: int = Field(9, ge=0, le=30, description="Strength of RandAugment's operations, of 30.")
