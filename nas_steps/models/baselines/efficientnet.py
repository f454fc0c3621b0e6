"""torchvision's EfficientNet-B0."""

from torch import nn
from torchvision.models import EfficientNet
from torchvision.models.efficientnet import MBConvConfig

from nas_steps.models.hand_designed import fit
from nas_steps.spaces.baselines import Baseline

#: expansion, kernel, stride, input and output channels, layers of each stage: Tan & Le 2019, table 1
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
    stages = [MBConvConfig(*row, width_mult=baseline.width, depth_mult=baseline.depth) for row in STAGES]
    return fit(EfficientNet(stages, dropout=0.2, num_classes=classes), inputs, side)
