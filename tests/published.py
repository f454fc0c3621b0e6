"""EfficientNet-B0 to B7 as mobile architectures, to be compared with torchvision's networks and counts."""

from __future__ import annotations

from nas_steps.spaces.mobile.architectures import Head, MobileArchitecture, Stem, parse_mobile
from nas_steps.spaces.mobile.efficientnet import B0, PUBLISHED, scaled

#: the batch norms of torchvision's larger networks have this epsilon, those of the others torch's own
LARGE, LARGE_EPSILON = ("efficientnet_b5", "efficientnet_b6", "efficientnet_b7"), 1e-3


def efficientnet(name: str) -> MobileArchitecture:
    """`efficientnet_b0` to `efficientnet_b7`, as torchvision builds them."""
    scaling = PUBLISHED[name]
    found = scaled(parse_mobile(B0), width=scaling.width, depth=scaling.depth)
    stem, head = found.stem, found.head
    if name in LARGE:
        stem = Stem(stem.width, stem.kernel, stem.stride, stem.activation, LARGE_EPSILON)
    return MobileArchitecture(stem, found.stages, Head(head.width, head.hidden, scaling.dropout))
