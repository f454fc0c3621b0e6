"""The settings of the step that prepares the data."""

from __future__ import annotations

from nas_steps.config.data import Data
from nas_steps.provenance.settings import Settings


class DataSettings(Settings):
    """How the data are prepared. `content` is the fingerprint of the user's files, empty if none are read.

    Options of the command say where the files lie, and what is done with files that cannot be read: a folder that was
    moved holds the same data. `tolerance` says the latter, too, if another answer would give other data.
    """

    seed: int
    data: Data
    content: str = ""
    tolerance: str = ""
