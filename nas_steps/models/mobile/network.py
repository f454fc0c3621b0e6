"""Networks of MBConv blocks from torchvision's parts, with the keys of its state dict (Tan & Le 2019, section 4)."""

import math
from functools import partial

from torch import Tensor, nn
from torchvision.models.efficientnet import MBConv, MBConvConfig
from torchvision.ops.misc import Conv2dNormActivation, SqueezeExcitation
from torchvision.ops.stochastic_depth import StochasticDepth

from nas_steps.errors import UserError
from nas_steps.models.convolutions import Conv2d, SameConv2d
from nas_steps.models.resize import Resize
from nas_steps.spaces.mobile.architectures import Block, Head, MobileArchitecture, Stem, parse_mobile

ACTIVATIONS: dict[str, type[nn.Module]] = {"silu": nn.SiLU, "relu": nn.ReLU, "relu6": nn.ReLU6, "hswish": nn.Hardswish}


class MobileNetwork(nn.Module):
    """(N, inputs, side, side) -> logits (N, classes); `drop_path` grows with depth (Huang et al. 2016, section 3).

    It is the same from the first epoch to the last, as EfficientNet has it. If the stem has a side, images are first
    resized to it.
    """

    #: whether the training raises `drop_path` from 0 over its epochs
    drop_path_rises = False

    def __init__(self, architecture: MobileArchitecture, *, inputs: int, classes: int) -> None:
        super().__init__()
        stem, head = architecture.stem, architecture.head
        stages: list[list[nn.Module]] = [[] for _ in architecture.stages]
        width = stem.width
        self.resize = Resize(stem.side) if stem.side else nn.Identity()
        for number, _, into, block in architecture.blocks():
            stages[number].append(build_block(block, into, stem))
            width = block.width
        self.features = nn.Sequential(
            build_stem(stem, inputs), *(nn.Sequential(*stage) for stage in stages), build_last(head, width, stem)
        )
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = build_classifier(head, classes, stem)
        initialise(self)
        self._drop_path = 0.0

    @property
    def drop_path(self) -> float:
        return self._drop_path

    @drop_path.setter
    def drop_path(self, probability: float) -> None:
        self._drop_path = probability
        depths = [module for module in self.modules() if isinstance(module, StochasticDepth)]
        for index, module in enumerate(depths):
            module.p = probability * index / len(depths)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.avgpool(self.features(self.resize(x))).flatten(1))


def build_mobile(text: str, *, inputs: int, classes: int, side: int) -> MobileNetwork:
    """Build a mobile architecture for images of (inputs, side, side). Raises UserError if they have too few pixels."""
    architecture = parse_mobile(text)
    if not architecture.stem.side and side < architecture.stride:
        raise UserError(
            f"{architecture}: its strides divide the side by {architecture.stride}, but the images have {side} pixels; "
            "take larger images, or a stem or stages of stride 1"
        )
    return MobileNetwork(architecture, inputs=inputs, classes=classes)


def build_stem(stem: Stem, inputs: int) -> nn.Module:
    activation = ACTIVATIONS[stem.activation](inplace=True)
    return nn.Sequential(*_convolution(inputs, stem.width, stem.kernel, stem.stride, stem), activation)


def resized_stem(stem: Stem, inputs: int, side: int) -> nn.Module:
    """Build a stem that first resizes its images to `side` pixels."""
    return nn.Sequential(Resize(side), build_stem(stem, inputs))


def build_last(head: Head, width: int, stem: Stem) -> nn.Module:
    """Build the convolution before the average for `width` input channels."""
    activation = ACTIVATIONS[stem.activation]
    return Conv2dNormActivation(width, head.width, kernel_size=1, norm_layer=_norm(stem), activation_layer=activation)


def build_classifier(head: Head, classes: int, stem: Stem) -> nn.Sequential:
    """(N, head.width) -> logits (N, classes)."""
    hidden: list[nn.Module] = []
    if head.hidden:
        hidden = [nn.Linear(head.width, head.hidden), ACTIVATIONS[stem.activation](inplace=True)]
    # an activation's gradient may need its output, so dropout must not overwrite that
    dropout = nn.Dropout(p=head.dropout, inplace=not hidden)
    return nn.Sequential(*hidden, dropout, nn.Linear(head.hidden or head.width, classes))


def build_block(block: Block, width: int, stem: Stem) -> nn.Module:
    """Build a layer: (N, width, H, W) -> (N, block.width, H / stride, W / stride); expansions are multiples of 8."""
    operation, norm = block.operation, _norm(stem)
    if block.is_identity(width):
        return nn.Identity()
    if operation is None:
        return nn.Sequential(*_convolution(width, block.width, 1, block.stride, stem))
    config = MBConvConfig(operation.expansion, operation.kernel, block.stride, width, block.width, 1)
    # the class rounds them to multiples of 8
    config.input_channels, config.out_channels = width, block.width

    def squeeze(expanded: int, *_theirs: int, **_keywords: object) -> nn.Module:
        return _squeeze(operation.squeeze, width, expanded, block.activation)

    made = MBConv(config, 0.0, norm, squeeze)
    for layer in made.block:
        if not isinstance(layer, Conv2dNormActivation):
            continue
        if block.activation != "silu" and len(layer) == 3:
            layer[2] = ACTIVATIONS[block.activation](inplace=True)
        if stem.same and layer[0].stride != (1, 1):
            one = layer[0]
            layer[0] = SameConv2d(one.in_channels, one.out_channels, operation.kernel, block.stride, groups=one.groups)
    return made


def initialise(network: nn.Module) -> None:
    """Initialise the weights as torchvision's EfficientNet."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            bound = 1.0 / math.sqrt(module.out_features)
            nn.init.uniform_(module.weight, -bound, bound)
            nn.init.zeros_(module.bias)


def _convolution(inputs: int, outputs: int, kernel: int, stride: int, stem: Stem) -> tuple[nn.Module, nn.Module]:
    """Build a convolution and its norm; torchvision's block cannot have another class of convolution."""
    if stem.same and stride > 1:
        return SameConv2d(inputs, outputs, kernel, stride), _norm(stem)(outputs)
    return Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), _norm(stem)(outputs)


def _norm(stem: Stem) -> partial[nn.BatchNorm2d]:
    return partial(nn.BatchNorm2d, eps=stem.epsilon, momentum=stem.momentum)


def _squeeze(squeeze: str, width: int, expanded: int, activation: str) -> nn.Module:
    """Build squeeze-excitation of `expanded` channels, in a block with `width` input channels; an identity for ""."""
    if not squeeze:
        return nn.Identity()
    if squeeze.startswith("hse"):
        channels = MBConvConfig.adjust_channels(expanded, float(squeeze.removeprefix("hse")))
        return SqueezeExcitation(expanded, channels, nn.ReLU, nn.Hardsigmoid)
    channels = max(1, int(width * float(squeeze.removeprefix("se"))))
    return SqueezeExcitation(expanded, channels, partial(ACTIVATIONS[activation], inplace=True))
