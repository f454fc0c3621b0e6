"""EfficientNet-Lite0 to Lite2 (Liu 2020), whose stem, head and first and last stage's depth no factor changes."""

from dataclasses import replace

from nas_steps.spaces.baselines import Baseline, Family
from nas_steps.spaces.mobile.architectures import MobileArchitecture, parse_mobile
from nas_steps.spaces.mobile.efficientnet import LITE0, PUBLISHED_LITE, scaled_lite


def spelled(baseline: Baseline) -> MobileArchitecture:
    """The network as a mobile architecture."""
    own = PUBLISHED_LITE[baseline.base]
    found = scaled_lite(parse_mobile(LITE0), width=own.width * baseline.width, depth=own.depth * baseline.depth)
    return replace(found, head=replace(found.head, dropout=own.dropout))


FAMILY = Family(tuple(PUBLISHED_LITE), scalable=("efficientnet_lite0",), spelled=spelled)
