"""The settings of the step that prepares pretrained weights."""

from nas_steps.config.space import FilledSpace
from nas_steps.provenance.settings import Settings


class WeightsSettings(Settings):
    """Where networks start from. The path of a file is an option; `weights_content` is its fingerprint.

    `network` is the pretrained network that the space's architectures are slices of: a baseline's name, or for a file
    the string of the space's largest.
    """

    source: str
    version: str = ""
    weights_content: str = ""
    importance: str
    normalisation: str
    network: str
    baselines: tuple[str, ...] = ()
    space: FilledSpace
