"""Explain torch's error of a batch norm that learns from a single value."""

from collections.abc import Iterator
from contextlib import contextmanager

from nas_steps.errors import UserError

#: how torch's ValueError begins
SINGLE = "Expected more than 1 value per channel when training"


@contextmanager
def single_values_in_words(key: str = "batch_size") -> Iterator[None]:
    """Raise UserError if a batch of one image shrinks to one pixel; the option `key` sets the batch's size."""
    try:
        yield
    except ValueError as error:
        if not str(error).startswith(SINGLE):
            raise
        raise UserError(
            f"a batch of one image came down to a map of one pixel, and a batch norm learns nothing from a single "
            f"value; set {key} to 2 or more, or data.resolution higher"
        ) from error
