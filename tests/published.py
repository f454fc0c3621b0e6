"""EfficientNet-B0 to B7 as mobile architectures, to be compared with torchvision's networks and counts."""

from __future__ import annotations

from nas_steps.spaces.baselines import Baseline
from nas_steps.spaces.families.efficientnet import spelled
from nas_steps.spaces.mobile.architectures import MobileArchitecture


def efficientnet(name: str) -> MobileArchitecture:
    """`efficientnet_b0` to `efficientnet_b7`, as torchvision builds them."""
    return spelled(Baseline(name))
