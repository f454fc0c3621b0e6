"""EfficientNet-B0 to B7 (Tan & Le 2019)."""

from dataclasses import replace

from nas_steps.spaces.baselines import Baseline, Family
from nas_steps.spaces.mobile.architectures import EPSILON, MOMENTUM, MobileArchitecture, parse_mobile
from nas_steps.spaces.mobile.efficientnet import B0, PUBLISHED, scaled

#: the networks whose batch norms have TensorFlow's epsilon and momentum in torchvision, and these
LARGE, LARGE_NORMS = ("efficientnet_b5", "efficientnet_b6", "efficientnet_b7"), (1e-3, 0.01)


def norms(base: str) -> tuple[float, float]:
    """Return epsilon and momentum of a network's batch norms, as in torchvision/models/efficientnet.py."""
    return LARGE_NORMS if base in LARGE else (EPSILON, MOMENTUM)


def spelled(baseline: Baseline) -> MobileArchitecture:
    """The network as a mobile architecture."""
    own = PUBLISHED[baseline.base]
    found = scaled(parse_mobile(B0), width=own.width * baseline.width, depth=own.depth * baseline.depth)
    epsilon, momentum = norms(baseline.base)
    stem = replace(found.stem, epsilon=epsilon, momentum=momentum)
    return replace(found, stem=stem, head=replace(found.head, dropout=own.dropout))


FAMILY = Family(tuple(PUBLISHED), scalable=("efficientnet_b0",), spelled=spelled)
