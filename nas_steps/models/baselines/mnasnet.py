"""torchvision's MnasNet."""

from torch import nn
from torchvision.models import MNASNet

from nas_steps.models.hand_designed import fit
from nas_steps.spaces.baselines import Baseline
from nas_steps.spaces.families.mnasnet import ALPHAS


def build(baseline: Baseline, *, inputs: int, classes: int, side: int) -> nn.Module:
    return fit(MNASNet(ALPHAS[baseline.base] * baseline.width, num_classes=classes), baseline, inputs, side)
