"""The base of all sections, types of their fields, and the section `augment`."""

import os
from datetime import date, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from nas_steps.errors import exact


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
#: names of experiments, which are folders
EXPERIMENT = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"
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


def laid_over(whole: dict[str, Any], given: Any) -> Any:
    """Return `whole` with the keys of `given` changed; a section inside keeps the keys that are not given."""
    if not isinstance(given, dict):
        return given
    inside = {key: laid_over(whole[key], one) for key, one in given.items() if isinstance(whole.get(key), dict)}
    return {**whole, **given, **inside}


class Section(BaseModel):
    """A part of the config; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _rising(value: list[float]) -> list[float]:
    low, high = value
    if not 0 < low <= high:
        raise ValueError(
            f"given [{exact(low)}, {exact(high)}], but wanted are two numbers above 0, the lower one first"
        )
    return value


#: [low, high]
Interval = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_rising)]


class ResizedCrop(Section):
    """Random resized crop (Szegedy et al. 2015, section 6; torchvision's RandomResizedCrop)."""

    scale: Interval = Field([0.35, 1.0], description="Least and largest share of the image's area that a crop keeps.")
    ratio: Interval = Field([0.75, 1.3333], description="Least and largest width of a crop per height.")

    @model_validator(mode="after")
    def _inside(self) -> Self:
        if self.scale[1] > 1:
            raise ValueError(f"scale ends in {exact(self.scale[1])}, but a crop has at most all of its image: 1")
        return self


class Jitter(Section):
    """Random colours (torchvision's ColorJitter, in the order of the keys)."""

    brightness: float = Field(
        0.0, ge=0, le=1, description="Brightness is multiplied by 1 - this to 1 + this, drawn anew for each image."
    )
    contrast: float = Field(0.0, ge=0, le=1, description="The same for the distance from the image's mean grey.")
    saturation: float = Field(
        0.0, ge=0, le=1, description="The same for the distance from each pixel's grey; RGB images only."
    )
    hue: float = Field(0.0, ge=0, le=0.5, description="Largest turn of the hue, in whole circles; RGB images only.")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not (self.brightness or self.contrast or self.saturation or self.hue):
            raise ValueError("all keys are 0, which changes nothing; give one, such as brightness: 0.2, or null")
        return self


class Augment(Section):
    flip: bool = Field(False, description="Mirror left and right with probability 1/2 (not for digits or text).")
    crop: Natural = Field(0, description="Zero padding in pixels of a random crop back to full size.")
    resized_crop: ResizedCrop | None = Field(
        None, description="Resize a random part to full size, in the place of `crop`; null: none."
    )
    jitter: Jitter | None = Field(None, description="Change brightness and colours; null: none.")
    cutout: Natural = Field(0, description="Side in pixels of one erased square (DeVries & Taylor 2017); 0: none.")
    randaugment: int = Field(0, ge=0, le=4, description="Random operations an image (Cubuk et al. 2020); 0: none.")
    magnitude: int = Field(9, ge=0, le=30, description="Strength of RandAugment's operations, of 30.")

    @model_validator(mode="after")
    def _one_crop(self) -> Self:
        if self.crop and self.resized_crop is not None:
            raise ValueError(
                f"crop ({self.crop}) and resized_crop are both given, but a resized crop is in the place of a crop; "
                "set crop: 0, or resized_crop: null"
            )
        return self
