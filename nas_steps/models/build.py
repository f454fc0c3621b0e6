"""Build and count the network of any architecture's string."""

from torch import nn

from nas_steps.config.space import Network
from nas_steps.errors import UserError
from nas_steps.models.cells.networks import CellNetwork, StagedNetwork
from nas_steps.models.count import Size, count
from nas_steps.models.hand_designed import build_baseline
from nas_steps.models.language.network import LanguageModel, build_language
from nas_steps.models.mobile.network import build_mobile
from nas_steps.spaces.baselines import parse_baseline
from nas_steps.spaces.cells.architectures import parse_architecture
from nas_steps.spaces.language.costs import count_architecture
from nas_steps.spaces.language.parsing import is_language, parse_language
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
    """Build `architecture` for (inputs, side, side); only cells use `network` and `auxiliary`. Raises UserError.

    A language model takes tokens (N, T) of a vocabulary of `classes`; it ignores `inputs` and `side`.
    """
    if is_language(architecture):
        return _language(architecture, classes)
    if is_mobile(architecture):
        return build_mobile(architecture, inputs=inputs, classes=classes, side=side)
    if is_baseline(architecture):
        return build_baseline(architecture, inputs=inputs, classes=classes, side=side)
    cells = parse_architecture(architecture)
    skeleton = CellNetwork if cells.inputs == 2 else StagedNetwork
    return skeleton(cells, network, inputs=inputs, classes=classes, auxiliary=auxiliary)


def size(architecture: str, network: Network, *, inputs: int, classes: int, side: int) -> Size:
    """Count parameters and MACs without the auxiliary head; of a language model, for a sequence of `side` tokens."""
    if is_language(architecture):
        return Size(*count_architecture(parse_language(architecture), side))
    return count(
        lambda: build(architecture, network, inputs=inputs, classes=classes, side=side), inputs=inputs, side=side
    )


def _language(architecture: str, classes: int) -> LanguageModel:
    found = parse_language(architecture)
    if found.frame.vocabulary != classes:
        raise UserError(
            f"{architecture} has a vocabulary of {found.frame.vocabulary} tokens, the data has {classes}; "
            f"give it v{classes}"
        )
    return build_language(found)
