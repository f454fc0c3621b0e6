"""Learns by strided 1x1 convolutions of few channels, in a process of its own: oneDNN's fault could end it.

Each module's output and gradients are compared with those in float64, which oneDNN does not compute. Prints `fine` at
the end; ends with status 1 where numbers differ, and by a signal where memory was overwritten.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nas_steps.config.space import Network
from nas_steps.models.baselines.resnet import ResNet
from nas_steps.models.build import build
from nas_steps.models.cells.operations import FactorizedReduce, build_operation
from nas_steps.models.mobile.network import build_block, build_stem
from nas_steps.spaces.mobile.architectures import Block, Stem

IMAGES = 3
STEM = Stem(8, 1, 2, "relu")
#: of so many channels that come in
MODULES: dict[str, Callable[[int], nn.Module]] = {
    "factorized reduction": lambda channels: FactorizedReduce(channels, 2 * channels),
    "factorized reduction to few channels": lambda channels: FactorizedReduce(channels, 2),
    "dense operation": lambda channels: build_operation("nor_conv_1x1", channels, 2),
    "mobile layer left out": lambda channels: build_block(Block(2 * channels, 2, None, ""), channels, STEM),
    "mobile stem": lambda channels: build_stem(STEM, channels),
    "residual network": lambda channels: ResNet([1, 1], [channels, 2 * channels], inputs=channels, classes=3),
}


def smooth(module: nn.Module) -> nn.Module:
    """The same without kinks, at which rounding would change gradients."""
    for child in list(module.modules()):
        for name, part in child.named_children():
            if isinstance(part, nn.ReLU):
                setattr(child, name, nn.SiLU())
    return module


def learnt(module: nn.Module, x: Tensor, weights: Tensor) -> dict[str, Tensor]:
    """The output, and the gradients of the input and the parameters of its weighted sum."""
    x = x.clone(memory_format=torch.channels_last).requires_grad_()
    output = module(x)
    (output * weights).sum().backward()
    gradients = {name: parameter.grad for name, parameter in module.named_parameters()}
    return {"output": output.detach(), "input": x.grad, **gradients}  # type: ignore[dict-item]


def check(name: str, channels: int, side: int) -> None:
    torch.manual_seed(0)
    module = smooth(MODULES[name](channels)).to(memory_format=torch.channels_last)
    exact = copy.deepcopy(module).double()
    x = torch.randn(IMAGES, channels, side, side).contiguous(memory_format=torch.channels_last)
    with torch.no_grad():
        weights = torch.randn_like(copy.deepcopy(module)(x))
    found, wanted = learnt(module, x, weights), learnt(exact, x.double(), weights.double())
    for part, tensor in wanted.items():
        error = (found[part] - tensor).abs().max() / tensor.abs().max().clamp_min(1e-3)
        assert error < 1e-3, f"{name}, {channels} channels, side {side}: {part} is off by {error:.2g}"


def train(architecture: str, channels: int) -> None:
    """Some steps on images of 64 pixels."""
    torch.manual_seed(0)
    network = Network(channels=channels, cells=3)
    model = build(architecture, network, inputs=3, classes=4, side=64).to(memory_format=torch.channels_last)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    labels = torch.arange(8) % 4
    for _ in range(3):
        x = torch.randn(8, 3, 64, 64).contiguous(memory_format=torch.channels_last)
        optimiser.zero_grad()
        F.cross_entropy(model(x), labels).backward()
        optimiser.step()
    assert all(parameter.isfinite().all() for parameter in model.parameters()), architecture


REDUCING = (
    "Genotype(normal=[('skip_connect', 0), ('skip_connect', 1)], normal_concat=[2], "
    "reduce=[('skip_connect', 0), ('skip_connect', 1)], reduce_concat=[2])"
)

if __name__ == "__main__":
    torch.set_num_threads(1)
    for name in MODULES:
        for channels in range(2, 17):
            for side in (8, 9, 16, 32, 64):
                check(name, channels, side)
    train("resnet20_x0.25", 16)
    train("resnet20_x0.5", 16)
    train(REDUCING, 2)
    print("fine")
