"""MobileNetV2 (Sandler et al. 2018, table 2)."""

import dataclasses

from nas_steps.spaces.baselines import Baseline, Family
from nas_steps.spaces.mobile.architectures import MobileArchitecture, parse_mobile
from nas_steps.spaces.mobile.efficientnet import scaled

TEXT = (
    "stem_k3_s2_c32_relu6/mb_k3_e1_c16/mb_r2_k3_s2_e6_c24/mb_r3_k3_s2_e6_c32/mb_r4_k3_s2_e6_c64/mb_r3_k3_e6_c96/"
    "mb_r3_k3_s2_e6_c160/mb_k3_e6_c320/head_c1280_p0.2"
)


def spelled(baseline: Baseline) -> MobileArchitecture:
    """The network as a mobile architecture. As published, a narrow one keeps its last convolution."""
    whole = parse_mobile(TEXT)
    found = scaled(whole, width=baseline.width, depth=baseline.depth)
    return dataclasses.replace(found, head=whole.head) if baseline.width < 1 else found


FAMILY = Family(("mobilenet_v2",), scalable=("mobilenet_v2",), spelled=spelled)
