"""Hand-designed networks, torchvision's, made fit for small images."""

from __future__ import annotations

from functools import partial

from torch import Tensor, nn
from torchvision import models
from torchvision.models.efficientnet import MBConvConfig
from torchvision.models.resnet import BasicBlock

from nas_steps.models.convolutions import Conv2d
from nas_steps.spaces.baselines import parse_baseline
from nas_steps.spaces.hand_designed import SMALL_IMAGE, halvings
from nas_steps.spaces.mobile.efficientnet import round_layers

#: blocks a stage and channels a stage: He et al. 2016, section 4.2 (CIFAR) and table 1 (ImageNet)
RESNETS: dict[str, tuple[list[int], list[int]]] = {
    "resnet20": ([3, 3, 3], [16, 32, 64]),
    "resnet32": ([5, 5, 5], [16, 32, 64]),
    "resnet56": ([9, 9, 9], [16, 32, 64]),
    "resnet18": ([2, 2, 2, 2], [64, 128, 256, 512]),
}

#: expansion, output channels, layers and stride of each stage: Sandler et al. 2018, table 2
MOBILENET_V2 = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)

#: torch's default, the one that the searched networks have too
BATCH_NORM_MOMENTUM = 0.1


class ResNet(nn.Module):
    """A residual network of torchvision's BasicBlock, with the stem of He et al.'s section 4.2 (CIFAR).

    torchvision's own class has a fixed width and an ImageNet stem. Shortcuts that change shape are 1x1 convolutions.
    (N, inputs, side, side) -> logits (N, classes).
    """

    def __init__(self, blocks: list[int], channels: list[int], *, inputs: int, classes: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(inputs, channels[0], 3, padding=1, bias=False), nn.BatchNorm2d(channels[0]), nn.ReLU()
        )
        stages: list[nn.Module] = []
        last = channels[0]
        for stage, (count, width) in enumerate(zip(blocks, channels, strict=True)):
            for block in range(count):
                stride = 2 if block == 0 and stage > 0 else 1
                shortcut = None
                if stride > 1 or last != width:
                    shortcut = nn.Sequential(Conv2d(last, width, 1, stride, bias=False), nn.BatchNorm2d(width))
                stages.append(BasicBlock(last, width, stride, shortcut))
                last = width
        self.stages = nn.Sequential(*stages)
        self.classifier = nn.Linear(last, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.stages(self.stem(x)).mean(dim=(2, 3)))


def build_baseline(name: str, *, inputs: int, classes: int, side: int) -> nn.Module:
    """The network called `name` (see `nas_steps.spaces.baselines`) for images of (inputs, side, side)."""
    base, width, depth = parse_baseline(name)
    if base in RESNETS and (base != "resnet18" or side < SMALL_IMAGE or width != 1 or depth != 1):
        blocks, channels = RESNETS[base]
        deeper, wider = [round_layers(n, depth) for n in blocks], [max(1, round(c * width)) for c in channels]
        return ResNet(deeper, wider, inputs=inputs, classes=classes)
    model = _torchvision(base, width, depth, classes)
    for module in model.modules():
        # torchvision's MobileNetV3 and EfficientNet average their statistics over a hundred steps and more, which a
        # short training does not have: they would look far worse than they are
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = BATCH_NORM_MOMENTUM
    if inputs != 3:
        _replace_first_convolution(model, inputs)
    kept = halvings(side)
    if kept is not None:
        keep_strides(model, kept)
    return model


def _torchvision(base: str, width: float, depth: float, classes: int) -> nn.Module:
    if base == "resnet18":
        return models.resnet18(num_classes=classes)
    if base == "mobilenet_v2":
        rows = [
            [expansion, channels, round_layers(layers, depth), stride]
            for expansion, channels, layers, stride in MOBILENET_V2
        ]
        return models.MobileNetV2(num_classes=classes, width_mult=width, inverted_residual_setting=rows)
    if base == "mobilenet_v3_small":
        return models.mobilenet_v3_small(num_classes=classes, width_mult=width)
    if base == "mobilenet_v3_large":
        return models.mobilenet_v3_large(num_classes=classes, width_mult=width)
    if base == "efficientnet_b0":
        # Tan & Le 2019, table 1: expansion, kernel, stride, input and output channels, layers
        row = partial(MBConvConfig, width_mult=width, depth_mult=depth)
        stages = [
            row(1, 3, 1, 32, 16, 1),
            row(6, 3, 2, 16, 24, 2),
            row(6, 5, 2, 24, 40, 2),
            row(6, 3, 2, 40, 80, 3),
            row(6, 5, 1, 80, 112, 3),
            row(6, 5, 2, 112, 192, 4),
            row(6, 3, 1, 192, 320, 1),
        ]
        return models.EfficientNet(stages, dropout=0.2, num_classes=classes)
    raise ValueError(f"baseline {base!r} has a name but no builder")


def _replace_first_convolution(model: nn.Module, inputs: int) -> None:
    """Give the first convolution another number of input channels."""
    name, old = next((name, module) for name, module in model.named_modules() if isinstance(module, nn.Conv2d))
    parent = model.get_submodule(name.rpartition(".")[0])
    kernel, stride, padding = old.kernel_size[0], old.stride[0], old.kernel_size[0] // 2
    new = nn.Conv2d(inputs, old.out_channels, kernel, stride, padding, bias=old.bias is not None)
    nn.init.kaiming_normal_(new.weight, mode="fan_out")
    setattr(parent, name.rpartition(".")[2], new)


def keep_strides(model: nn.Module, halvings: int) -> None:
    """Leave only the last `halvings` strides of a network whose strided convolutions follow one another.

    With fewer strides a small image is not shrunk to a single pixel half-way: the usual way to fit ImageNet networks
    to CIFAR. `halvings` below the network's own number; else nothing changes.
    """
    strided = [module for module in model.modules() if isinstance(module, nn.Conv2d) and module.stride == (2, 2)]
    for module in strided[: max(0, len(strided) - halvings)]:
        module.stride = (1, 1)
