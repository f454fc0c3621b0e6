"""Networks of published cells (`nas_steps.spaces.cells.published`)."""

from torch import nn

from nas_steps.config.space import Network
from nas_steps.models.cells.networks import CellNetwork
from nas_steps.models.hand_designed import resized_first
from nas_steps.spaces.baselines import Baseline
from nas_steps.spaces.cells.published import ARCHITECTURES, skeleton


def build(baseline: Baseline, *, inputs: int, classes: int, side: int) -> nn.Module:
    """Build a published network for images of (inputs, side, side), without its auxiliary head."""
    network = Network(**skeleton(baseline, side))
    cells = CellNetwork(ARCHITECTURES[baseline.base], network, inputs=inputs, classes=classes)
    return resized_first(cells, baseline.side)
