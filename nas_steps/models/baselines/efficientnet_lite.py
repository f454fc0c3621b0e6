"""EfficientNet-Lite from its string; torchvision has none."""

from torch import nn

from nas_steps.models.mobile.network import build_mobile
from nas_steps.spaces.baselines import Baseline, scalable


def build(baseline: Baseline, *, inputs: int, classes: int, side: int) -> nn.Module:
    return build_mobile(scalable(str(baseline), side), inputs=inputs, classes=classes, side=side)
