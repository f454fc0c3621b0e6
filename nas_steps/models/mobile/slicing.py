"""Slices of a mobile network: its channels sorted by importance, then the first channels and the centre of kernels.

Sorting permutes channels and keeps the computed function. Afterwards every slice keeps the first channels, as paths of
an entangled supernet do (Cai et al. 2020, section 3.3; Yu et al. 2020, section 3).
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Literal

import torch
from numpy.polynomial.hermite import hermgauss
from torch import Tensor, nn
from torchvision.models.efficientnet import MBConv
from torchvision.ops.misc import SqueezeExcitation

from nas_steps.errors import UserError
from nas_steps.models.mobile.entangled import EntangledBlock, cut
from nas_steps.models.mobile.network import MobileNetwork
from nas_steps.models.mobile.supernet import STEM, LastStep, MobileSupernet, step_name
from nas_steps.models.resize import Resize
from nas_steps.spaces.mobile.architectures import MobileArchitecture

Importance = Literal["activation", "l1", "bn", "first"]
#: nodes of the quadrature over a normal distribution
NODES = 64
#: standard deviation of the first weights of a classifier on pretrained features
SMALL = 0.01


def start_from(model: nn.Module, weights: Mapping[str, Tensor], what: str) -> int:
    """Copy slices of `weights`, a state dict of sorted channels, into `model`; its last linear layer starts small.

    Return how many tensors were copied. Raises UserError, with `what` the weights are, if `model` is no slice.
    """
    last = last_linear(model)
    start_small(model.get_submodule(last))
    own = {name: tensor for name, tensor in model.state_dict().items() if name.rpartition(".")[0] != last}
    _copy(own, weights, what)
    return len(own)


@torch.no_grad()
def _copy(own: Mapping[str, Tensor], weights: Mapping[str, Tensor], what: str) -> None:
    wrong = [name for name, tensor in own.items() if not _holds(weights.get(name), tensor)]
    if wrong:
        raise UserError(
            f"the network is no slice of {what}: {len(wrong)} of {len(own)} tensors do not fit, such as {wrong[0]} "
            f"{list(own[wrong[0]].shape)}, which there is "
            f"{list(weights[wrong[0]].shape) if wrong[0] in weights else 'missing'}"
        )
    for name, tensor in own.items():
        tensor.copy_(cut(weights[name], tensor.shape))


def start_supernet(supernet: MobileSupernet, weights: Mapping[str, Tensor], what: str) -> None:
    """Copy slices of `weights`, a state dict of sorted channels, into all blocks of a supernet but its classifiers.

    These start small.
    Raises UserError, with `what` the weights are, if some path is no slice.
    """
    stages = len(supernet.space.stages)
    for name, module in supernet.modules_of.items():
        if isinstance(module, Resize):
            continue
        if isinstance(module, LastStep):
            start_small(module.classifier[-1])
            prefix, module = f"features.{stages + 1}.", module.last
        elif name == STEM:
            prefix = "features.0."
        else:
            stage, layer, _ = name.split("-", 2)
            prefix = f"features.{int(stage) + 1}.{layer}."
        part = module.largest if isinstance(module, EntangledBlock) else module
        mine = {key.removeprefix(prefix): tensor for key, tensor in weights.items() if key.startswith(prefix)}
        _copy(part.state_dict(), mine, what)


def start_small(classifier: nn.Module) -> None:
    """Initialise a linear layer on pretrained features: by random weights of usual size the first losses would be as
    large as to spoil them."""
    assert isinstance(classifier, nn.Linear)
    nn.init.normal_(classifier.weight, std=SMALL)
    nn.init.zeros_(classifier.bias)


def take_path(network: MobileNetwork, supernet: MobileSupernet, architecture: MobileArchitecture) -> None:
    """Copy the weights of a supernet's path, the classifier's too, into the network of its architecture."""
    last = supernet.step(supernet.path(architecture)[-1])
    assert isinstance(last, LastStep)
    stages = list(network.features.children())
    stages[0].load_state_dict(supernet.step(STEM).state_dict())
    stages[-1].load_state_dict(last.last.state_dict())
    network.classifier.load_state_dict(last.classifier.state_dict())
    for stage, layer, into, block in architecture.blocks():
        name = step_name(stage, layer, into, block)
        if name is not None:
            list(stages[stage + 1].children())[layer].load_state_dict(supernet.step(name).state_dict())


def last_linear(model: nn.Module) -> str:
    """Return the name of the last linear layer, whose outputs are the classes."""
    return [name for name, module in model.named_modules() if isinstance(module, nn.Linear)][-1]


def _holds(whole: Tensor | None, part: Tensor) -> bool:
    """Return whether `part` can be cut out of `whole`."""
    return (
        whole is not None
        and whole.ndim == part.ndim
        and all(
            large >= small and (place < 2 or (large - small) % 2 == 0)
            for place, (large, small) in enumerate(zip(whole.shape, part.shape, strict=True))
        )
    )


@torch.no_grad()
def sort_channels(network: MobileNetwork, importance: Importance) -> None:
    """Sort the channels within each block and between blocks, the most important first; the function stays.

    - Expanded channels: `l1` is the norm of the weights that make them in the expansion, `bn` the size of the
      depthwise batch norm's scale. `activation` is the Euclidean norm of the weights that read the channel in the
      projection, times the root mean square of what it holds if its batch norm's outputs are normal.
    - Channels between blocks, which have no activation: the size of the scale of the batch norms that write them,
      summed over the layers; by `l1` the norms of the convolutions that read them; by `activation` the product.
    - Channels within a squeeze-excitation follow the norm of the weights that read them.
    """
    if importance == "first":
        return
    stages = [list(stage.children()) for stage in list(network.features.children())[1:-1]]
    for block in (block for stage in stages for block in stage if isinstance(block, MBConv)):
        _sort_inside(block, importance)
    ends: list[list[nn.Module]] = [*stages, [list(network.features.children())[-1]]]
    for stage, after in pairwise(ends):
        if all(isinstance(block, MBConv) for block in stage):
            _sort_outputs(stage, after, importance)


class _Parts:
    """The layers of a block: convolutions, their batch norms and the squeeze-excitation, if there is one."""

    def __init__(self, block: MBConv) -> None:
        layers = list(block.block)
        self.expand = layers[0] if len(layers) == 4 else None
        self.depthwise, self.squeeze, self.project = layers[-3:]


def _sort_inside(block: MBConv, importance: Importance) -> None:
    parts = _Parts(block)
    squeeze = parts.squeeze
    if isinstance(squeeze, SqueezeExcitation):
        order = squeeze.fc2.weight.abs().sum((0, 2, 3)).argsort(descending=True, stable=True)
        _rows(squeeze.fc1, order)
        _columns(squeeze.fc2, order)
    if parts.expand is None:
        return  # the expanded channels are the block's inputs
    if importance == "activation":
        scale = root_mean_square(*list(parts.depthwise)[1:3]) * parts.project[0].weight.pow(2).sum((0, 2, 3)).sqrt()
    elif importance == "l1":
        scale = parts.expand[0].weight.abs().sum((1, 2, 3))
    else:
        scale = parts.depthwise[1].weight.abs()
    order = scale.argsort(descending=True, stable=True)
    for layer in (parts.expand, parts.depthwise):
        _rows(layer[0], order)
        _rows(layer[1], order)
    _sort_squeezed(squeeze, order)
    _columns(parts.project[0], order)


def root_mean_square(norm: nn.BatchNorm2d, activation: nn.Module) -> Tensor:
    """Return that of each channel behind a batch norm and an activation, if the norm's outputs are normal."""
    nodes, weights = hermgauss(NODES)
    values = norm.bias.double() + norm.weight.double() * torch.from_numpy(nodes * math.sqrt(2))[:, None]
    second = activation(values).pow(2) * torch.from_numpy(weights / math.sqrt(math.pi))[:, None]
    return second.sum(0).sqrt().to(norm.weight.dtype)


