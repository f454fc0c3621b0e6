"""torchvision's MobileNetV3."""

from torch import nn
from torchvision.models import mobilenet_v3_large, mobilenet_v3_small

from nas_steps.models.hand_designed import fit
from nas_steps.spaces.baselines import Baseline


def build(baseline: Baseline, *, inputs: int, classes: int, side: int) -> nn.Module:
    make = mobilenet_v3_small if baseline.base == "mobilenet_v3_small" else mobilenet_v3_large
    return fit(make(num_classes=classes, width_mult=baseline.width), baseline, inputs, side)
