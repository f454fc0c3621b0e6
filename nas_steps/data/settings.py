"""The settings of the step that prepares the data."""

from nas_steps.config.data import Data
from nas_steps.provenance.settings import Settings


class DataSettings(Settings):
    """How the data are prepared. `content` is the fingerprint of the user's files, empty if none are read.

    The path and the treatment of unreadable files are options; `tolerance` names the latter if it changes the data.
    `normalisation` is the mean and std of pretrained weights, None for those of the training images.
    """

    seed: int
    data: Data
    content: str = ""
    tolerance: str = ""
    normalisation: tuple[list[float], list[float]] | None = None
