"""Build and count the network of any architecture's string."""

from torch import nn

from nas_steps.config.space import Network
from nas_steps.models.cells.networks import CellNetwork, StagedNetwork
from nas_steps.models.count import Size, count
from nas_steps.models.hand_designed import build_baseline
from nas_steps.models.mobile.network import build_mobile
from nas_steps.spaces.baselines import parse_baseline
from nas_steps.spaces.cells.architectures import parse_architecture
from nas_steps.spaces.mobile.architectures import is_mobile


def is_baseline(architecture: str) -> bool:
    """Return whether the string names a hand-designed network."""
    try:
        parse_baseline(architecture)
    except ValueError:
        return False
    return True


def build(
    architecture: str, network: Network, *, inputs: int, classes: int, side: int, auxiliary: bool = False
) -> nn.Module:
    """Build `architecture` for (inputs, side, side); only cells use `network` and `auxiliary`. Raises UserError."""
    if is_mobile(architecture):
        return build_mobile(architecture, inputs=inputs, classes=classes, side=side)
    if is_baseline(architecture):
        return build_baseline(architecture, inputs=inputs, classes=classes, side=side)
    cells = parse_architecture(architecture)
    skeleton = CellNetwork if cells.inputs == 2 else StagedNetwork
    return skeleton(cells, network, inputs=inputs, classes=classes, auxiliary=auxiliary)


def size(architecture: str, network: Network, *, inputs: int, classes: int, side: int) -> Size:
    """Count parameters and MACs without the auxiliary head."""
    return count(
        lambda: build(architecture, network, inputs=inputs, classes=classes, side=side), inputs=inputs, side=side
    )
