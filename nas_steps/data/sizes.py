"""What networks must know of the prepared data, images or text: their shape, and how much of it there is. No torch."""

from pathlib import Path
from typing import NamedTuple

from nas_steps.data.store import read_meta
from nas_steps.data.text.store import is_text, read_text_meta
from nas_steps.spaces.costs import Shape


class Sizes(NamedTuple):
    """The shape of the data, and the images of the training and the validation set.

    Text has 1 channel, contexts of `side` tokens and `classes` tokens in its vocabulary. Its images are the contexts
    that the training part fills, and the windows that score the validation part.
    """

    shape: Shape
    train: int
    valid: int

    @property
    def arguments(self) -> dict[str, int]:
        """The shape as arguments of functions that count networks."""
        return self.shape._asdict()


def sizes_of(folder: str | Path) -> Sizes:
    """Read the sizes of prepared data. Raises UserError if meta.json is missing or invalid."""
    if is_text(folder):
        text = read_text_meta(folder)
        train, windows = (
            text.parts["train"].tokens // text.context,
            -(-(text.parts["valid"].tokens - 1) // text.context),
        )
        return Sizes(Shape(1, text.context, text.vocabulary), train, windows)
    meta = read_meta(folder)
    return Sizes(Shape(meta.shape[0], meta.side, len(meta.classes)), meta.size("train"), meta.size("valid"))


def content_of(folder: str | Path) -> str:
    """Return the fingerprint of prepared data. Raises UserError if meta.json is missing or invalid."""
    return (read_text_meta(folder) if is_text(folder) else read_meta(folder)).content
