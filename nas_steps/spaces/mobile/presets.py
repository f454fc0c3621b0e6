"""The named mobile spaces, as keys of the section `space`; see `nas_steps.spaces.mobile.declarations.Stage`."""

from collections.abc import Mapping
from typing import Any

from nas_steps.spaces.mobile.architectures import parse_mobile
from nas_steps.spaces.mobile.declarations import part_keys
from nas_steps.spaces.mobile.efficientnet import B0, LITE0
from nas_steps.spaces.mobile.space import MobileSpace

#: a declared space: {"stem": {...}, "stages": [{...}, ...], "head": {...}}
Declared = Mapping[str, Any]

#: The choices of MnasNet (Tan et al. 2019, section 4.1) and of the expansion, around the stages of EfficientNet-B0 (Tan
#: & Le 2019, table 1): one layer more or less, a quarter of the width more or less, in multiples of 8.
_MNASNET: Declared = {
    "stem": {"width": 32, "kernel": 3, "stride": 2, "activation": "silu"},
    "stages": [
        {"by": "stage", "width": [16, 24], "depth": [1, 2], "kernel": [3, 5], "squeeze": ["none", "se0.25"]},
        *(
            {"by": "stage", "width": width, "depth": depth, "stride": stride}
            | {"kernel": [3, 5], "expansion": [3, 6], "squeeze": ["none", "se0.25"]}
            for width, depth, stride in (
                ([16, 24, 32], [1, 2, 3], 2),
                ([32, 40, 48], [1, 2, 3], 2),
                ([64, 80, 104], [2, 3, 4], 2),
                ([88, 112, 144], [2, 3, 4], 1),
                ([144, 192, 240], [3, 4, 5], 2),
                ([240, 320, 400], [1, 2], 1),
            )
        ),
    ],
    "head": {"width": 1280, "dropout": 0.2},
}

#: Accel-NASBench (Ahmad et al. 2024, appendix B, and `configuration_space_writer.py` of its code): each stage of
#: EfficientNet-B0 chooses its layers, kernel, expansion and squeeze-excitation. Six stages have up to three layers and
#: one has up to four: (3 * 12)^6 * (4 * 12) = 104,485,552,128 networks
_ACCEL: Declared = {
    "stem": {"width": 32, "kernel": 3, "stride": 2, "activation": "silu"},
    "stages": [
        {"by": "stage", "width": width, "stride": stride, "depth": list(range(1, layers + 1))}
        | {"kernel": [3, 5], "expansion": [1, 4, 6], "squeeze": ["none", "se0.25"]}
        for width, stride, layers in (
            (16, 1, 3),
            (24, 2, 3),
            (40, 2, 3),
            (80, 2, 3),
            (112, 1, 3),
            (192, 2, 4),
            (320, 1, 3),
        )
    ],
    "head": {"width": 1280},
}

#: ProxylessNAS (Cai et al. 2019, section 4.2; widths, strides and layers from its code): each layer chooses for itself
#: and may be left out if it keeps the shape
_PROXYLESS: Declared = {
    "stem": {"width": 32, "kernel": 3, "stride": 2, "activation": "relu6", "epsilon": 1e-3},
    "stages": [
        {"width": 16},
        *(
            {"width": width, "stride": stride, "depth": depth}
            | {"kernel": [3, 5, 7], "expansion": [3, 6], "skip": depth > 1}
            for width, stride, depth in ((24, 2, 4), (40, 2, 4), (80, 2, 4), (96, 1, 4), (192, 2, 4), (320, 1, 1))
        ),
    ],
    "head": {"width": 1280},
}

#: Once-for-all (Cai et al. 2020, section 4.1), the MobileNetV3 space at width 1.0, 2 * 10^19 networks (each stage has
#: 9^2 + 9^3 + 9^4). Unlike in the published code, the head's linear layer has a bias: 1,280 parameters more
_OFA: Declared = {
    "stem": {"width": 16, "kernel": 3, "stride": 2, "activation": "hswish"},
    "stages": [
        {"width": 16, "activation": "relu"},
        *(
            {"width": width, "stride": stride, "activation": activation}
            | {"depth": [2, 3, 4], "kernel": [3, 5, 7], "expansion": [3, 4, 6], "squeeze": squeeze}
            for width, stride, activation, squeeze in (
                (24, 2, "relu", "none"),
                (40, 2, "relu", "hse0.25"),
                (80, 2, "hswish", "none"),
                (112, 1, "hswish", "hse0.25"),
                (160, 2, "hswish", "hse0.25"),
            )
        ),
    ],
    "head": {"width": 960, "hidden": 1280, "dropout": 0.1},
}

#: NAS-Bench-Macro (Su et al. 2021, section 4; widths and strides from its code), for CIFAR-10
_MACRO: Declared = {
    "stem": {"width": 32, "kernel": 3, "stride": 1, "activation": "relu"},
    "stages": [
        {"width": width, "stride": 2, "depth": depth, "operations": ["id", "k3_e3", "k5_e6"]}
        for width, depth in ((64, 2), (128, 3), (256, 3))
    ],
    "head": {"width": 1280},
}

#: for images of 8 to 64 pixels and a laptop
_SMALL: Declared = {
    "stem": {"width": 16, "kernel": 3, "stride": 1, "activation": "relu"},
    "stages": [
        {"width": 16, "depth": [1, 2], "kernel": [3, 5], "expansion": [2, 4]},
        *(
            {"width": width, "stride": 2, "depth": [1, 2, 3]}
            | {"kernel": [3, 5], "expansion": [2, 4], "squeeze": ["none", "se0.25"]}
            for width in (24, 48)
        ),
    ],
    "head": {"width": 192},
}


def _slices(of: str, *, kernels: bool = False, expansions: bool = True) -> Declared:
    """Declare the slices of EfficientNet-B0 or -Lite0: smaller depths and `expansions`, equal widths.

    The largest is the whole network, so that its weights fit all others. A stage chooses for all of its layers. With
    `kernels` a stage of 5x5 kernels may have 3x3 ones. On a CPU they save hardly any time (docs/measurements.md).
    """
    whole = parse_mobile(of)
    stages = []
    for stage in whole.stages:
        operation, layers = stage[0].operation, len(stage)
        assert operation is not None
        choices: dict[str, Any] = {"by": "stage", "width": stage[0].width, "stride": stage[0].stride}
        choices |= {"depth": [one for one in range(layers - 2, layers + 1) if one > 0]}
        choices |= {"kernel": [3, 5] if kernels and operation.kernel == 5 else operation.kernel}
        narrower = [one for one in (3, 4, 6) if one <= operation.expansion] or [1]
        choices |= {"expansion": narrower if expansions else operation.expansion}
        stages.append(choices | {"squeeze": operation.squeeze or "none"})
    return {"stem": part_keys(whole.stem), "stages": stages, "head": part_keys(whole.head)}


DECLARED: dict[str, Declared] = {
    "mnasnet": _MNASNET,
    "efficientnet": _MNASNET,
    "proxyless": _PROXYLESS,
    "ofa_mbv3": _OFA,
    "accel_nasbench": _ACCEL,
    "nasbench_macro": _MACRO,
    "mobile_small": _SMALL,
    "efficientnet_lite": _slices(LITE0),
    "efficientnet_lite_depth": _slices(LITE0, expansions=False),
    "efficientnet_b0": _slices(B0, kernels=True),
}

PRESETS: dict[str, MobileSpace] = {name: MobileSpace.declare(name, keys) for name, keys in DECLARED.items()}