def _sort_outputs(stage: Sequence[nn.Module], after: Sequence[nn.Module], importance: Importance) -> None:
    """Sort the channels that the blocks of a stage add to each other and the layers `after` it read."""
    writers = [_Parts(block).project for block in stage if isinstance(block, MBConv)]
    readers = list(_readers(stage[1:])) + list(_readers(after[:1]))
    read = torch.stack([_norm(layer[0]) for layer, _ in readers]).sum(0)
    written = torch.stack([layer[1].weight.abs() for layer in writers]).sum(0)
    scale = {"l1": read, "bn": written}.get(importance, read * written)
    order = scale.argsort(descending=True, stable=True)
    for layer in writers:
        _rows(layer[0], order)
        _rows(layer[1], order)
    for layer, block in readers:
        if layer[0].groups == 1:
            _columns(layer[0], order)
            continue
        # without an expansion the depthwise convolution reads them, and its outputs are them again
        assert isinstance(block, MBConv)
        parts = _Parts(block)
        _rows(layer[0], order)
        _rows(layer[1], order)
        _sort_squeezed(parts.squeeze, order)
        _columns(parts.project[0], order)


def _readers(blocks: Sequence[nn.Module]) -> Iterator[tuple[nn.Sequential, nn.Module]]:
    """Yield the first layer of each block, a convolution and its norm, and the block."""
    for block in blocks:
        layer = next(iter(block.block)) if isinstance(block, MBConv) else block
        assert isinstance(layer, nn.Sequential)
        yield layer, block


def _norm(convolution: nn.Module) -> Tensor:
    """Return the L1 norm of the weights that read each input channel."""
    assert isinstance(convolution, nn.Conv2d)
    weight = convolution.weight.abs()
    return weight.sum((1, 2, 3)) if convolution.groups > 1 else weight.sum((0, 2, 3))


def _sort_squeezed(squeeze: nn.Module, order: Tensor) -> None:
    if isinstance(squeeze, SqueezeExcitation):
        _columns(squeeze.fc1, order)
        _rows(squeeze.fc2, order)


def _rows(layer: nn.Module, order: Tensor) -> None:
    """Permute the outputs of a convolution or the channels of a batch norm."""
    for tensor in (*layer.parameters(), *layer.buffers()):
        if tensor.ndim:
            tensor.copy_(tensor[order])


def _columns(layer: nn.Module, order: Tensor) -> None:
    """Permute the inputs of a convolution."""
    assert isinstance(layer, nn.Conv2d)
    layer.weight.copy_(layer.weight[:, order])
