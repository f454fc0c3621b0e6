"""From any architecture's string to its network."""

from __future__ import annotations

from torch import nn

from nas_steps.config.space import Network
from nas_steps.models.cells.nasbench201 import StagedNetwork
from nas_steps.models.cells.two_input import CellNetwork
from nas_steps.models.count import Size, count
from nas_steps.models.hand_designed import build_baseline
from nas_steps.models.mobile.network import build_mobile
from nas_steps.spaces.baselines import parse_baseline
from nas_steps.spaces.cells.architectures import parse_architecture
from nas_steps.spaces.mobile.architectures import is_mobile


def is_baseline(architecture: str) -> bool:
    """Whether the string names a hand-designed network rather than an architecture of a space."""
    try:
        parse_baseline(architecture)
    except ValueError:
        return False
    return True


def build(
    architecture: str, network: Network, *, inputs: int, classes: int, side: int, auxiliary: bool = False
) -> nn.Module:
    """The network of `architecture` for images of (inputs, side, side).

    `network` and `auxiliary` concern cells alone; a mobile architecture and a hand-designed network have their own
    skeleton. Raises UserError for a string that is none of them, and for a mobile one whose strides leave nothing of
    the side.
    """
    if is_mobile(architecture):
        return build_mobile(architecture, inputs=inputs, classes=classes, side=side)
    if is_baseline(architecture):
        return build_baseline(architecture, inputs=inputs, classes=classes, side=side)
    cells = parse_architecture(architecture)
    skeleton = CellNetwork if cells.inputs == 2 else StagedNetwork
    return skeleton(cells, network, inputs=inputs, classes=classes, auxiliary=auxiliary)


def size(architecture: str, network: Network, *, inputs: int, classes: int, side: int) -> Size:
    """Parameters and MACs of what is deployed: without the auxiliary head."""
    return count(
        lambda: build(architecture, network, inputs=inputs, classes=classes, side=side),
        inputs=inputs,
        side=side,
    )
