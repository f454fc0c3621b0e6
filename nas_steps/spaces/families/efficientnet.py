"""EfficientNet-B0 (Tan & Le 2019, table 1)."""

from nas_steps.spaces.baselines import Baseline, Family
from nas_steps.spaces.mobile.architectures import MobileArchitecture, parse_mobile
from nas_steps.spaces.mobile.efficientnet import B0, scaled


def spelled(baseline: Baseline) -> MobileArchitecture:
    """The network as a mobile architecture."""
    return scaled(parse_mobile(B0), width=baseline.width, depth=baseline.depth)


FAMILY = Family(("efficientnet_b0",), scalable=("efficientnet_b0",), spelled=spelled)
