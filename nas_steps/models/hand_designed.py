"""Build a hand-designed network by its name, and fit torchvision's to small images."""

from functools import partial

from torch import Tensor, nn

from nas_steps.models.resize import Resize
from nas_steps.provenance.kinds import of_kind
from nas_steps.spaces.baselines import Baseline, family_of, parse_baseline, strides_kept
from nas_steps.spaces.mobile.architectures import MOMENTUM

#: torch's default, also for searched networks
BATCH_NORM_MOMENTUM = MOMENTUM


def build_baseline(name: str, *, inputs: int, classes: int, side: int) -> nn.Module:
    """Build the network called `name` (see `nas_steps.spaces.baselines`) for images of (inputs, side, side)."""
    baseline = parse_baseline(name)
    family = of_kind("nas_steps.models.baselines", str(family_of(name)))
    return family.build(baseline, inputs=inputs, classes=classes, side=side)


def fit(
    model: nn.Module, baseline: Baseline, inputs: int, side: int, momentum: float = BATCH_NORM_MOMENTUM
) -> nn.Module:
    """Change one of torchvision's networks in place for images of (inputs, side, side); return it.

    `momentum` is that of its batch norms. If `baseline` has a side of its own, images are resized to it and all strides
    are kept.
    """
    for module in model.modules():
        # the running statistics of torchvision's MobileNetV3 and MnasNet are too slow for a short training
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = momentum
    if inputs != 3:
        _replace_first_convolution(model, inputs)
    kept = strides_kept(baseline, side)
    if kept is not None:
        # strides on the way would shrink a small image to a single pixel: the usual fit of ImageNet networks to CIFAR
        strided = [module for module in model.modules() if isinstance(module, nn.Conv2d) and module.stride == (2, 2)]
        for module in strided[: max(0, len(strided) - kept)]:
            module.stride = (1, 1)
    return resized_first(model, baseline.side)


def resized_first(model: nn.Module, side: int) -> nn.Module:
    """Let a network resize its images to `side` pixels, if that is not 0; its tensors keep their names."""
    if side:
        model.register_forward_pre_hook(partial(_resize, Resize(side)))
    return model


def _resize(resize: Resize, _model: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (resize(*given),)


def _replace_first_convolution(model: nn.Module, inputs: int) -> None:
    name, old = next((name, module) for name, module in model.named_modules() if isinstance(module, nn.Conv2d))
    parent = model.get_submodule(name.rpartition(".")[0])
    kernel, stride, padding = old.kernel_size[0], old.stride[0], old.kernel_size[0] // 2
    new = nn.Conv2d(inputs, old.out_channels, kernel, stride, padding, bias=old.bias is not None)
    nn.init.kaiming_normal_(new.weight, mode="fan_out")
    setattr(parent, name.rpartition(".")[2], new)
