"""The settings of the step that prepares text."""

from nas_steps.config.text import TextData
from nas_steps.provenance.settings import Settings


class TextSettings(Settings):
    """How text is prepared. `content` is the fingerprint of the files that are read; empty if it is not known.

    The path is an option, not a setting.
    """

    seed: int
    data: TextData
    content: str = ""
