"""Check that grey images are not to get other colours. Imports no torch."""

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from nas_steps.config.data import Data
from nas_steps.config.section import Jitter, Section
from nas_steps.errors import exact
from nas_steps.facts import NATIVE_SHAPE


def check_colours(sections: Mapping[str, Section], data: Data) -> None:
    """Raise ValueError if a jitter in `sections`, by their keys, changes saturation or hue of images known as grey."""
    if data.channels == "auto":
        channels, why = NATIVE_SHAPE.get(data.source, (0, 0))[1], f"those of data.source {data.source} are grey"
    else:
        channels, why = data.channels, f"data.channels is {data.channels}"
    if channels != 1:
        return
    for key, jitter in (found for name, section in sections.items() for found in _jitters(name, section)):
        for colour in ("saturation", "hue"):
            if value := getattr(jitter, colour):
                problem = f"{key}.{colour} is {exact(value)}, which needs RGB images, but {why}"
                raise ValueError(f"{problem}; set it to 0, or data.channels to 3")


def _jitters(key: str, section: object) -> Iterator[tuple[str, Jitter]]:
    if isinstance(section, Jitter):
        yield key, section
    elif isinstance(section, BaseModel | dict):
        for name, value in section.items() if isinstance(section, dict) else section:
            yield from _jitters(f"{key}.{name}", value)
