"""EfficientNet-B0 to B7 (Tan & Le 2019)."""

from dataclasses import replace

from nas_steps.spaces.baselines import Baseline, Family
from nas_steps.spaces.mobile.architectures import EPSILON, MobileArchitecture, parse_mobile
from nas_steps.spaces.mobile.efficientnet import B0, PUBLISHED, scaled

#: the epsilon of batch norms in torchvision's larger networks
EPSILONS = dict.fromkeys(("efficientnet_b5", "efficientnet_b6", "efficientnet_b7"), 1e-3)


def spelled(baseline: Baseline) -> MobileArchitecture:
    """The network as a mobile architecture."""
    own = PUBLISHED[baseline.base]
    found = scaled(parse_mobile(B0), width=own.width * baseline.width, depth=own.depth * baseline.depth)
    stem = replace(found.stem, epsilon=EPSILONS.get(baseline.base, EPSILON))
    return replace(found, stem=stem, head=replace(found.head, dropout=own.dropout))


FAMILY = Family(tuple(PUBLISHED), scalable=("efficientnet_b0",), spelled=spelled)
