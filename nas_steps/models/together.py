"""Several networks of one architecture side by side in the channels of one network, so that small ones compute as one.

Of S networks, activations are (N, S * C, H, W): the channels of the first, of the second, and so on. A tensor of the
state is theirs, joined along the first dimension, under the same name. No channel of one reads a channel of another:
convolutions are grouped, classifiers are batched products, and each network draws its masks from its own generator."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torchvision import models as theirs
from torchvision.models.efficientnet import MBConv
from torchvision.models.mnasnet import _InvertedResidual
from torchvision.models.mobilenetv2 import InvertedResidual
from torchvision.models.mobilenetv3 import InvertedResidual as InvertedResidualV3
from torchvision.models.resnet import BasicBlock
from torchvision.ops.misc import Conv2dNormActivation, SqueezeExcitation
from torchvision.ops.stochastic_depth import StochasticDepth

from nas_steps.models.cells import networks as cells
from nas_steps.models.cells import operations
from nas_steps.models.convolutions import Conv2d, SameConv2d
from nas_steps.models.mobile.network import MobileNetwork
from nas_steps.models.resize import Resize

CONVOLUTIONS = (nn.Conv2d, Conv2d, SameConv2d)
#: modules that treat each channel by itself, or only call their children
ALIKE: frozenset[type[nn.Module]] = frozenset(
    (
        *(nn.Identity, nn.ReLU, nn.ReLU6, nn.SiLU, nn.Sigmoid, nn.Hardswish, nn.Hardsigmoid, nn.Flatten),
        *(nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Sequential, nn.ModuleList, Resize),
        *(cells.CellNetwork, cells.StagedNetwork, cells.CifarStem, cells.ImageNetStem, cells.Preprocess),
        *(cells.OneInputCell, cells.ResidualReduction, cells.AuxiliaryHead, operations.Zero),
        *(operations.ReLUConvNorm, operations.Factorised, MobileNetwork),
        *(theirs.ResNet, theirs.MobileNetV2, theirs.MobileNetV3, theirs.MNASNet, theirs.EfficientNet),
        *(BasicBlock, InvertedResidual, InvertedResidualV3, _InvertedResidual, MBConv),
        *(Conv2dNormActivation, SqueezeExcitation),
    )
)
#: likewise, by name: the module of one family of networks is not to be loaded for the others
ALIKE_BY_NAME = frozenset(("nas_steps.models.baselines.resnet.ResNet",))


class UnknownModuleError(Exception):
    """A network has a module that is not known to keep the channels of several networks apart."""


class Draws:
    """The random numbers of S networks on `device`: each network's are those that it would draw alone."""

    def __init__(self, count: int, device: torch.device | str = "cpu") -> None:
        self.generators = [torch.Generator(device) for _ in range(count)]

    def __len__(self) -> int:
        return len(self.generators)

    def __deepcopy__(self, _memo: dict[int, Any]) -> Draws:
        return self  # a moving average of the networks draws nothing

    def seed(self, seeds: Sequence[int]) -> None:
        for generator, seed in zip(self.generators, seeds, strict=True):
            generator.manual_seed(seed)

    def state_dict(self) -> dict[str, Any]:
        return {"generators": [generator.get_state() for generator in self.generators]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for generator, one in zip(self.generators, state["generators"], strict=True):
            generator.set_state(one)

    def drop_path(self, x: Tensor, probability: float) -> Tensor:
        """Zero whole samples of each network with `probability`, scaling the others up: (N, S * C, H, W)."""
        keep = 1 - probability
        shape = (len(x), 1, 1, 1)
        masks = [x.new_empty(shape).bernoulli_(keep, generator=generator) for generator in self.generators]
        mask = torch.cat(masks, 1) / keep
        return x * mask.repeat_interleave(x.shape[1] // len(self), 1)

    def dropout(self, x: Tensor, probability: float) -> Tensor:
        """Zero features of each network with `probability`, scaling the others up: (N, S * features)."""
        shape = (len(x), x.shape[1] // len(self))
        masks = [x.new_empty(shape).bernoulli_(1 - probability, generator=one) for one in self.generators]
        return x * torch.cat(masks, 1).div_(1 - probability)

    def noise(self, x: Tensor) -> Tensor:
        """Return standard normal noise in the place of x (N, S * C, H, W)."""
        like = [torch.empty_like(part.contiguous(memory_format=torch.channels_last)) for part in x.chunk(len(self), 1)]
        return torch.cat([one.normal_(generator=draw) for one, draw in zip(like, self.generators, strict=True)], 1)


class Linears(nn.Linear):
    """S linear layers: (N, S * inputs) -> (N, S * outputs). The weight is (S * outputs, inputs)."""

    def __init__(self, count: int, inputs: int, outputs: int, bias: bool) -> None:
        super().__init__(inputs, count * outputs, bias, device="meta")
        self.count = count

    def forward(self, x: Tensor) -> Tensor:
        each = x.unflatten(1, (self.count, -1)).transpose(0, 1)
        weight = self.weight.unflatten(0, (self.count, -1)).transpose(1, 2)
        if self.bias is None:
            answers = torch.bmm(each, weight)
        else:
            answers = torch.baddbmm(self.bias.view(self.count, 1, -1), each, weight)
        return answers.transpose(0, 1).flatten(1)


class Dropouts(nn.Dropout):
    """Dropout of S networks: (N, S * features) to the same."""

    def __init__(self, probability: float, draws: Draws) -> None:
        super().__init__(probability)
        self.draws = draws

    def forward(self, x: Tensor) -> Tensor:
        return self.draws.dropout(x, self.p) if self.training and self.p else x


class StochasticDepths(StochasticDepth):
    """Stochastic depth of the rows of S networks: (N, S * C, H, W) to the same."""

    def __init__(self, probability: float, draws: Draws) -> None:
        super().__init__(probability, "row")
        self.draws = draws

    def forward(self, x: Tensor) -> Tensor:
        return self.draws.drop_path(x, self.p) if self.training and self.p else x


def concatenated(tensors: Sequence[Tensor], count: int) -> Tensor:
    """Join the channels of each of `count` networks: each (N, count * C, H, W), channels last in memory."""
    last = [tensor.permute(0, 2, 3, 1).unflatten(3, (count, -1)) for tensor in tensors]
    return torch.cat(last, 4).flatten(3).permute(0, 3, 1, 2)


def side_by_side(networks: Sequence[nn.Module], draws: Draws) -> nn.Module:
    """Return one network that computes all `networks`: images (N, S * C, H, W) -> logits (N, S * classes).

    They have one architecture, and stay as they are. Raises UnknownModuleError."""
    joint = copy.deepcopy(networks[0])
    for name, module in list(joint.named_modules()):
        made = _joined(module, [network.get_submodule(name) for network in networks], draws)
        if made is not module:
            parent, _, own = name.rpartition(".")
            setattr(joint.get_submodule(parent), own, made)
    return joint


def _joined(module: nn.Module, each: Sequence[nn.Module], draws: Draws) -> nn.Module:
    """Return the module that computes all of `each`: `module`, a copy of the first, changed in place or replaced."""
    count, kind = len(each), type(module)
    if isinstance(module, nn.Linear):
        module = Linears(count, module.in_features, module.out_features, module.bias is not None)
    elif isinstance(module, nn.Dropout):
        return Dropouts(module.p, draws)
    elif isinstance(module, StochasticDepth) and module.mode == "row":
        return StochasticDepths(module.p, draws)
    elif kind in CONVOLUTIONS:
        assert isinstance(module, nn.Conv2d)
        module.groups *= count
        module.in_channels *= count
        module.out_channels *= count
    elif kind is nn.BatchNorm2d:
        assert isinstance(module, nn.BatchNorm2d)
        module.num_features *= count
    elif isinstance(module, operations.FactorizedReduce | cells.DiscreteCell):
        module.concatenate = partial(concatenated, count=count)
    elif isinstance(module, cells.Nodes):
        module.drop_path = draws.drop_path
    elif kind is operations.Noise:
        assert isinstance(module, operations.Noise)
        module.fill = draws.noise
    elif kind not in ALIKE and f"{kind.__module__}.{kind.__name__}" not in ALIKE_BY_NAME:
        raise UnknownModuleError(f"{kind.__name__} is not known to keep the channels of several networks apart")
    for name, own in each[0].named_parameters(recurse=False):
        joined = torch.cat([one.get_parameter(name).detach() for one in each])
        setattr(module, name, nn.Parameter(joined, requires_grad=own.requires_grad))
    for name, buffer in each[0].named_buffers(recurse=False):
        if buffer.ndim:
            setattr(module, name, torch.cat([one.get_buffer(name) for one in each]))
    return module.train(each[0].training)


def separated(joint: nn.Module, networks: Sequence[nn.Module]) -> None:
    """Copy what `side_by_side` joined back into the `networks`."""
    state = joint.state_dict()
    with torch.no_grad():
        for network, part in zip(networks, parts(state, len(networks)), strict=True):
            for name, tensor in network.state_dict().items():
                tensor.copy_(part(name))


def parts(state: dict[str, Tensor], count: int) -> Iterator[Callable[[str], Tensor]]:
    """Yield for each network the function from a name to its tensor in the joint state."""
    for number in range(count):

        def part(name: str, number: int = number) -> Tensor:
            tensor = state[name]
            return tensor.chunk(count)[number] if tensor.ndim else tensor

        yield part
