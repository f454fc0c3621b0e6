"""torchvision's EfficientNet-B0 to B7."""

from functools import partial

from torch import nn
from torchvision.models import EfficientNet
from torchvision.models.efficientnet import MBConvConfig

from nas_steps.models.hand_designed import fit
from nas_steps.spaces.baselines import Baseline
from nas_steps.spaces.families.efficientnet import norms
from nas_steps.spaces.mobile.efficientnet import PUBLISHED

#: expansion, kernel, stride, input and output channels, layers of each stage of B0: Tan & Le 2019, table 1
STAGES = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)


def build(baseline: Baseline, *, inputs: int, classes: int, side: int) -> nn.Module:
    own = PUBLISHED[baseline.base]
    factors = {"width_mult": own.width * baseline.width, "depth_mult": own.depth * baseline.depth}
    epsilon, momentum = norms(baseline.base)
    stages = [MBConvConfig(*row, **factors) for row in STAGES]
    model = EfficientNet(
        stages, dropout=own.dropout, num_classes=classes, norm_layer=partial(nn.BatchNorm2d, eps=epsilon)
    )
    return fit(model, baseline, inputs, side, momentum)
