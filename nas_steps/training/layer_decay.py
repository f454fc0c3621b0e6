"""Learning rates by depth (Clark et al. 2020, section 3.1; Bao et al. 2022): the input's stages learn the least."""

from collections.abc import Iterator

from torch import nn
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.mobilenetv3 import InvertedResidual as InvertedResidualV3
from torchvision.models.resnet import BasicBlock

#: children of a network that hold its stages, blocks or cells in their order
HOLDERS = ("features", "stages", "cells")
#: a second head, part of the way up, which is new like the classifier
AUXILIARY = "auxiliary"


def depth_of(parameter_name: str, model: nn.Module) -> int:
    """Return the distance of a parameter's group from the classifier, which has 0.

    The groups are the stem, each stage of blocks (of cell networks, each cell), the last convolution if there is one,
    and the classifier. Raises ValueError for a parameter that the model does not have.
    """
    groups = list(_groups(model))
    for name, depth in groups:
        if parameter_name == name or parameter_name.startswith(f"{name}."):
            return groups[-1][1] - depth
    raise ValueError(f"{type(model).__name__} has no parameter {parameter_name!r}")


def stage_of(parameter_name: str, model: nn.Module) -> int:
    """Return the number of a parameter's group from the input, which the stem has with 0. Raises ValueError."""
    return list(_groups(model))[-1][1] - depth_of(parameter_name, model)


def _groups(model: nn.Module) -> Iterator[tuple[str, int]]:
    """Yield the names of submodules and parameters of a network with their depth, from the input on."""
    depth, last = -1, None
    auxiliary = False
    for name, module in _ordered(model):
        if name.rpartition(".")[2] == AUXILIARY:
            auxiliary = True
            continue
        depth += last is None or not _continues(module, last)
        last = module
        yield name, depth
    if auxiliary:
        yield AUXILIARY, depth


def _ordered(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the children in their order, with the children of holders in the place of these."""
    children = [(name, child) for name, child in model.named_children() if next(child.parameters(), None) is not None]
    outer, network = children[0] if len(children) == 1 else ("", model)
    if network is not model and outer not in HOLDERS and next(network.children(), None) is not None:
        # a network behind a resize of its input
        yield from ((f"{outer}.{inner}", module) for inner, module in _ordered(network))
        return
    for name, child in children:
        if name in HOLDERS:
            yield from ((f"{name}.{inner}", module) for inner, module in child.named_children())
        else:
            yield name, child


def _continues(module: nn.Module, last: nn.Module) -> bool:
    """Return whether a module belongs to the stage of the one before it: a norm, or a further block of a stage."""
    if isinstance(module, nn.BatchNorm2d):
        return True
    if type(module) is not type(last):
        return False
    if isinstance(module, InvertedResidual | InvertedResidualV3):
        return bool(module.use_res_connect)
    return isinstance(module, BasicBlock) and module.downsample is None
