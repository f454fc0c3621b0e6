"""torchvision's MobileNetV2."""

from torch import nn
from torchvision.models import MobileNetV2

from nas_steps.models.hand_designed import fit
from nas_steps.spaces.baselines import Baseline
from nas_steps.spaces.mobile.efficientnet import round_layers

#: expansion t, output channels c, layers n and stride s of each stage: Sandler et al. 2018, table 2
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))


def build(baseline: Baseline, *, inputs: int, classes: int, side: int) -> nn.Module:
    rows = [[t, c, round_layers(n, baseline.depth), s] for t, c, n, s in STAGES]
    model = MobileNetV2(num_classes=classes, width_mult=baseline.width, inverted_residual_setting=rows)
    return fit(model, baseline, inputs, side)
